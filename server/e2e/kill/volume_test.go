package kill

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// content stands for bytes.
type content struct {
	sum  [32]byte
	size int64
}

func (c content) String() string { return fmt.Sprintf("%d bytes %x", c.size, c.sum[:4]) }

func contentOf(data []byte) content { return content{sha256.Sum256(data), int64(len(data))} }

// version is what a path held from a moment on, as an answer said.
type version struct {
	path string
	at   time.Time
	is   content
}

// snapshot is one that was asked for, with what it must restore.
type snapshot struct {
	id, name string
	volume   *volume
	files    map[string]content
	sealed   bool // was seen sealed
	acked    bool // its taking was
	gone     bool // was lawfully erased, and seen to be gone
	request  *request
}

// volume is what must be in a volume. Its worker alone writes to it, so that what
// a snapshot captures is known.
type volume struct {
	name, kind, id string

	mu       sync.Mutex
	files    map[string]content    // what stands there, acknowledged
	doubt    map[string][]*content // what may stand there instead: sent, not answered; nil is nothing
	versions []version
	pending  *snapshot // sent, not answered
	taken    []*snapshot
}

const streamPath = "" // of a stream volume's only content

// bodies makes contents that share chunks: random pieces, and joined earlier ones.
type bodies struct {
	rng  *rand.Rand
	seed [32]byte
	made int
	pool [][]byte
}

func (b *bodies) next() []byte {
	if len(b.pool) > 4 && b.rng.IntN(3) == 0 {
		one, two := b.pool[b.rng.IntN(len(b.pool))], b.pool[b.rng.IntN(len(b.pool))]
		if b.rng.IntN(2) == 0 || len(one)+len(two) > 4<<20 {
			return one
		}
		return slices.Concat(one, two)
	}
	size := []int{0, 1 + b.rng.IntN(4<<10), b.rng.IntN(64 << 10), b.rng.IntN(700 << 10), 1<<20 + b.rng.IntN(2<<20)}[min(b.rng.IntN(12), 4)%5]
	if b.rng.IntN(4) > 0 {
		size = 1 + b.rng.IntN(48<<10)
	}
	data := make([]byte, size)
	s := rand.NewChaCha8(b.seed)
	b.made++
	b.seed = sha256.Sum256(fmt.Appendf(b.seed[:], "%d", b.made))
	_, _ = s.Read(data)
	if b.rng.IntN(3) == 0 { // some compress
		for i := range data {
			data[i] = "holdfast"[data[i]&7]
		}
	}
	if b.pool = append(b.pool, data); len(b.pool) > 24 {
		b.pool = b.pool[1:]
	}
	return data
}

// writer works on one volume until the process dies or ctx ends.
type writer struct {
	v      *volume
	c      *client.Client
	rng    *rand.Rand
	bodies *bodies
	round  int
	n      int
	r      *run
}

// maxSnapshots is how many snapshots of a volume a round takes: each is restored
// again and again.
const maxSnapshots = 2

func (w *writer) work(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := w.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) step(ctx context.Context) error {
	if w.v.kind == "stream" {
		switch n := w.rng.IntN(10); {
		case n < 8 || len(w.v.files) == 0 || w.n >= maxSnapshots:
			return w.putStream(ctx)
		default:
			return w.snapshot(ctx)
		}
	}
	switch n := w.rng.IntN(20); {
	case n < 10 || len(w.v.files) == 0:
		return w.putMany(ctx)
	case n < 13:
		return w.putTar(ctx)
	case n < 15:
		return w.remove(ctx)
	case n < 18 && w.n < maxSnapshots:
		return w.snapshot(ctx)
	case n == 19:
		return w.restore(ctx)
	default:
		return w.putMany(ctx)
	}
}

// sent notes what the paths may hold from now on, answered what they do hold.
func (v *volume) sent(change map[string]*content) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for path, c := range change {
		v.doubt[path] = append(v.doubt[path], c)
	}
}

func (v *volume) answered(change map[string]*content, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for path, c := range change {
		delete(v.doubt, path)
		if c == nil {
			delete(v.files, path)
			continue
		}
		v.files[path] = *c
		if !at.IsZero() {
			v.versions = append(v.versions, version{path, at, *c})
		}
	}
}

func (w *writer) path() string { return fmt.Sprintf("d%d/f%d", w.rng.IntN(4), w.rng.IntN(10)) }

// putMany sends a few files at once.
func (w *writer) putMany(ctx context.Context) error {
	files := map[string][]byte{}
	for range 1 + w.rng.IntN(4) {
		files[w.path()] = w.bodies.next()
	}
	errs := make(chan error, len(files))
	for path, data := range files {
		go func() { errs <- w.put(ctx, path, data) }()
	}
	var err error
	for range files {
		err = errors.Join(err, <-errs)
	}
	return err
}

func (w *writer) put(ctx context.Context, path string, data []byte) error {
	is := contentOf(data)
	change := map[string]*content{path: &is}
	w.v.sent(change)
	end := w.r.begin("put")
	u, err := w.c.PutFile(ctx, w.v.name, path, bytes.NewReader(data))
	if end(err); err != nil {
		return fmt.Errorf("put %s: %w", path, err)
	}
	w.v.answered(change, u.At)
	return nil
}

func (w *writer) putStream(ctx context.Context) error {
	data := w.bodies.next()
	is := contentOf(data)
	change := map[string]*content{streamPath: &is}
	w.v.sent(change)
	end := w.r.begin("put")
	u, err := w.c.PutStream(ctx, w.v.name, bytes.NewReader(data))
	if end(err); err != nil {
		return fmt.Errorf("put the stream: %w", err)
	}
	w.v.answered(change, u.At)
	return nil
}

func (w *writer) putTar(ctx context.Context) error {
	change := map[string]*content{}
	var archive bytes.Buffer
	t := tar.NewWriter(&archive)
	for range 3 + w.rng.IntN(8) {
		path := w.path()
		if change[path] != nil {
			continue
		}
		data := w.bodies.next()
		is := contentOf(data)
		change[path] = &is
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: is.size, ModTime: time.Unix(1_700_000_000, 0), Format: tar.FormatPAX}); err != nil {
			return err
		}
		if _, err := t.Write(data); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	w.v.sent(change)
	end := w.r.begin("tar")
	_, err := w.c.PutTar(ctx, w.v.name, &archive, false)
	if end(err); err != nil {
		return fmt.Errorf("put a tar: %w", err)
	}
	w.v.answered(change, time.Time{})
	return nil
}

func (w *writer) remove(ctx context.Context) error {
	paths := slices.Sorted(maps.Keys(w.v.files))
	path := paths[w.rng.IntN(len(paths))]
	change := map[string]*content{path: nil}
	target, recursive := path, false
	if w.rng.IntN(4) == 0 {
		recursive = true
		target = path[:strings.IndexByte(path, '/')]
		for _, p := range paths {
			if strings.HasPrefix(p, target+"/") {
				change[p] = nil
			}
		}
	}
	w.v.sent(change)
	end := w.r.begin("delete")
	_, err := w.c.RemoveFile(ctx, w.v.name, target, recursive)
	if end(err); err != nil {
		return fmt.Errorf("delete %s: %w", target, err)
	}
	w.v.answered(change, time.Time{})
	return nil
}

func (w *writer) snapshot(ctx context.Context) error {
	w.n++
	w.v.mu.Lock()
	s := &snapshot{name: fmt.Sprintf("round %d no %d", w.round, w.n), volume: w.v, files: maps.Clone(w.v.files)}
	w.v.pending = s
	w.v.mu.Unlock()
	end := w.r.begin("snapshot")
	got, err := w.c.TakeSnapshot(ctx, w.v.name, s.name)
	if end(err); err != nil {
		return fmt.Errorf("take a snapshot: %w", err)
	}
	w.v.mu.Lock()
	s.id, s.acked, w.v.pending = got.ID, true, nil
	w.v.taken = append(w.v.taken, s)
	w.v.mu.Unlock()
	w.r.happened("seal")
	return nil
}

// restore brings a snapshot back into the volume, exactly.
func (w *writer) restore(ctx context.Context) error {
	w.v.mu.Lock()
	var s *snapshot
	if n := len(w.v.taken); n > 0 {
		s = w.v.taken[w.rng.IntN(n)]
	}
	if s == nil || s.request != nil || s.gone {
		w.v.mu.Unlock()
		return nil
	}
	change := map[string]*content{}
	for path := range w.v.files {
		if _, kept := s.files[path]; !kept {
			change[path] = nil
		}
	}
	for path, is := range s.files {
		change[path] = &is
	}
	w.v.mu.Unlock()
	w.v.sent(change)
	end := w.r.begin("restore")
	_, err := w.c.Restore(ctx, w.v.name, wire.Restore{Snapshot: s.id, Exact: true}, nil)
	if client.Is(err, wire.TypeNotFound) || client.Is(err, wire.TypeConflict) { // its deletion was asked for meanwhile
		end(err)
		w.v.mu.Lock()
		for path := range change {
			delete(w.v.doubt, path)
		}
		lawful := s.request != nil
		w.v.mu.Unlock()
		if lawful {
			return nil
		}
	}
	if end(err); err != nil {
		return fmt.Errorf("restore %s: %w", s.id, err)
	}
	w.v.answered(change, time.Time{})
	return nil
}

// readAll reads everything that a tar or a stream of the source holds.
func readAll(ctx context.Context, c *client.Client, kind string, from client.Source) (map[string]content, error) {
	out := map[string]content{}
	if kind == "stream" {
		body, err := c.GetStream(ctx, from)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		is, err := drain(body)
		out[streamPath] = is
		return out, err
	}
	body, err := c.GetTar(ctx, from, "")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	t := tar.NewReader(body)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the archive broke off: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if out[h.Name], err = drain(t); err != nil {
			return nil, fmt.Errorf("the archive broke off in %s: %w", h.Name, err)
		}
	}
}

func drain(r io.Reader) (content, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return content{[32]byte(h.Sum(nil)), n}, err
}

// differ says in words how two trees differ, or nothing.
func differ(want, got map[string]content) string {
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if is, ok := got[path]; !ok {
			lines = append(lines, fmt.Sprintf("%q is missing", path))
		} else if is != want[path] {
			lines = append(lines, fmt.Sprintf("%q holds %s, not %s", path, is, want[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			lines = append(lines, fmt.Sprintf("%q should not be there", path))
		}
	}
	return strings.Join(lines[:min(len(lines), 8)], "; ")
}

// patient is a client of HTTP that no answer keeps for ever.
var patient = &http.Client{Timeout: time.Minute}
