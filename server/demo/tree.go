package demo

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

const (
	// compareBuffer is how much of two files is compared at once.
	compareBuffer = 256 << 10
	// maxDifferences bounds how many differences are remembered.
	maxDifferences = 20
)

// comparison compares two directories as they lie on disk: names as bytes,
// types, contents, modes, times of change to the nanosecond, targets of symbolic
// links, and which names are one file. Memory is bounded by the widest folder and
// the number of hard links.
type comparison struct {
	skip    func(path string) bool // of the wanted tree
	special bool                   // compare setuid, setgid and sticky
	extra   map[string]string      // files that the other tree has in addition, with their content

	files, bytes int64
	left         int64            // sockets, devices and FIFOs, which are never restored
	links        map[inode]string // of the wanted tree: its first name
	other        map[string]inode // that name's file in the other tree
	back         map[inode]string // of the other tree: its first name
	differences  []string

	x, y []byte // buffers of two files' contents
}

type inode struct{ dev, ino uint64 }

// compareTrees compares got with want.
func compareTrees(ctx context.Context, want, got string, skip func(string) bool, extra map[string]string) (*comparison, error) {
	c := &comparison{skip: skip, special: os.Geteuid() == 0, extra: extra,
		links: map[inode]string{}, other: map[string]inode{}, back: map[inode]string{},
		x: make([]byte, compareBuffer), y: make([]byte, compareBuffer)}
	return c, c.dir(ctx, want, got, "")
}

func (c *comparison) identical() bool { return len(c.differences) == 0 }

func (c *comparison) differ(name, format string, args ...any) {
	if len(c.differences) < maxDifferences {
		c.differences = append(c.differences, fmt.Sprintf("%q: ", name)+fmt.Sprintf(format, args...))
	}
}

func (c *comparison) dir(ctx context.Context, want, got, rel string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a, err := os.ReadDir(filepath.Join(want, rel))
	if err != nil {
		return err
	}
	b, err := os.ReadDir(filepath.Join(got, rel))
	if err != nil {
		return err
	}
	byName := func(x, y fs.DirEntry) int { return cmp.Compare(x.Name(), y.Name()) }
	slices.SortFunc(a, byName)
	slices.SortFunc(b, byName)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name() < b[0].Name():
			if err := c.missing(want, rel, a[0]); err != nil {
				return err
			}
			a = a[1:]
		case len(a) == 0 || b[0].Name() < a[0].Name():
			if err := c.additional(got, filepath.Join(rel, b[0].Name())); err != nil {
				return err
			}
			b = b[1:]
		default:
			if err := c.entry(ctx, want, got, filepath.Join(rel, a[0].Name())); err != nil {
				return err
			}
			a, b = a[1:], b[1:]
		}
	}
	return nil
}

func (c *comparison) missing(want, rel string, e fs.DirEntry) error {
	name := filepath.Join(rel, e.Name())
	if c.skip != nil && c.skip(filepath.Join(want, name)) {
		return nil
	}
	if e.Type()&(fs.ModeSocket|fs.ModeDevice|fs.ModeNamedPipe) != 0 {
		c.left++
		return nil
	}
	c.differ(name, "is missing")
	return nil
}

func (c *comparison) additional(got, name string) error {
	content, ok := c.extra[name]
	if !ok {
		c.differ(name, "should not be there")
		return nil
	}
	have, err := os.ReadFile(filepath.Join(got, name))
	if err == nil && string(have) != content {
		c.differ(name, "has another content")
	}
	delete(c.extra, name)
	return err
}

func (c *comparison) entry(ctx context.Context, want, got, name string) error {
	a, err := os.Lstat(filepath.Join(want, name))
	if err != nil {
		return err
	}
	b, err := os.Lstat(filepath.Join(got, name))
	if err != nil {
		return err
	}
	c.files++
	if a.Mode().Type() != b.Mode().Type() {
		c.differ(name, "is %s, was %s", b.Mode().Type(), a.Mode().Type())
		return nil
	}
	if a.Mode()&fs.ModeSymlink != 0 {
		return c.symlink(want, got, name)
	}
	mask := fs.ModePerm
	if c.special {
		mask |= fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	}
	if a.Mode()&mask != b.Mode()&mask {
		c.differ(name, "has mode %s, had %s", b.Mode()&mask, a.Mode()&mask)
	}
	if !a.ModTime().Equal(b.ModTime()) {
		c.differ(name, "is of %s, was of %s", b.ModTime().UTC(), a.ModTime().UTC())
	}
	if a.IsDir() {
		return c.dir(ctx, want, got, name)
	}
	if a.Size() != b.Size() {
		c.differ(name, "has %d bytes, had %d", b.Size(), a.Size())
		return nil
	}
	if again, err := c.hardLink(name, a, b); again || err != nil {
		return err
	}
	return c.content(ctx, filepath.Join(want, name), filepath.Join(got, name), name)
}

func (c *comparison) symlink(want, got, name string) error {
	a, err := os.Readlink(filepath.Join(want, name))
	if err != nil {
		return err
	}
	b, err := os.Readlink(filepath.Join(got, name))
	if err == nil && a != b {
		c.differ(name, "points to %q, pointed to %q", b, a)
	}
	return err
}

// hardLink compares which names are one file, and says whether the content of
// this one was compared under another name.
func (c *comparison) hardLink(name string, a, b fs.FileInfo) (bool, error) {
	sa, sb := stat(a), stat(b)
	if sa == nil || sb == nil {
		return false, nil
	}
	ia, ib := inode{uint64(sa.Dev), sa.Ino}, inode{uint64(sb.Dev), sb.Ino}
	first, known := c.links[ia]
	before, had := c.back[ib]
	if sb.Nlink > 1 && !had {
		c.back[ib] = name
	}
	if sa.Nlink > 1 && !known {
		c.links[ia], c.other[name] = name, ib
	}
	switch {
	case !known && had:
		c.differ(name, "is one file with %q, and was not", before)
	case known && c.other[first] != ib:
		c.differ(name, "is no longer one file with %q", first)
	}
	return known, nil
}

func stat(info fs.FileInfo) *syscall.Stat_t {
	s, _ := info.Sys().(*syscall.Stat_t)
	return s
}

func (c *comparison) content(ctx context.Context, want, got, name string) error {
	a, err := os.Open(want)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(got)
	if err != nil {
		return err
	}
	defer b.Close()
	x, y := c.x, c.y
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if n != m || !bytes.Equal(x[:n], y[:m]) {
			c.differ(name, "has another content after byte %d", at)
			return nil
		}
		at += int64(n)
		c.bytes += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err2 != nil && err2 != io.EOF && err2 != io.ErrUnexpectedEOF {
			return err2
		}
	}
}
