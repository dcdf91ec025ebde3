package kill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// The ends that a request's plan aims at.
const (
	planErase  = "erase"
	planUndo   = "undo"
	planCancel = "cancel"
	planDeny   = "deny"
)

// request is one that a person confirmed, or tried to.
type request struct {
	id, plan string
	of       *snapshot

	mu     sync.Mutex
	opened bool              // acknowledged
	acked  map[string]string // person to decision, acknowledged
	doubt  map[string]string // sent, not answered
	must   string            // the end that was acknowledged: cancelled, restored, denied
	state  string            // as it was last seen
	spoilt bool              // a stop was sent and not answered
}

var order = map[string]int{"draft": 0, "open": 1, "cooling": 2, "executing": 3, "tombstoned": 4,
	"erased": 5, "restored": 5, "denied": 5, "cancelled": 5, "expired": 5, "applied": 5}

func ended(state string) bool { return order[state] == 5 }

// saw notes a state and says if it went backwards.
func (q *request) saw(state string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.state
	if order[state] < order[was] || ended(was) && state != was {
		return fmt.Errorf("request %s (%s) went from %s back to %s", q.id, q.plan, was, state)
	}
	q.state = state
	return nil
}

// maxLive is how many requests are under way at once.
const maxLive = 4

// office opens requests and has them decided.
type office struct {
	r     *run
	rng   *rand.Rand
	round int
}

func (o *office) work(ctx context.Context) error {
	for ctx.Err() == nil {
		if o.r.live() < maxLive {
			if err := o.open(ctx); err != nil {
				return err
			}
		}
		for _, q := range o.r.unfinished() {
			if err := o.push(ctx, q); err != nil {
				return err
			}
		}
		if pause(ctx, 60*time.Millisecond) != nil {
			return nil
		}
	}
	return nil
}

// open asks for the deletion of a snapshot.
func (o *office) open(ctx context.Context) error {
	owner := o.r.house.owner.c
	s, err := o.choose(ctx)
	if s == nil || err != nil {
		return err
	}
	end := o.r.begin("draft")
	d, err := owner.Draft(ctx, wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: s.id}}, Reason: "its time is over"})
	if client.Is(err, wire.TypeUnavailable) {
		end(err)
		return nil // a kill kept the charter from the site; it gets it when the dead worker's claim is over
	}
	if end(err); err != nil {
		return fmt.Errorf("draft the deletion of %s: %w", s.id, err)
	}
	q := &request{id: d.ID, of: s, state: "draft", acked: map[string]string{}, doubt: map[string]string{}}
	q.plan = []string{planErase, planErase, planErase, planErase, planErase, planUndo, planUndo, planCancel, planDeny}[o.rng.IntN(9)]
	s.volume.mu.Lock()
	s.request = q
	s.volume.mu.Unlock()
	o.r.add(q)
	end = o.r.begin("confirm")
	opened, err := owner.ConfirmRequest(ctx, q.id)
	if end(err); err != nil {
		return fmt.Errorf("confirm %s: %w", q.id, err)
	}
	q.mu.Lock()
	q.opened = true
	q.mu.Unlock()
	return q.saw(opened.State)
}

// choose picks a sealed and proven snapshot of a volume that has some to spare.
func (o *office) choose(ctx context.Context) (*snapshot, error) {
	var spare []*snapshot
	for _, v := range o.r.house.volumes {
		v.mu.Lock()
		var of []*snapshot
		for _, s := range v.taken {
			if s.request == nil {
				of = append(of, s)
			}
		}
		v.mu.Unlock()
		if len(of) > 1 {
			spare = append(spare, of[:len(of)-1]...)
		}
	}
	for _, i := range o.rng.Perm(len(spare))[:min(len(spare), 6)] {
		s, err := o.r.agent.Snapshot(ctx, spare[i].id)
		if err != nil {
			return nil, fmt.Errorf("look at snapshot %s: %w", spare[i].id, err)
		}
		if s.State == "sealed" && len(s.Copies) == 1 && s.Copies[0].Proven != nil {
			return spare[i], nil
		}
	}
	return nil, nil
}

// push takes a request a step on.
func (o *office) push(ctx context.Context, q *request) error {
	got, err := o.r.house.owner.c.Request(ctx, q.id)
	if err != nil {
		return fmt.Errorf("look at request %s: %w", q.id, err)
	}
	if err := q.saw(got.State); err != nil {
		return err
	}
	switch got.State {
	case "open":
		o.r.happened("vote")
		if q.plan == planCancel && o.rng.IntN(3) == 0 {
			return o.stop(ctx, q, "cancel", "cancelled", o.r.house.owner.c.CancelRequest)
		}
		return o.votes(ctx, q, got)
	case "cooling":
		if q.plan == planCancel {
			return o.stop(ctx, q, "cancel", "cancelled", o.r.house.owner.c.CancelRequest)
		}
		o.r.happened("execution")
	case "executing":
		o.r.happened("execution")
	case "tombstoned":
		o.r.happened("sweep")
		if q.plan == planUndo {
			return o.stop(ctx, q, "undo", "restored", o.r.house.owner.c.UndoRequest)
		}
	}
	return nil
}

// votes lets every approver vote who has not, all at once.
func (o *office) votes(ctx context.Context, q *request, got wire.Request) error {
	errs := make(chan error, len(o.r.house.approvers))
	n := 0
	for _, i := range o.rng.Perm(len(o.r.house.approvers)) {
		p := o.r.house.approvers[i]
		if slices.ContainsFunc(got.Votes, func(v wire.Vote) bool { return v.Approver.ID == p.id }) {
			continue
		}
		decision := "approve"
		if q.plan == planDeny && n == 1 {
			decision = "deny"
		}
		n++
		go func() { errs <- o.vote(ctx, q, p, decision) }()
	}
	var err error
	for range n {
		err = errors.Join(err, <-errs)
	}
	return err
}

func (o *office) vote(ctx context.Context, q *request, p *person, decision string) error {
	options, err := p.c.BeginVote(ctx, q.id, decision)
	if client.Is(err, wire.TypeConflict) {
		return nil // decided meanwhile
	}
	if err != nil {
		return fmt.Errorf("%s begins a vote on %s: %w", p.name, q.id, err)
	}
	a, err := p.assert(options.PasskeyOptions)
	if err != nil {
		return err
	}
	q.mu.Lock()
	q.doubt[p.id] = decision
	q.mu.Unlock()
	end := o.r.begin("vote")
	after, err := p.c.CastVote(ctx, q.id, wire.CastVote{Decision: decision, Reason: "as agreed", Passkey: &a})
	if client.Is(err, wire.TypeConflict) {
		end(err)
		q.mu.Lock()
		delete(q.doubt, p.id)
		q.mu.Unlock()
		return nil
	}
	if end(err); err != nil {
		return fmt.Errorf("%s votes %s on %s: %w", p.name, decision, q.id, err)
	}
	q.mu.Lock()
	delete(q.doubt, p.id)
	q.acked[p.id] = decision
	if decision == "deny" {
		q.must = "denied"
	}
	q.mu.Unlock()
	_ = after // other votes and jobs race with this answer; the office looks again
	return nil
}

// stop sends a cancel or an undo. One that comes too late is refused.
func (o *office) stop(ctx context.Context, q *request, what, must string, send func(context.Context, string, string) (wire.Request, error)) error {
	q.mu.Lock()
	q.spoilt = true
	q.mu.Unlock()
	end := o.r.begin(what)
	got, err := send(ctx, q.id, "we keep it")
	if client.Is(err, wire.TypeConflict) {
		end(err)
		q.mu.Lock()
		q.plan, q.spoilt = planErase, false
		q.mu.Unlock()
		return nil
	}
	if end(err); err != nil {
		return fmt.Errorf("%s %s: %w", what, q.id, err)
	}
	q.mu.Lock()
	q.must = must
	q.mu.Unlock()
	if got.State != must {
		return fmt.Errorf("%s of %s was acknowledged and it is %s", what, q.id, got.State)
	}
	return q.saw(got.State)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
