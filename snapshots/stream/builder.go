package stream

import (
	"context"

	"holdfast/snapshots/node"
)

// builder folds a sequence of extents of any length into a recipe, holding at most Fanout of them a level.
type builder struct {
	nodes  func(context.Context, node.Node) (node.Child, error)
	levels [][]Extent
}

func (b *builder) add(ctx context.Context, level int, e Extent) error {
	for len(b.levels) <= level {
		b.levels = append(b.levels, nil)
	}
	l := b.levels[level]
	// Neighbouring holes are one hole, whatever pieces they came in.
	if n := len(l); e.Hole() && n > 0 && l[n-1].Hole() {
		l[n-1].Len += e.Len
		return nil
	}
	b.levels[level] = append(l, e)
	if len(b.levels[level]) == Fanout {
		return b.fold(ctx, level)
	}
	return nil
}

// fold turns what a level has into one node of the level above.
func (b *builder) fold(ctx context.Context, level int) error {
	l := b.levels[level]
	if len(l) == 0 {
		return nil
	}
	c, err := b.nodes(ctx, recipeNode(l))
	if err != nil {
		return err
	}
	e := Extent{Child: c, Len: Recipe(l).Size()}
	b.levels[level] = l[:0]
	return b.add(ctx, level+1, e)
}

// finish folds from below until all that is left stands inline.
func (b *builder) finish(ctx context.Context) (Recipe, error) {
	for level := 0; level < len(b.levels); level++ {
		n := 0
		for _, l := range b.levels {
			n += len(l)
		}
		if n <= MaxInline {
			break
		}
		if err := b.fold(ctx, level); err != nil {
			return nil, err
		}
	}
	r := Recipe{}
	for i := len(b.levels) - 1; i >= 0; i-- {
		r = append(r, b.levels[i]...)
	}
	return r, nil
}
