package snapshots

import (
	"context"
	"sync"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"
)

// session is one operation that brings bytes: the sink of its pipeline, under a lease. Its memory is bounded: frames
// that pile up are committed to the index before the operation ends, where nothing but the lease needs them yet.
type session struct {
	w    *writer
	hold *hold
	key  *key.Tenant
	room int64 // bytes that the quota leaves, when the session began
	free bool  // no quota holds: see op.free

	flushing sync.Mutex // keeps parents behind their children on the way to the index
	mu       sync.Mutex
	frames   map[ChunkKey]Frame
	bytes    int64
}

func (e *Engine) session(ctx context.Context, tenant string) (*session, error) {
	w, err := e.writer(ctx, tenant)
	if err != nil {
		return nil, err
	}
	h, err := w.join(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{w: w, hold: h, key: w.ring.get().Current(), frames: map[ChunkKey]Frame{}}
	if err := e.read(ctx, func(tx *sqldb.Tx) error {
		t, err := e.c.Store.Tenant(ctx, tx, tenant)
		s.room = t.QuotaBytes - t.StoredBytes
		return err
	}); err != nil {
		w.leave(h)
		return nil, err
	}
	return s, nil
}

func (s *session) close() { s.w.leave(s.hold) }

// Chunk implements stream.Sink.
func (s *session) Chunk(ctx context.Context, data []byte) (node.Child, error) {
	id := s.key.Identifier().ID(chunk.KindData, data)
	f, pending, ok, err := s.w.find(ctx, id)
	if err != nil {
		return node.Child{}, err
	}
	if !ok {
		if err := s.afford(); err != nil {
			return node.Child{}, err
		}
		buf := sealBuffers.Get().(*[]byte)
		sealed, err := frame.Seal((*buf)[:0], s.key, id, chunk.KindData, data)
		if err == nil {
			f, err = s.w.append(ctx, pack.TypeChunk, node.Child{ID: id, Kind: chunk.KindData, Key: s.key.Number()}, int64(len(data)), nil, sealed)
			*buf = sealed
		}
		sealBuffers.Put(buf)
		if err != nil {
			return node.Child{}, err
		}
		pending = true
	}
	if pending {
		err = s.keep(ctx, f)
	}
	return f.Child, err
}

var sealBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Node implements stream.Sink.
func (s *session) Node(ctx context.Context, n node.Node) (node.Child, error) {
	id, err := node.ID(s.key, n)
	if err != nil {
		return node.Child{}, err
	}
	f, pending, ok, err := s.w.find(ctx, id)
	if err != nil {
		return node.Child{}, err
	}
	if !ok {
		if err := s.afford(); err != nil {
			return node.Child{}, err
		}
		sealed, err := node.Seal(s.key, n)
		if err != nil {
			return node.Child{}, err
		}
		if f, err = s.w.append(ctx, pack.TypeNode, sealed.Child(n.Kind, s.key.Number()), int64(len(n.Payload)), n.Children, sealed.Bytes); err != nil {
			return node.Child{}, err
		}
		pending = true
	}
	if pending {
		err = s.keep(ctx, f)
	}
	return f.Child, err
}

// afford refuses early what the quota will refuse at commit, so that a long stream does not fill the disk first.
// What others committed since the session began is counted again when it looks as if there were no room.
func (s *session) afford() error {
	if s.free || s.w.fresh.Load() <= s.room {
		return nil
	}
	ctx := s.w.e.bg
	return s.w.e.read(ctx, func(tx *sqldb.Tx) error {
		t, err := s.w.e.c.Store.Tenant(ctx, tx, s.w.tenant)
		if err != nil {
			return err
		}
		if t.StoredBytes+s.w.fresh.Load() > t.QuotaBytes {
			return ErrQuota
		}
		return nil
	})
}

// keep remembers a frame that the index does not have yet.
func (s *session) keep(ctx context.Context, f Frame) error {
	s.mu.Lock()
	s.frames[ChunkKey{f.Child.ID, f.Child.Hash}] = f
	s.bytes += int64(f.Child.Length)
	much := len(s.frames) >= GroupRows/2 || s.bytes >= GroupBytes
	s.mu.Unlock()
	if much {
		return s.flush(ctx)
	}
	return nil
}

// flush brings what has piled up into the index.
func (s *session) flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	much := len(s.frames) >= GroupRows/2 || s.bytes >= GroupBytes
	s.mu.Unlock()
	if !much {
		return nil // another goroutine was first
	}
	return s.w.submit(ctx, &op{lease: s.hold.ID, frames: s.take(), free: s.free})
}

func (s *session) take() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Frame, 0, len(s.frames))
	for _, f := range s.frames {
		out = append(out, f)
	}
	s.frames, s.bytes = map[ChunkKey]Frame{}, 0
	return out
}

// commit makes an operation of the session durable, with all that it has brought.
func (s *session) commit(ctx context.Context, o *op) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	o.lease, o.frames, o.free = s.hold.ID, s.take(), s.free
	return s.w.submit(ctx, o)
}
