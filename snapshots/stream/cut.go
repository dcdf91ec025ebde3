package stream

import (
	"context"
	"errors"
	"io"

	"holdfast/snapshots/chunk"
)

// Cut takes pieces of c until they stand for at least so many bytes, and answers them once each is stored. The error is
// nil when there may be more, io.EOF when the stream has ended, and chunk.ErrMore when c has no more that is decided; what
// was cut is answered with these. Any other error answers nothing. One goroutine calls Cut.
func (p *Pipeline) Cut(ctx context.Context, c *chunk.Chunker, most int64) ([]Extent, error) {
	extents := []Extent{}
	f := &Pending{p: p, cut: &extents}
	defer f.settle()
	var end error
	for f.size < most && end == nil {
		piece, err := c.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, chunk.ErrMore):
			end = err
		case err != nil:
			return nil, err
		default:
			if err := f.take(ctx, piece); err != nil {
				return nil, err
			}
		}
	}
	for len(f.queue) > 0 {
		if err := f.drain(ctx); err != nil {
			return nil, err
		}
	}
	return extents, end
}

// Joined hands extents on one after the other, holes that follow each other as one. Flush hands on the last.
type Joined struct {
	To   *Assembly
	hole int64
}

// Add adds the next extent.
func (j *Joined) Add(ctx context.Context, x Extent) error {
	if x.Hole() {
		j.hole += x.Len
		return nil
	}
	if err := j.Flush(ctx); err != nil {
		return err
	}
	return j.To.Data(ctx, x.Child, x.Len)
}

// Flush hands on a hole that is at hand.
func (j *Joined) Flush(ctx context.Context) error {
	n := j.hole
	if j.hole = 0; n == 0 {
		return nil
	}
	return j.To.Hole(ctx, n)
}
