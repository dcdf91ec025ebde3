package pull

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// unit is what one pull asks for: the files of a range of paths, or one big file.
type unit struct {
	after, until string
	entries      []record.Entry // that are wanted, in order
	one          bool

	mu      sync.Mutex
	state   []fileState
	tries   []uint8
	have    int64 // of one file: what this run has written of it, all of it verified
	pending sync.WaitGroup
	stop    error // ends the restore
}

type fileState uint8

const (
	missing fileState = iota
	settled           // restored, or refused
)

func newUnit(one bool, entries []record.Entry, after string) *unit {
	return &unit{after: after, until: entries[len(entries)-1].Path, entries: entries, one: one, state: make([]fileState, len(entries)), tries: make([]uint8, len(entries))}
}

// rest is from which entry on there is something to do, and whether there is.
func (u *unit) rest() (int, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, s := range u.state {
		if s != settled {
			return i, true
		}
	}
	return 0, false
}

// progress grows with what need not be asked for again.
func (u *unit) progress() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.have
	for _, s := range u.state {
		if s == settled {
			n++
		}
	}
	return n
}

// settle notes what became of an entry.
func (r *restorer) settle(u *unit, i int, f *file, err error) {
	defer u.pending.Done()
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil { // it will come again, or never
		r.tell(-f.verified.Load() - f.holes)
	} else {
		r.verified.Add(f.verified.Load())
		r.found.Add(f.found.Load())
	}
	switch {
	case err == nil:
		u.state[i] = settled
		r.did(&u.entries[i])
	case f.lost != nil && !errors.Is(f.lost, ErrDamaged) && f.failed() == nil:
		u.have = max(u.have, f.off) // it goes on from there
	case (errors.Is(err, ErrDamaged) || errors.Is(err, errStale)) && u.tries[i] < maxTries-1:
		u.tries[i]++
		u.have = 0 // nothing of it was kept
	default:
		u.state[i] = settled
		if fatal(err) {
			u.stop = &EntryError{u.entries[i].Path, err}
			return
		}
		r.refuse(u.entries[i].Path, err)
	}
}

// fetch does a unit, however often the service goes away meanwhile.
func (r *restorer) fetch(ctx context.Context, u *unit) error {
	var p patience
	for {
		i, more := u.rest()
		if !more {
			return nil
		}
		before := u.progress()
		err := r.attempt(ctx, u, i)
		u.pending.Wait()
		if u.stop != nil {
			return u.stop
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if next, more := u.rest(); err != nil && more && next == i && !retryable(err) {
			return err
		}
		if u.progress() > before {
			p = patience{}
		}
		if err != nil && retryable(err) {
			if err := r.wait(ctx, &p, err); err != nil {
				return err
			}
		}
	}
}

// attempt is one pull of what is left from the i-th entry on.
func (r *restorer) attempt(ctx context.Context, u *unit, i int) error {
	in := wire.Pull{Prefix: []byte(r.prefix), After: []byte(u.after), Until: []byte(u.until)}
	if i > 0 {
		in.After = []byte(u.entries[i-1].Path)
	}
	if u.one {
		in = wire.Pull{Path: []byte(u.entries[i].Path), Offset: max(u.have, r.have(&u.entries[i]))}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := r.c.Pull(ctx, r.from, in)
	if err != nil {
		return err
	}
	defer body.Close()
	x := &reading{r: r, to: batcher{c: r.crew}, u: u, next: i, dec: record.NewDecoder(body)}
	err = x.all()
	if x.f != nil {
		x.f.end(0, err)
	}
	x.to.flush()
	return err
}

// reading takes the records of a pull apart.
type reading struct {
	r    *restorer
	to   batcher
	u    *unit
	dec  *record.Decoder
	next int   // the entry of the unit that may come next
	f    *file // the one that is on its way
	open bool  // an entry has begun
	last string
}

func (x *reading) all() error {
	var rec record.Record
	for {
		err := x.dec.Next(&rec)
		if errors.Is(err, io.EOF) {
			if x.open {
				return fmt.Errorf("%w: an entry without an end", ErrStream)
			}
			// What was asked for and did not come is not there.
			for ; x.next < len(x.u.entries); x.next++ {
				x.skip(x.next, errNotCome)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := x.record(&rec); err != nil {
			return err
		}
	}
}

// skip settles an entry that will not come.
func (x *reading) skip(i int, err error) {
	x.u.mu.Lock()
	defer x.u.mu.Unlock()
	if x.u.state[i] != settled {
		x.u.state[i] = settled
		x.r.refuse(x.u.entries[i].Path, err)
	}
}

func (x *reading) record(rec *record.Record) error {
	switch rec.Type {
	case record.TypeEntry:
		return x.entry(rec)
	case record.TypeStop:
		return nil
	case record.TypeError:
		return x.failure(rec.Text)
	}
	if !x.open {
		return fmt.Errorf("%w: content of no entry", ErrStream)
	}
	if rec.Type == record.TypeEnd {
		f := x.f
		x.f, x.open = nil, false
		if f != nil {
			f.end(rec.Length, nil)
		}
		return nil
	}
	if x.f == nil {
		return nil // of something that was not asked for
	}
	if x.f.off+rec.Length > x.f.e.Size {
		return fmt.Errorf("%w: more content than it has", ErrStream)
	}
	switch rec.Type {
	case record.TypeData:
		if err := x.f.failed(); err != nil && fatal(err) {
			return err
		}
		b := take(rec.Stored)
		var err error
		if b.b, err = x.dec.Body(b.b[:0]); err != nil {
			give(b)
			return err
		}
		x.f.data(rec.ID, rec.Encoding, int(rec.Length), b)
	case record.TypeRef:
		x.f.ref(rec.ID, int(rec.Length))
	case record.TypeHole:
		x.f.hole(rec.Length)
	default:
		return fmt.Errorf("%w: a record of type %d", ErrStream, rec.Type)
	}
	return nil
}

// entry begins an entry. Those that are not wanted are passed over.
func (x *reading) entry(rec *record.Record) error {
	e := rec.Entry
	if x.open || e.Path <= x.last {
		return fmt.Errorf("%w: entries out of order", ErrStream)
	}
	x.last, x.open = e.Path, true
	for x.next < len(x.u.entries) && x.u.entries[x.next].Path < e.Path {
		x.skip(x.next, errNotCome)
		x.next++
	}
	if x.next == len(x.u.entries) || x.u.entries[x.next].Path != e.Path {
		return nil
	}
	i := x.next
	x.next++
	want := &x.u.entries[i]
	if e.Type != record.File || !e.HasDigest || e.Size != want.Size || e.Digest != want.Digest {
		x.skip(i, fmt.Errorf("%w: another file than was listed", ErrStream))
		return nil
	}
	x.u.mu.Lock()
	done := x.u.state[i] == settled
	x.u.mu.Unlock()
	if done {
		return nil
	}
	x.u.pending.Add(1)
	x.f = x.r.begin(&x.to, *want, x.r.place(want.Path), x.u.have, func(f *file, err error) { x.r.settle(x.u, i, f, err) })
	return nil
}

// failure is what the service says when it cannot go on.
func (x *reading) failure(text string) error {
	if rest, ok := cutDamage(text); ok && x.f != nil {
		f := x.f
		x.f, x.open = nil, false
		x.u.mu.Lock()
		x.u.tries[x.next-1] = maxTries // it was the service that looked
		x.u.mu.Unlock()
		f.end(0, fmt.Errorf("%w: %s", ErrDamaged, rest))
		return errGoOn
	}
	return fmt.Errorf("%w: %s", errInterrupted, text)
}

// cutDamage tells what the service cannot read from what only kept it from going on.
func cutDamage(text string) (string, bool) { return strings.CutPrefix(text, "damaged: ") }

var (
	// errInterrupted means that the service broke off and said so.
	errInterrupted = errors.New("the service broke off")
	// errNotCome is why an entry that was asked for and passed over is refused.
	errNotCome = fmt.Errorf("%w: it did not come", ErrStream)
	// errGoOn means that the pull ended with an entry which is settled.
	errGoOn = errors.New("an entry could not be sent")
)

// retryable says whether the same pull may succeed a moment later.
func retryable(err error) bool {
	var problem *client.Error
	if errors.As(err, &problem) {
		return problem.Status == http.StatusServiceUnavailable || problem.Status == http.StatusTooManyRequests || problem.Status == http.StatusBadGateway || problem.Status == http.StatusGatewayTimeout || problem.Status == http.StatusInternalServerError
	}
	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) {
		return false
	}
	var network net.Error
	return errors.Is(err, client.ErrNoAnswer) || errors.Is(err, record.ErrTorn) || errors.Is(err, errInterrupted) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// patience is how long was waited while nothing came.
type patience struct{ waited, pause time.Duration }

// wait waits before the next try, or gives up with the reason.
func (r *restorer) wait(ctx context.Context, p *patience, why error) error {
	if p.waited > r.o.Patience {
		return why
	}
	p.pause = max(p.pause, retryFirst)
	p.waited += p.pause
	t := time.NewTimer(p.pause)
	defer t.Stop()
	p.pause = min(2*p.pause, retryMost)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
