package archive

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// xattrs reads a file's extended attributes as the pax records that GNU tar and
// bsdtar write (SCHILY.xattr.NAME).
func xattrs(path string) (map[string]string, error) {
	n, err := unix.Llistxattr(path, nil)
	if n == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]byte, n)
	if n, err = unix.Llistxattr(path, names); err != nil {
		return nil, err
	}
	records := map[string]string{}
	for name := range bytes.SplitSeq(bytes.Trim(names[:n], "\x00"), []byte{0}) {
		if !kept(string(name)) {
			continue
		}
		n, err := unix.Lgetxattr(path, string(name), nil)
		if err != nil {
			return nil, err
		}
		value := make([]byte, n)
		if n > 0 {
			if n, err = unix.Lgetxattr(path, string(name), value); err != nil {
				return nil, err
			}
		}
		records["SCHILY.xattr."+string(name)] = string(value[:n])
	}
	if len(records) == 0 {
		return nil, nil
	}
	return records, nil
}
