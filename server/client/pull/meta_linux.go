package pull

import (
	"errors"

	"golang.org/x/sys/unix"
)

func setXattr(fd int, name, value string) error {
	return unix.Fsetxattr(fd, name, []byte(value), 0)
}

// setTime sets the time of an open file, which has a name in a directory: by its descriptor, which looks nothing up, where
// the kernel knows how (Linux 5.8).
func setTime(fd, at int, name string, nsec int64) error {
	times := []unix.Timespec{unix.NsecToTimespec(nsec), unix.NsecToTimespec(nsec)}
	err := unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		err = unix.UtimesNanoAt(at, name, times, unix.AT_SYMLINK_NOFOLLOW)
	}
	return err
}
