package snapshots

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// Bounds of a pull.
const (
	// pullBytes and pullSteps bound a batch: stored bytes (one more chunk may exceed them) and records. One batch is one
	// look-up in the index and, where frames stand side by side, one read.
	pullBytes = 2 << 20
	pullSteps = 1024
	// pullAhead is how many batches of one pull wait for its client, besides the one that it is sent.
	pullAhead = 3
	// pullShared is how many batches all pulls of the process hold at once, besides one each, so that many slow clients
	// cannot fill the memory.
	pullShared = 12
	// pullGap is how many bytes between two frames are read for nothing rather than read twice.
	pullGap = 32 << 10
)

type stepKind uint8

const (
	stepEntry stepKind = iota + 1
	stepData
	stepRef
	stepHole
	stepEnd
)

// pullStep is one thing that the sink will be given.
type pullStep struct {
	kind  stepKind
	entry *Entry
	child node.Child
	n     int64
	got   *pullChunk
}

// pullChunk is a frame that a batch reads, once, however often the batch needs it.
type pullChunk struct {
	child node.Child
	at    Location
	out   frame.Stored
	err   error
}

// pullBatch is a run of steps whose frames are read together.
type pullBatch struct {
	steps  []pullStep
	chunks []*pullChunk
	bytes  int
	buf    *[]byte
	shared bool // holds a place of pullPlaces
	ready  chan struct{}
	err    error // of all of it
	last   error // what ended the walk behind it
}

var (
	pullBuffers = sync.Pool{New: func() any { return new([]byte) }}
	pullPlaces  = make(chan struct{}, pullShared)
)

type puller struct {
	pull     *Pull
	ctx      context.Context
	sink     PullSink
	queue    chan *pullBatch
	inflight atomic.Int32
	idle     chan struct{} // told when nothing is in flight
	batch    *pullBatch
	known    map[ChunkKey]*pullChunk
}

// add appends a step, and sends the batch off when it is full.
func (x *puller) add(s pullStep, stored int) error {
	b := x.batch
	if s.kind == stepData {
		if stored > stream.MaxStored {
			return fmt.Errorf("%w: %s of %d bytes", ErrCorrupt, s.child.Kind, stored)
		}
		k := ChunkKey{s.child.ID, s.child.Hash}
		if x.known == nil {
			x.known = map[ChunkKey]*pullChunk{}
		}
		c := x.known[k]
		if c == nil {
			c = &pullChunk{child: s.child}
			x.known[k] = c
			b.chunks, b.bytes = append(b.chunks, c), b.bytes+stored
		}
		s.got = c
	}
	b.steps = append(b.steps, s)
	if b.bytes >= pullBytes || len(b.steps) >= pullSteps {
		return x.dispatch(nil)
	}
	return nil
}

// dispatch begins to read the batch and queues it; last ends the walk behind it.
func (x *puller) dispatch(last error) error {
	b := x.batch
	x.batch, x.known = &pullBatch{}, nil
	b.last, b.ready = last, make(chan struct{})
	for x.inflight.Load() > 0 && !b.shared {
		select {
		case pullPlaces <- struct{}{}:
			b.shared = true
		case <-x.idle:
		case <-x.ctx.Done():
			close(b.ready)
			return x.ctx.Err()
		}
	}
	x.inflight.Add(1)
	go func() {
		defer close(b.ready)
		if len(b.chunks) > 0 {
			b.err = x.read(b)
		}
	}()
	select {
	case x.queue <- b:
		return nil
	case <-x.ctx.Done():
		x.done(b)
		return x.ctx.Err()
	}
}

// done waits for a batch that nobody needs any more and gives back what it holds.
func (x *puller) done(b *pullBatch) {
	<-b.ready
	if b.buf != nil {
		pullBuffers.Put(b.buf)
		b.buf = nil
	}
	if b.shared {
		<-pullPlaces
		b.shared = false
	}
	if x.inflight.Add(-1) == 0 {
		select {
		case x.idle <- struct{}{}:
		default:
		}
	}
}

// emit gives the batches to the sink in order.
func (x *puller) emit() error {
	path := ""
	for b := range x.queue {
		select {
		case <-b.ready:
		case <-x.ctx.Done():
			x.done(b)
			return x.ctx.Err()
		}
		err := b.err
		if err == nil {
			err = x.give(b, &path)
		}
		if err == nil {
			err = b.last
		}
		x.done(b)
		if err != nil {
			return err
		}
	}
	return x.ctx.Err()
}

func (x *puller) give(b *pullBatch, path *string) error {
	for _, s := range b.steps {
		var err error
		switch s.kind {
		case stepEntry:
			*path = s.entry.Path
			err = x.sink.Entry(*s.entry)
		case stepData:
			if s.got.err != nil {
				return &PathError{*path, s.got.err}
			}
			if int64(s.got.out.Plain) != s.n {
				return &PathError{*path, fmt.Errorf("%w: chunk %s of %d bytes where %d were expected", ErrCorrupt, s.child.ID, s.got.out.Plain, s.n)}
			}
			err = x.sink.Data(s.child.ID, s.got.out)
		case stepRef:
			err = x.sink.Ref(s.child.ID, s.n)
		case stepHole:
			err = x.sink.Hole(s.n)
		case stepEnd:
			err = x.sink.End(s.n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read finds the frames of a batch in one look-up and reads those that stand side by side at once. What is wrong with
// one frame is noted there; only what hinders all of them is answered.
func (x *puller) read(b *pullBatch) error {
	for try := 1; ; try++ {
		if err := x.locate(b); err != nil {
			return err
		}
		b.buf = pullBuffers.Get().(*[]byte)
		again, err := x.load(b)
		// The sweep may have rewritten a pack since the index was read: once more.
		if err != nil || !again || try > 1 {
			return err
		}
		pullBuffers.Put(b.buf)
		for _, c := range b.chunks {
			c.err = nil
		}
	}
}

func (x *puller) locate(b *pullBatch) error {
	e := x.pull.e
	keys := make([]ChunkKey, len(b.chunks))
	by := make(map[ChunkKey]*pullChunk, len(b.chunks))
	for i, c := range b.chunks {
		keys[i] = ChunkKey{c.child.ID, c.child.Hash}
		by[keys[i]] = c
		c.at = Location{}
	}
	var found []Location
	if err := e.bulk(x.ctx, func(tx *sqldb.Tx) (err error) {
		found, err = e.c.Store.Locate(x.ctx, tx, x.pull.r.Tenant, keys)
		return err
	}); err != nil {
		return err
	}
	for _, l := range found {
		if c := by[ChunkKey{l.Child.ID, l.Child.Hash}]; c != nil {
			c.at = l
		}
	}
	return nil
}

// load reads and decrypts. again says that a pack was not there.
func (x *puller) load(b *pullBatch) (again bool, err error) {
	order := make([]*pullChunk, 0, len(b.chunks))
	for _, c := range b.chunks {
		if c.at.Child.Kind == 0 {
			c.err = fmt.Errorf("%w: chunk %s is not in the index", ErrCorrupt, c.child.ID)
			continue
		}
		order = append(order, c)
	}
	slices.SortFunc(order, func(p, q *pullChunk) int {
		return cmp.Or(p.at.Pack.Compare(q.at.Pack), cmp.Compare(p.at.Pos, q.at.Pos))
	})
	// Where every run begins and ends, and how much room all of them take.
	type run struct{ from, to, size int }
	var runs []run
	total := 0
	for i := 0; i < len(order); {
		first := order[i].at
		end := first.Pos + int64(order[i].child.Length)
		j := i + 1
		for ; j < len(order); j++ {
			l := order[j].at
			if l.Pack != first.Pack || l.Pos < end || l.Pos-end > pullGap {
				break
			}
			end = l.Pos + int64(order[j].child.Length)
		}
		size := int(end - first.Pos)
		runs = append(runs, run{i, j, size})
		total += size
		i = j
	}
	if cap(*b.buf) < total {
		*b.buf = make([]byte, max(total, pullBytes+pullBytes/2)) // for the next batches too
	}
	room := (*b.buf)[:total]
	for _, r := range runs {
		part := room[:r.size:r.size]
		room = room[r.size:]
		if err := x.ctx.Err(); err != nil {
			return false, err
		}
		gone, err := x.run(order[r.from:r.to], part)
		if err != nil {
			return false, err
		}
		again = again || gone
	}
	return again, nil
}

// run reads frames that stand side by side in one pack into buf, and decrypts them there.
func (x *puller) run(chunks []*pullChunk, buf []byte) (gone bool, err error) {
	s := x.pull.src
	first := chunks[0].at
	n, err := s.e.c.Blobs.ReadAt(x.ctx, PackBlob(s.tenant, first.Pack), buf, first.Pos)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrRange) {
		if x.ctx.Err() != nil {
			return false, x.ctx.Err()
		}
		for _, c := range chunks { // an error of the disk: those frames alone
			c.err = fmt.Errorf("chunk %s in %s: %w", c.child.ID, first.Pack, err)
		}
		return false, nil
	}
	gone = errors.Is(err, blob.ErrNotFound)
	s.e.turns.take(n)
	defer s.e.turns.give(n)
	for _, c := range chunks {
		from := int(c.at.Pos - first.Pos)
		to := from + int(c.child.Length)
		if to > n {
			c.err = fmt.Errorf("%w: chunk %s in %s is cut off", ErrCorrupt, c.child.ID, first.Pack)
			continue
		}
		// The tag under the tenant's key is what makes these bytes that chunk; its id is recomputed by the client.
		c.out, c.err = frame.Unseal(s.ring, c.child.ID, c.child.Kind, buf[from:to:to])
		if c.err != nil {
			c.err = fmt.Errorf("%w: chunk %s in %s: %w", ErrCorrupt, c.child.ID, first.Pack, c.err)
		}
	}
	return gone, nil
}
