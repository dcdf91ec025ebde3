package snapshots

import (
	"context"
	"errors"
	"sync"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/snapshots/key"
	"holdfast/snapshots/stream"
)

// Push is a session in which a client sends entries that it has cut into chunks itself, segment by segment. A segment
// becomes durable and visible as a whole or not at all; a file may go on from one segment to the next.
//
// Nothing that the client says of a chunk is believed: every id is computed here from the bytes, and a chunk that is only
// named must be one that the volume has. Push is safe for concurrent use.
type Push struct {
	e  *Engine
	id PushID
	v  Volume // as it was when the session began

	keys key.Client

	making sync.Mutex // of prepare

	mu       sync.Mutex
	s        *session
	closed   bool
	changed  chan struct{} // closed and replaced whenever something below has changed
	uploaded *idSet
	live     *liveSet // nil until somebody asked
	resolved map[chunkID]place
	users    int

	next      int64 // number of the segment that is due
	receiving bool
	round     int      // counts failures: what was received before one is void
	tail      *Segment // received, and not yet durable or not yet followed
	state     pushState
	answers   map[int64]PushAnswer
	head      int64 // of the last commit
	at        time.Time
	alone     bool
	mine      *pathSet // what the session has put into a volume that was empty
}

// pushState is what goes over from one segment to the next: the entry that is open, if any.
type pushState struct {
	open    bool
	entry   Entry
	refused error
	a       *stream.Assembly
	from    int64 // the segment in which the entry began
	hole    bool  // the last extent is a hole
	short   bool  // the last extent is data of less than the profile's minimum
}

func (s pushState) clone(sink stream.Sink) (pushState, error) {
	if s.a == nil {
		return s, nil
	}
	var err error
	s.a, err = s.a.Clone(sink)
	return s, err
}

// PushAnswer is what became of a segment. All of it is durable.
type PushAnswer struct {
	// Entries are versions that were committed or were there like this; Unchanged the latter alone; Deleted paths that
	// died. Bytes is the size of the entries; Sent the plain bytes that came as data.
	Entries, Unchanged, Deleted int64
	Bytes, Sent                 int64
	Refused                     []Refusal
	// Seq and At are of the volume's last commit by this session, or of its head when the session began.
	Seq int64
	At  time.Time
	// Alone means that since the session began nobody else has committed in the volume.
	Alone bool
}

// Refusal names an entry that was not stored, and why.
type Refusal struct {
	Path string
	Err  error
}

// NewPush begins a session.
func (e *Engine) NewPush(ctx context.Context, tenant string, volume VolumeID) (*Push, error) {
	s, err := e.session(ctx, tenant)
	if err != nil {
		return nil, err
	}
	v, err := e.Volume(ctx, tenant, volume)
	s.compression = v.Compression
	if err == nil && !v.DeletedAt.IsZero() {
		err = ErrNotFound
	}
	if err != nil {
		s.close()
		return nil, err
	}
	var mine *pathSet
	if v.LiveFiles == 0 {
		mine = newPathSet()
	}
	return &Push{e: e, id: id.New[pushKind](e.c.Now()), v: v, mine: mine, keys: s.key.Client(), s: s, changed: make(chan struct{}), uploaded: newIDSet(maxUploaded),
		resolved: map[chunkID]place{}, answers: map[int64]PushAnswer{}, head: v.Head, at: v.HeadAt, alone: true}, nil
}

// ID names the session.
func (p *Push) ID() PushID { return p.id }

// Volume is the volume as it was when the session began.
func (p *Push) Volume() Volume { return p.v }

// Keys are the chunking and id keys of the tenant, without which a client cannot cut. The encryption key stays here.
func (p *Push) Keys() key.Client { return p.keys }

// Empty reports whether there is nothing that could be known: no live version, no partial.
func (p *Push) Empty(ctx context.Context) (bool, error) {
	if p.v.LiveFiles > 0 {
		return false, nil
	}
	var list []Partial
	err := p.e.read(ctx, func(tx *sqldb.Tx) (err error) {
		list, err = p.e.c.Store.Partials(ctx, tx, p.v.ID, 1)
		return err
	})
	return err == nil && len(list) == 0, err
}

// Close ends the session and gives its lease back. What was acknowledged stays. Segments under way fail.
func (p *Push) Close() {
	p.mu.Lock()
	p.closed = true
	p.round++
	p.touch()
	p.idle()
	p.mu.Unlock()
}

// idle gives the lease back when the session is closed and nobody uses it any more. The caller holds p.mu.
func (p *Push) idle() {
	if p.closed && p.users == 0 && p.s != nil {
		s := p.s
		p.s = nil
		go s.close()
	}
}

// touch wakes whoever waits for a change. The caller holds p.mu.
func (p *Push) touch() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// enter keeps the session from going away; leave ends that.
func (p *Push) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrNotFound
	}
	p.users++
	return nil
}

func (p *Push) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users--
	p.idle()
}

// Begin begins the segment n, waiting while an earlier one is being received. When n was received before, it answers nil:
// then Answer tells what became of it. ErrSegment when n is neither due nor soon.
func (p *Push) Begin(ctx context.Context, n int64) (*Segment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.closed:
			return nil, ErrNotFound
		case n < p.next && n >= 0:
			return nil, nil
		case n < 0 || n > p.next+pushAhead:
			return nil, ErrSegment
		case n == p.next && !p.receiving:
			return p.begin(ctx)
		}
		changed := p.changed
		p.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		p.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
}

// begin makes the segment that is due. The caller holds p.mu.
func (p *Push) begin(ctx context.Context) (*Segment, error) {
	if p.s.failed() != nil {
		// A session that failed to bring its frames into the index brings no more: what was not acknowledged comes again.
		s, err := p.e.session(ctx, p.v.Tenant)
		if err != nil {
			return nil, err
		}
		s.compression = p.v.Compression
		go p.s.close()
		p.s = s
		clear(p.resolved)
	}
	state, err := p.state.clone(p.s)
	if err != nil {
		return nil, err
	}
	p.receiving = true
	p.users++
	workers := p.e.c.Workers
	return &Segment{p: p, n: p.next, round: p.round, s: p.s, prev: p.tail, state: state, recv: state, before: p.state,
		slots: make(chan struct{}, workers*pushInflight), small: make(chan struct{}, pushSmall), done: make(chan struct{})}, nil
}

// Answer waits until the segment n, which was received, is durable, and tells what became of it. ErrSegment when nobody
// knows any more, or when it failed and is due again.
func (p *Push) Answer(ctx context.Context, n int64) (PushAnswer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if a, ok := p.answers[n]; ok {
			return a, nil
		}
		if p.closed || n >= p.next || n < p.next-pushAhead {
			return PushAnswer{}, ErrSegment
		}
		changed := p.changed
		p.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		p.mu.Lock()
		if err != nil {
			return PushAnswer{}, err
		}
	}
}

// received hands over to the next segment. false when the session was closed or an earlier segment has failed.
func (p *Push) received(g *Segment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receiving = false
	defer p.touch()
	if p.closed || p.round != g.round {
		return false
	}
	p.state, p.tail, p.next = g.state, g, g.n+1
	return true
}

// over ends a segment, durable or not.
func (p *Push) over(g *Segment, a PushAnswer, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.answers[g.n] = a
		delete(p.answers, g.n-pushAhead)
	} else if p.round == g.round && !p.closed {
		// Back to the state before it; what was received meanwhile is void.
		p.round++
		p.next, p.state, p.tail = g.n, g.before, nil
	}
	if p.tail == g {
		p.tail = nil
	}
	p.users--
	p.idle()
	p.touch()
}

// abandon gives a segment up that was not received whole. The state is as before it.
func (p *Push) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.receiving = false
	p.users--
	p.idle()
	p.touch()
}

var errSuperseded = errors.Join(ErrSegment, errors.New("snapshots: an earlier segment has failed"))
