//go:build !linux

package push

import (
	"io/fs"
	"os"

	"holdfast/server/wire/record"
)

// exact: on this system no time tells for certain whether a file has changed, so
// that nothing is remembered between pushes.
const exact = false

// status is what the system says of a file, as far as this program asks here.
type status struct {
	mode         uint32
	uid, gid     uint32
	size         int64
	mtime, ctime int64
	dev, ino     uint64
	nlink        uint64
	blocks       int64
	fmode        fs.FileMode
}

func of(info fs.FileInfo) status {
	m := info.Mode()
	bits := uint32(m.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return status{mode: bits, size: info.Size(), mtime: info.ModTime().UnixNano(), nlink: 1, fmode: m, blocks: info.Size()/512 + 1}
}

func lstat(path string) (status, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return status{}, err
	}
	return of(info), nil
}

func fstat(f *os.File) (status, error) {
	info, err := f.Stat()
	if err != nil {
		return status{}, err
	}
	return of(info), nil
}

func (s status) kind() byte {
	switch {
	case s.fmode.IsRegular():
		return record.File
	case s.fmode.IsDir():
		return record.Directory
	case s.fmode&fs.ModeSymlink != 0:
		return record.Symlink
	case s.fmode&fs.ModeNamedPipe != 0:
		return record.FIFO
	}
	return 0
}

func (s status) device() (major, minor uint32) { return 0, 0 }

func openFile(path string) (*os.File, error) { return os.Open(path) }

func nextData(_ *os.File, off, size int64) (from, to int64) { return off, size }

func xattrs(string) ([]record.Xattr, error) { return nil, nil }

func widen(*os.File) {}
