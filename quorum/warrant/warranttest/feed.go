package warranttest

import (
	"context"
	"crypto/rand"

	"holdfast/quorum/audit"
	"holdfast/quorum/warrant"
)

// Log puts a draft into the log, clear facts and all.
func (w *World) Log(d audit.Draft) warrant.Record {
	e, err := d.Enter(w.Size(), rand.Reader)
	must(err)
	_, hashes, err := audit.NewHashes(context.Background(), e.Index, e.Leaf, w.hashes)
	must(err)
	w.hashes = append(w.hashes, hashes...)
	w.entries = append(w.entries, e)
	return warrant.Record{Index: e.Index, Leaf: e.Leaf, Salt: e.Salt}
}

// Entry is the entry of an index.
func (w *World) Entry(index int64) audit.Entry { return w.entries[index] }

// Tile serves the log's public files as they are now.
func (w *World) Tile(ctx context.Context, path string) ([]byte, error) {
	return audit.ReadTile(ctx, w.Size(), w.hashes, leaves{w}, path)
}

type leaves struct{ w *World }

func (l leaves) ReadLeaves(_ context.Context, from int64, n int) (out [][]byte, err error) {
	for i := from; i < from+int64(n) && i < l.w.Size(); i++ {
		out = append(out, l.w.entries[i].Leaf)
	}
	return out, nil
}
