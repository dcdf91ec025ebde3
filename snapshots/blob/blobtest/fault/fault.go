// Package fault makes a blob.Store fail at a chosen call, the way disks do: with an error before anything happened,
// after a part, or after all of it happened.
//
// It must never be imported by anything but tests.
package fault

import (
	"context"
	"errors"
	"io"
	"sync"

	"holdfast/snapshots/blob"
)

// ErrInjected is what a failing call answers unless the fault says otherwise.
var ErrInjected = errors.New("fault: injected")

// Op is a kind of call. A zero Op in a Fault stands for every one.
type Op uint8

// The calls that are counted and may fail.
const (
	Create Op = iota + 1
	Write
	Sync
	Commit
	Read // ReadAt, and opening a reader
	Stat
	List
)

// Mode is how a call fails.
type Mode uint8

// The modes. Zero is invalid: such a fault never strikes.
const (
	// Before: nothing is done.
	Before Mode = iota + 1
	// Short: half of a write is done, a read answers half; for other calls as Before.
	Short
	// After: all is done, and yet reported as failed.
	After
	// Flip: a read answers with one bit flipped and no error: bit rot. Other calls are not touched.
	Flip
	// Truncate: a read answers half of what is there, as if the blob ended there. Other calls are not touched.
	Truncate
)

// reads reports whether a mode is one of reads alone.
func (m Mode) reads() bool { return m == Flip || m == Truncate }

// Fault strikes at the Nth call (from 1) of Op, and at all later ones too if Sticky.
type Fault struct {
	Op     Op
	Nth    int
	Mode   Mode
	Err    error // ErrInjected if nil; blob.ErrFull for a full disk
	Sticky bool
}

// Store wraps a store. It is safe for concurrent use; calls are counted in the order in which they begin.
type Store struct {
	blob.Store
	mu     sync.Mutex
	faults []Fault
	counts map[Op]int
	struck int
}

var _ blob.Store = (*Store)(nil)

// New wraps a store with faults.
func New(s blob.Store, faults ...Fault) *Store {
	return &Store{Store: s, faults: faults, counts: map[Op]int{}}
}

// Set replaces the faults and counts from zero again.
func (s *Store) Set(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.counts, s.struck = faults, map[Op]int{}, 0
}

// Calls is how many calls of an op were made; of all, for a zero Op. With it a test learns how many places there are
// at which it can fail.
func (s *Store) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[op]
}

// Struck is how many calls failed.
func (s *Store) Struck() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.struck
}

// call counts a call and answers how it fails: a zero Mode if it does not.
func (s *Store) call(op Op) (Mode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[op]++
	s.counts[0]++
	for _, f := range s.faults {
		if f.Op != 0 && f.Op != op || f.Mode == 0 || f.Mode.reads() && op != Read {
			continue
		}
		if n := s.counts[f.Op]; n == f.Nth || f.Sticky && n > f.Nth {
			s.struck++
			if f.Err == nil {
				f.Err = ErrInjected
			}
			return f.Mode, f.Err
		}
	}
	return 0, nil
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string) (blob.Writer, error) {
	mode, injected := s.call(Create)
	if mode != 0 && mode != After {
		return nil, injected
	}
	w, err := s.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	if mode == After {
		return nil, errors.Join(injected, w.Close())
	}
	return &writer{w: w, s: s}, nil
}

// ReadAt implements blob.Store.
func (s *Store) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	mode, injected := s.call(Read)
	if mode == Before {
		return 0, injected
	}
	n, err := s.Store.ReadAt(ctx, name, p, off)
	switch {
	case mode == Flip && n > 0:
		p[n/2] ^= 1
	case mode == Truncate:
		return n / 2, io.EOF
	case mode == Short:
		return n / 2, injected
	case mode == After:
		return n, injected
	}
	return n, err
}

// OpenReader implements blob.Store.
func (s *Store) OpenReader(ctx context.Context, name string, off, length int64) (io.ReadCloser, error) {
	mode, injected := s.call(Read)
	if mode == Before {
		return nil, injected
	}
	r, err := s.Store.OpenReader(ctx, name, off, length)
	if err != nil || mode == 0 {
		return r, err
	}
	return &reader{ReadCloser: r, mode: mode, err: injected}, nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	if mode, err := s.call(Stat); mode != 0 {
		return blob.Info{}, err
	}
	return s.Store.Stat(ctx, name)
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix string, visit func(blob.Info) error) error {
	mode, injected := s.call(List)
	if mode == Before || mode == Short {
		return injected
	}
	if err := s.Store.List(ctx, prefix, visit); err != nil {
		return err
	}
	if mode == After {
		return injected
	}
	return nil
}

// reader fails after its first read.
type reader struct {
	io.ReadCloser
	mode Mode
	err  error
	hit  bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.hit && r.mode == Truncate {
		return 0, io.EOF
	}
	if r.hit && r.mode != Flip {
		return 0, r.err
	}
	if r.mode == Short || r.mode == Truncate {
		p = p[:(len(p)+1)/2]
	}
	n, err := r.ReadCloser.Read(p)
	if r.mode == Flip && !r.hit && n > 0 {
		p[n/2] ^= 1
	}
	r.hit = true
	if !r.mode.reads() && err == io.EOF {
		err = r.err
	}
	return n, err
}

// writer keeps the rule of blob.Writer: after a failure every call answers blob.ErrFailed.
type writer struct {
	w      blob.Writer
	s      *Store
	failed bool
}

func (w *writer) Write(p []byte) (int, error) {
	if w.failed {
		return 0, blob.ErrFailed
	}
	mode, injected := w.s.call(Write)
	switch mode {
	case Before:
		w.failed = true
		return 0, injected
	case Short:
		p = p[:len(p)/2]
	}
	n, err := w.w.Write(p)
	if mode != 0 {
		w.failed = true
		// What was written reaches the disk, as the page cache would bring it there sooner or later.
		return n, errors.Join(injected, err, w.w.Sync())
	}
	return n, err
}

func (w *writer) end(op Op, do func() error) error {
	if w.failed {
		return blob.ErrFailed
	}
	mode, injected := w.s.call(op)
	if mode == 0 {
		return do()
	}
	w.failed = true
	if mode == After {
		return errors.Join(injected, do())
	}
	return injected
}

func (w *writer) Sync() error   { return w.end(Sync, w.w.Sync) }
func (w *writer) Commit() error { return w.end(Commit, w.w.Commit) }
func (w *writer) Close() error  { return w.w.Close() }
