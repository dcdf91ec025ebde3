package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// sender sends segments, several at once, until each is acknowledged. It keeps
// what is not, and says it again to a service that was away.
type sender struct {
	s    *session
	o    *Options
	in   <-chan *segment
	free chan *text
	res  *Result

	queue   []*flight // not acknowledged, in their order
	next    int64     // number in the session
	running int
	results chan *flight
}

// flight is a segment on its way.
type flight struct {
	*segment
	sent   bool // at least once, or is being
	cancel context.CancelFunc
	answer *wire.PushedSegment
	err    error
}

// run sends until in is closed and everything is acknowledged.
func (x *sender) run(ctx context.Context) error {
	x.results = make(chan *flight, MaxConnections)
	for open := true; open || len(x.queue) > 0; {
		for _, f := range x.queue {
			if !f.sent && x.running < x.o.Connections {
				x.send(ctx, f)
			}
		}
		in := x.in
		if !open || len(x.queue) >= x.o.Connections {
			in = nil
		}
		select {
		case seg, ok := <-in:
			if open = ok; ok {
				seg.n = x.next
				x.next++
				x.queue = append(x.queue, &flight{segment: seg})
			}
		case f := <-x.results:
			x.running--
			if f.err == nil {
				x.settle()
				continue
			}
			// Those behind it wait at the service for this one: they are called back. Those before it are on
			// their way to an answer, or will fail by themselves.
			err := f.err
			x.callBack(f.n)
			for ; x.running > 0; x.running-- {
				if g := <-x.results; g.err != nil && g.n < f.n {
					f, err = g, g.err // the first to fail knows why
					x.callBack(f.n)
				}
			}
			x.settle()
			if err := x.recover(ctx, err); err != nil {
				return err
			}
		case <-ctx.Done():
			for ; x.running > 0; x.running-- {
				<-x.results
			}
			x.settle()
			return context.Cause(ctx)
		}
	}
	return nil
}

// send begins to send a segment; its flight comes back through results.
func (x *sender) send(ctx context.Context, f *flight) {
	f.sent = true
	x.running++
	x.res.Sent += f.text.len()
	session := x.s.current().Session
	ctx, f.cancel = context.WithCancel(ctx)
	go func() {
		defer f.cancel()
		a, err := x.s.c.PushSegment(ctx, x.s.volume, session, f.n, f.text.len(), f.text.reader)
		if f.err = err; err == nil {
			f.answer = &a
		}
		x.results <- f
	}()
}

// callBack ends the sending of what comes behind n.
func (x *sender) callBack(n int64) {
	for _, f := range x.queue {
		if f.n > n && f.cancel != nil {
			f.cancel()
		}
	}
}

// settle takes what is acknowledged off the queue.
func (x *sender) settle() {
	for len(x.queue) > 0 && x.queue[0].answer != nil {
		f := x.queue[0]
		x.queue = x.queue[1:]
		a := f.answer
		x.s.committed(*a)
		x.res.Unchanged += a.Unchanged
		x.res.Deleted += a.Deleted
		x.res.Seq, x.res.At = a.Seq, a.At
		for _, r := range a.Refused {
			x.res.Refused = append(x.res.Refused, Refused{string(r.Path), r.Problem})
		}
		f.text.reset() // the service has read it to its end
		select {
		case x.free <- f.text:
		default:
		}
	}
}

// final reports whether trying again would not help.
func final(err error) bool {
	var e *client.Error
	if !errors.As(err, &e) {
		return false // no answer
	}
	switch e.Type {
	case wire.TypeUnavailable, wire.TypeConflict, wire.TypeNotFound, wire.TypeThrottled, wire.TypeInternal:
		return false
	}
	return e.Status < 500 && e.Status != 400 && e.Status != 408 || e.Type == wire.TypeQuota || e.Type == wire.TypeStorageFull
}

// recover brings the service to where it can go on: by sending the first segment
// again in the same session, which is answered even if it was taken already, or,
// when the session is lost, by beginning another.
func (x *sender) recover(ctx context.Context, cause error) error {
	began := x.o.Now()
	tries := 0
	for delay := firstDelay; ; delay = min(2*delay, mostDelay) {
		if client.Is(cause, wire.TypeInternal) || client.Is(cause, wire.TypeConflict) {
			if tries++; tries > maxFaults {
				return x.lost(cause)
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if client.Is(cause, wire.TypePrecondition) {
			return fmt.Errorf("%w: %w", errStale, cause)
		}
		if final(cause) || x.o.Now().Sub(began) > x.o.Patience {
			return x.lost(cause)
		}
		x.o.Waiting(cause)
		if !missing(cause) {
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var err error
		if missing(cause) {
			err = x.restart(ctx)
		} else if err = x.head(ctx); err == nil {
			x.settle()
		}
		if err == nil {
			for _, f := range x.queue {
				f.sent = f.answer != nil
			}
			return nil
		}
		cause = err
	}
}

// lost names what is not there when the push has to be given up.
func (x *sender) lost(cause error) error {
	if len(x.queue) > 0 && x.queue[0].first != "" {
		return fmt.Errorf("what was sent before %q is stored, the rest is not: %w", x.queue[0].first, cause)
	}
	return cause
}

// head sends the first segment again.
func (x *sender) head(ctx context.Context) error {
	if len(x.queue) == 0 {
		return nil
	}
	f := x.queue[0]
	x.send(ctx, f)
	x.running--
	return (<-x.results).err
}

// restart begins another session, says again what of the open file is stored
// already, and numbers the rest afresh.
func (x *sender) restart(ctx context.Context) error {
	for i := len(x.queue) - 1; i >= 0; i-- {
		if x.queue[i].answer != nil { // then everything before it is durable too
			x.queue = x.queue[i:]
			x.settle()
			break
		}
	}
	p, err := x.s.again(ctx)
	if missing(err) {
		return &client.Error{Problem: wire.Problem{Type: wire.TypeDenied, Title: "Not found", Status: 404, Detail: "The volume is not there any more."}}
	}
	if err != nil {
		return err
	}
	x.next = 0
	if len(x.queue) > 0 && x.queue[0].start != nil {
		if err := x.preamble(ctx, p, x.queue[0].start); err != nil {
			return err
		}
	}
	for _, f := range x.queue {
		f.n = x.next
		x.next++
	}
	return nil
}

// preamble brings a new session into the middle of a file: all that was
// acknowledged of it is there, and only named again.
func (x *sender) preamble(ctx context.Context, p wire.Push, o *open) error {
	entry := *o.entry
	entry.Number = 0
	buf := record.AppendEntry(record.AppendMagic(nil), &entry)
	count := uint64(1)
	flush := func() error {
		buf = record.AppendStop(buf, count)
		x.res.Sent += int64(len(buf))
		a, err := x.s.c.PushSegment(ctx, x.s.volume, p.Session, x.next, int64(len(buf)), func() io.Reader { return bytes.NewReader(buf) })
		if err != nil {
			return err
		}
		x.s.committed(a)
		x.next++
		buf, count = record.AppendMagic(buf[:0]), 0
		return nil
	}
	rest := o.extents
	for len(rest) > 0 {
		part := rest[:min(len(rest), p.KnownBatch, p.SegmentRecords-2)]
		rest = rest[len(part):]
		var ids []byte
		for _, e := range part {
			if !e.hole {
				ids = append(ids, e.id[:]...)
			}
		}
		// Asked about together, the service finds them faster than one by one.
		if _, err := x.s.known(ctx, ids, p.KnownBatch); err != nil {
			return err
		}
		if count+uint64(len(part))+2 > uint64(p.SegmentRecords) {
			if err := flush(); err != nil {
				return err
			}
		}
		for _, e := range part {
			if e.hole {
				buf = record.AppendHole(buf, e.len)
			} else {
				buf = record.AppendRef(buf, e.id, e.len)
			}
		}
		count += uint64(len(part))
	}
	return flush()
}
