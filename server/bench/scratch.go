package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// scratch is the one directory that a run writes into.
type scratch struct{ dir string }

func newScratch(parent string) (*scratch, error) {
	dir, err := os.MkdirTemp(parent, "holdfast-bench-")
	if err != nil {
		return nil, err
	}
	return &scratch{dir: dir}, nil
}

// path is a name below the scratch directory.
func (s *scratch) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// sub makes a new directory of a name that was not used before.
func (s *scratch) sub(name string) (string, error) { return os.MkdirTemp(s.dir, name+"-") }

// drop removes what lies at path, which must be below the scratch directory:
// directories that forbid it too.
func (s *scratch) drop(path string) error {
	if rel, err := filepath.Rel(s.dir, path); err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%s is not in %s", path, s.dir)
	}
	if err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(p, 0o700)
		}
		return nil
	}); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// later leaves a tree of about size bytes until the end of the run, when everything is dropped, as long as there is room
// for many more, and drops it now if there is not. On ext4 the inodes that a tree gives back are passed over one by one for
// minutes by whoever makes files next (recently_deleted in its ialloc.c), at several times the cost of the file.
func (s *scratch) later(path string, size int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &st); err == nil && int64(st.Bavail)*st.Bsize > roomForTrees*size {
		return nil
	}
	return s.drop(path)
}

// create makes a file that must not be there.
func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

// createWith makes a file and has write fill it.
func createWith(path string, write func(io.Writer) error) error {
	f, err := create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// warm reads everything that lies at path, so that it is in the page cache.
func warm(path string) error {
	buffer := make([]byte, mib)
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		f, err := os.Open(p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buffer)
		return errors.Join(err, f.Close())
	})
}

// bytesBelow is the size of all regular files below dirs; what vanishes meanwhile
// counts nothing.
func bytesBelow(dirs ...string) (n int64, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				n += min(info.Size(), allocated(info))
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}
