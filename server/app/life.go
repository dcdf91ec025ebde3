package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"holdfast/quorum/clock"
)

// life names this process in leases, so that the next one on the same directory
// knows which of them are of the dead: by the boot of the machine and the device
// and inode of the file that this process has locked. Who holds that lock in that
// boot has proof that no other process does. A copied directory, another container
// or another boot has another name; leases of those expire by themselves.
//
// proven is false, and the name one for people only, where the machine does not
// tell its boot.
func life(ctx context.Context, c clock.Clock, dir string) (name string, proven bool) {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	name = fmt.Sprintf("%s:%d", host, os.Getpid())
	reading, err := c.Read(ctx)
	if err != nil || reading.BootID == "" {
		return name, false
	}
	info, err := os.Lstat(filepath.Join(dir, lockFile))
	if err != nil {
		return name, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Ino == 0 {
		return name, false
	}
	return fmt.Sprintf("boot %s lock %d:%d", reading.BootID, stat.Dev, stat.Ino), true
}
