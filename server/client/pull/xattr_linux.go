package pull

import "golang.org/x/sys/unix"

func setXattr(fd int, name, value string) error {
	return unix.Fsetxattr(fd, name, []byte(value), 0)
}
