// Package mem keeps blobs in memory. It is for tests alone: nothing in it is durable, and nothing outside tests may
// open it.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"holdfast/snapshots/blob"
)

// Store is a blob.Store in memory.
type Store struct {
	mu    sync.Mutex
	blobs map[string][]byte
	quota int64
	used  int64
}

var _ blob.Store = (*Store)(nil)

// New makes an empty store without a quota.
func New() *Store { return &Store{blobs: map[string][]byte{}} }

// NewQuota makes an empty store that is full at so many bytes.
func NewQuota(bytes int64) *Store { return &Store{blobs: map[string][]byte{}, quota: bytes} }

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string) (blob.Writer, error) {
	if err := blob.ValidateName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.blobs[name]; ok {
		return nil, fmt.Errorf("%w: %s", blob.ErrExists, name)
	}
	s.blobs[name] = nil
	return &writer{s: s, name: name}, nil
}

func (s *Store) get(ctx context.Context, name string, off int64) ([]byte, error) {
	if err := blob.ValidateName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[name]
	if !ok {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, name)
	}
	if off < 0 || off > int64(len(b)) {
		return nil, fmt.Errorf("%w: %s at %d", blob.ErrRange, name, off)
	}
	return b[off:], nil
}

// ReadAt implements blob.Store.
func (s *Store) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	b, err := s.get(ctx, name, off)
	if err != nil {
		return 0, err
	}
	n := copy(p, b)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// OpenReader implements blob.Store.
func (s *Store) OpenReader(ctx context.Context, name string, off, length int64) (io.ReadCloser, error) {
	b, err := s.get(ctx, name, off)
	if err != nil {
		return nil, err
	}
	if length < -1 {
		return nil, fmt.Errorf("%w: length %d", blob.ErrRange, length)
	}
	if length >= 0 && length < int64(len(b)) {
		b = b[:length]
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	b, err := s.get(ctx, name, 0)
	return blob.Info{Name: name, Size: int64(len(b))}, err
}

// List implements blob.Store.
func (s *Store) List(ctx context.Context, prefix string, visit func(blob.Info) error) error {
	s.mu.Lock()
	var found []blob.Info
	for name, b := range s.blobs {
		if strings.HasPrefix(name, prefix) {
			found = append(found, blob.Info{Name: name, Size: int64(len(b))})
		}
	}
	s.mu.Unlock()
	for _, i := range found {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(i); err != nil {
			return err
		}
	}
	return nil
}

// writer shows what it was given at Sync, so that a test notices who reads what was not synced.
type writer struct {
	s      *Store
	name   string
	held   []byte
	closed bool
	failed bool
}

func (w *writer) ready() error {
	if w.closed {
		return blob.ErrClosed
	}
	if w.failed {
		return blob.ErrFailed
	}
	return nil
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ready(); err != nil {
		return 0, err
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.quota > 0 && w.s.used+int64(len(p)) > w.s.quota {
		w.failed = true
		return 0, fmt.Errorf("%w: %s", blob.ErrFull, w.name)
	}
	w.s.used += int64(len(p))
	w.held = append(w.held, p...)
	return len(p), nil
}

func (w *writer) Sync() error {
	if err := w.ready(); err != nil {
		return err
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.blobs[w.name] = append(w.s.blobs[w.name], w.held...)
	w.held = w.held[:0]
	return nil
}

func (w *writer) Commit() error {
	if err := w.Sync(); err != nil {
		return err
	}
	w.closed = true
	return nil
}

func (w *writer) Close() error { w.closed = true; return nil }
