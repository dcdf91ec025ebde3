package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// The steps on a set of data.
const (
	stepNew       = "new"
	stepUnchanged = "unchanged"
	stepRestore   = "restore"
	stepChanged   = "1 % changed"
	stepErase     = "erase half"
)

// fastName is Holdfast with its fast mode.
const fastName = "holdfast-fast"

// bench is one run of everything.
type bench struct {
	o        options
	scratch  *scratch
	corpus   *corpus
	tree     *tree
	holdfast *holdfast
	peers    []program
	about    []peer
	results  *results
	ceilings *ceilings
	failed   []string
	extra    extras
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// fail notes that something could not be measured, which makes the bench end with
// an error, but not before everything else was measured.
func (b *bench) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.say("FAILED: %s", text)
	b.failed = append(b.failed, text)
}

// all is Holdfast, its peers and who else takes part; the order turns with the
// round, so that nobody always runs first.
func (b *bench) all(round int, more ...program) []program {
	list := slices.Concat([]program{b.holdfast}, b.peers, more)
	turn := round % len(list)
	return append(slices.Clone(list[turn:]), list[:turn]...)
}

// data is one set of data in its states.
type data struct {
	name   string
	kind   kind
	steps  []string
	runs   int
	fast   program                                  // Holdfast's fast mode, if it takes part
	at     func() (path string, size int64)         // where the present state lies
	change func(ctx context.Context) error          // to the next state
	begin  func(ctx context.Context, run int) error // before a run; may be nil
}

// contender is a program with its repository of this run.
type contender struct {
	p    program
	r    repository
	last int64
	out  bool // a step failed, so that the next ones make no sense
}

// measure runs the steps, each by all programs in turn, as often as d asks.
func (b *bench) measure(ctx context.Context, d data) error {
	for n := range d.runs {
		if d.begin != nil {
			if err := d.begin(ctx, n); err != nil {
				return err
			}
		}
		if err := b.round(ctx, d, n); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

func (b *bench) round(ctx context.Context, d data, n int) (err error) {
	dir, err := b.scratch.sub(d.name)
	if err != nil {
		return err
	}
	var field []*contender
	defer func() {
		for _, c := range field {
			c.r.close()
		}
		err = errors.Join(err, b.scratch.drop(dir))
	}()
	programs := b.all(n)
	if d.fast != nil {
		programs = b.all(n, d.fast)
	}
	for _, p := range programs {
		own := filepath.Join(dir, p.name())
		if err := os.MkdirAll(filepath.Join(own, "home"), 0o700); err != nil {
			return err
		}
		r, err := p.open(ctx, own, d.kind)
		if err != nil {
			b.fail("%s: a repository of %s: %v", d.name, p.name(), err)
			continue
		}
		field = append(field, &contender{p: p, r: r})
	}
	for _, s := range d.steps {
		if s == stepChanged {
			if err := d.change(ctx); err != nil {
				return err
			}
		}
		for i, c := range field {
			if s == stepRestore && d.kind == kindTree && i == n%len(field) {
				if err := b.copyTree(ctx, d); err != nil {
					return err
				}
			}
			if c.out || c.p.name() == fastName && s != stepNew && s != stepRestore {
				continue
			}
			if err := b.step(ctx, d, s, c, dir, n); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				b.fail("%s, %s, by %s: %v", d.name, s, c.p.name(), err)
				c.out = true
			}
		}
	}
	for _, c := range field {
		if c.out {
			continue
		}
		u, err := c.r.idle(ctx)
		if err != nil {
			return err
		}
		b.results.startup[c.p.name()] = append(b.results.startup[c.p.name()], sample{usage: u})
	}
	return nil
}

// step runs one step of one program, and notes what it cost.
func (b *bench) step(ctx context.Context, d data, step string, c *contender, dir string, n int) error {
	path, size := d.at()
	s := sample{Bytes: size}
	// What will be read is in the page cache for everybody, and what others left to write is not written during this step.
	err := warm(path)
	if step == stepRestore {
		err = warm(filepath.Join(dir, c.p.name()))
	}
	if err != nil {
		return err
	}
	syscall.Sync()
	if step == stepRestore {
		s.usage, err = b.restore(ctx, d, c, dir, path, n)
	} else {
		if s.usage, err = c.r.put(ctx, path); err == nil {
			err = c.r.settle(ctx)
		}
	}
	if err != nil {
		return err
	}
	if s.Stored, err = c.r.stored(); err != nil {
		return err
	}
	s.Grown, c.last = s.Stored-c.last, s.Stored
	b.results.add(point{d.name, step, c.p.name()}, s)
	b.say("%-8s %-12s %-14s %7.2f s  %8.1f MiB/s  cpu %6.2f s  (others %5.2f)  peak %4d + %4d MiB  stored %7.1f MiB", d.name, step, c.p.name(),
		s.Wall.Seconds(), rate(s.Bytes, s.Wall), s.CPU.Seconds(), s.others().Seconds(), s.Client/mib, s.Server/mib, float64(s.Stored)/float64(mib))
	return nil
}

// copyTree copies the tree as it is, among the restores of it and under the same conditions: what they are held against.
func (b *bench) copyTree(ctx context.Context, d data) error {
	path, size := d.at()
	out, err := b.scratch.sub("copied")
	if err := errors.Join(err, warm(path)); err != nil {
		return err
	}
	syscall.Sync()
	u, err := run(ctx, command{args: []string{"cp", "-a", path, filepath.Join(out, "tree")}, env: environ(out)})
	if err != nil {
		return err
	}
	b.results.add(point{d.name, stepRestore, ceilCopy}, sample{usage: u, Bytes: size})
	b.say("%-8s %-12s %-14s %7.2f s  %8.1f MiB/s  cpu %6.2f s (others %5.2f)", d.name, stepRestore, ceilCopy, u.Wall.Seconds(), rate(size, u.Wall), u.CPU.Seconds(), u.others().Seconds())
	return b.scratch.later(out, b.o.size)
}

// restore measures a restore and, in the first run, compares what comes out.
func (b *bench) restore(ctx context.Context, d data, c *contender, dir, path string, n int) (usage, error) {
	if d.kind == kindTree {
		out, err := b.scratch.sub("restored")
		if err != nil {
			return usage{}, err
		}
		to := filepath.Join(out, c.p.name())
		u, err := c.r.get(ctx, to, nil)
		if err == nil && n == 0 {
			err = sameTree(path, to)
		}
		return u, errors.Join(err, b.scratch.later(out, b.o.size))
	}
	u, err := c.r.get(ctx, "", nil)
	if err != nil || n > 0 {
		return u, err
	}
	want, err := sumOf(path)
	if err != nil {
		return u, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return u, err
	}
	h := sha256.New()
	copied := make(chan error, 1)
	go func() { _, err := io.Copy(h, r); copied <- err }()
	_, err = c.r.get(ctx, "", w)
	err = errors.Join(err, w.Close(), <-copied, r.Close())
	if got := fmt.Sprintf("%x", h.Sum(nil)); err == nil && got != want {
		err = fmt.Errorf("what was restored is not what was stored: SHA-256 %s, not %s", got, want)
	}
	return u, err
}
