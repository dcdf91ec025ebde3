package push

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// tree is one walk over a directory.
//
// The walk compares what it finds with what the volume has and gives items to the
// workers, who read and cut, and to the collector, who writes them in the order
// of the walk. What was read and waits is bounded by budget, which is taken in that
// order: so the first item always goes on.
type tree struct {
	c        *client.Client
	dir      string
	ref      string
	o        Options
	useCache bool

	s       *session
	res     Result
	listing listing

	jobs   chan *item
	items  chan *item
	budget *budget
	read   atomic.Int64

	mu      sync.Mutex
	reports []error
	more    int
}

// item is something that the walk has found to be said, or to be remembered.
type item struct {
	found
	delete bool // found.path alone
	same   bool // the volume has it like this
	cost   int64

	entry  *record.Entry
	pieces []*piece      // of a small file
	stream chan *piece   // of a large one
	ready  chan struct{} // closed when entry, and pieces or stream, are there
	size   int64
	err    error // why it is left out; of a large file it may come behind its pieces
}

// run does the whole of it. errStale means that it should be done again without the cache.
func (t *tree) run(ctx context.Context) (Result, error, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var v wire.Volume
	if err := again(ctx, func() (err error) { v, err = t.c.Volume(ctx, t.ref); return err }); err != nil {
		return t.res, nil, err
	}
	if v.Kind != "files" {
		return t.res, nil, fmt.Errorf("%w: it is of kind %s", ErrKind, v.Kind)
	}
	t.s = &session{c: t.c, volume: v.ID, kind: v.Kind, head: -1}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		t.s.end(ctx)
	}()
	next, err := t.compare(ctx, v)
	if err != nil {
		if next != nil {
			next.drop()
		}
		return t.res, nil, err
	}
	defer t.listing.close()
	head, err := t.push(ctx, v, next)
	if next != nil {
		if err == nil && head >= 0 && len(t.res.Refused) == 0 {
			if kept := next.keep(head); kept != nil {
				t.report("", kept)
			}
		} else {
			next.drop()
		}
	}
	t.res.Read = t.read.Load()
	return t.res, t.reported(), err
}

// compare finds out what the volume has: from the cache if nobody has committed since, else from the service.
func (t *tree) compare(ctx context.Context, v wire.Volume) (next *cacheWriter, err error) {
	if t.o.Cache != "" && exact {
		name := cachePath(t.o.Cache, t.c.Base(), v.ID, t.dir)
		if next, err = createCache(name); err != nil {
			t.report("", err) // slower the next time
			next = nil
		}
		if c, err := openCache(name); err == nil {
			// With the deletion of what vanished the cache must have all that the volume has.
			if t.useCache && c.seq == v.Head && (!t.o.Delete || c.count == v.Files) {
				t.s.head = v.Head
				t.listing = &cacheListing{c: c}
				return next, nil
			}
			if err := c.close(); err != nil {
				return next, err
			}
		}
	}
	if v.Files == 0 {
		t.listing = &noListing{}
		t.s.head = v.Head
		return next, nil
	}
	// The session comes first: what others commit from here on shows.
	if _, err := t.s.ensure(ctx); err != nil {
		return next, err
	}
	t.listing, err = openIndex(ctx, t.c, v.ID)
	if denied(err) && !t.o.Delete {
		t.listing, err = &noListing{}, nil // who may not read has everything compared by its chunks
	}
	return next, err
}

// push walks and sends. It answers the sequence number under which the cache is right, -1 for none.
func (t *tree) push(ctx context.Context, v wire.Volume, next *cacheWriter) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.jobs, t.items = make(chan *item), make(chan *item, itemQueue)
	t.budget = newBudget(loadedBytes)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for it := range t.jobs {
				t.load(ctx, it)
			}
		})
	}
	wg.Go(func() {
		err := t.walk(ctx)
		close(t.jobs)
		if err != nil {
			cancel(err)
		}
		close(t.items)
	})
	err := t.collect(ctx, next)
	if err != nil {
		cancel(err)
	}
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = cause
	}
	if err != nil {
		return -1, err
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	switch {
	case !t.s.began: // nothing was different
		return v.Head, nil
	case !t.s.steady:
		return -1, nil
	}
	if t.res.Seq == 0 {
		// Nothing was committed; was what was compared still the volume when it was read?
		if now, err := t.c.Volume(ctx, v.ID); err != nil || now.Head != t.s.push.Head {
			return -1, nil //nolint:nilerr // the next push asks again
		}
	}
	return t.s.seq, nil
}

// walk compares and hands out.
func (t *tree) walk(ctx context.Context) error {
	put := func(it *item) error {
		select {
		case t.items <- it:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	left, err := t.listing.next()
	if err != nil {
		return err
	}
	// passed takes from the listing what lies before a path: it is not in the directory.
	passed := func(path string, all bool) error {
		for left != nil && (all || left.path() < path) {
			if t.o.Delete {
				if err := put(&item{found: found{path: left.path()}, delete: true}); err != nil {
					return err
				}
			}
			if left, err = t.listing.next(); err != nil {
				return err
			}
		}
		return nil
	}
	w := &walker{root: t.dir, links: map[inode]string{}, gone: func(name string, err error) { t.report(name, err) }}
	w.visit = func(f found) error {
		if err := passed(f.path, false); err != nil {
			return err
		}
		it := &item{found: f}
		if left != nil && left.path() == f.path {
			it.same = left.same(&it.found, t.full(f.path))
			if left, err = t.listing.next(); err != nil {
				return err
			}
		}
		if it.same {
			return put(it)
		}
		if it.kind == record.File {
			it.cost = min(it.st.size, smallFile)
			if !t.budget.take(ctx, it.cost) {
				return ctx.Err()
			}
		}
		it.ready = make(chan struct{})
		select {
		case t.jobs <- it:
		case <-ctx.Done():
			return ctx.Err()
		}
		return put(it)
	}
	if err := w.walk(ctx, ""); err != nil {
		return err
	}
	return passed("", true)
}

func (t *tree) full(path string) string { return filepath.Join(t.dir, filepath.FromSlash(path)) }

// load reads what an item has, in a worker.
func (t *tree) load(ctx context.Context, it *item) {
	told := false
	ready := func() {
		if !told {
			told = true
			close(it.ready)
		}
	}
	defer ready()
	var err error
	if it.entry, err = it.found.entry(t.full(it.path)); err == nil && it.kind == record.File {
		err = t.content(ctx, it, ready)
	}
	if it.err = err; it.stream != nil {
		close(it.stream)
	}
}

// content reads and cuts a file. Its pieces go along as a stream when they are many.
func (t *tree) content(ctx context.Context, it *item, ready func()) error {
	if _, err := t.s.ensure(ctx); err != nil {
		return fatal{err}
	}
	// A file that changes after this shows by its ctime, if that was a tick of the clock ago.
	if age := t.o.Now().Sub(time.Unix(0, it.st.ctime)); exact && age >= 0 && age < clockTick {
		time.Sleep(clockTick - age)
	}
	f, err := openFile(t.full(it.path))
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := fstat(f)
	if err != nil {
		return err
	}
	if before.kind() != record.File {
		return fmt.Errorf("it was replaced while it was read")
	}
	if it.st.size > smallFile {
		it.stream = make(chan *piece, pieceQueue)
		ready()
	}
	it.size, err = t.s.cutFile(ctx, f, before, func(p *piece) error {
		t.read.Add(p.size())
		if it.stream == nil && len(it.pieces) < maxSmallPieces {
			it.pieces = append(it.pieces, p)
			return nil
		}
		if it.stream == nil {
			return errGrown
		}
		select {
		case it.stream <- p:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return err
	}
	after, err := fstat(f)
	if err == nil && (after.size != it.st.size || after.mtime != it.st.mtime || after.ctime != it.st.ctime || after.ino != it.st.ino || it.size != after.size) {
		it.st.ctime = 0 // what is remembered of it matches nothing
		t.report(it.path, errChanged)
	}
	return err
}

var (
	errChanged = errors.New("it changed while it was read: push it again")
	errGrown   = errors.New("it grew while it was read: push it again")
)

// fatal is an error that ends the push, and not one of a file.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// collect writes the items in their order, sends them, and remembers what is there.
func (t *tree) collect(ctx context.Context, next *cacheWriter) error {
	var out *output
	defer func() {
		if out != nil {
			out.stop()
			t.res.add(out)
		}
	}()
	tick := time.NewTicker(flushAfter)
	defer tick.Stop()
	for {
		var it *item
		select {
		case x, ok := <-t.items:
			if !ok {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				t.o.Progress(t.read.Load())
				if out == nil {
					return nil
				}
				return out.finish()
			}
			it = x
		case <-tick.C:
			t.o.Progress(t.read.Load())
			if out != nil {
				if err := out.b.tick(); err != nil {
					return err
				}
			}
			continue
		case <-ctx.Done():
			return ctx.Err()
		}
		if it.same {
			t.res.Entries++
			t.res.Unchanged++
			t.res.Bytes += it.contentSize()
			if next != nil {
				if err := next.add(&it.found); err != nil {
					return err
				}
			}
			continue
		}
		if out == nil {
			p, err := t.s.ensure(ctx)
			if err != nil {
				return err
			}
			out = newOutput(ctx, t.s, &t.o, p)
		}
		if err := t.write(ctx, out, it, next); err != nil {
			return err
		}
		t.o.Progress(t.read.Load())
	}
}

func (f *found) contentSize() int64 {
	if f.kind == record.File || f.kind == record.Hardlink {
		return f.st.size
	}
	return 0
}

// write says one item.
func (t *tree) write(ctx context.Context, out *output, it *item, next *cacheWriter) error {
	if it.delete {
		return out.b.add(op{kind: opDelete, path: it.path})
	}
	select {
	case <-it.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.budget.give(it.cost)
	var stop fatal
	if it.stream == nil && it.err != nil {
		for _, p := range it.pieces {
			p.release()
		}
		if errors.As(it.err, &stop) || ctx.Err() != nil {
			return it.err
		}
		t.report(it.path, it.err)
		return nil
	}
	if err := out.b.add(op{kind: opEntry, entry: it.entry}); err != nil {
		return err
	}
	for _, p := range it.pieces {
		if err := out.b.add(op{kind: opPiece, piece: p}); err != nil {
			return err
		}
	}
	size := int64(0)
	if it.stream != nil {
		for p := range it.stream {
			size += p.size()
			if err := out.b.add(op{kind: opPiece, piece: p}); err != nil {
				return err
			}
		}
		if it.err != nil {
			if errors.As(it.err, &stop) || ctx.Err() != nil {
				return it.err
			}
			t.report(it.path, it.err)
			return out.b.add(op{kind: opDelete, path: it.path}) // the volume keeps what it had
		}
	} else {
		size = it.size
	}
	if err := out.b.add(op{kind: opEnd, size: size}); err != nil {
		return err
	}
	t.res.Entries++
	t.res.Bytes += max(size, it.found.linkSize())
	if next != nil {
		return next.add(&it.found)
	}
	return nil
}

func (f *found) linkSize() int64 {
	if f.kind == record.Hardlink {
		return f.st.size
	}
	return 0
}

// report remembers what was wrong with a file.
func (t *tree) report(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.reports) >= maxReports {
		t.more++
		return
	}
	var path *fs.PathError
	switch {
	case name != "" && errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%s vanished while it was read", t.full(name))
	case name != "" && !errors.As(err, &path):
		err = fmt.Errorf("%s: %w", t.full(name), err)
	}
	t.reports = append(t.reports, err)
}

func (t *tree) reported() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more > 0 {
		return errors.Join(append(t.reports, fmt.Errorf("and %d more", t.more))...)
	}
	return errors.Join(t.reports...)
}

// budget is how much may wait. It is taken by one goroutine and given back by another.
type budget struct {
	mu    sync.Mutex
	free  int64
	freed chan struct{}
}

func newBudget(n int64) *budget { return &budget{free: n, freed: make(chan struct{}, 1)} }

func (b *budget) take(ctx context.Context, n int64) bool {
	for {
		b.mu.Lock()
		ok := b.free >= n
		if ok {
			b.free -= n
		}
		b.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-b.freed:
		case <-ctx.Done():
			return false
		}
	}
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	b.free += n
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}
