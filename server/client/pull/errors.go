package pull

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrPath means a path that is absolute, has an empty part, "." or "..", or NUL, is too long, or leads through
	// something that is no directory.
	ErrPath = errors.New("the path would leave the directory")
	// ErrLink means a link whose target lies outside the directory.
	ErrLink = errors.New("the link would leave the directory")
	// ErrDevice means a device or FIFO; those are never made.
	ErrDevice = errors.New("devices are not restored")
	// ErrMark means an entry that has the name of the mark of an unfinished restore.
	ErrMark = errors.New("that is the name of the mark of an unfinished restore")
	// ErrExists means that a directory stands where something else should go, or the other way round.
	ErrExists = errors.New("something else is there")
	// ErrDamaged means that what came is not what its id or digest says, or that the service said that its stored
	// content is damaged. Nothing of it was kept.
	ErrDamaged = errors.New("damaged")
	// ErrStream means that the service sent records that make no sense.
	ErrStream = errors.New("the service sent something else than was asked for")
	// ErrBusy means that another restore works in the directory.
	ErrBusy = errors.New("another restore is at work in this directory")
	// ErrNotEmpty means a directory that is not empty and has no unfinished restore of the same moment.
	ErrNotEmpty = errors.New("the directory is not empty")
	// ErrKind means a file where a directory is needed or the other way round.
	ErrKind = errors.New("not possible for this kind of volume")
)

// EntryError names the entry that was not restored, or not with everything. Paths are user data: show them escaped.
type EntryError struct {
	Path string
	Err  error
}

func (e *EntryError) Error() string { return fmt.Sprintf("%q: %v", e.Path, e.Err) }

// Unwrap is the error without the path.
func (e *EntryError) Unwrap() error { return e.Err }

// fatal says whether an error of the file system will meet every other entry too.
func fatal(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
