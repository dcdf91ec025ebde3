package pull

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"holdfast/server/wire/record"
)

// describe sets owner, attributes and mode, in this order: a change of owner takes setuid and capabilities away. What
// st says that it is already is left alone: each of them is a transaction of the file system.
func (r *restorer) describe(fd int, st *unix.Stat_t, e *record.Entry) error {
	mode := r.mode(e)
	same := uint32(st.Mode)&record.MaxMode == mode && len(e.Xattrs) == 0 // an access list changes the mode
	if r.o.Owner && (st.Uid != e.UID || st.Gid != e.GID) {
		same = false
		if err := unix.Fchown(fd, int(e.UID), int(e.GID)); err != nil {
			return fmt.Errorf("owner: %w", err)
		}
	}
	for _, x := range e.Xattrs {
		if !restorable(x.Name) {
			continue
		}
		if err := setXattr(fd, x.Name, x.Value); err != nil {
			if fatal(err) {
				return err
			}
			r.refuse(e.Path, fmt.Errorf("restored without its attribute %q: %w", x.Name, err))
		}
	}
	if same {
		return nil
	}
	return chmod(fd, mode)
}

// mode is the mode of an entry. Setuid and setgid go only where the owner is the one that they are of.
func (r *restorer) mode(e *record.Entry) uint32 {
	if r.o.Owner || int(e.UID) == r.uid && int(e.GID) == r.gid {
		return e.Mode & record.MaxMode
	}
	return e.Mode &^ 0o6000 & record.MaxMode
}

func chmod(fd int, mode uint32) error {
	if err := unix.Fchmod(fd, mode); err != nil {
		return fmt.Errorf("mode: %w", err)
	}
	return nil
}

// restorable says whether an extended attribute is data: the others belong to the system that the file lay on.
func restorable(name string) bool {
	return strings.HasPrefix(name, "user.") || name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_")
}

// symlink makes a symbolic link, which nothing here ever follows.
func (r *restorer) symlink(e *record.Entry) error {
	if e.Link == "" || len(e.Link) > maxLink || strings.IndexByte(e.Link, 0) >= 0 || !inside(e.Path, e.Link) && !r.o.ForeignLinks {
		return ErrLink
	}
	parent, base := split(e.Path)
	d, err := r.dirs.get(parent)
	if err != nil {
		return err
	}
	defer r.dirs.put(d)
	tmp := temporary(e.Path, e.Digest)
	err = unix.Symlinkat(e.Link, d.fd, tmp)
	if errors.Is(err, unix.EEXIST) { // of an earlier run
		if err = unix.Unlinkat(d.fd, tmp, 0); err == nil {
			err = unix.Symlinkat(e.Link, d.fd, tmp)
		}
	}
	if err != nil {
		return &os.PathError{Op: "make", Path: base, Err: err}
	}
	if r.o.Owner {
		err = unix.Fchownat(d.fd, tmp, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil {
		times := []unix.Timespec{unix.NsecToTimespec(e.MTime), unix.NsecToTimespec(e.MTime)}
		err = unix.UtimesNanoAt(d.fd, tmp, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == nil {
		err = rename(d.fd, tmp, base)
	}
	if err != nil {
		return errors.Join(err, unix.Unlinkat(d.fd, tmp, 0))
	}
	return nil
}

// hardlink gives a file of this restore one more name.
func (r *restorer) hardlink(name, target string) error {
	if checkPath(target) != nil {
		return ErrLink
	}
	parent, base := split(name)
	d, err := r.dirs.get(parent)
	if err != nil {
		return err
	}
	defer r.dirs.put(d)
	above, last := split(target)
	from, err := r.dirs.there(above)
	if err != nil {
		return err
	}
	defer r.dirs.put(from)
	st, err := lstat(from.fd, last)
	if err != nil {
		return fmt.Errorf("its target %q: %w", target, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrLink
	}
	if old, err := lstat(d.fd, base); err == nil && old.Ino == st.Ino && old.Dev == st.Dev {
		return nil
	}
	tmp := temporary(name, [32]byte{})
	err = unix.Linkat(from.fd, last, d.fd, tmp, 0)
	if errors.Is(err, unix.EEXIST) { // of an earlier run
		if err = unix.Unlinkat(d.fd, tmp, 0); err == nil {
			err = unix.Linkat(from.fd, last, d.fd, tmp, 0)
		}
	}
	if err != nil {
		return &os.PathError{Op: "link", Path: base, Err: err}
	}
	if err := rename(d.fd, tmp, base); err != nil {
		return errors.Join(err, unix.Unlinkat(d.fd, tmp, 0))
	}
	return nil
}

// directory describes a directory, when nothing is put into it any more.
func (r *restorer) directory(e *record.Entry) error {
	d, err := r.dirs.there(e.Path)
	if err != nil {
		return err
	}
	defer r.dirs.put(d)
	// The times first: the mode may forbid to look into it.
	times := []unix.Timespec{unix.NsecToTimespec(e.MTime), unix.NsecToTimespec(e.MTime)}
	if err := unix.UtimesNanoAt(d.fd, ".", times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return err
	}
	return r.describe(d.fd, &st, e)
}
