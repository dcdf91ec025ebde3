package snapshots

import (
	"context"
	"errors"
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
	// compression is what new chunks try; that of the volume, which who opens the session sets.
	compression frame.Compression

	mu       sync.Mutex
	frames   map[ChunkKey]Frame
	bytes    int64
	flushing chan struct{} // closed when the flush that is under way is over; nil when none is
	err      error         // of a flush; it ends the session
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
	s := &session{w: w, hold: h, key: w.ring.get().Current(), compression: frame.CompressionZstd, frames: map[ChunkKey]Frame{}}
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

// Chunk implements stream.Sink. It is made for many calls at once: what each of them asks the index is gathered, and the
// processors are kept busy by some while others wait for the disk.
func (s *session) Chunk(ctx context.Context, data []byte) (node.Child, error) {
	if err := s.failed(); err != nil {
		return node.Child{}, err
	}
	l, turns := &s.w.lookups, s.w.e.turns
	l.begin()
	turns.take(len(data))
	id := s.key.Identifier().ID(chunk.KindData, data)
	turns.give(len(data))
	f, pending, ok, err := s.w.find(ctx, id, len(data))
	if err != nil || ok {
		l.end()
	} else {
		pending = true
		err = s.afford()
		buf := sealBuffers.Get().(*[]byte)
		if err == nil {
			turns.take(len(data))
			*buf, err = frame.SealWith((*buf)[:0], s.key, id, chunk.KindData, data, s.compression)
			turns.give(len(data))
		}
		l.end()
		if err == nil {
			f, err = s.w.append(ctx, pack.TypeChunk, node.Child{ID: id, Kind: chunk.KindData, Key: s.key.Number()}, int64(len(data)), nil, *buf)
		}
		s.w.stored(id)
		sealBuffers.Put(buf)
	}
	if err != nil {
		return node.Child{}, err
	}
	if pending {
		err = s.keep(ctx, f)
	}
	return f.Child, err
}

var sealBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Node implements stream.Sink.
func (s *session) Node(ctx context.Context, n node.Node) (node.Child, error) {
	if err := s.failed(); err != nil {
		return node.Child{}, err
	}
	l := &s.w.lookups
	l.begin()
	id, err := node.ID(s.key, n)
	if err != nil {
		l.end()
		return node.Child{}, err
	}
	f, pending, ok, err := s.w.find(ctx, id, smallPiece)
	if err != nil || ok {
		l.end()
	} else {
		pending = true
		var sealed node.Sealed
		if err = s.afford(); err == nil {
			sealed, err = node.Seal(s.key, n)
		}
		l.end()
		if err == nil {
			f, err = s.w.append(ctx, pack.TypeNode, sealed.Child(n.Kind, s.key.Number()), int64(len(n.Payload)), n.Children, sealed.Bytes)
		}
		s.w.stored(id)
	}
	if err != nil {
		return node.Child{}, err
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

// keep remembers a frame that the index does not have yet. What has piled up is brought there beside the work that goes
// on; only when as much again has gathered meanwhile does it wait for that.
func (s *session) keep(ctx context.Context, f Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := ChunkKey{f.Child.ID, f.Child.Hash}
	if _, again := s.frames[k]; again {
		return s.err
	}
	s.frames[k] = f
	s.bytes += int64(f.Child.Length)
	for s.err == nil && (len(s.frames) >= GroupRows/2 || s.bytes >= GroupBytes) {
		running := s.flushing
		if running == nil {
			s.flush()
			break
		}
		if len(s.frames) < GroupRows && s.bytes < 2*GroupBytes {
			break
		}
		s.mu.Unlock()
		var err error
		select {
		case <-running:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	return s.err
}

// flush queues what has piled up. One after the other: parents come behind their children. The caller holds s.mu.
func (s *session) flush() {
	o := &op{lease: s.hold.ID, frames: s.take(), free: s.free}
	s.w.enqueue(o)
	over := make(chan struct{})
	s.flushing = over
	go func() {
		<-o.done
		s.mu.Lock()
		s.flushing = nil
		if s.err == nil {
			s.err = o.err
		}
		s.mu.Unlock()
		close(over)
	}()
}

// failed is why the session can bring nothing more.
func (s *session) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// take empties the heap. The caller holds s.mu.
func (s *session) take() []Frame {
	out := make([]Frame, 0, len(s.frames))
	for _, f := range s.frames {
		out = append(out, f)
	}
	s.frames, s.bytes = map[ChunkKey]Frame{}, 0
	return out
}

// commit makes an operation of the session durable, with all that it has brought. It is queued behind what is being
// flushed, and fails with it.
func (s *session) commit(ctx context.Context, o *op) error {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return s.err
	}
	o.lease, o.frames, o.free = s.hold.ID, s.take(), s.free
	s.w.enqueue(o)
	s.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if o.err == nil {
		return nil
	}
	s.settle() // what failed before it is the reason to tell
	if err := s.failed(); err != nil && !errors.Is(o.err, err) {
		return errors.Join(err, o.err)
	}
	return o.err
}

// close gives the lease back, once nothing of the session is on its way to the index.
func (s *session) close() {
	s.settle()
	s.w.leave(s.hold)
}

// settle waits for the flush that is under way.
func (s *session) settle() {
	s.mu.Lock()
	running := s.flushing
	s.mu.Unlock()
	if running != nil {
		<-running
	}
}
