package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"holdfast/internal/durable"
)

// ErrDirInUse means that another service runs on the data directory.
var ErrDirInUse = errors.New("another service runs on this data directory")

// lockFile is locked while a service runs on its directory. It stays empty and
// is never removed: removing it would let two processes hold two locks.
const lockFile = "service.lock"

// openDir makes the data directory if it is missing and claims it for this
// process. The kernel gives the claim up when the process ends, however it ends.
func openDir(dir string) (release func() error, err error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("data directory %s can be written by others (mode %04o): chmod 700 it", dir, info.Mode().Perm())
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrDirInUse, dir), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data directory: lock: %w", err), f.Close())
	}
	return f.Close, nil
}
