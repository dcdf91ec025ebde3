package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// sameTree compares what was restored with the tree: names, kinds, permissions,
// contents, links, and the files' times to the second.
func sameTree(want, got string) error {
	count := 0
	err := filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == want {
			return err
		}
		rel, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		count++
		return sameEntry(path, filepath.Join(got, rel))
	})
	if err != nil {
		return fmt.Errorf("what was restored is not what was stored: %w", err)
	}
	n := 0
	err = filepath.WalkDir(got, func(path string, _ fs.DirEntry, err error) error {
		if path != got {
			n++
		}
		return err
	})
	if err == nil && n != count {
		err = fmt.Errorf("%d entries were restored, not %d", n, count)
	}
	return err
}

func sameEntry(want, got string) error {
	a, aerr := os.Lstat(want)
	b, berr := os.Lstat(got)
	if err := errors.Join(aerr, berr); err != nil {
		return err
	}
	if a.Mode() != b.Mode() {
		return fmt.Errorf("%s is %s, not %s", got, b.Mode(), a.Mode())
	}
	switch {
	case a.Mode()&fs.ModeSymlink != 0:
		x, xerr := os.Readlink(want)
		y, yerr := os.Readlink(got)
		if err := errors.Join(xerr, yerr); err != nil || x != y {
			return errors.Join(err, fmt.Errorf("%s leads to %q, not %q", got, y, x))
		}
	case a.Mode().IsRegular():
		if a.ModTime().Unix() != b.ModTime().Unix() {
			return fmt.Errorf("%s is of %s, not %s", got, b.ModTime(), a.ModTime())
		}
		x, xerr := sumOf(want)
		y, yerr := sumOf(got)
		if err := errors.Join(xerr, yerr); err != nil || x != y {
			return errors.Join(err, fmt.Errorf("%s has other contents", got))
		}
	}
	return nil
}
