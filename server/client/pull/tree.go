package pull

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"holdfast/internal/durable"
	"holdfast/server/wire/record"
)

// Tree restores a volume of files into a directory, which it makes. A run that was interrupted goes on when it is called
// again; what is complete by then is not asked for again.
func (m *Moment) Tree(ctx context.Context, name string, o Options) (sum Summary, err error) {
	if m.Kind == KindStream {
		return sum, fmt.Errorf("%w: it is one stream: name a file to restore it to, or - for standard output", ErrKind)
	}
	if err := durable.MkdirAll(name, 0o700); err != nil {
		return sum, err
	}
	top, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, top.Close()) }()
	if err := unix.Flock(int(top.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return sum, ErrBusy
		}
		return sum, &os.PathError{Op: "lock", Path: name, Err: err}
	}
	mark, err := m.mark(top, o)
	if err != nil {
		return sum, err
	}
	r := m.restorer(o)
	r.dirs = newDirs(top)
	defer r.dirs.close()
	t := &tree{restorer: r, mark: mark, units: make(chan *unit), links: held{top: top}, folders: held{top: top}}
	err = t.run(ctx)
	err = errors.Join(err, t.links.close(), t.folders.close())
	sum = r.summary()
	if err == nil {
		err = mark.clear()
	}
	return sum, err
}

// tree is the restore of a tree at work.
type tree struct {
	*restorer
	mark  *mark
	units chan *unit

	after   string         // what the next unit begins behind
	want    []record.Entry // of the next unit
	bytes   int64
	total   int64
	links   held
	folders held
}

func (t *tree) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range t.o.Pulls {
		wg.Go(func() {
			for u := range t.units {
				if err := t.fetch(ctx, u); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	err := t.list(ctx, func(e record.Entry) error { return t.plan(ctx, e) })
	if err == nil {
		err = t.send(ctx, false)
		t.o.Total(t.total)
	}
	if err != nil {
		cancel(err)
	}
	close(t.units)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return t.last()
}

// plan makes what needs no content, and notes what does.
func (t *tree) plan(ctx context.Context, e record.Entry) error {
	if err := checkPath(e.Path); err != nil {
		t.refuse(e.Path, err)
		return nil
	}
	if e.Path == markName || strings.HasPrefix(e.Path, markName+"/") {
		t.refuse(e.Path, ErrMark) // a later run would believe it, and the end of this one takes it away
		return nil
	}
	err := t.entry(ctx, e)
	var stop *stopError
	if errors.As(err, &stop) {
		return stop.error
	}
	if err != nil && fatal(err) {
		return &EntryError{e.Path, err}
	}
	if err != nil {
		t.refuse(e.Path, err)
	}
	return nil
}

// stopError is an error that is not of one entry.
type stopError struct{ error }

func (t *tree) entry(ctx context.Context, e record.Entry) error {
	switch e.Type {
	case record.Directory:
		d, err := t.dirs.get(e.Path)
		if err != nil {
			return err
		}
		t.dirs.put(d)
		return t.keep(&t.folders, &e)
	case record.Symlink:
		if err := t.symlink(&e); err != nil {
			return err
		}
		t.did(&e)
		return nil
	case record.Hardlink:
		return t.keep(&t.links, &e)
	case record.File:
		return t.file(ctx, e)
	}
	return ErrDevice
}

// keep notes what has to wait. Without it the restore cannot go on.
func (t *tree) keep(h *held, e *record.Entry) error {
	if err := h.add(e); err != nil {
		return &stopError{err}
	}
	return nil
}

func (t *tree) file(ctx context.Context, e record.Entry) error {
	t.total += e.Size
	parent, base := split(e.Path)
	d, err := t.dirs.get(parent)
	if err != nil {
		return err
	}
	complete := t.mark.resumed && t.complete(d, base, &e)
	t.dirs.put(d)
	if complete {
		t.kept(&e)
		t.tell(e.Size)
		// A pull has no gaps: what is there already would be sent again.
		if err := t.send(ctx, false); err != nil {
			return err
		}
		t.after = e.Path
		return nil
	}
	if e.Size >= bigFile {
		if err := t.send(ctx, false); err != nil {
			return err
		}
		t.want = append(t.want, e)
		return t.send(ctx, true)
	}
	if t.want = append(t.want, e); len(t.want) >= unitFiles || t.bytes+e.Size >= unitBytes {
		return t.send(ctx, false)
	}
	t.bytes += e.Size
	return nil
}

// complete says whether an earlier run of this restore has put the file there: with its size and time, which it gives a
// file at the end, and not before that run began.
func (t *tree) complete(d *dir, base string, e *record.Entry) bool {
	st, err := lstat(d.fd, base)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == e.Size &&
		unix.TimespecToNsec(st.Mtim) == e.MTime && unix.TimespecToNsec(st.Ctim) >= t.mark.began
}

// send gives what has been noted to whoever is free.
func (t *tree) send(ctx context.Context, one bool) error {
	if len(t.want) == 0 {
		return nil
	}
	u := newUnit(one, t.want, t.after)
	t.after, t.want, t.bytes = u.until, nil, 0
	select {
	case t.units <- u:
		return nil
	case <-ctx.Done():
		return &stopError{context.Cause(ctx)}
	}
}

// last does what has to wait for all files: hard links, then the directories, the deepest first.
func (t *tree) last() error {
	each := func(h *held, do func(*record.Entry) error) error {
		return h.each(func(e *record.Entry) error {
			err := do(e)
			switch {
			case err == nil:
				t.did(e)
			case fatal(err):
				return &EntryError{e.Path, err}
			default:
				t.refuse(e.Path, err)
			}
			return nil
		})
	}
	if err := each(&t.links, func(e *record.Entry) error { return t.hardlink(e.Path, e.Link) }); err != nil {
		return err
	}
	return each(&t.folders, t.directory)
}

// have is how much of a big file an earlier run has written, without a gap.
func (r *restorer) have(e *record.Entry) int64 {
	parent, _ := split(r.place(e.Path))
	d, err := r.dirs.get(parent)
	if err != nil {
		return 0
	}
	defer r.dirs.put(d)
	st, err := lstat(d.fd, temporary(e.Path, e.Digest))
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0
	}
	return max(0, min(st.Size, e.Size)-window)
}
