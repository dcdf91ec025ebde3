package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// tree is a directory of files that goes from state to state.
type tree struct {
	c     *corpus
	dir   string
	files []string // of regular files, below dir
	links int
	round int
	next  int
	bytes int64
	drop  func(path string) error
}

// epoch is when the files of a tree were last changed, so that no program has to
// doubt a time that is too near.
var epoch = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// newTree makes a tree of about size bytes: two fifths are small sources, a third
// dumps and logs, the rest machine code and what does not compress.
func newTree(c *corpus, s *scratch, size int64) (*tree, error) {
	t := &tree{c: c, dir: s.path("tree"), drop: s.drop}
	if err := os.Mkdir(t.dir, 0o755); err != nil {
		return nil, err
	}
	count := int(treeFiles * size / gib)
	for t.next < count && t.bytes < size/2 {
		if err := t.addSource(); err != nil {
			return nil, err
		}
	}
	for i := uint64(0); t.bytes < size; i++ {
		rng := seeded(1<<32 + i)
		n := min(64*kib+rng.Int64N(2*mib), max(size-t.bytes, kib))
		name, fill := fmt.Sprintf("data/dump-%04d.sql", i), t.c.dump
		switch i % 16 {
		case 0, 1, 2, 3:
			name, fill = fmt.Sprintf("data/program-%04d", i), t.c.code
		case 4, 5, 6:
			name, fill = fmt.Sprintf("data/picture-%04d.jpg", i), func(w io.Writer, seed uint64, n int64) error { return noise(w, seed, n) }
		}
		if err := t.add(name, 0o755, func(w io.Writer) error { return fill(w, 1<<32+i, n) }); err != nil {
			return nil, err
		}
	}
	for i := 0; i < len(t.files); i += 500 {
		at := filepath.Join(t.dir, filepath.Dir(t.files[i]), fmt.Sprintf("link-%d", i))
		if err := os.Symlink(filepath.Base(t.files[i]), at); err != nil {
			return nil, err
		}
		t.links++
	}
	return t, nil
}

func (t *tree) addSource() error {
	name, text, err := t.c.source(t.next)
	if err != nil {
		return err
	}
	t.next++
	return t.add(name, 0o644, func(w io.Writer) error { _, err := w.Write(text); return err })
}

func (t *tree) add(name string, mode fs.FileMode, write func(io.Writer) error) error {
	path := filepath.Join(t.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := createWith(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 256<<10)
		return errors.Join(write(b), b.Flush())
	})
	if err := errors.Join(err, os.Chmod(path, mode)); err != nil {
		return err
	}
	t.files = append(t.files, name)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	t.bytes += info.Size()
	at := epoch.Add(time.Duration(len(t.files)) * time.Second)
	return os.Chtimes(path, at, at)
}

// change brings the tree to its next state: of 30,824 files 370 are edited in the
// middle, 20 are new and 50 are gone.
func (t *tree) change() error {
	t.round++
	rng := seeded(uint64(t.round) << 48)
	count := len(t.files)
	share := func(of int) int { return max(1, count*of/30_824) }
	for i := range share(370) {
		if err := edit(filepath.Join(t.dir, t.files[rng.IntN(count)]), fmt.Sprintf("// edited in round %d, as number %d\n", t.round, i), epoch.Add(time.Duration(t.round)*24*time.Hour)); err != nil {
			return err
		}
	}
	for range share(50) {
		i := rng.IntN(len(t.files))
		if err := t.drop(filepath.Join(t.dir, t.files[i])); err != nil {
			return err
		}
		t.files = slices.Delete(t.files, i, i+1)
	}
	for range share(20) {
		if err := t.addSource(); err != nil {
			return err
		}
	}
	var err error
	t.bytes, err = bytesBelow(t.dir)
	return err
}

// edit inserts text in the middle of a file.
func edit(path, text string, at time.Time) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	middle := len(b) / 2
	_, err = f.WriteAt(slices.Concat([]byte(text), b[middle:]), int64(middle))
	return errors.Join(err, f.Close(), os.Chtimes(path, at, at))
}

// writeTar writes the tree as an archive in the order of its names.
func (t *tree) writeTar(w io.Writer) error {
	b := bufio.NewWriterSize(w, 1<<20)
	a := tar.NewWriter(b)
	buffer := make([]byte, 256<<10)
	err := filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.dir, path)
		if err != nil {
			return err
		}
		target := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, target)
		if err != nil {
			return err
		}
		h.Name = filepath.ToSlash(rel)
		// The time of a directory or link is when the bench made it; the archive is to be the same each time.
		if !info.Mode().IsRegular() {
			h.ModTime = epoch
		}
		if err := a.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{a}, struct{ io.Reader }{f}, buffer)
		return errors.Join(err, f.Close())
	})
	return errors.Join(err, a.Close(), b.Flush())
}
