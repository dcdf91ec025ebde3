package pull

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// checkPath says whether p names something below the directory: relative, no empty part, no "." or "..", no NUL.
func checkPath(p string) error {
	if p == "" || len(p) > maxPath || strings.IndexByte(p, 0) >= 0 {
		return ErrPath
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || len(part) > maxName {
			return ErrPath
		}
	}
	return nil
}

// split is a path's directory, "" for the top, and its last name.
func split(p string) (dir, base string) {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return "", p
}

// dir is an open directory below the top.
type dir struct {
	fd    int
	users int
}

// dirs opens directories name by name from the top, follows no link on the way, and keeps some open.
type dirs struct {
	mu   sync.Mutex
	top  *os.File
	open map[string]*dir
}

func newDirs(top *os.File) *dirs { return &dirs{top: top, open: map[string]*dir{}} }

// get opens a directory that it makes if it is not there. Every get wants a put.
func (d *dirs) get(p string) (*dir, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x, err := d.find(p, true)
	if err == nil {
		x.users++
	}
	return x, err
}

// there opens a directory only if it is there.
func (d *dirs) there(p string) (*dir, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x, err := d.find(p, false)
	if err == nil {
		x.users++
	}
	return x, err
}

func (d *dirs) put(x *dir) {
	d.mu.Lock()
	x.users--
	d.mu.Unlock()
}

func (d *dirs) find(p string, create bool) (*dir, error) {
	if x := d.open[p]; x != nil {
		return x, nil
	}
	at := int(d.top.Fd())
	name := "."
	if p != "" {
		var above string
		above, name = split(p)
		if above != "" {
			x, err := d.find(above, create)
			if err != nil {
				return nil, err
			}
			at = x.fd
			x.users++
			defer func() { x.users-- }()
		}
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := openat(at, name, flags, 0)
	if errors.Is(err, unix.ENOENT) && create {
		if err = unix.Mkdirat(at, name, 0o700); err == nil || errors.Is(err, unix.EEXIST) {
			fd, err = openat(at, name, flags, 0)
		}
	}
	switch {
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EMLINK):
		return nil, errors.Join(ErrPath, ErrExists)
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: p, Err: err}
	}
	d.evict()
	x := &dir{fd: fd}
	d.open[p] = x
	return x, nil
}

// evict closes what nobody uses when too much is open.
func (d *dirs) evict() {
	if len(d.open) < maxDirs {
		return
	}
	for p, x := range d.open {
		if x.users == 0 {
			_ = unix.Close(x.fd) // it was only read
			delete(d.open, p)
			if len(d.open) < maxDirs/2 {
				return
			}
		}
	}
}

func (d *dirs) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, x := range d.open {
		_ = unix.Close(x.fd) // it was only read
		delete(d.open, p)
	}
}

func openat(at int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(at, name, flags, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// lstat looks at a name in a directory without following it.
func lstat(at int, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// temporary is the name that an entry has until it is whole. It depends on path and content alone, so that a later run
// finds what an earlier one has left.
func temporary(p string, digest [32]byte) string {
	h := sha256.New()
	h.Write([]byte(p))
	h.Write(digest[:])
	return ".holdfast-" + hex.EncodeToString(h.Sum(nil)[:10])
}

// inside reports whether a relative link at p stays below the top, judged by its text.
func inside(p, target string) bool {
	if target == "" || strings.HasPrefix(target, "/") || strings.IndexByte(target, 0) >= 0 {
		return false
	}
	// What stands behind ".." counts from where the link lies; ".." behind a name would count from where that leads, and it
	// may be a link itself. So only those in front are believed.
	depth, named := strings.Count(p, "/"), false
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
