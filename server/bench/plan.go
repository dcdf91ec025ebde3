package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// sections runs what --only selects.
func (b *bench) sections(ctx context.Context, r *report) error {
	if b.o.does("tree") || b.o.does("stream") || b.o.does("ceiling") {
		b.say("making a tree of %s", sizeText(b.o.size))
		var err error
		if b.tree, err = newTree(b.corpus, b.scratch, b.o.size); err != nil {
			return err
		}
		r.Files, r.TreeBytes = len(b.tree.files), b.tree.bytes
	}
	for _, s := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"ceiling", func(ctx context.Context) error { return b.limits(ctx, r) }},
		{"tree", b.trees}, {"stream", b.streams}, {"noise", b.noises}, {"image", b.images}, {"erase", b.eraseHalf}, {"many", b.together},
		{"memory", func(ctx context.Context) error {
			sizes := []int64{b.o.size}
			if b.o.soak {
				sizes = append(sizes, soakSize)
			}
			return b.flat(ctx, sizes...)
		}},
	} {
		if !b.o.does(s.name) {
			continue
		}
		if err := s.run(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.fail("%s: %v", s.name, err)
		}
	}
	return nil
}

// limits measures the ceilings on the stream and on noise.
func (b *bench) limits(ctx context.Context, r *report) (err error) {
	stream, noisy := b.scratch.path("ceiling.tar"), b.scratch.path("ceiling.noise")
	if err := errors.Join(createWith(stream, b.tree.writeTar), newNoiseFile(noisy, 3<<32, min(b.o.size, mostTried))); err != nil {
		return err
	}
	b.say("measuring the ceilings")
	if err := b.raw(ctx, stream); err != nil {
		return err
	}
	if r.Primitives.Text, err = primitives(stream); err != nil {
		return err
	}
	if r.Primitives.Noise, err = primitives(noisy); err != nil {
		return err
	}
	b.sums(r.Primitives.Text, r.Primitives.Noise)
	for _, c := range b.ceilings.all {
		b.say("ceiling  %-24s %8.0f MiB/s", c.Name, c.MiBs)
	}
	return errors.Join(b.scratch.drop(stream), b.scratch.drop(noisy))
}

var allSteps = []string{stepNew, stepUnchanged, stepRestore, stepChanged}

func (b *bench) trees(ctx context.Context) error {
	return b.measure(ctx, data{name: "tree", kind: kindTree, steps: allSteps, runs: b.o.runs,
		at:     func() (string, int64) { return b.tree.dir, b.tree.bytes },
		change: func(context.Context) error { return b.tree.change() },
	})
}

// streams takes the tree's archive in two states.
func (b *bench) streams(ctx context.Context) error {
	f := &file{s: b.scratch}
	return b.measure(ctx, data{name: "stream", kind: kindStream, steps: allSteps, runs: b.o.runs,
		fast:  &holdfast{binary: b.holdfast.binary, compression: "s2", label: fastName},
		at:    f.at,
		begin: func(context.Context, int) error { return f.next(b.tree) },
		change: func(context.Context) error {
			return errors.Join(b.tree.change(), f.next(b.tree))
		},
	})
}

// file is the present state of a stream, on the disk.
type file struct {
	s    *scratch
	n    int
	path string
	size int64
}

func (f *file) at() (string, int64) { return f.path, f.size }

// next replaces the file by the archive of the tree as it is now.
func (f *file) next(t *tree) error {
	var gone error
	if f.path != "" {
		gone = f.s.drop(f.path)
	}
	f.n++
	f.path = f.s.path(fmt.Sprintf("stream-%d.tar", f.n))
	if err := errors.Join(gone, createWith(f.path, t.writeTar)); err != nil {
		return err
	}
	info, err := os.Stat(f.path)
	if err == nil {
		f.size = info.Size()
	}
	return err
}

func (b *bench) noises(ctx context.Context) error {
	path := b.scratch.path("noise")
	if err := newNoiseFile(path, 5<<32, b.o.size); err != nil {
		return err
	}
	err := b.measure(ctx, data{name: "noise", kind: kindStream, steps: []string{stepNew, stepRestore}, runs: 1,
		at: func() (string, int64) { return path, b.o.size }})
	return errors.Join(err, b.scratch.drop(path))
}

func (b *bench) images(ctx context.Context) error {
	path := b.scratch.path("image")
	if err := newImage(b.corpus, path, b.o.size); err != nil {
		return err
	}
	err := b.measure(ctx, data{name: "image", kind: kindImage, steps: []string{stepNew, stepChanged}, runs: 1,
		at:     func() (string, int64) { return path, b.o.size },
		change: func(context.Context) error { return rewritePages(path, 1) }})
	return errors.Join(err, b.scratch.drop(path))
}
