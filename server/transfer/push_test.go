package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/server/client"
	"holdfast/server/client/push"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/stream/untar"
)

// pushRig is a rig whose API and data path a client of pushes calls, perhaps through a proxy.
type pushRig struct {
	*rig
	calls atomic.Int64 // to the data path
	front *httptest.Server
	c     *client.Client
}

// newPushRig answers the few calls of the API that a push makes, beside the data path.
func newPushRig(t *testing.T, o ...controltest.Option) *pushRig {
	t.Helper()
	r := &pushRig{rig: newRig(t, controltest.New(t, o...))}
	back, err := url.Parse(r.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	data := httputil.NewSingleHostReverseProxy(back)
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/data/", func(w http.ResponseWriter, req *http.Request) {
		r.calls.Add(1)
		data.ServeHTTP(w, req)
	})
	mux.HandleFunc("GET /v1/volumes/{ref}", func(w http.ResponseWriter, req *http.Request) {
		v, err := r.Volume(req.Context(), r.token.Caller, req.PathValue("ref"))
		if err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(v)
	})
	r.front = httptest.NewServer(mux)
	t.Cleanup(r.front.Close)
	r.c = client.New(r.front.URL, client.WithToken(r.token.Credentials.Bearer))
	return r
}

func options(t *testing.T) push.Options {
	return push.Options{Now: time.Now, Cache: filepath.Join(t.TempDir(), "cache")}
}

// push is a push that must succeed.
func (r *pushRig) push(dir string, o push.Options) push.Result {
	r.t.Helper()
	res, reports, err := push.Tree(r.t.Context(), r.c, dir, "docs", o)
	if err != nil || reports != nil {
		r.t.Fatal(err, reports)
	}
	return res
}

// restore extracts what the volume has.
func (r *pushRig) restore() string {
	r.t.Helper()
	a := r.do(http.MethodGet, "/v1/data/"+r.files.ID+"/tar", "")
	if a.status != http.StatusOK || a.err != nil {
		r.t.Fatal(a.status, a.err)
	}
	dir := filepath.Join(r.t.TempDir(), "restored")
	if err := os.Mkdir(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	err = untar.Extract(root, strings.NewReader(a.body), untar.Options{ForeignLinks: true, Owner: os.Getuid() == 0})
	if err := errors.Join(err, root.Close()); err != nil {
		r.t.Fatal(err)
	}
	return dir
}

func write(t testing.TB, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

// describe is all that is to be the same of a tree.
func describe(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	links := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		text := fmt.Sprintf("mode %o owner %d:%d mtime %d", st.Mode, st.Uid, st.Gid, st.Mtim.Nano())
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text = "-> " + target
		}
		if d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" content %d %x", len(b), chunkSum(b))
			value := make([]byte, 100)
			if n, err := unix.Lgetxattr(path, "user.note", value); err == nil {
				text += " note " + string(value[:n])
			}
			if first, seen := links[st.Ino]; seen {
				text += " same as " + first
			} else if st.Nlink > 1 {
				links[st.Ino] = name
			}
		}
		out[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func chunkSum(b []byte) chunk.ID {
	i, err := chunk.NewIdentifier(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		panic(err)
	}
	return i.ID(chunk.KindData, b)
}

func same(t testing.TB, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%q: %q, not %q", name, got[name], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d names, not %d", len(got), len(want))
	}
}

// oddTree has one of everything that a file system has.
func oddTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "plain"), "hello")
	write(t, filepath.Join(dir, "a-b"), "between a and a/b")
	write(t, filepath.Join(dir, "a", "b"), "below")
	write(t, filepath.Join(dir, "a", "z", "deep"), string(noise(700<<10, 4)))
	write(t, filepath.Join(dir, "a0"), "")
	write(t, filepath.Join(dir, "big"), string(noise(9<<20, 5)))
	write(t, filepath.Join(dir, "odd \xff\n name"), "odd")
	if err := unix.Lsetxattr(filepath.Join(dir, "plain"), "user.note", []byte("kept"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 100 << 20, 101<<20 + 4096} {
		if _, err := sparse.WriteAt(noise(10000, byte(at>>20)), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(sparse.Truncate(200<<20+5), sparse.Close(),
		os.Chmod(filepath.Join(dir, "a-b"), 0o600|os.ModeSetuid),
		os.Symlink("../nowhere", filepath.Join(dir, "a", "link")),
		os.Link(filepath.Join(dir, "plain"), filepath.Join(dir, "hard")),
		os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "a", "hard")),
		os.Chtimes(filepath.Join(dir, "a0"), time.Unix(0, 0), time.Unix(1, 234567891)),
		os.Chtimes(filepath.Join(dir, "a", "z"), time.Unix(0, 0), time.Unix(-5, 0)),
	); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPushKeepsEverythingOfATree(t *testing.T) {
	r := newPushRig(t)
	dir := oddTree(t)
	o := options(t)
	res := r.push(dir, o)
	if res.Read < 200<<20 || res.Sent > 12<<20 {
		t.Errorf("holes do not travel as holes: %+v", res)
	}
	same(t, describe(t, r.restore()), describe(t, dir))
	// The server would have cut it the same: the digest of an upload is that of the push.
	u := r.do(http.MethodPut, r.at("copy"), string(noise(9<<20, 5)))
	if got := r.do(http.MethodHead, r.at("big"), ""); got.header.Get("ETag") != u.header.Get("ETag") || u.header.Get("ETag") == "" {
		t.Error("another digest than an upload's", u.header)
	}
	b, err := os.ReadFile(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	u = r.as(r.token.Credentials.Bearer, http.MethodPut, r.at("copy"), bytes.NewReader(b))
	if got := r.do(http.MethodHead, r.at("sparse"), ""); got.header.Get("ETag") != u.header.Get("ETag") {
		t.Error("another digest than an upload's of a file with holes")
	}
}

func TestPushOfAnUnchangedTreeAsksNothing(t *testing.T) {
	r := newPushRig(t)
	dir := t.TempDir()
	const files = 3000
	for i := range files {
		write(t, filepath.Join(dir, fmt.Sprint(i%50), fmt.Sprint(i)), fmt.Sprint("file ", i))
	}
	o := options(t)
	if res := r.push(dir, o); res.Entries != files+50 || res.Unchanged != 0 {
		t.Fatalf("%+v", res)
	}
	for _, remove := range []bool{false, true} {
		o.Delete = remove
		before := r.calls.Load()
		res := r.push(dir, o)
		if res.Entries != files+50 || res.Unchanged != files+50 || res.Sent != 0 || res.Read != 0 || r.calls.Load() != before {
			t.Errorf("%+v with %d calls", res, r.calls.Load()-before)
		}
	}
	// Without what is remembered, the volume's index says the same.
	o.Cache = ""
	if res := r.push(dir, o); res.Unchanged != files+50 || res.Sent != 0 || res.Read != 0 {
		t.Errorf("%+v", res)
	}
	// What another did to the volume is seen, though the directory is as it was.
	o = options(t)
	r.push(dir, o)
	r.put("0/0", "another's")
	if res := r.push(dir, o); res.Unchanged != files+49 {
		t.Errorf("%+v", res)
	}
	r.holds("0/0", "file 0")
}

func TestPushSendsWhatChangedAlone(t *testing.T) {
	r := newPushRig(t)
	dir := t.TempDir()
	big := noise(24<<20, 1)
	write(t, filepath.Join(dir, "big"), string(big))
	write(t, filepath.Join(dir, "gone"), "soon")
	write(t, filepath.Join(dir, "d", "gone"), "soon")
	o := options(t)
	r.push(dir, o)
	copy(big[11<<20:], "a few bytes in the middle")
	write(t, filepath.Join(dir, "big"), string(big))
	res := r.push(dir, o)
	if res.Sent > 5<<20 || res.Read != 24<<20 {
		t.Errorf("%d bytes travel for a few changed ones", res.Sent)
	}
	write(t, filepath.Join(dir, "moved"), string(big))
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "d")), os.Remove(filepath.Join(dir, "gone"))); err != nil {
		t.Fatal(err)
	}
	if res := r.push(dir, o); res.Sent > 1<<20 || res.Deleted != 0 {
		t.Errorf("a file under another name travels: %+v", res)
	}
	r.holds("gone", "soon")
	o.Delete = true
	if res := r.push(dir, o); res.Deleted != 3 {
		t.Errorf("%+v", res)
	}
	same(t, describe(t, r.restore()), describe(t, dir))
	o.Cache = ""
	write(t, filepath.Join(dir, "big"), "small now")
	if res := r.push(dir, o); res.Deleted != 0 || res.Unchanged != 1 {
		t.Errorf("%+v", res)
	}
	same(t, describe(t, r.restore()), describe(t, dir))
}

func TestPushNamesWhatIsWrong(t *testing.T) {
	r := newPushRig(t)
	dir := t.TempDir()
	long := strings.Repeat("n", 250)
	write(t, filepath.Join(dir, "fine"), "x")
	// A path that is longer than any volume takes: made from within, step by step.
	deep, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := deep.Mkdir(long, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := deep.OpenRoot(long)
		if err := errors.Join(err, deep.Close()); err != nil {
			t.Fatal(err)
		}
		deep = next
	}
	defer deep.Close()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	res := r.push(dir, options(t))
	if res.Entries != 10 || len(res.Refused) != 0 {
		t.Errorf("%+v", res)
	}
	if _, _, err := push.Tree(t.Context(), r.c, dir, "dump", options(t)); !errors.Is(err, push.ErrKind) {
		t.Error("a tree into a stream:", err)
	}
	if _, err := push.Stream(t.Context(), r.c, strings.NewReader("x"), "docs", options(t)); !errors.Is(err, push.ErrKind) {
		t.Error("a stream into a tree:", err)
	}
}

func TestT37_PushSaysThatTheQuotaIsReached(t *testing.T) {
	r := newPushRig(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "first")
	r.push(dir, options(t))
	if err := r.Data.SetQuota(t.Context(), r.tenant.String(), 1<<10); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "b"), string(noise(3<<20, 7)))
	_, _, err := push.Tree(t.Context(), r.c, dir, "docs", options(t))
	if !client.Is(err, wire.TypeQuota) || !strings.Contains(err.Error(), `"b"`) {
		t.Error(err)
	}
	r.holds("a", "first")
}

// cutter is a proxy that breaks connections after so many bytes towards the service.
type cutter struct {
	net.Listener
	to    string
	after atomic.Int64 // of the next connection; 0 never
	cuts  atomic.Int64
	bytes atomic.Int64
	down  atomic.Bool
	wg    sync.WaitGroup
	over  chan struct{}
}

func newCutter(t *testing.T, to string) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: strings.TrimPrefix(to, "http://"), over: make(chan struct{})}
	c.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.pipe(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); close(c.over); c.wg.Wait() })
	return c
}

func (c *cutter) url() string { return "http://" + c.Addr().String() }

func (c *cutter) pipe(in net.Conn) {
	defer in.Close()
	if c.down.Load() {
		return
	}
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-c.over: // connections that are kept for later
			in.Close()
		case <-ended:
		}
	}()
	go func() { _, _ = io.Copy(in, out); in.Close(); out.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		c.bytes.Add(int64(n))
		if n > 0 {
			if left := c.after.Load(); left > 0 && c.after.Add(-int64(n)) <= 0 {
				c.after.Store(0)
				c.cuts.Add(1)
				return
			}
			if _, err := out.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func TestT47_PushGoesOnWhenTheNetworkIsCut(t *testing.T) {
	r := newPushRig(t)
	cut := newCutter(t, r.front.URL)
	c := client.New(cut.url(), client.WithToken(r.token.Credentials.Bearer))
	var body []byte
	dir := t.TempDir()
	for i, at := range []int64{1, 3 << 20, 12 << 20, 30 << 20} {
		body = noise(40<<20, byte(i))
		write(t, filepath.Join(dir, "big"), string(body[:24<<20]))
		for j := range 100 {
			write(t, filepath.Join(dir, "d", fmt.Sprint(j)), string(body[24<<20+j*100000:][:100000]))
		}
		cut.after.Store(at)
		o := options(t)
		o.Waiting = func(error) { // and again, while it recovers
			if cut.cuts.Load()%3 != 0 {
				cut.after.Store(6 << 20)
			}
		}
		if _, _, err := push.Tree(t.Context(), c, dir, "docs", o); err != nil {
			t.Fatal(err)
		}
		res, err := push.Stream(t.Context(), c, bytes.NewReader(body), "dump", o)
		if err != nil || res.Read != int64(len(body)) {
			t.Fatal(res, err)
		}
	}
	if cut.cuts.Load() < 4 {
		t.Error("cut only", cut.cuts.Load())
	}
	same(t, describe(t, r.restore()), describe(t, dir))
	if a := r.do(http.MethodGet, "/v1/data/"+r.stream.ID+"/stream", ""); a.body != string(body) {
		t.Error("the stream is not what was sent")
	}
}

// A client that is killed and run again sends no more than what was on its way.
func TestT47_PushThatIsRunAgainSendsTheRest(t *testing.T) {
	r := newPushRig(t)
	body := noise(80<<20, 3)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "big"), string(body))
	const slack = 3*16<<20 + 4<<20 // two segments on their way and one that is filled
	for name, run := range map[string]func(ctx context.Context, c *client.Client) (push.Result, error){
		"tree": func(ctx context.Context, c *client.Client) (push.Result, error) {
			res, _, err := push.Tree(ctx, c, dir, "docs", options(t))
			return res, err
		},
		"stream": func(ctx context.Context, c *client.Client) (push.Result, error) {
			return push.Stream(ctx, c, bytes.NewReader(body), "dump", options(t))
		},
	} {
		cut := newCutter(t, r.front.URL)
		c := client.New(cut.url(), client.WithToken(r.token.Credentials.Bearer))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // the client dies when most of it is on its way
			for cut.bytes.Load() < 60<<20 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if _, err := run(ctx, c); err == nil {
			t.Fatal(name, "was over too soon")
		}
		cancel()
		before := cut.bytes.Load()
		if _, err := run(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if again := cut.bytes.Load() - before; again+before > int64(len(body))+slack {
			t.Errorf("%s: %d bytes, and %d more when it is run again", name, before, again)
		}
	}
}

// A file that changes while it is read is named, and sent again the next time.
func TestPushNamesAFileThatChanges(t *testing.T) {
	r := newPushRig(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	write(t, path, string(noise(40<<20, 1)))
	o := options(t)
	var once sync.Once
	o.Progress = func(n int64) {
		once.Do(func() {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("one line more")
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	// It is told about progress with the first entries: a small one comes before the log.
	write(t, filepath.Join(dir, "a"), "x")
	_, reports, err := push.Tree(t.Context(), r.c, dir, "docs", o)
	if err != nil || reports == nil || !strings.Contains(reports.Error(), "log") {
		t.Fatal(err, reports)
	}
	o.Progress = nil
	r.push(dir, o)
	same(t, describe(t, r.restore()), describe(t, dir))
}

func (r *pushRig) session(bearer, volume string) (wire.Push, answer) {
	r.t.Helper()
	a := r.as(bearer, http.MethodPost, "/v1/data/"+volume+"/push", nil)
	var p wire.Push
	if a.status == http.StatusCreated {
		if err := json.Unmarshal([]byte(a.body), &p); err != nil {
			r.t.Fatal(err)
		}
	}
	return p, a
}

func TestT51_ATokenLearnsNothingOfAnotherVolume(t *testing.T) {
	r := newPushRig(t)
	secret := noise(200<<10, 8)
	r.put("secret", string(secret))
	other := r.volume("other", "files")
	p, a := r.session(r.token.Credentials.Bearer, other.ID)
	if a.status != http.StatusCreated || a.header.Get("Cache-Control") != "no-store" {
		t.Fatal(a.status, a.body)
	}
	ids, err := chunk.NewIdentifier(p.IdentityKey)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := chunk.ParseProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	table, err := chunk.NewTable(p.ChunkingKey, profile)
	if err != nil {
		t.Fatal(err)
	}
	c := chunk.NewChunker(table, bytes.NewReader(secret))
	x, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	id := ids.ID(chunk.KindData, x.Data)
	base := "/v1/data/" + other.ID + "/push/" + p.Session
	if a := r.do(http.MethodPost, base+"/known", string(id[:])); a.status != http.StatusOK || a.body != "\x00" {
		t.Errorf("known: %d %q", a.status, a.body)
	}
	stolen := func(e *record.Encoder) error {
		return errors.Join(e.Entry(&record.Entry{Path: "stolen", Type: 1}), e.Ref(id, int64(len(x.Data))), e.End(int64(len(x.Data))), e.Stop())
	}
	var b bytes.Buffer
	if err := stolen(record.NewEncoder(&b)); err != nil {
		t.Fatal(err)
	}
	r.want(r.do(http.MethodPost, base+"/segments/0", b.String()), http.StatusPreconditionFailed, wire.TypePrecondition)
	// In its own volume the same token knows it.
	own, _ := r.session(r.token.Credentials.Bearer, r.files.ID)
	if a := r.do(http.MethodPost, "/v1/data/"+r.files.ID+"/push/"+own.Session+"/known", string(id[:])); a.body != "\x01" {
		t.Errorf("known in its own volume: %q", a.body)
	}
	// A session is its caller's and its volume's.
	for name, a := range map[string]answer{
		"another volume":  r.do(http.MethodPost, "/v1/data/"+other.ID+"/push/"+own.Session+"/known", string(id[:])),
		"another tenant":  r.as(r.other.Credentials.Bearer, http.MethodPost, "/v1/data/"+r.files.ID+"/push/"+own.Session+"/known", bytes.NewReader(id[:])),
		"another's begin": r.as(r.other.Credentials.Bearer, http.MethodPost, "/v1/data/"+r.files.ID+"/push", nil),
		"an ended one": func() answer {
			if a := r.do(http.MethodDelete, base, ""); a.status != http.StatusNoContent {
				t.Error(a.status, a.body)
			}
			return r.do(http.MethodPost, base+"/known", "")
		}(),
	} {
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestT47_ATornSegmentLeavesNothing(t *testing.T) {
	r := newPushRig(t)
	p, _ := r.session(r.token.Credentials.Bearer, r.files.ID)
	base := "/v1/data/" + r.files.ID + "/push/" + p.Session + "/segments/"
	ids, err := chunk.NewIdentifier(p.IdentityKey)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	e := record.NewEncoder(&b)
	body := []byte("hello")
	if err := errors.Join(e.Entry(&record.Entry{Path: "f", Type: 1}), e.Data(ids.ID(chunk.KindData, body), record.Raw, 5, body), e.End(5), e.Stop()); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	for n := range whole {
		r.want(r.do(http.MethodPost, base+"0", whole[:n]), http.StatusBadRequest, wire.TypeInvalid)
	}
	r.want(r.do(http.MethodPost, base+"0", whole+"more"), http.StatusUnprocessableEntity, wire.TypeInvalid)
	r.want(r.do(http.MethodPost, base+"99", whole), http.StatusConflict, wire.TypeConflict)
	r.want(r.do(http.MethodGet, r.at("f"), ""), http.StatusNotFound, wire.TypeNotFound)
	first := r.do(http.MethodPost, base+"0", whole)
	if first.status != http.StatusOK {
		t.Fatal(first.status, first.body)
	}
	if again := r.do(http.MethodPost, base+"0", whole); again.body != first.body {
		t.Errorf("%s is not %s", again.body, first.body)
	}
	r.holds("f", "hello")
}
