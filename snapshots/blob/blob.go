package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Errors of all adapters. They are wrapped with the name and the cause.
var (
	// ErrExists is answered by Create for a name that is taken, whatever the state of the blob: also by one that a
	// crash left torn. A name is never used again.
	ErrExists = errors.New("blob: name exists")
	// ErrNotFound is answered for a name that is not there.
	ErrNotFound = errors.New("blob: no such blob")
	// ErrFull is answered when the storage or its quota is full. Nothing is ever pruned to make room.
	ErrFull = errors.New("blob: store is full")
	// ErrName is answered for a name that ValidateName refuses.
	ErrName = errors.New("blob: invalid name")
	// ErrClosed is answered by a writer after Commit or Close.
	ErrClosed = errors.New("blob: writer is closed")
	// ErrRange is answered for an offset that is negative or behind the blob's end.
	ErrRange = errors.New("blob: range outside the blob")
	// ErrFailed is answered by a writer after one of its calls failed: what a failed write or sync left on the disk is
	// not known, and a second sync may say yes to bytes that the first one dropped.
	ErrFailed = errors.New("blob: writer failed before")
)

// Info is a blob's name and its size in bytes.
type Info struct {
	Name string
	Size int64
}

// Store is a place for blobs. It is safe for concurrent use. It has no Remove.
type Store interface {
	// Create makes a new, empty blob and answers its writer. ErrExists if the name is taken: of two calls at once
	// for one name exactly one succeeds.
	Create(ctx context.Context, name string) (Writer, error)
	// ReadAt fills p from off. It answers io.EOF with fewer bytes if the blob ends before, and ErrRange if it ends
	// before off. Synced bytes of a blob that is still written can be read.
	ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error)
	// OpenReader streams length bytes from off, or fewer where the blob ends; length -1 is up to the end.
	OpenReader(ctx context.Context, name string, off, length int64) (io.ReadCloser, error)
	// Stat answers the size.
	Stat(ctx context.Context, name string) (Info, error)
	// List calls visit for every blob whose name starts with prefix, in no particular order, torn ones included. An
	// error of visit ends it and is answered. Blobs created meanwhile may be missed.
	List(ctx context.Context, prefix string, visit func(Info) error) error
}

// Writer appends to one blob. It is not safe for concurrent use. After a call failed, every later one answers
// ErrFailed.
type Writer interface {
	io.Writer
	// Sync makes durable and readable what was written up to now, the name included.
	Sync() error
	// Commit syncs and ends the blob.
	Commit() error
	// Close ends the writer without syncing; what was synced stays. After Commit or Close it does nothing.
	Close() error
}

// ValidateName says whether a name is one to MaxSegments segments of a-z, 0-9, '_', '-' and inner '.', between slashes.
// Hence no name leaves a directory, is hidden, or equals another on a file system that ignores case.
func ValidateName(name string) error {
	if name == "" || len(name) > MaxName || strings.Count(name, "/") >= MaxSegments {
		return fmt.Errorf("%w: %q", ErrName, clip(name))
	}
	for s := range strings.SplitSeq(name, "/") {
		if s == "" || s[0] == '.' || s[len(s)-1] == '.' {
			return fmt.Errorf("%w: %q", ErrName, name)
		}
		for _, c := range []byte(s) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
				return fmt.Errorf("%w: %q", ErrName, name)
			}
		}
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), MaxName)] }

// At is an io.ReaderAt over one blob, for packages that know nothing of stores.
func At(ctx context.Context, s Store, name string) io.ReaderAt { return at{ctx, s, name} }

type at struct {
	ctx   context.Context
	store Store
	name  string
}

func (a at) ReadAt(p []byte, off int64) (int, error) { return a.store.ReadAt(a.ctx, a.name, p, off) }
