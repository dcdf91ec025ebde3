// Package untar extracts a restored archive into a directory without ever leaving it.
//
// It believes nothing that the archive says of paths: everything happens through an os.Root, parents must be real
// directories and no links, names with ".." or absolute ones are refused, and so are devices. A file is written under a
// temporary name and renamed, so that a torn transfer leaves no half file under a good name; runs of zeroes become holes
// again. It must never follow a link that the archive made.
package untar

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

var (
	// ErrPath means a name that is absolute, has "..", or leads through a link.
	ErrPath = errors.New("untar: path would leave the target")
	// ErrLink means a link whose target lies outside the directory. Options.ForeignLinks makes such symbolic links as
	// they were, without following them.
	ErrLink = errors.New("untar: link would leave the target")
	// ErrDevice means a device node or FIFO; those are never made.
	ErrDevice = errors.New("untar: devices are not restored")
	// ErrExists means that something which is no file stands where a file should go, or the other way round.
	ErrExists = errors.New("untar: something else is there")
)

// MemberError names the member that was refused. Names are user data: show them escaped.
type MemberError struct {
	Name string
	Err  error
}

func (e *MemberError) Error() string { return fmt.Sprintf("%q: %v", e.Name, e.Err) }

// Unwrap is the error without the name.
func (e *MemberError) Unwrap() error { return e.Err }

// Options of an extraction.
type Options struct {
	// Owner restores owners, which wants privileges.
	Owner bool
	// ForeignLinks makes symbolic links that point outside, as they were.
	ForeignLinks bool
	// Refused is called for every member that was not extracted; extraction goes on. When it is nil the first ends it.
	Refused func(MemberError)
}

const (
	block       = 4096
	buffer      = 256 << 10
	xattrPrefix = "SCHILY.xattr."
)

type directory struct {
	name string
	h    *tar.Header
}

type extractor struct {
	root    *os.Root
	o       Options
	dirs    []directory
	checked map[string]bool // directories that are known to be real
	buf     []byte
}

// Extract reads an archive to its end into root. An error of the archive itself, or of the reader, ends it; what was
// extracted before stays.
func Extract(root *os.Root, archive io.Reader, o Options) error {
	x := &extractor{root: root, o: o, checked: map[string]bool{".": true}, buf: make([]byte, buffer)}
	a := tar.NewReader(archive)
	for {
		h, err := a.Next()
		if errors.Is(err, io.EOF) {
			return x.finish()
		}
		if err != nil {
			return fmt.Errorf("untar: %w", err)
		}
		var torn *readError
		if err := x.member(h, a); errors.As(err, &torn) {
			return fmt.Errorf("untar: %w", torn.err)
		} else if err != nil {
			if err := x.refuse(h.Name, err); err != nil {
				return err
			}
		}
	}
}

// readError is an error of the archive, as opposed to the target.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

func (x *extractor) refuse(name string, err error) error {
	m := MemberError{name, err}
	if x.o.Refused == nil {
		return &m
	}
	x.o.Refused(m)
	return nil
}

// clean checks a name as it stands in the archive.
func clean(name string) (string, error) {
	name = strings.TrimSuffix(name, "/")
	for strings.HasPrefix(name, "./") {
		name = name[2:]
	}
	if name == "" || name == "." {
		return ".", nil
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", ErrPath
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return "", ErrPath
		}
	}
	return name, nil
}

func (x *extractor) member(h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return ErrDevice
	case tar.TypeDir:
		if err := x.directory(name); err != nil {
			return err
		}
		x.dirs = append(x.dirs, directory{name, h})
		return nil
	}
	if name == "." {
		return ErrPath
	}
	if err := x.directory(path.Dir(name)); err != nil {
		return err
	}
	if st, err := x.root.Lstat(name); err == nil && st.IsDir() {
		return ErrExists
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return x.file(name, h, body)
	case tar.TypeSymlink:
		return x.symlink(name, h)
	case tar.TypeLink:
		return x.hardlink(name, h)
	}
	return fmt.Errorf("untar: member of type %q", h.Typeflag)
}

// directory makes a directory and its parents; none of them may be a link.
func (x *extractor) directory(name string) error {
	if x.checked[name] {
		return nil
	}
	if err := x.directory(path.Dir(name)); err != nil {
		return err
	}
	st, err := x.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = x.root.Mkdir(name, 0o700)
		if err == nil {
			x.checked[name] = true
		}
		return err
	}
	if err != nil {
		return err
	}
	if st.Mode()&fs.ModeSymlink != 0 {
		return ErrPath
	}
	if !st.IsDir() {
		return ErrExists
	}
	x.checked[name] = true
	return nil
}

// temporary is a name beside name that nothing has.
func temporary(name string) string {
	var b [8]byte
	rand.Read(b[:])
	return path.Join(path.Dir(name), ".holdfast-"+hex.EncodeToString(b[:]))
}

func (x *extractor) file(name string, h *tar.Header, body io.Reader) error {
	tmp := temporary(name)
	f, err := x.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = x.content(f, h.Size, body)
	if err == nil {
		err = x.describe(f, h)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = x.root.Chtimes(tmp, h.ModTime, h.ModTime)
	}
	if err == nil {
		err = x.root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, x.drop(tmp))
	}
	return nil
}

// drop takes away a temporary file of this extraction.
func (x *extractor) drop(tmp string) error { return x.root.Remove(tmp) }

// content copies the body, leaving whole blocks of zeroes out.
func (x *extractor) content(f *os.File, size int64, body io.Reader) error {
	var at int64
	hole := false
	for at < size {
		n, err := io.ReadFull(body, x.buf[:min(int64(len(x.buf)), size-at)])
		if err != nil {
			return &readError{fmt.Errorf("archive ends within a file: %w", err)}
		}
		for from := 0; from < n; {
			to, zero := run(x.buf[from:n])
			if !zero {
				if _, err := f.WriteAt(x.buf[from:from+to], at+int64(from)); err != nil {
					return err
				}
			}
			hole = zero
			from += to
		}
		at += int64(n)
	}
	if hole {
		// The last byte gives the file its length.
		if _, err := f.WriteAt([]byte{0}, size-1); err != nil {
			return err
		}
	}
	return nil
}

var zeroes [block]byte

// run is how many bytes from the start of b are all blocks of zeroes, or all not.
func run(b []byte) (n int, zero bool) {
	for n < len(b) {
		end := min(n+block, len(b))
		z := end-n == block && bytes.Equal(b[n:end], zeroes[:])
		if n == 0 {
			zero = z
		} else if z != zero {
			return n, zero
		}
		n = end
	}
	return n, zero
}

// mode is the mode of a header with its special bits, which only an owner's restore sets.
func (x *extractor) mode(h *tar.Header) os.FileMode {
	m := os.FileMode(h.Mode & 0o777)
	if !x.o.Owner {
		return m
	}
	for bit, fm := range map[int64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if h.Mode&bit != 0 {
			m |= fm
		}
	}
	return m
}

// describe sets owner, attributes and mode, in this order: a change of owner takes setuid away.
func (x *extractor) describe(f *os.File, h *tar.Header) error {
	if x.o.Owner {
		if err := f.Chown(h.Uid, h.Gid); err != nil {
			return err
		}
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if name, ok := strings.CutPrefix(k, xattrPrefix); ok {
			if err := setXattr(f, name, h.PAXRecords[k]); err != nil {
				return fmt.Errorf("attribute %q: %w", name, err)
			}
		}
	}
	return f.Chmod(x.mode(h))
}

// inside reports whether a relative link at name stays within the root, judged by its text.
func inside(name, target string) bool {
	if target == "" || strings.HasPrefix(target, "/") || strings.IndexByte(target, 0) >= 0 {
		return false
	}
	// What stands behind ".." counts from where the link lies; ".." behind a name would count from where that leads, and it
	// may be a link itself. So only those in front are believed.
	depth, named := strings.Count(name, "/"), false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 || named {
				return false
			}
		default:
			named = true
		}
	}
	return true
}

func (x *extractor) symlink(name string, h *tar.Header) error {
	if !inside(name, h.Linkname) && !x.o.ForeignLinks {
		return ErrLink
	}
	tmp := temporary(name)
	if err := x.root.Symlink(h.Linkname, tmp); err != nil {
		return err
	}
	var err error
	if x.o.Owner {
		err = x.root.Lchown(tmp, h.Uid, h.Gid)
	}
	if err == nil {
		err = x.linkTime(tmp, h.ModTime)
	}
	if err == nil {
		err = x.root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, x.drop(tmp))
	}
	delete(x.checked, name)
	return nil
}

// linkTime gives a symbolic link a time of its own; what it points at is not touched.
func (x *extractor) linkTime(name string, at time.Time) error {
	if at.IsZero() || at.Unix() == 0 && at.Nanosecond() == 0 {
		return nil
	}
	parent, err := x.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(lutimes(parent, path.Base(name), at), parent.Close())
}

func (x *extractor) hardlink(name string, h *tar.Header) error {
	target, err := clean(h.Linkname)
	if err != nil || target == "." {
		return ErrLink
	}
	if err := x.real(path.Dir(target)); err != nil {
		return err
	}
	st, err := x.root.Lstat(target)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return ErrLink
	}
	tmp := temporary(name)
	if err := x.root.Link(target, tmp); err != nil {
		return err
	}
	if err := x.root.Rename(tmp, name); err != nil {
		return errors.Join(err, x.drop(tmp))
	}
	// Renaming one name of a file over another of it does nothing at all, and leaves both.
	if _, err := x.root.Lstat(tmp); err == nil {
		return x.drop(tmp)
	}
	return nil
}

// real reports whether a directory that should be there is one, and not reached through a link.
func (x *extractor) real(name string) error {
	for ; name != "." && !x.checked[name]; name = path.Dir(name) {
		st, err := x.root.Lstat(name)
		if err != nil {
			return err
		}
		if !st.IsDir() {
			return ErrLink
		}
	}
	return nil
}

// finish describes the directories, the deepest first, when nothing is put into them any more.
func (x *extractor) finish() error {
	for _, d := range slices.Backward(x.dirs) {
		if err := x.describeDir(d); err != nil {
			if err := x.refuse(d.h.Name, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *extractor) describeDir(d directory) error {
	f, err := x.root.Open(d.name)
	if err != nil {
		return err
	}
	err = errors.Join(x.describe(f, d.h), f.Close())
	if err != nil {
		return err
	}
	return x.root.Chtimes(d.name, time.Time{}, d.h.ModTime)
}
