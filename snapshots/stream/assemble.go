package stream

import (
	"context"
	"fmt"
	"hash"
	"slices"

	"holdfast/snapshots/node"
)

// Assembly makes one content out of chunks and holes that others have cut and stored, in order. It is not safe for
// concurrent use. What it holds is bounded by Fanout extents a level.
type Assembly struct {
	b    builder
	d    *Digest
	size int64
}

// NewAssembly starts a content whose recipe nodes go to the sink.
func NewAssembly(sink Sink) *Assembly {
	return &Assembly{b: builder{nodes: sink.Node}, d: NewDigest()}
}

// Data adds a stored chunk of n plain bytes.
func (a *Assembly) Data(ctx context.Context, c node.Child, n int64) error {
	if err := a.grow(n); err != nil {
		return err
	}
	a.d.Data(c.ID, n)
	return a.b.add(ctx, 0, Extent{Child: c, Len: n})
}

// Hole adds n bytes that are not stored. Two holes must not follow each other: they are one.
func (a *Assembly) Hole(ctx context.Context, n int64) error {
	if err := a.grow(n); err != nil {
		return err
	}
	a.d.Hole(n)
	return a.b.add(ctx, 0, Extent{Len: n})
}

func (a *Assembly) grow(n int64) error {
	if n <= 0 || n > MaxSize-a.size {
		return fmt.Errorf("stream: longer than %d bytes", int64(MaxSize))
	}
	a.size += n
	return nil
}

// Finish answers the content. Nothing may be added afterwards.
func (a *Assembly) Finish(ctx context.Context) (Content, error) {
	r, err := a.b.finish(ctx)
	return Content{Recipe: r, Size: a.size, Digest: a.d.Sum()}, err
}

// Clone is an assembly that goes on from here by itself, with a sink of its own.
func (a *Assembly) Clone(sink Sink) (*Assembly, error) {
	c, ok := a.d.h.(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("stream: a digest of %T cannot be cloned", a.d.h)
	}
	h, err := c.Clone()
	if err != nil {
		return nil, err
	}
	out := &Assembly{b: builder{nodes: sink.Node}, d: &Digest{h}, size: a.size}
	for _, l := range a.b.levels {
		out.b.levels = append(out.b.levels, slices.Clone(l))
	}
	return out, nil
}

// Fold makes a recipe of any number of extents, without a digest.
func Fold(ctx context.Context, sink Sink, extents []Extent) (Recipe, error) {
	b := builder{nodes: sink.Node}
	for _, e := range extents {
		if err := b.add(ctx, 0, e); err != nil {
			return nil, err
		}
	}
	return b.finish(ctx)
}
