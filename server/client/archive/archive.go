// Package archive writes a directory as a pax archive (POSIX.1-2001) and sends
// it into a volume. It keeps modes, owners, times to the nanosecond, symbolic and
// hard links and extended attributes; names are bytes and stay as they are.
//
// It only reads the directory, and must never follow a symbolic link in it.
package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// pipeBuffer is how much of the archive waits for the network.
const pipeBuffer = 1 << 20

// ErrNotDirectory means that what should be archived is no directory.
var ErrNotDirectory = errors.New("not a directory")

// Options of an archive.
type Options struct {
	// Progress gets every byte of content that was read.
	Progress io.Writer
	// Skip leaves a path of the directory out, with everything below it.
	Skip func(path string) bool
}

// Push streams dir into volume and answers when everything is durable. changed
// names the files that changed while they were read: what was stored of them is
// a mixture.
func Push(ctx context.Context, c *client.Client, dir, volume string, o Options) (u wire.UploadedTree, changed, err error) {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(w, pipeBuffer)
		changed, err := Write(ctx, buffered, dir, o)
		w.CloseWithError(errors.Join(err, buffered.Flush())) // nil ends the archive; anything else makes the upload fail
		written <- changed
	}()
	u, err = c.PutTar(ctx, volume, r, false)
	r.CloseWithError(errors.New("the upload ended"))
	return u, <-written, err
}

// Write writes dir as an archive to w. changed is as Push's. An archive that
// could not be written whole has no end.
func Write(ctx context.Context, w io.Writer, dir string, o Options) (changed, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: %w", dir, ErrNotDirectory)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	a := &writer{root: dir, tar: tar.NewWriter(w), o: o, links: map[inode]string{}}
	if err := a.walk(ctx); err != nil {
		return nil, err
	}
	return errors.Join(a.changed...), a.tar.Close()
}

type inode struct{ dev, ino uint64 }

type writer struct {
	root    string
	tar     *tar.Writer
	o       Options
	links   map[inode]string // of files with several names: the first
	changed []error
}

func (a *writer) walk(ctx context.Context) error {
	return filepath.WalkDir(a.root, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if a.o.Skip != nil && path != a.root && a.o.Skip(path) {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) && path != a.root {
			a.vanished(path)
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(a.root, path)
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			a.vanished(path)
			return nil
		}
		if err != nil {
			return err
		}
		return a.add(path, filepath.ToSlash(name), info)
	})
}

func (a *writer) vanished(path string) {
	a.changed = append(a.changed, fmt.Errorf("%s vanished while it was read", path))
}

func (a *writer) add(path, name string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSocket != 0 {
		return nil // a socket is a program's, not data
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		var err error
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	h.Name, h.Format = name, tar.FormatPAX
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.Uname, h.Gname = "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if h.PAXRecords, err = xattrs(path); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return a.tar.WriteHeader(h)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 {
		key := inode{uint64(stat.Dev), stat.Ino}
		if first, seen := a.links[key]; seen {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return a.tar.WriteHeader(h)
		}
		a.links[key] = name
	}
	return a.content(path, h)
}

func (a *writer) content(path string, h *tar.Header) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		a.vanished(path)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(io.MultiWriter(a.tar, a.o.Progress), io.LimitReader(f, h.Size))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n < h.Size { // the archive promised h.Size bytes
		a.changed = append(a.changed, fmt.Errorf("%s became shorter while it was read: push it again", path))
		_, err = io.CopyN(a.tar, zeros{}, h.Size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// kept says whether an extended attribute is data: the others belong to the
// system that the file lies on.
func kept(attribute string) bool {
	return strings.HasPrefix(attribute, "user.") || strings.HasPrefix(attribute, "security.capability") || strings.HasPrefix(attribute, "system.posix_acl_")
}
