package untar

import (
	"os"

	"golang.org/x/sys/unix"
)

func setXattr(f *os.File, name, value string) error {
	return unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0)
}
