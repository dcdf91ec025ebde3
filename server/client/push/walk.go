package push

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/server/wire/record"
)

// found is what the walk has found under a path.
type found struct {
	path string
	st   status
	kind byte   // of the entry: a Hardlink for a further name of a file
	link string // the first name, of a Hardlink
}

type inode struct{ dev, ino uint64 }

// walker visits everything below a directory in the bytewise order of the paths,
// in which the volume lists too: so that the two are compared side by side,
// without keeping either.
type walker struct {
	root  string
	visit func(found) error
	// gone is told of what vanished while it was looked at.
	gone  func(name string, err error)
	links map[inode]string
}

// walk visits what lies below the directory dir, relative to the root.
func (w *walker) walk(ctx context.Context, dir string) error {
	list, err := os.ReadDir(filepath.Join(w.root, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) && dir != "" {
		w.gone(dir, err)
		return nil
	}
	if err != nil {
		return err
	}
	// A directory's content comes in its place among the names of its neighbours: "a-b" lies between "a" and "a/b".
	names := make([]string, 0, len(list)+16)
	for _, d := range list {
		names = append(names, d.Name())
		if d.IsDir() {
			names = append(names, d.Name()+"/")
		}
	}
	slices.Sort(names)
	skipped := map[string]bool{}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if below, ok := strings.CutSuffix(name, "/"); ok {
			if skipped[below] {
				continue
			}
			if err := w.walk(ctx, path.Join(dir, below)); err != nil {
				return err
			}
			continue
		}
		ok, err := w.one(path.Join(dir, name))
		if err != nil {
			return err
		}
		if !ok {
			skipped[name] = true
		}
	}
	return nil
}

// one visits a name. false means that nothing lies below it.
func (w *walker) one(name string) (bool, error) {
	st, err := lstat(filepath.Join(w.root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		w.gone(name, err)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f := found{path: name, st: st, kind: st.kind()}
	if f.kind == 0 {
		return false, nil // a socket is a program's, not data
	}
	if f.kind == record.File && st.nlink > 1 {
		key := inode{st.dev, st.ino}
		if first, seen := w.links[key]; seen {
			f.kind, f.link = record.Hardlink, first
		} else {
			w.links[key] = name
		}
	}
	return f.kind == record.Directory, w.visit(f)
}

// entry is what is said of a file besides its content.
func (f *found) entry(full string) (*record.Entry, error) {
	e := &record.Entry{Path: f.path, Type: f.kind, Mode: f.st.mode & record.MaxMode, UID: f.st.uid, GID: f.st.gid, MTime: f.st.mtime, Link: f.link}
	var err error
	switch f.kind {
	case record.Symlink:
		if e.Link, err = os.Readlink(full); err != nil {
			return nil, err
		}
	case record.CharDevice, record.BlockDevice:
		e.Major, e.Minor = f.st.device()
	}
	if e.Xattrs, err = xattrs(full); err != nil {
		return nil, err
	}
	return e, fits(e)
}

// fits names what of an entry the service could not even read.
func fits(e *record.Entry) error {
	total := 0
	for _, x := range e.Xattrs {
		total += len(x.Name) + len(x.Value)
	}
	if len(e.Path) > record.MaxPath || len(e.Link) > record.MaxLink || len(e.Xattrs) > record.MaxXattrs || total > record.MaxXattrBytes {
		return fmt.Errorf("%q: its name, link or extended attributes are too long to be stored", e.Path)
	}
	return nil
}

func sortXattrs(list []record.Xattr) {
	slices.SortFunc(list, func(a, b record.Xattr) int { return strings.Compare(a.Name, b.Name) })
}
