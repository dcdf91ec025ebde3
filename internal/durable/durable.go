// Package durable owns the order in which small files and directories reach the
// disk, so that what has been acknowledged is there after a loss of power and a
// file is found either as it was or as it should be, never in between.
//
// It must never be given a path of a blob, pack or database: those have write
// orders of their own. The one thing it removes is a temporary file of its own
// making that did not become the file.
//
// What remains uncovered:
//   - A disk, controller or hypervisor that answers fsync before the bytes are
//     safe; and media that rot afterwards. Whoever reads must check digests.
//   - Errors that the kernel reported to an earlier holder of the file, or
//     dropped: after a failed fsync the pages may be marked clean, so no one may
//     fsync again and believe it. Here such a file is given up, not tried again.
//   - The failure of the last step, syncing the directory: the new file is in
//     place for everyone who looks, and the caller is told that it failed. Callers
//     must be able to write the same again.
//   - A crash between making the temporary file and the rename leaves a file
//     whose name ends in ".tmp". Nobody reads it and nobody cleans it up.
//   - Parents of the first directory that existed already: they are taken for
//     durable, for somebody else made them.
//   - File systems without atomic rename or without fsync on directories.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Op names one step at which storage can fail. The zero Op is invalid.
type Op int

// The steps in the order in which WriteFile takes them; Mkdir is MkdirAll's.
const (
	OpCreate  Op = iota + 1 // make the temporary file
	OpWrite                 // write its bytes
	OpSync                  // fsync the file
	OpPublish               // rename or link it to its name
	OpSyncDir               // fsync a directory
	OpMkdir                 // make one directory
)

// Disk is the file system with room for faults. The zero Disk has none and is
// what the functions of this package use.
type Disk struct {
	// Before, when set, is asked before a step; its error is the step's, and
	// the step is not done.
	Before func(op Op, path string) error
	// After, when set, is asked after a step that was done; its error is the
	// step's answer although the step was done.
	After func(op Op, path string) error
}

// WriteFile replaces the file at path, or makes it, with data and permissions
// perm (umask aside), in one step and durably. When it returns nil the file is
// safe. When it fails before the last step the old file, if any, is untouched.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return Disk{}.WriteFile(path, data, perm)
}

// CreateFile is [WriteFile] for a file that must not exist: of several callers
// one wins, the others get an error that is fs.ErrExist and the file is the
// winner's.
func CreateFile(path string, data []byte, perm fs.FileMode) error {
	return Disk{}.CreateFile(path, data, perm)
}

// MkdirAll makes a directory and what is missing above it, each durably. It is
// no error when the directory exists; then nothing is synced.
func MkdirAll(dir string, perm fs.FileMode) error { return Disk{}.MkdirAll(dir, perm) }

// SyncDir makes the names in a directory durable: what was created in it,
// renamed in it or unlinked from it before the call.
func SyncDir(dir string) error { return Disk{}.SyncDir(dir) }

// WriteFile is the package's WriteFile on this disk.
func (d Disk) WriteFile(path string, data []byte, perm fs.FileMode) error {
	return d.put(path, data, perm, os.Rename)
}

// CreateFile is the package's CreateFile on this disk.
func (d Disk) CreateFile(path string, data []byte, perm fs.FileMode) error {
	return d.put(path, data, perm, os.Link)
}

func (d Disk) put(path string, data []byte, perm fs.FileMode, publish func(temp, path string) error) (err error) {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()+".tmp")
	var f *os.File
	err = d.step(OpCreate, path, func() (err error) {
		// Not to be read by others while it is being written.
		f, err = os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if f == nil {
		return err
	}
	// After a rename there is nothing left to remove, after a link the second
	// name goes.
	defer os.Remove(temp)
	defer f.Close() // again after the good case, where it says so and is ignored
	if err != nil {
		return err
	}
	err = d.step(OpWrite, path, func() error {
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Chmod(perm)
	})
	if err != nil {
		return err
	}
	if err := d.step(OpSync, path, f.Sync); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := d.step(OpPublish, path, func() error { return publish(temp, path) }); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(path))
}

// MkdirAll is the package's MkdirAll on this disk.
func (d Disk) MkdirAll(dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	if err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is no directory: %w", dir, fs.ErrExist)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := d.MkdirAll(parent, perm); err != nil {
		return err
	}
	err = d.step(OpMkdir, dir, func() error { return os.Mkdir(dir, perm) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Also when another one has made it just now: it may not have synced yet.
	return d.SyncDir(parent)
}

// SyncDir is the package's SyncDir on this disk.
func (d Disk) SyncDir(dir string) error {
	return d.step(OpSyncDir, dir, func() error {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

func (d Disk) step(op Op, path string, do func() error) error {
	if d.Before != nil {
		if err := d.Before(op, path); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if d.After != nil {
		return d.After(op, path)
	}
	return nil
}
