// Package remove owns the removal of packs from storage. Only snapshots/sweep can import it. It is opened from
// configuration, apart from blob.Store, which has no Remove; where a store has credentials, these are others.
//
// It must never remove anything but a pack by its full name, follow a link, or remove a directory.
package remove

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/internal/durable"
	"holdfast/snapshots/blob"
)

// ErrName means that a name is not that of a pack.
var ErrName = errors.New("remove: not the name of a pack")

// Remover removes packs.
type Remover struct{ root *os.Root }

// Dir opens a directory of the fs blob store for removal.
func Dir(dir string) (*Remover, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("remove: %w", err)
	}
	return &Remover{root}, nil
}

// Close gives the directory back.
func (r *Remover) Close() error { return r.root.Close() }

// Pack removes one pack, durably. One that is not there is no error: removal may be tried again.
func (r *Remover) Pack(_ context.Context, name string) error {
	if err := blob.ValidateName(name); err != nil || !strings.HasPrefix(name, "packs/") {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	path := filepath.FromSlash(name)
	info, err := r.root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("remove: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %q is no plain file", ErrName, name)
	}
	if err := r.root.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return durable.SyncDir(filepath.Join(r.root.Name(), filepath.Dir(path)))
}
