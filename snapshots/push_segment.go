package snapshots

import (
	"context"
	"fmt"
	"sync"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

type chunkID = chunk.ID

// Segment is a part of a push that is being received. One goroutine calls its methods: the entries, data, references,
// holes, ends and deletions in their order, then either Commit or Abort. Its memory is bounded by the pieces at work.
type Segment struct {
	p     *Push
	n     int64
	round int
	s     *session
	prev  *Segment // received before it, perhaps not yet durable

	// recv is as far as has been received, state as far as has been assembled: the pieces between are at work.
	recv, state, before pushState
	queue               []*step
	slots, small        chan struct{}
	extents             []stream.Extent // of the open entry, brought by this segment
	items               []pushItem
	records, entries    int
	sent                int64

	done   chan struct{} // closed when it is durable or has failed
	failed error
}

// step is something received that is assembled in its turn.
type step struct {
	entry *Entry // begins
	bad   error  // why the entry is refused
	piece bool   // a chunk, known when done is closed
	hole  int64
	end   bool
	path  string // of a deletion
	drop  bool   // the open entry is given up

	size  int64
	child node.Child
	err   error
	done  chan struct{}
}

// pushItem is an entry that has ended, or a deletion.
type pushItem struct {
	entry  Entry
	from   int64 // the segment in which the entry began
	delete bool
	err    error
}

// record counts what has been received.
func (g *Segment) record() error {
	if g.records++; g.records > SegmentRecords {
		return fmt.Errorf("%w: a segment has at most %d records", ErrTooLarge, SegmentRecords)
	}
	return nil
}

func (g *Segment) heading() error {
	if g.entries++; g.entries > SegmentEntries {
		return fmt.Errorf("%w: a segment has at most %d entries", ErrTooLarge, SegmentEntries)
	}
	if g.recv.open {
		return fmt.Errorf("%w: %q has no end", ErrFormat, g.recv.entry.Path)
	}
	return g.record()
}

// Entry begins an entry: its path, type and metadata. One that cannot be stored is refused by itself, and what is sent for
// it is passed over.
func (g *Segment) Entry(ctx context.Context, n Entry) error {
	if err := g.heading(); err != nil {
		return err
	}
	bad := n.Check()
	if bad == nil && n.Type == TypeHardlink {
		bad = CheckPath(n.Meta.Link)
	}
	if v := g.p.v; bad == nil && v.Kind == Stream && (n.Path != StreamPath || n.Type != TypeFile) {
		bad = ErrKind
	}
	if bad != nil {
		bad = &PathError{n.Path, bad}
	}
	g.recv = pushState{open: true, entry: n, refused: bad, from: g.n}
	return g.push(ctx, &step{entry: &n, bad: bad})
}

// content checks that bytes may come now.
func (g *Segment) content() error {
	if err := g.record(); err != nil {
		return err
	}
	if !g.recv.open || g.recv.entry.Type != TypeFile && g.recv.refused == nil {
		return fmt.Errorf("%w: content without a file", ErrFormat)
	}
	return nil
}

// length checks the length of a chunk: within the profile, and none behind a short one, so that a file has no more
// chunks than cutting gives.
func (g *Segment) length(n int64) error {
	profile := g.p.v.Profile
	if n <= 0 || n > int64(profile.Max()) || g.recv.short {
		return fmt.Errorf("%w: %d bytes", ErrChunkID, n)
	}
	g.recv.short, g.recv.hole = n < int64(profile.Min()), false
	return nil
}

// Buffer is room for n bytes of a chunk, which Data takes back.
func (g *Segment) Buffer(n int) []byte {
	if n < pushSmallPiece {
		return make([]byte, 0, n)
	}
	if b := pieces.Get().(*[]byte); cap(*b) >= n {
		return (*b)[:0]
	}
	return make([]byte, 0, max(n, chunk.MaxPiece))
}

var pieces = sync.Pool{New: func() any { b := make([]byte, 0, chunk.MaxPiece); return &b }}

func release(b []byte) {
	if cap(b) >= chunk.MaxPiece {
		b = b[:0]
		pieces.Put(&b)
	}
}

// Data adds a chunk of the given plain length that says to be id. body, of Buffer, belongs to the segment from here on;
// decode, when not nil, makes the plain bytes of it.
func (g *Segment) Data(ctx context.Context, id chunk.ID, plain int, body []byte, decode func(dst, body []byte) ([]byte, error)) error {
	if err := g.content(); err != nil {
		return err
	}
	if g.sent += int64(plain); g.sent > SegmentBytes {
		return fmt.Errorf("%w: a segment has at most %d bytes", ErrTooLarge, SegmentBytes)
	}
	if g.recv.refused != nil {
		release(body)
		return nil
	}
	if err := g.length(int64(plain)); err != nil {
		return err
	}
	slots := g.slots
	if plain < pushSmallPiece {
		slots = g.small
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	st := &step{piece: true, size: int64(plain), done: make(chan struct{})}
	go func() {
		defer close(st.done)
		st.child, st.err = g.store(ctx, id, plain, body, decode)
		<-slots
	}()
	return g.push(ctx, st)
}

func (g *Segment) store(ctx context.Context, id chunk.ID, plain int, body []byte, decode func(dst, body []byte) ([]byte, error)) (node.Child, error) {
	defer release(body)
	data := body
	if decode != nil {
		var err error
		turns := g.p.e.turns
		turns.take(plain)
		data, err = decode(g.Buffer(plain), body)
		turns.give(plain)
		if err != nil {
			return node.Child{}, err
		}
		defer release(data)
	}
	if len(data) != plain {
		return node.Child{}, fmt.Errorf("%w: its length", ErrChunkID)
	}
	c, err := g.s.Chunk(ctx, data)
	if err != nil {
		return c, err
	}
	if c.ID != id {
		return c, fmt.Errorf("%w: %s", ErrChunkID, id)
	}
	g.p.mu.Lock()
	g.p.uploaded.add(id)
	g.p.mu.Unlock()
	return c, nil
}

// Ref adds a chunk that the volume has. ErrUnknownChunk when Known would say no.
func (g *Segment) Ref(ctx context.Context, id chunk.ID, n int64) error {
	if err := g.content(); err != nil {
		return err
	}
	if g.recv.refused != nil {
		return nil
	}
	if err := g.length(n); err != nil {
		return err
	}
	if err := g.p.prepare(ctx); err != nil {
		return err
	}
	found, err := g.p.locate(ctx, []chunk.ID{id})
	if err != nil {
		return err
	}
	f, ok := found[id]
	if !ok || f.PlainLen != n {
		return fmt.Errorf("%w: %s", ErrUnknownChunk, id)
	}
	if f.pending {
		if err := g.s.keep(ctx, f.Frame); err != nil {
			return err
		}
	}
	return g.push(ctx, &step{piece: true, size: n, child: f.Child})
}

// Hole adds n bytes that are zero and not stored.
func (g *Segment) Hole(ctx context.Context, n int64) error {
	if err := g.content(); err != nil {
		return err
	}
	if g.recv.refused != nil {
		return nil
	}
	if n <= 0 || n > stream.MaxSize || g.recv.hole {
		return fmt.Errorf("%w: a hole of %d bytes", ErrFormat, n)
	}
	g.recv.hole, g.recv.short = true, false
	return g.push(ctx, &step{hole: n})
}

// End ends the entry, whose content has size bytes.
func (g *Segment) End(ctx context.Context, size int64) error {
	if err := g.record(); err != nil {
		return err
	}
	if !g.recv.open {
		return fmt.Errorf("%w: an end without an entry", ErrFormat)
	}
	g.recv = pushState{}
	return g.push(ctx, &step{end: true, size: size})
}

// Open is the path of the entry that is open, empty when none is.
func (g *Segment) Open() string {
	if g.recv.open {
		return g.recv.entry.Path
	}
	return ""
}

// GiveUp gives the open entry up: nothing of it is stored, and the volume keeps what it had.
func (g *Segment) GiveUp(ctx context.Context) error {
	if err := g.record(); err != nil {
		return err
	}
	if !g.recv.open {
		return fmt.Errorf("%w: no entry is open", ErrFormat)
	}
	g.recv = pushState{}
	return g.push(ctx, &step{drop: true})
}

// Delete has the live version of a path die; a path that has none is passed over.
func (g *Segment) Delete(ctx context.Context, path string) error {
	if err := g.heading(); err != nil {
		return err
	}
	if g.p.v.Kind != Files {
		return ErrKind
	}
	if err := CheckPath(path); err != nil {
		return &PathError{path, err}
	}
	return g.push(ctx, &step{path: path})
}

// push queues a step, and assembles what is at hand.
func (g *Segment) push(ctx context.Context, st *step) error {
	g.queue = append(g.queue, st)
	for len(g.queue) > pushWaiting {
		if err := g.assemble(ctx); err != nil {
			return err
		}
	}
	return nil
}

// assemble takes the first step.
func (g *Segment) assemble(ctx context.Context) error {
	st := g.queue[0]
	g.queue[0] = nil
	g.queue = g.queue[1:]
	if st.done != nil {
		<-st.done
	}
	if st.err != nil {
		return st.err
	}
	s := &g.state
	switch {
	case st.drop:
		*s, g.extents = pushState{}, nil
	case st.path != "":
		g.items = append(g.items, pushItem{entry: Entry{Path: st.path}, delete: true})
	case st.entry != nil:
		*s = pushState{open: true, entry: *st.entry, refused: st.bad, from: g.n}
		g.extents = nil
		if st.bad == nil && st.entry.Type == TypeFile {
			s.a = stream.NewAssembly(g.s)
		}
	case st.piece:
		s.hole, s.short = false, st.size < int64(g.p.v.Profile.Min())
		g.extents = append(g.extents, stream.Extent{Child: st.child, Len: st.size})
		return s.a.Data(ctx, st.child, st.size)
	case st.hole > 0:
		s.hole, s.short = true, false
		g.extents = append(g.extents, stream.Extent{Len: st.hole})
		return s.a.Hole(ctx, st.hole)
	case st.end:
		return g.ended(ctx, st.size)
	}
	return nil
}

func (g *Segment) ended(ctx context.Context, size int64) error {
	s := g.state
	g.state, g.extents = pushState{}, nil
	it := pushItem{entry: s.entry, from: s.from, err: s.refused}
	if s.a != nil {
		c, err := s.a.Finish(ctx)
		if err != nil {
			return err
		}
		it.entry.Recipe, it.entry.Size, it.entry.ETag = c.Recipe, c.Size, c.Digest
	}
	if it.err == nil && size != it.entry.Size {
		return fmt.Errorf("%w: %q has %d bytes, its end says %d", ErrFormat, s.entry.Path, it.entry.Size, size)
	}
	g.items = append(g.items, it)
	return nil
}

// settle waits for what is at work, so that no goroutine outlives the segment.
func (g *Segment) settle() {
	for _, st := range g.queue {
		if st.done != nil {
			<-st.done
		}
	}
	g.queue = nil
}

// Abort gives the segment up: the session is as it was before it, and the segment may come again.
func (g *Segment) Abort() {
	g.settle()
	g.failed = errSuperseded
	close(g.done)
	g.p.abandon()
}
