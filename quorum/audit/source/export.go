package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"holdfast/quorum/audit"
)

// ErrExists means that a directory holds a file of the log with other content; an export never overwrites a tile.
var ErrExists = errors.New("source: a different tile is already there")

// Export copies the log that src serves, at its present checkpoint, into the directory, which must exist. Tiles come first,
// the checkpoint last, so that a directory with a checkpoint is complete; an interrupted export is repeated. It verifies the
// checkpoint's signature and size, not the content: VerifyAll over OpenDir does. It does not fsync: an export is a public
// copy of what is durable elsewhere.
func Export(ctx context.Context, src audit.Source, keys *audit.Keys, dir string) (audit.Opened, error) {
	signed, err := src.Checkpoint(ctx)
	if err != nil {
		return audit.Opened{}, err
	}
	o, err := keys.Open(signed)
	if err != nil {
		return audit.Opened{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return audit.Opened{}, fmt.Errorf("source: %w", err)
	}
	defer root.Close()
	for t := range audit.Tiles(o.Size) {
		if err := exportTile(ctx, root, src, t.Path()); err != nil {
			return audit.Opened{}, err
		}
	}
	if err := root.WriteFile("checkpoint.new", signed, 0o644); err != nil {
		return audit.Opened{}, fmt.Errorf("source: %w", err)
	}
	if err := root.Rename("checkpoint.new", "checkpoint"); err != nil {
		return audit.Opened{}, fmt.Errorf("source: %w", err)
	}
	return o, nil
}

func exportTile(ctx context.Context, root *os.Root, src audit.Source, path string) error {
	data, err := src.Tile(ctx, path)
	if err != nil {
		return fmt.Errorf("source: %s: %w", path, err)
	}
	name := filepath.FromSlash(path)
	have, err := root.ReadFile(name)
	if err == nil {
		if bytes.Equal(have, data) {
			return nil
		}
		// A torn write of an earlier export is a proper prefix; anything else is another history.
		if len(have) >= len(data) || !bytes.HasPrefix(data, have) {
			return fmt.Errorf("%w: %s", ErrExists, path)
		}
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if err := root.WriteFile(name, data, 0o644); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}
