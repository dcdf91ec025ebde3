package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/snapshots/chunk"
)

// session is the push at the service. It is begun when the first thing needs it,
// and begun again when the service has lost it.
type session struct {
	c      *client.Client
	volume string
	// kind and head are what the volume must be, where they are not empty and not -1.
	kind string
	head int64

	mu    sync.Mutex
	push  wire.Push
	began bool
	table *chunk.Table
	ids   *chunk.Identifier
	// seq is the last commit that is known to be the volume's head; steady that nobody else has committed since.
	seq    int64
	steady bool
}

// ensure begins the session unless it is begun.
func (s *session) ensure(ctx context.Context) (wire.Push, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began {
		return s.push, nil
	}
	var p wire.Push
	if err := again(ctx, func() (err error) { p, err = s.c.BeginPush(ctx, s.volume); return err }); err != nil {
		return p, err
	}
	if err := s.check(p); err != nil {
		return p, errors.Join(err, s.c.EndPush(ctx, s.volume, p.Session))
	}
	profile, err := chunk.ParseProfile(p.Profile)
	if err == nil {
		s.table, err = chunk.NewTable(p.ChunkingKey, profile)
	}
	if err == nil {
		s.ids, err = chunk.NewIdentifier(p.IdentityKey)
	}
	if err != nil {
		return p, fmt.Errorf("the service cuts content in a way that this program does not know: %w", err)
	}
	s.push, s.began, s.seq, s.steady = p, true, p.Head, true
	return p, nil
}

func (s *session) check(p wire.Push) error {
	switch {
	case s.kind != "" && p.Kind != s.kind:
		return fmt.Errorf("%w: it is of kind %s", ErrKind, p.Kind)
	case s.head >= 0 && p.Head != s.head:
		return errStale
	case p.MaxPiece > chunk.MaxPiece, p.SegmentRecords < leastRecords, p.SegmentEntries < leastEntries, p.KnownBatch < 1, p.SegmentBytes < 2*int64(p.MaxPiece):
		return errors.New("the service has bounds that this program cannot keep")
	}
	return nil
}

// again does what a lost connection may have kept from being done, a few times.
func again(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		var answered *client.Error
		if err == nil || errors.As(err, &answered) || try == maxTries || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(time.Duration(try) * firstDelay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// again begins another session in place of one that is lost.
func (s *session) again(ctx context.Context) (wire.Push, error) {
	p, err := s.c.BeginPush(ctx, s.volume)
	if err != nil {
		return p, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Profile != s.push.Profile || !bytes.Equal(p.ChunkingKey, s.push.ChunkingKey) || !bytes.Equal(p.IdentityKey, s.push.IdentityKey) {
		return p, errors.Join(errors.New("the service has other keys than before"), s.c.EndPush(ctx, s.volume, p.Session))
	}
	s.steady = s.steady && p.Head == s.seq
	s.push = p
	return p, nil
}

// current is the session as it is now.
func (s *session) current() wire.Push {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.push
}

// committed takes note of an answer.
func (s *session) committed(a wire.PushedSegment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq, s.steady = a.Seq, s.steady && a.Alone
}

// end ends the session; that it may be lost already is nobody's concern.
func (s *session) end(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began {
		_ = s.c.EndPush(ctx, s.volume, s.push.Session)
	}
}

// known asks which of the ids the volume has, at most so many at once.
func (s *session) known(ctx context.Context, ids []byte, most int) ([]bool, error) {
	out := make([]bool, 0, len(ids)/32)
	for len(ids) > 0 {
		part := ids[:min(len(ids), most*32)]
		ids = ids[len(part):]
		bits, err := s.c.PushKnown(ctx, s.volume, s.current().Session, part)
		if err != nil {
			return nil, err
		}
		for i := range len(part) / 32 {
			out = append(out, bits[i/8]>>(i%8)&1 == 1)
		}
	}
	return out, nil
}
