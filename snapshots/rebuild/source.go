package rebuild

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// source reads frames by the index that is being made. It is a stream.Source.
type source struct {
	r *rebuild
	f *found
}

func (s *source) fetch(ctx context.Context, c node.Child) ([]byte, error) {
	if c.Length > stream.MaxStored {
		return nil, fmt.Errorf("%w: %s of %d bytes", snapshots.ErrCorrupt, c.Kind, c.Length)
	}
	var at []snapshots.Location
	if err := s.r.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		at, err = s.r.c.Store.Locate(ctx, tx, s.f.tenant.Tenant, []snapshots.ChunkKey{{ID: c.ID, Hash: c.Hash}})
		return err
	}); err != nil {
		return nil, err
	}
	if len(at) == 0 {
		return nil, fmt.Errorf("%w: %s %s is in no pack", snapshots.ErrCorrupt, c.Kind, c.ID)
	}
	buf := make([]byte, at[0].Child.Length)
	n, err := s.r.c.Blobs.ReadAt(ctx, snapshots.PackBlob(s.f.tenant.Tenant, at[0].Pack), buf, at[0].Pos)
	if n != len(buf) || err != nil && !errors.Is(err, io.EOF) || frame.HashOf(buf) != c.Hash {
		return nil, errors.Join(fmt.Errorf("%w: %s %s in %s", snapshots.ErrCorrupt, c.Kind, c.ID, at[0].Pack), ctx.Err())
	}
	return buf, nil
}

// Chunk implements stream.Source.
func (s *source) Chunk(ctx context.Context, dst []byte, c node.Child) ([]byte, error) {
	b, err := s.fetch(ctx, c)
	if err != nil {
		return nil, err
	}
	return frame.Open(dst, s.f.ring, c.ID, c.Kind, b, frame.MaxPlaintext)
}

// Node implements stream.Source.
func (s *source) Node(ctx context.Context, c node.Child) (node.Node, error) {
	b, err := s.fetch(ctx, c)
	if err != nil {
		return node.Node{}, err
	}
	return node.Open(s.f.ring, c.ID, c.Kind, b)
}
