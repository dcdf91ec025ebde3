package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/blob"
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
	// proving recomputes every chunk's id from its plaintext. Otherwise the tag of its frame, which binds tenant, id and
	// kind, and the hash in the edge are what is checked.
	proving bool

	mu sync.Mutex
	at map[ChunkKey]Location // of what will be read soon
}

func (e *Engine) source(ctx context.Context, tenant string) (*source, error) {
	r, err := e.ring(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return &source{e: e, tenant: tenant, ring: r.get()}, nil
}

// maxSoon bounds the places that a source remembers of what will be read soon.
const maxSoon = 4096

// Soon implements stream.Forward: the places of many frames are asked for at once.
func (s *source) Soon(ctx context.Context, list []node.Child) error {
	keys := make([]ChunkKey, 0, len(list))
	s.mu.Lock()
	for _, c := range list {
		k := ChunkKey{c.ID, c.Hash}
		if _, ok := s.at[k]; !ok && len(s.at)+len(keys) < maxSoon {
			keys = append(keys, k)
		}
	}
	s.mu.Unlock()
	if len(keys) == 0 {
		return nil
	}
	var found []Location
	if err := s.e.bulk(ctx, func(tx *sqldb.Tx) (err error) {
		found, err = s.e.c.Store.Locate(ctx, tx, s.tenant, keys)
		return err
	}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[ChunkKey]Location{}
	}
	for _, l := range found {
		s.at[ChunkKey{l.Child.ID, l.Child.Hash}] = l
	}
	return nil
}

// locate answers where a frame stands; ok is false when the index does not say.
func (s *source) locate(ctx context.Context, k ChunkKey) (l Location, ok bool, err error) {
	s.mu.Lock()
	l, ok = s.at[k]
	delete(s.at, k)
	s.mu.Unlock()
	if ok {
		return l, true, nil
	}
	err = s.e.bulk(ctx, func(tx *sqldb.Tx) error {
		found, err := s.e.c.Store.Locate(ctx, tx, s.tenant, []ChunkKey{k})
		if ok = len(found) > 0; ok {
			l = found[0]
		}
		return err
	})
	return l, ok, err
}

var readBuffers = sync.Pool{New: func() any { return new([]byte) }}

// fetch reads stored bytes and checks them against the edge. It uses the room of buf where that is enough.
func (s *source) fetch(ctx context.Context, buf []byte, c node.Child) ([]byte, error) {
	if c.Length > stream.MaxStored {
		return nil, fmt.Errorf("%w: %s of %d bytes", ErrCorrupt, c.Kind, c.Length)
	}
	for try := 1; ; try++ {
		l, ok, err := s.locate(ctx, ChunkKey{c.ID, c.Hash})
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("%w: %s %s is not in the index", ErrCorrupt, c.Kind, c.ID)
		}
		buf = slices.Grow(buf[:0], int(c.Length))[:c.Length]
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
	box := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(box)
	b, err := s.fetch(ctx, *box, c)
	if err != nil {
		return nil, err
	}
	*box = b
	open := frame.Read
	if s.proving {
		open = frame.Open
	}
	s.e.turns.take(len(b))
	plain, err := open(dst, s.ring, c.ID, c.Kind, b, stream.MaxPlain)
	s.e.turns.give(len(b))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
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
	b, err := s.fetch(ctx, nil, c)
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
