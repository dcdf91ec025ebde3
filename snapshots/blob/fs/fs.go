// Package fs keeps blobs as files in a directory. A blob's name is its path below the directory, so that packs of one
// tenant lie together and a person finds them with ls.
//
// It must never remove, truncate, rename or overwrite a file, follow a link out of its directory (os.Root sees to
// that), or say that something is durable before the file and the directories on its path were synced.
package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"

	"holdfast/snapshots/blob"
)

// Store is a blob.Store in a directory.
type Store struct {
	root *os.Root
	mu   sync.Mutex
	made map[string]bool // directories known to be durable
}

var _ blob.Store = (*Store)(nil)

// Open opens a directory, which must exist: a store whose disk is not mounted must not look like an empty one.
func Open(dir string) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob/fs: %w", err)
	}
	return &Store{root: root, made: map[string]bool{".": true}}, nil
}

// Close gives the directory back. Writers and readers that are open go on.
func (s *Store) Close() error { return s.root.Close() }

// translate maps the system's errors to those of package blob.
func translate(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, iofs.ErrExist):
		return fmt.Errorf("%w: %s", blob.ErrExists, name)
	case errors.Is(err, iofs.ErrNotExist):
		return fmt.Errorf("%w: %s", blob.ErrNotFound, name)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: %s: %w", blob.ErrFull, name, err)
	}
	return fmt.Errorf("blob/fs: %s: %w", name, err)
}

// syncDir makes the names in a directory durable.
func (s *Store) syncDir(dir string) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// mkdir makes a directory and all above it, durably.
func (s *Store) mkdir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mkdirLocked(dir)
}

func (s *Store) mkdirLocked(dir string) error {
	if s.made[dir] {
		return nil
	}
	above := path.Dir(dir)
	if err := s.mkdirLocked(above); err != nil {
		return err
	}
	if err := s.root.Mkdir(dir, 0o700); err != nil && !errors.Is(err, iofs.ErrExist) {
		return err
	}
	// Also when it was there: the process that made it may have died before it synced.
	if err := s.syncDir(above); err != nil {
		return err
	}
	s.made[dir] = true
	return nil
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string) (blob.Writer, error) {
	if err := blob.ValidateName(name); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	if err := s.mkdir(dir); err != nil {
		if errors.Is(err, syscall.ENOTDIR) { // a blob stands where the directory should
			err = iofs.ErrExist
		}
		return nil, translate(name, err)
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, translate(name, err)
	}
	return &writer{store: s, name: name, dir: dir, file: f}, nil
}

func (s *Store) open(ctx context.Context, name string) (*os.File, int64, error) {
	if err := blob.ValidateName(name); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	// A named pipe or device in the place of a blob must not block or answer.
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENOTDIR) {
		err = iofs.ErrNotExist
	}
	if err != nil {
		return nil, 0, translate(name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = iofs.ErrNotExist
	}
	if err != nil {
		return nil, 0, errors.Join(translate(name, err), f.Close())
	}
	return f, info.Size(), nil
}

// ReadAt implements blob.Store.
func (s *Store) ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error) {
	f, size, err := s.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if off < 0 || off > size {
		return 0, fmt.Errorf("%w: %s at %d", blob.ErrRange, name, off)
	}
	n, err := f.ReadAt(p, off)
	if err == io.EOF {
		return n, io.EOF
	}
	return n, translate(name, err)
}

// OpenReader implements blob.Store.
func (s *Store) OpenReader(ctx context.Context, name string, off, length int64) (io.ReadCloser, error) {
	f, size, err := s.open(ctx, name)
	if err != nil {
		return nil, err
	}
	if off < 0 || off > size || length < -1 {
		return nil, errors.Join(fmt.Errorf("%w: %s at %d, length %d", blob.ErrRange, name, off, length), f.Close())
	}
	if length == -1 || length > size-off {
		length = size - off
	}
	return &reader{SectionReader: io.NewSectionReader(f, off, length), ctx: ctx, file: f}, nil
}

type reader struct {
	*io.SectionReader
	ctx  context.Context
	file *os.File
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.SectionReader.Read(p)
}

func (r *reader) Close() error { return r.file.Close() }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	f, size, err := s.open(ctx, name)
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Name: name, Size: size}, f.Close()
}

// List implements blob.Store. Files whose names no blob can have are not ours and are passed over.
func (s *Store) List(ctx context.Context, prefix string, visit func(blob.Info) error) error {
	return s.list(ctx, ".", prefix, visit)
}

// listStep is how many names of a directory are held at once.
const listStep = 1024

func (s *Store) list(ctx context.Context, dir, prefix string, visit func(blob.Info) error) error {
	d, err := s.root.Open(dir)
	if err != nil {
		return translate(dir, err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(listStep)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			name := path.Join(dir, e.Name())
			if blob.ValidateName(name) != nil {
				continue
			}
			if e.IsDir() {
				if below := name + "/"; strings.HasPrefix(below, prefix) || strings.HasPrefix(prefix, below) {
					if err := s.list(ctx, name, prefix, visit); err != nil {
						return err
					}
				}
				continue
			}
			if !e.Type().IsRegular() || !strings.HasPrefix(name, prefix) {
				continue
			}
			info, err := e.Info()
			if errors.Is(err, iofs.ErrNotExist) {
				continue // removed by the sweep since
			}
			if err != nil {
				return translate(name, err)
			}
			if err := visit(blob.Info{Name: name, Size: info.Size()}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return translate(dir, err)
		}
	}
}

type writer struct {
	store  *Store
	name   string
	dir    string
	file   *os.File
	named  bool // the directory entry is durable
	failed bool
	closed bool
}

func (w *writer) ready() error {
	if w.closed {
		return fmt.Errorf("%w: %s", blob.ErrClosed, w.name)
	}
	if w.failed {
		return fmt.Errorf("%w: %s", blob.ErrFailed, w.name)
	}
	return nil
}

func (w *writer) Write(p []byte) (int, error) {
	if err := w.ready(); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	w.failed = err != nil
	return n, translate(w.name, err)
}

func (w *writer) Sync() error {
	if err := w.ready(); err != nil {
		return err
	}
	err := w.file.Sync()
	if err == nil && !w.named {
		err = w.store.syncDir(w.dir)
		w.named = err == nil
	}
	w.failed = err != nil
	return translate(w.name, err)
}

func (w *writer) Commit() error {
	if err := w.Sync(); err != nil {
		return err
	}
	return w.Close()
}

func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return translate(w.name, w.file.Close())
}
