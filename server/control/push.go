package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
)

var _ = register(
	translation{snapshots.ErrChunkID, wire.TypeInvalid, "A chunk is not what its id says, or its length is not one of the volume's profile. Nothing of the segment was kept."},
	translation{snapshots.ErrUnknownChunk, wire.TypePrecondition, "The segment refers to a chunk that the volume does not have. Nothing of it was kept: send the chunk itself."},
	translation{snapshots.ErrSegment, wire.TypeConflict, "This is not the segment that is due. Nothing of it was kept."},
	translation{snapshots.ErrVolumeSize, wire.TypeTooLarge, "The files of the volume would add up to more than 1 EiB, holes included. Nothing of this was kept."},
	translation{snapshots.ErrSparse, wire.TypeTooLarge, "The archive's sparse files stand for far more zeroes than it has bytes. Push the files instead, or send them one by one. What came before is stored; nothing was deleted."},
	translation{snapshots.ErrFormat, wire.TypeInvalid, "What was sent is not well-formed. Nothing of it was kept."},
)

// pushes are the sessions of this process. Nothing of them is durable: a client
// whose session is gone begins another and goes on.
type pushes struct {
	mu sync.Mutex
	by map[string]*pushSession
}

// pushSession belongs to who began it.
type pushSession struct {
	push   *snapshots.Push
	caller string
	timer  *time.Timer
	users  int
}

// BeginPush begins a session for pushing into a volume.
func (c *Control) BeginPush(ctx context.Context, who Caller, ref string) (wire.Push, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err != nil {
		return wire.Push{}, err
	}
	p, err := c.Data.NewPush(ctx, v.Tenant, v.ID)
	if err != nil {
		return wire.Push{}, wrap(err)
	}
	empty, err := p.Empty(ctx)
	if err == nil {
		err = c.keepPush(who, p)
	}
	if err != nil {
		p.Close()
		return wire.Push{}, wrap(err)
	}
	keys, v := p.Keys(), p.Volume()
	return wire.Push{
		Session: p.ID().String(), Profile: v.Profile.String(), Kind: string(v.Kind), KeyNumber: uint32(keys.Number),
		ChunkingKey: keys.Chunking.Bytes(), IdentityKey: keys.Identity.Bytes(), MinPiece: v.Profile.Min(), MaxPiece: v.Profile.Max(),
		Head: v.Head, Empty: empty, SegmentBytes: snapshots.SegmentBytes, SegmentRecords: snapshots.SegmentRecords,
		SegmentEntries: snapshots.SegmentEntries, KnownBatch: snapshots.KnownBatch, IdleSeconds: int(pushIdle / time.Second),
	}, nil
}

// keepPush registers a session within the bounds of its caller and tenant.
func (c *Control) keepPush(who Caller, p *snapshots.Push) error {
	l := &c.pushes
	l.mu.Lock()
	defer l.mu.Unlock()
	mine, tenants := 0, 0
	for _, s := range l.by {
		if s.push.Volume().Tenant == p.Volume().Tenant {
			tenants++
			if s.caller == who.ID() {
				mine++
			}
		}
	}
	if mine >= maxPushesOfCaller || tenants >= maxPushesOfTenant || len(l.by) >= maxPushes {
		return newError(wire.TypeThrottled, nil, "Too many pushes are open. End one, or wait until an idle one ends by itself.")
	}
	if l.by == nil {
		l.by = map[string]*pushSession{}
	}
	name := p.ID().String()
	s := &pushSession{push: p, caller: who.ID()}
	s.timer = time.AfterFunc(pushIdle, func() { c.dropPush(name, false) })
	l.by[name] = s
	return nil
}

// dropPush ends a session; unless forced only when nobody uses it.
func (c *Control) dropPush(name string, forced bool) {
	l := &c.pushes
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.by[name]; s != nil && (forced || s.users == 0) {
		s.timer.Stop()
		delete(l.by, name)
		s.push.Close()
	}
}

// usePush finds a session of the caller on a volume that he may still write, and
// keeps it from ending. Whose session another's is, nobody learns (T11).
func (c *Control) usePush(ctx context.Context, who Caller, ref, session string) (p *snapshots.Push, done func(), err error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err != nil {
		return nil, nil, err
	}
	l := &c.pushes
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.by[session]
	if s == nil || s.caller != who.ID() || s.push.Volume().ID != v.ID {
		return nil, nil, newError(wire.TypeNotFound, nil, "There is no such push. It may have ended while it was idle: begin another.")
	}
	s.users++
	s.timer.Stop()
	return s.push, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if s.users--; s.users == 0 {
			s.timer.Reset(pushIdle)
		}
	}, nil
}

// PushKnown answers for each id whether the volume has the chunk, a bit each, the
// first in the lowest bit of the first byte. It says nothing of other volumes (T51).
func (c *Control) PushKnown(ctx context.Context, who Caller, ref, session string, raw []byte) ([]byte, error) {
	p, done, err := c.usePush(ctx, who, ref, session)
	if err != nil {
		return nil, err
	}
	defer done()
	const size = len(chunk.ID{})
	if len(raw)%size != 0 || len(raw) > size*snapshots.KnownBatch {
		return nil, newError(wire.TypeInvalid, nil, "Ask with at most %d ids of %d bytes.", snapshots.KnownBatch, size)
	}
	ids := make([]chunk.ID, len(raw)/size)
	for i := range ids {
		copy(ids[i][:], raw[i*size:])
	}
	known, err := p.Known(ctx, ids)
	if err != nil {
		return nil, wrap(err)
	}
	out := make([]byte, (len(ids)+7)/8)
	for i, k := range known {
		if k {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out, nil
}

// PushSegment takes the segment n of a session: fill gives what it has, and
// mayDelete says whether deletions are among what the caller may do. It answers
// when all of it is durable. A segment that was taken before is not filled again.
func (c *Control) PushSegment(ctx context.Context, who Caller, ref, session string, n int64, fill func(g *snapshots.Segment, mayDelete error) error) (out wire.PushedSegment, err error) {
	p, done, err := c.usePush(ctx, who, ref, session)
	if err != nil {
		return out, err
	}
	defer done()
	began := c.late(ctx, who, nil)
	soon, cancel := context.WithTimeout(ctx, pushTurn)
	g, err := p.Begin(soon, n)
	cancel()
	if err != nil {
		return out, wrap(err)
	}
	var a snapshots.PushAnswer
	if g == nil {
		a, err = p.Answer(ctx, n)
	} else if err = errors.Join(fill(g, c.reach(who, p.Volume(), authz.FileDelete)), began.still()); err != nil {
		g.Abort()
	} else {
		a, err = g.Commit(ctx)
	}
	if err != nil {
		return out, wrap(err)
	}
	out = wire.PushedSegment{Segment: n, Entries: a.Entries, Unchanged: a.Unchanged, Deleted: a.Deleted, Bytes: a.Bytes, NewBytes: a.Sent,
		At: a.At, Seq: a.Seq, Alone: a.Alone}
	for _, r := range a.Refused {
		out.Refused = append(out.Refused, wire.PushRefused{Path: []byte(r.Path), Problem: refusalText(r.Err)})
	}
	return out, nil
}

// refusalText is why an entry was refused, for the person who pushes.
func refusalText(err error) string {
	if e := AsError(err); e.Type != wire.TypeInternal {
		return e.Detail
	}
	return "It could not be stored."
}

// EndPush ends a session. What was acknowledged stays.
func (c *Control) EndPush(ctx context.Context, who Caller, ref, session string) error {
	_, done, err := c.usePush(ctx, who, ref, session)
	if err != nil {
		return err
	}
	done()
	c.dropPush(session, true)
	return nil
}
