package push

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"holdfast/server/wire/record"
)

// exact says that this system tells whether a file has changed: by a time that
// nobody can set.
const exact = true

// status is what the system says of a file.
type status struct {
	mode         uint32 // with the type, as the system has it
	uid, gid     uint32
	size         int64
	mtime, ctime int64 // nanoseconds since 1970 UTC
	dev, ino     uint64
	nlink        uint64
	rdev         uint64
	blocks       int64
}

func lstat(path string) (status, error) {
	var st unix.Stat_t
	for {
		err := unix.Lstat(path, &st)
		if err == nil {
			return statusOf(&st), nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return status{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
		}
	}
}

func fstat(f *os.File) (status, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return status{}, &fs.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return statusOf(&st), nil
}

func statusOf(st *unix.Stat_t) status {
	return status{mode: st.Mode, uid: st.Uid, gid: st.Gid, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
		dev: uint64(st.Dev), ino: st.Ino, nlink: uint64(st.Nlink), rdev: uint64(st.Rdev), blocks: int64(st.Blocks)} //nolint:unconvert // other processors
}

// kind is the type of an entry; 0 for what is no data, such as a socket.
func (s status) kind() byte {
	switch s.mode & unix.S_IFMT {
	case unix.S_IFREG:
		return record.File
	case unix.S_IFDIR:
		return record.Directory
	case unix.S_IFLNK:
		return record.Symlink
	case unix.S_IFIFO:
		return record.FIFO
	case unix.S_IFCHR:
		return record.CharDevice
	case unix.S_IFBLK:
		return record.BlockDevice
	}
	return 0
}

func (s status) device() (major, minor uint32) { return unix.Major(s.rdev), unix.Minor(s.rdev) }

// openFile opens a file for reading, and no symbolic link, device or pipe that has come in
// its place.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// nextData is where the next data of a file begins at or behind off, and where it ends; size, size when there is none.
func nextData(f *os.File, off, size int64) (from, to int64) {
	from, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size
	}
	if err != nil {
		return off, size // a file system that knows no holes
	}
	if to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil || to <= from {
		to = size
	}
	return from, to
}

// kept says whether an extended attribute is data: the others belong to the
// system that the file lies on.
func kept(attribute string) bool {
	return strings.HasPrefix(attribute, "user.") || attribute == "security.capability" || strings.HasPrefix(attribute, "system.posix_acl_")
}

// xattrs reads the extended attributes of a file, in bytewise order of their names.
func xattrs(path string) ([]record.Xattr, error) {
	n, err := unix.Llistxattr(path, nil)
	if n == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, &fs.PathError{Op: "llistxattr", Path: path, Err: err}
	}
	names := make([]byte, n)
	if n, err = unix.Llistxattr(path, names); err != nil {
		return nil, &fs.PathError{Op: "llistxattr", Path: path, Err: err}
	}
	var out []record.Xattr
	for name := range bytes.SplitSeq(bytes.Trim(names[:n], "\x00"), []byte{0}) {
		if !kept(string(name)) {
			continue
		}
		n, err := unix.Lgetxattr(path, string(name), nil)
		value := make([]byte, max(n, 0))
		if err == nil && n > 0 {
			n, err = unix.Lgetxattr(path, string(name), value)
		}
		if err != nil {
			return nil, &fs.PathError{Op: "lgetxattr", Path: path, Err: err}
		}
		out = append(out, record.Xattr{Name: string(name), Value: string(value[:n])})
	}
	sortXattrs(out)
	return out, nil
}

// widen makes a pipe on standard input hold more, so that it is read in fewer steps.
func widen(f *os.File) {
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, pipeBuffer) // only faster
}
