package scrub

import (
	"context"
	"io"
	"time"
)

// pacer reads no faster than the Scrubber's rate.
type pacer struct {
	ctx   context.Context
	s     *Scrubber
	in    io.Reader
	total int64
}

func (p *pacer) Read(b []byte) (int, error) {
	if len(b) > readBuffer {
		b = b[:readBuffer]
	}
	before := p.s.c.Now()
	n, err := p.in.Read(b)
	p.total += int64(n)
	if wait := p.s.pauseSince(p.ctx, int64(n), before); wait != nil {
		return n, wait
	}
	return n, err
}

// pause waits as long as reading n bytes may take.
func (s *Scrubber) pause(ctx context.Context, n int64) error { return s.pauseSince(ctx, n, s.c.Now()) }

// pauseSince is pause for bytes whose reading began before. While people transfer data it waits longer: live traffic
// comes first, and scrubbing still gets on.
func (s *Scrubber) pauseSince(ctx context.Context, n int64, before time.Time) error {
	s.read.Add(n)
	rate := s.Rate()
	if s.c.Busy() {
		rate = max(rate/busyShare, MinRate)
	}
	wait := time.Duration(float64(n)/float64(rate)*float64(time.Second)) - max(0, s.c.Now().Sub(before))
	s.debt.Add(int64(wait))
	owed := time.Duration(s.debt.Load())
	if owed < -time.Second {
		s.debt.Store(int64(-time.Second)) // what was not used a while ago is no credit
	}
	if owed < 5*time.Millisecond {
		return ctx.Err()
	}
	s.debt.Store(0)
	t := time.NewTimer(owed)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
