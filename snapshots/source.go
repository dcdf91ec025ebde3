package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// source reads frames and nodes of one tenant through the index. It is a stream.Source.
type source struct {
	e      *Engine
	tenant string
	ring   *key.Ring
	// proving recomputes every chunk's id from its plaintext.
	proving bool
}

func (e *Engine) source(ctx context.Context, tenant string) (*source, error) {
	r, err := e.ring(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return &source{e: e, tenant: tenant, ring: r.get()}, nil
}

// fetch reads stored bytes and checks them against the edge.
func (s *source) fetch(ctx context.Context, c node.Child) ([]byte, error) {
	if c.Length > stream.MaxStored {
		return nil, fmt.Errorf("%w: %s of %d bytes", ErrCorrupt, c.Kind, c.Length)
	}
	for try := 1; ; try++ {
		var found []Location
		if err := s.e.read(ctx, func(tx *sqldb.Tx) (err error) {
			found, err = s.e.c.Store.Locate(ctx, tx, s.tenant, []ChunkKey{{c.ID, c.Hash}})
			return err
		}); err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%w: %s %s is not in the index", ErrCorrupt, c.Kind, c.ID)
		}
		l := found[0]
		buf := make([]byte, c.Length)
		n, err := s.e.c.Blobs.ReadAt(ctx, PackBlob(s.tenant, l.Pack), buf, l.Pos)
		if n == len(buf) && (err == nil || errors.Is(err, io.EOF)) {
			if frame.HashOf(buf) != c.Hash {
				return nil, fmt.Errorf("%w: %s %s in %s", ErrCorrupt, c.Kind, c.ID, l.Pack)
			}
			return buf, nil
		}
		// The sweep may have rewritten the pack since the index was read: once more.
		if errors.Is(err, blob.ErrNotFound) && try == 1 {
			continue
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = ErrCorrupt
		}
		return nil, fmt.Errorf("%s %s in %s: %w", c.Kind, c.ID, l.Pack, err)
	}
}

// Chunk implements stream.Source.
func (s *source) Chunk(ctx context.Context, dst []byte, c node.Child) ([]byte, error) {
	plain, err := s.readChunk(ctx, dst, c)
	if err != nil && rotten(err) {
		return s.chunkInstead(ctx, dst, c, err)
	}
	return plain, err
}

func (s *source) readChunk(ctx context.Context, dst []byte, c node.Child) ([]byte, error) {
	b, err := s.fetch(ctx, c)
	if err != nil {
		return nil, err
	}
	plain, err := frame.Open(dst, s.ring, c.ID, c.Kind, b, stream.MaxPlain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if s.proving {
		k, err := s.ring.Key(c.Key)
		if err != nil {
			return nil, err
		}
		if k.Identifier().ID(chunk.KindData, plain[len(dst):]) != c.ID {
			return nil, fmt.Errorf("%w: chunk %s is not what its id says", ErrCorrupt, c.ID)
		}
	}
	return plain, nil
}

// Node implements stream.Source.
func (s *source) Node(ctx context.Context, c node.Child) (node.Node, error) {
	n, err := s.readNode(ctx, c)
	if err != nil && rotten(err) {
		return s.nodeInstead(ctx, c, err)
	}
	return n, err
}

func (s *source) readNode(ctx context.Context, c node.Child) (node.Node, error) {
	b, err := s.fetch(ctx, c)
	if err != nil {
		return node.Node{}, err
	}
	if err := node.Verify(c, b); err != nil {
		return node.Node{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	n, err := node.Open(s.ring, c.ID, c.Kind, b)
	if err != nil {
		return node.Node{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return n, nil
}
