package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/server/client"
	"holdfast/server/client/push"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/mem"
	"holdfast/snapshots/chunk"
)

// disk is a store that has room for so many bytes more. What does not fit is torn, as on a disk.
type disk struct {
	blob.Store
	left atomic.Int64
}

type diskWriter struct {
	blob.Writer
	d *disk
}

func (d *disk) Create(ctx context.Context, name string) (blob.Writer, error) {
	w, err := d.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	return &diskWriter{w, d}, nil
}

func (w *diskWriter) Write(p []byte) (int, error) {
	left := w.d.left.Add(-int64(len(p)))
	if left >= 0 {
		return w.Writer.Write(p)
	}
	n, err := w.Writer.Write(p[:max(int64(len(p))+left, 0)])
	return n, errors.Join(err, blob.ErrFull)
}

// The disk fills up while a tree is pushed: the client is told so with a 507 that explains it, what the volume shows is
// whole files alone, and the same push succeeds when there is room again.
func TestT37_APushThroughAFullDiskGoesOnWhenThereIsRoom(t *testing.T) {
	d := &disk{Store: mem.New()}
	d.left.Store(1 << 40)
	r := newPushRig(t, controltest.WithBlobs(d))
	dir := t.TempDir()
	write(t, filepath.Join(dir, "before"), string(noise(100<<10, 1)))
	r.push(dir, options(t))
	want := map[string]string{"before": string(noise(100<<10, 1))}
	for i := range 40 {
		name, body := fmt.Sprintf("d%d/f%02d", i%3, i), string(noise(1<<20, byte(10+i)))
		want[name] = body
		write(t, filepath.Join(dir, name), body)
	}
	for _, room := range []int64{0, 9 << 20, 4 << 20} {
		d.left.Store(room)
		_, _, err := push.Tree(t.Context(), r.c, dir, "docs", options(t))
		var problem *client.Error
		if !errors.As(err, &problem) || problem.Type != wire.TypeStorageFull || problem.Status != http.StatusInsufficientStorage || !strings.Contains(problem.Error(), "storage is full") {
			t.Fatalf("with room for %d bytes: %v", room, err)
		}
		// A file is there whole, or not at all.
		whole := 0
		for name, body := range want {
			switch a := r.do(http.MethodGet, r.at(name), ""); {
			case a.status == http.StatusOK && a.body == body:
				whole++
			case a.status != http.StatusNotFound:
				t.Errorf("%s: %d, %d bytes", name, a.status, len(a.body))
			}
		}
		if whole == 0 || whole == len(want) {
			t.Errorf("%d of %d files are there", whole, len(want))
		}
		r.holds("before", want["before"])
	}
	d.left.Store(1 << 40)
	r.push(dir, options(t))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		r.holds(name, want[name])
	}
	same(t, describe(t, r.restore()), describe(t, dir))
}

// A client that lies about what it sends changes nothing, makes nothing known, and can still tell the truth.
func TestT48_APushThatLiesChangesNothing(t *testing.T) {
	r := newPushRig(t)
	r.put("there", "the first")
	p, _ := r.session(r.token.Credentials.Bearer, r.files.ID)
	base := "/v1/data/" + r.files.ID + "/push/" + p.Session
	ids, err := chunk.NewIdentifier(p.IdentityKey)
	if err != nil {
		t.Fatal(err)
	}
	body, another := noise(150<<10, 3), noise(150<<10, 4)
	id, size := ids.ID(chunk.KindData, body), int64(len(body))
	flipped := func(at int) []byte {
		b := bytes.Clone(body)
		b[at] ^= 1
		return b
	}
	// What is true of a lie may become known: those have a chunk of their own.
	fine := noise(150<<10, 5)
	fineID := ids.ID(chunk.KindData, fine)
	wrong := id
	wrong[31] ^= 1
	file := func(e *record.Encoder, path string) error { return e.Entry(&record.Entry{Path: path, Type: 1}) }
	segment := func(say func(e *record.Encoder) error) string {
		t.Helper()
		var b bytes.Buffer
		e := record.NewEncoder(&b)
		if err := errors.Join(say(e), e.Stop()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	one := func(path string, id chunk.ID, encoding byte, n int, stored []byte, end int64) string {
		return segment(func(e *record.Encoder) error {
			return errors.Join(file(e, path), e.Data(id, encoding, n, stored), e.End(end))
		})
	}
	honest := one("f", id, record.Raw, len(body), body, size)
	at := strings.Index(honest, string(body[:64]))
	if at < 0 {
		t.Fatal("the content is not in the segment as it is")
	}
	lies := map[string]string{
		"its first bit flipped":      one("f", id, record.Raw, len(body), flipped(0), size),
		"its last bit flipped":       one("f", id, record.Raw, len(body), flipped(len(body)-1), size),
		"another's content":          one("f", id, record.Raw, len(body), another, size),
		"an id of nothing":           one("f", wrong, record.Raw, len(body), body, size),
		"an id of zeroes":            one("f", chunk.ID{}, record.Raw, len(body), body, size),
		"the id under another kind":  one("f", ids.ID(chunk.KindRecipe, body), record.Raw, len(body), body, size),
		"no zstd":                    one("f", id, record.Zstd, len(body), body, size),
		"more in the file than came": one("f", fineID, record.Raw, len(fine), fine, size+1),
		"less in the file than came": one("f", fineID, record.Raw, len(fine), fine, size-1),
		"a chunk that it never sent": segment(func(e *record.Encoder) error { return errors.Join(file(e, "f"), e.Ref(id, size), e.End(size)) }),
		"a good file, then a bad one": segment(func(e *record.Encoder) error {
			return errors.Join(file(e, "f"), e.Data(fineID, record.Raw, len(fine), fine), e.End(size), file(e, "g"), e.Data(id, record.Raw, len(body), another), e.End(size))
		}),
		"a good one, then a deletion": segment(func(e *record.Encoder) error {
			return errors.Join(file(e, "f"), e.Data(fineID, record.Raw, len(fine), fine), e.End(size), e.Delete("there"), e.Delete("../there"))
		}),
	}
	for i := range 40 { // on its way
		b := []byte(honest)
		b[at+i*(len(body)/40)] ^= 1 << (i % 8)
		lies[fmt.Sprintf("flipped on its way, %d", i)] = string(b)
	}
	for name, lie := range lies {
		a := r.do(http.MethodPost, base+"/segments/0", lie)
		if a.err != nil || a.status < 400 || a.status >= 500 {
			t.Errorf("%s: %d %s %v", name, a.status, a.body, a.err)
		}
		for _, path := range []string{"f", "g"} {
			if a := r.do(http.MethodGet, r.at(path), ""); a.status != http.StatusNotFound {
				t.Fatalf("%s: %s is there: %d", name, path, a.status)
			}
		}
		r.holds("there", "the first")
		if a := r.do(http.MethodPost, base+"/known", string(id[:])); a.body != "\x00" {
			t.Fatalf("%s: it is known now: %d %q", name, a.status, a.body)
		}
	}
	if a := r.do(http.MethodPost, base+"/segments/0", honest); a.status != http.StatusOK {
		t.Fatal(a.status, a.body)
	}
	r.holds("f", string(body))
	r.holds("there", "the first")
}

// curl -T of something large that breaks off: with a length or without one, over a file, beside it, and into a stream.
func TestT47_ALargeUploadThatBreaksOffLeavesNothing(t *testing.T) {
	r := newRig(t, controltest.New(t))
	first := string(noise(3<<20, 1))
	r.put("f", first)
	stream := "/v1/data/" + r.stream.ID + "/stream"
	if a := r.do(http.MethodPut, stream, first); a.status != http.StatusOK {
		t.Fatal(a.status, a.body)
	}
	body := noise(24<<20, 2)
	for _, target := range []string{r.at("f"), r.at("new"), stream} {
		for _, chunked := range []bool{false, true} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(r.server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			how := "Content-Length: 100000000"
			if chunked {
				how = "Transfer-Encoding: chunked"
			}
			fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n", target, r.token.Credentials.Bearer, how)
			var out io.Writer = conn
			if chunked {
				out = httputil.NewChunkedWriter(conn) // never closed
			}
			if _, err := out.Write(body); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(conn)
			conn.Close()
			if bytes.HasPrefix(text, []byte("HTTP/1.1 2")) {
				t.Fatalf("%s is acknowledged: %s", target, text)
			}
			r.holds("f", first)
			r.want(r.do(http.MethodGet, r.at("new"), ""), 404, wire.TypeNotFound)
			if a := r.do(http.MethodGet, stream, ""); a.status != http.StatusOK || a.body != first {
				t.Fatal("the stream changed:", a.status, len(a.body))
			}
		}
	}
}

// endless is a million entries in a segment, and how much of them was taken.
type endless struct {
	e    *record.Encoder
	b    bytes.Buffer
	say  func(e *record.Encoder, i int) error
	n    int
	sent int64
}

func (x *endless) Read(p []byte) (int, error) {
	for x.b.Len() == 0 {
		if x.n == 1_000_000 {
			return 0, io.EOF
		}
		for range 512 {
			if err := x.say(x.e, x.n); err != nil {
				return 0, err
			}
			x.n++
		}
	}
	n, err := x.b.Read(p)
	x.sent += int64(n)
	return n, err
}

// heap calls f and answers by how much the memory in use grew at most meanwhile.
func heap(f func()) int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := int64(m.HeapAlloc), int64(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				most = max(most, int64(m.HeapAlloc)-before)
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return most
}

// A million entries in one segment are refused long before they are all read, and cost next to nothing.
func TestT50_AMillionEntriesInASegmentAreRefused(t *testing.T) {
	r := newPushRig(t)
	p, _ := r.session(r.token.Credentials.Bearer, r.files.ID)
	base := "/v1/data/" + r.files.ID + "/push/" + p.Session
	for name, say := range map[string]func(e *record.Encoder, i int) error{
		"files": func(e *record.Encoder, i int) error {
			return errors.Join(e.Entry(&record.Entry{Number: uint64(i), Path: fmt.Sprintf("f%07d", i), Type: 1}), e.End(0))
		},
		"directories": func(e *record.Encoder, i int) error {
			return errors.Join(e.Entry(&record.Entry{Number: uint64(i), Path: fmt.Sprintf("f%07d", i), Type: 2}), e.End(0))
		},
		"deletions": func(e *record.Encoder, i int) error { return e.Delete(fmt.Sprintf("f%07d", i)) },
		"one file of holes": func(e *record.Encoder, i int) error {
			if i == 0 {
				return e.Entry(&record.Entry{Path: "f", Type: 1})
			}
			return e.Hole(1)
		},
	} {
		x := &endless{say: say}
		x.e = record.NewEncoder(&x.b)
		var a answer
		grown := heap(func() { a = r.as(r.token.Credentials.Bearer, http.MethodPost, base+"/segments/0", x) })
		// The server may hang up on what it no longer reads; then there is no answer, but never an acknowledgement.
		if a.err == nil && (a.status < 400 || a.status >= 500) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if grown > 64<<20 {
			t.Errorf("%s: the memory grew by %d MiB", name, grown>>20)
		}
	}
	// As many ids as a question takes, and one more.
	if a := r.do(http.MethodPost, base+"/known", strings.Repeat("x", 32*snapshots.KnownBatch)); a.status != http.StatusOK {
		t.Error(a.status, a.body)
	}
	r.want(r.do(http.MethodPost, base+"/known", strings.Repeat("x", 32*(snapshots.KnownBatch+1))), http.StatusRequestEntityTooLarge, wire.TypeTooLarge)
	if a := r.do(http.MethodGet, "/v1/data/"+r.files.ID+"/tar", ""); a.status != http.StatusOK || strings.Contains(a.body, "f0000000") {
		t.Error("something is there:", a.status)
	}
}
