package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
)

// Sink is where a pipeline puts what it cuts. Both methods store what they are given unless it is known, answer the
// edge to it, and are called by several goroutines at once. They must not keep data after they return.
type Sink interface {
	Chunk(ctx context.Context, data []byte) (node.Child, error)
	Node(ctx context.Context, n node.Node) (node.Child, error)
}

// Content is what became of one stream.
type Content struct {
	Recipe Recipe
	Size   int64
	Digest [32]byte
}

// Pipeline cuts streams into chunks and hands them to a sink on several goroutines. Its memory is bounded by the
// workers, not by the streams. One goroutine calls Ingest; what it began may be awaited later, so that many small files
// are worked on at once.
type Pipeline struct {
	sink  Sink
	table *chunk.Table
	slots chan struct{} // pieces at work
	small chan struct{} // small ones at work
	pool  sync.Pool
}

// NewPipeline makes a pipeline that keeps the given number of workers busy. More pieces than workers are at work at once,
// for some of them wait for the index or the disk.
func NewPipeline(sink Sink, table *chunk.Table, workers int) *Pipeline {
	workers = max(1, workers)
	p := &Pipeline{sink: sink, table: table, slots: make(chan struct{}, workers*inflight), small: make(chan struct{}, small)}
	p.pool.New = func() any { b := make([]byte, 0, chunk.MaxPiece); return &b }
	return p
}

type slot struct {
	hole  int64
	size  int64
	child node.Child
	err   error
	done  chan struct{}
}

// Pending is a stream that has been read and whose last chunks may still be at work.
type Pending struct {
	p     *Pipeline
	b     builder
	d     *Digest
	size  int64
	queue []*slot
	cut   *[]Extent // of Cut: where extents go instead of b and d
}

// Ingest reads r to its end. An error of r comes back unchanged.
func (p *Pipeline) Ingest(ctx context.Context, r io.Reader) (*Pending, error) {
	f := &Pending{p: p, b: builder{nodes: p.sink.Node}, d: NewDigest()}
	c := chunk.NewChunker(p.table, r)
	defer c.Close()
	for {
		piece, err := c.Next()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = f.take(ctx, piece)
		}
		if err != nil {
			f.settle()
			return nil, err
		}
	}
}

func (f *Pending) take(ctx context.Context, piece chunk.Piece) error {
	n := piece.Len()
	if f.size += n; f.size > MaxSize {
		return fmt.Errorf("stream: longer than %d bytes", int64(MaxSize))
	}
	s := &slot{hole: piece.Hole, size: n}
	if piece.Hole == 0 {
		s.done = make(chan struct{})
		slots := f.p.slots
		if n < smallPiece {
			slots = f.p.small
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		data, release := f.own(piece)
		go func() {
			s.child, s.err = f.p.sink.Chunk(ctx, data)
			release()
			<-slots
			close(s.done)
		}()
	}
	f.queue = append(f.queue, s)
	for len(f.queue) > waiting {
		if err := f.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// own makes a piece outlive the chunker's next. Of a long stream the chunker's buffer itself is kept; of a short one,
// which may be one of very many, that would be far more memory than the piece has.
func (f *Pending) own(piece chunk.Piece) (data []byte, release func()) {
	switch n := len(piece.Data); {
	case f.size > longStream:
		piece.Keep()
		return piece.Data, piece.Release
	case n < smallPiece:
		return bytes.Clone(piece.Data), func() {}
	default:
		box := f.p.pool.Get().(*[]byte)
		*box = append((*box)[:0], piece.Data...)
		return *box, func() { f.p.pool.Put(box) }
	}
}

// drain moves the first slot into the recipe.
func (f *Pending) drain(ctx context.Context) error {
	s := f.queue[0]
	f.queue = f.queue[1:]
	if s.hole == 0 {
		if <-s.done; s.err != nil {
			return s.err
		}
	}
	x := Extent{Child: s.child, Len: s.size}
	switch {
	case f.cut != nil:
		*f.cut = append(*f.cut, x)
		return nil
	case x.Hole():
		f.d.Hole(x.Len)
	default:
		f.d.Data(x.Child.ID, x.Len)
	}
	return f.b.add(ctx, 0, x)
}

// settle waits for what is at work, so that no goroutine outlives the stream.
func (f *Pending) settle() {
	for _, s := range f.queue {
		if s.done != nil {
			<-s.done
		}
	}
	f.queue = nil
}

// Size is how many bytes were read.
func (f *Pending) Size() int64 { return f.size }

// Wait answers the content once every chunk of it has been handed over.
func (f *Pending) Wait(ctx context.Context) (Content, error) {
	defer f.settle()
	for len(f.queue) > 0 {
		if err := f.drain(ctx); err != nil {
			return Content{}, err
		}
	}
	r, err := f.b.finish(ctx)
	if err != nil {
		return Content{}, err
	}
	return Content{Recipe: r, Size: f.size, Digest: f.d.Sum()}, nil
}
