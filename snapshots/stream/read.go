package stream

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
)

// Source gives back what a sink took. Both methods check what they read against the edge before they answer; Chunk
// appends to dst. They are called by several goroutines at once.
type Source interface {
	Chunk(ctx context.Context, dst []byte, c node.Child) ([]byte, error)
	Node(ctx context.Context, c node.Child) (node.Node, error)
}

// Forward is a Source that likes to know what will be read soon, so that it asks for many places at once. Soon is a hint:
// what it was not told is read all the same.
type Forward interface {
	Soon(ctx context.Context, list []node.Child) error
}

// ErrDamaged means that stored content does not have the length that its place in the recipe promises.
var ErrDamaged = errors.New("stream: stored content does not fit its recipe")

// Part is the next run of a file: Data, or a Hole of so many zero bytes.
type Part struct {
	Data []byte
	Hole int64
}

// Parts walks a range of a file from its front to its back, fetching a few chunks ahead. It is not safe for concurrent
// use; Close it.
type Parts struct {
	ctx    context.Context
	cancel context.CancelFunc
	src    Source
	stack  [][]Extent
	off    int64 // plaintext still to skip
	left   int64 // plaintext still to give
	queue  []*fetch
	soon   []*fetch // the end of queue: not yet begun
	free   [][]byte
	last   []byte
	err    error
}

type fetch struct {
	hole     int64
	from, to int64 // within the chunk
	extent   Extent
	data     []byte
	err      error
	begun    bool
	done     chan struct{}
}

// NewParts begins at byte off and ends after length bytes; both must lie within the recipe.
func NewParts(ctx context.Context, src Source, r Recipe, off, length int64) *Parts {
	ctx, cancel := context.WithCancel(ctx)
	return &Parts{ctx: ctx, cancel: cancel, src: src, stack: [][]Extent{r}, off: off, left: length}
}

// Next answers the next run, or io.EOF. Data is valid until the next call.
func (p *Parts) Next() (Part, error) {
	if p.last != nil {
		p.free, p.last = append(p.free, p.last), nil
	}
	if err := p.Ahead(); err != nil {
		return Part{}, err
	}
	if len(p.queue) == 0 {
		if p.left > 0 {
			return Part{}, fmt.Errorf("%w: it ends early", ErrDamaged)
		}
		return Part{}, io.EOF
	}
	f := p.queue[0]
	p.queue = p.queue[1:]
	if f.hole > 0 {
		return Part{Hole: f.hole}, nil
	}
	<-f.done
	if f.err != nil {
		return Part{}, f.err
	}
	p.last = f.data
	return Part{Data: f.data[f.from:f.to]}, nil
}

// Ahead begins to fetch the first runs, or those after the last that were begun. Next does it by itself; who has several
// files to read calls it for the next ones.
func (p *Parts) Ahead() error {
	// Half of the room at a time, so that the source is told of several places at once.
	if p.err == nil && len(p.queue) <= readAhead/2 {
		p.err = p.ahead()
	}
	return p.err
}

func (p *Parts) ahead() error {
	for len(p.queue) < readAhead {
		more, err := p.schedule()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if f, ok := p.src.(Forward); ok && len(p.soon) > 1 {
		list := make([]node.Child, 0, len(p.soon))
		for _, f := range p.soon {
			list = append(list, f.extent.Child)
		}
		if err := f.Soon(p.ctx, list); err != nil {
			return err
		}
	}
	for _, f := range p.soon {
		p.begin(f)
	}
	p.soon = p.soon[:0]
	return nil
}

// schedule finds the next extent of the range and queues it; false when there is none.
func (p *Parts) schedule() (bool, error) {
	for p.left > 0 && len(p.stack) > 0 {
		top := len(p.stack) - 1
		if len(p.stack[top]) == 0 {
			p.stack = p.stack[:top]
			continue
		}
		e := p.stack[top][0]
		p.stack[top] = p.stack[top][1:]
		if p.off >= e.Len {
			p.off -= e.Len
			continue
		}
		if e.Child.Kind == chunk.KindRecipe {
			if len(p.stack) > MaxDepth {
				return false, fmt.Errorf("%w: too deep", ErrDamaged)
			}
			n, err := p.src.Node(p.ctx, e.Child)
			if err != nil {
				return false, err
			}
			extents, err := parseNode(n, e.Len)
			if err != nil {
				return false, err
			}
			p.stack = append(p.stack, extents)
			continue
		}
		f := &fetch{extent: e, from: p.off, to: min(e.Len, p.off+p.left)}
		p.off = 0
		p.left -= f.to - f.from
		if e.Hole() {
			f.hole = f.to - f.from
		} else {
			f.done = make(chan struct{})
			p.soon = append(p.soon, f)
		}
		p.queue = append(p.queue, f)
		return true, nil
	}
	return false, nil
}

func (p *Parts) begin(f *fetch) {
	f.begun = true
	var dst []byte
	if n := len(p.free); n > 0 {
		dst, p.free = p.free[n-1][:0], p.free[:n-1]
	}
	get := func() {
		defer close(f.done)
		f.data, f.err = p.src.Chunk(p.ctx, dst, f.extent.Child)
		if f.err == nil && int64(len(f.data)) != f.extent.Len {
			f.err = fmt.Errorf("%w: chunk of %d bytes where %d were expected", ErrDamaged, len(f.data), f.extent.Len)
		}
	}
	go get()
}

// Close stops what is being fetched and waits for it.
func (p *Parts) Close() error {
	p.cancel()
	for _, f := range p.queue {
		if f.begun {
			<-f.done
		}
	}
	p.queue, p.soon, p.stack, p.left = nil, nil, nil, 0
	return nil
}

// Reader is Parts as an io.ReadCloser, holes as zeroes.
type Reader struct {
	parts *Parts
	cur   Part
	err   error
}

// NewReader reads length bytes from byte off of the content.
func NewReader(ctx context.Context, src Source, r Recipe, off, length int64) *Reader {
	return &Reader{parts: NewParts(ctx, src, r, off, length)}
}

// Ahead begins to fetch what will be read first; see Parts.Ahead.
func (r *Reader) Ahead() error { return r.parts.Ahead() }

func (r *Reader) fill() error {
	for r.err == nil && r.cur.Hole == 0 && len(r.cur.Data) == 0 {
		r.cur, r.err = r.parts.Next()
	}
	return r.err
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	if r.cur.Hole > 0 {
		n := int(min(int64(len(p)), r.cur.Hole))
		clear(p[:n])
		r.cur.Hole -= int64(n)
		return n, nil
	}
	n := copy(p, r.cur.Data)
	r.cur.Data = r.cur.Data[n:]
	return n, nil
}

var zeroes [64 << 10]byte

// WriteTo implements io.WriterTo.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				return total, nil
			}
			return total, err
		}
		b := r.cur.Data
		if r.cur.Hole > 0 {
			b = zeroes[:min(int64(len(zeroes)), r.cur.Hole)]
		}
		n, err := w.Write(b)
		total += int64(n)
		if r.cur.Hole > 0 {
			r.cur.Hole -= int64(n)
		} else {
			r.cur.Data = r.cur.Data[n:]
		}
		if err != nil {
			return total, err
		}
	}
}

// Close ends the reading.
func (r *Reader) Close() error { return r.parts.Close() }

// Walk calls visit for every extent of the recipe that is data or a hole, in order, descending into recipe nodes.
func Walk(ctx context.Context, src Source, r Recipe, visit func(Extent) error) error {
	return walk(ctx, src, r, visit, 0)
}

func walk(ctx context.Context, src Source, extents []Extent, visit func(Extent) error, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("%w: too deep", ErrDamaged)
	}
	for _, e := range extents {
		if e.Child.Kind != chunk.KindRecipe {
			if err := visit(e); err != nil {
				return err
			}
			continue
		}
		n, err := src.Node(ctx, e.Child)
		if err != nil {
			return err
		}
		inner, err := parseNode(n, e.Len)
		if err != nil {
			return err
		}
		if err := walk(ctx, src, inner, visit, depth+1); err != nil {
			return err
		}
	}
	return nil
}
