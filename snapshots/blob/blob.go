package blob

import (
	"context"
	"errors"
	"io"
)

var (
	ErrExists   = errors.New("blob: name exists")
	ErrNotFound = errors.New("blob: no such blob")
	ErrFull     = errors.New("blob: store is full")
	ErrName     = errors.New("blob: invalid name")
	ErrClosed   = errors.New("blob: writer is closed")
	ErrRange    = errors.New("blob: range outside the blob")
)

type Info struct {
	Name string
	Size int64
}

type Store interface {
	Create(ctx context.Context, name string) (Writer, error)
	// ReadAt fills p from off; a short read has io.EOF.
	ReadAt(ctx context.Context, name string, p []byte, off int64) (int, error)
	// OpenReader streams length bytes from off; length -1 is to the end.
	OpenReader(ctx context.Context, name string, off, length int64) (io.ReadCloser, error)
	Stat(ctx context.Context, name string) (Info, error)
	List(ctx context.Context, prefix string, visit func(Info) error) error
}

// Writer: after Sync returns, everything written is durable and readable. Commit ends the blob; Close without Commit
// keeps what was synced.
type Writer interface {
	io.Writer
	Sync() error
	Commit() error
	Close() error
}

// At makes an io.ReaderAt of one blob.
func At(ctx context.Context, s Store, name string) io.ReaderAt { return nil }
func ValidateName(name string) error                           { return nil }
