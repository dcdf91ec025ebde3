package untar

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lutimes sets the times of a name in a directory without following it.
func lutimes(dir *os.File, name string, at time.Time) error {
	t := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(int(dir.Fd()), name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}
