//go:build !linux

package pull

import (
	"errors"

	"golang.org/x/sys/unix"
)

func setXattr(int, string, string) error { return errors.ErrUnsupported }

// setTime sets the time of an open file, which has a name in a directory.
func setTime(_, at int, name string, nsec int64) error {
	times := []unix.Timespec{unix.NsecToTimespec(nsec), unix.NsecToTimespec(nsec)}
	return unix.UtimesNanoAt(at, name, times, unix.AT_SYMLINK_NOFOLLOW)
}
