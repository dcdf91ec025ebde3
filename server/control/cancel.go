package control

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// CancelRequest stops a request before anything is hidden.
func (c *Control) CancelRequest(ctx context.Context, who Caller, request, reason string) (wire.Request, error) {
	r, err := c.stoppable(ctx, who, request, authz.RequestCancel)
	if err != nil {
		return wire.Request{}, err
	}
	at := c.now()
	stop, err := c.sign(who, warrant.Stop{
		Kind: warrant.StopCancel, Request: request, Statement: r.State.Digest, Tenant: r.State.Tenant, Reason: reason,
	}, at)
	if err != nil {
		return wire.Request{}, wrap(err)
	}
	if err := c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		locked, err := quorumsql.LockRequest(ctx, tx, request)
		if err != nil {
			return err
		}
		if locked, err = quorumsql.Record(ctx, tx, locked, quorum.CancelCast{Person: who.ID(), At: at}); err != nil {
			return err
		}
		if err := c.keepStop(ctx, tx, stop, at); err != nil {
			return err
		}
		if err := c.recordStop(ctx, tx, stop, at); err != nil {
			return err
		}
		return c.logTransition(ctx, tx, audit.KindRequestCancelled, locked, at, map[string]string{"by": who.ID(), "reason": reason, "stop": stop.ID})
	}); err != nil {
		return wire.Request{}, err
	}
	c.deliver(ctx, stop)
	return c.Request(ctx, who, request)
}

// UndoRequest brings back what a request has tombstoned. It needs a step-up and
// no quorum, and works until the bytes are gone. The site decides; what it
// answers is recorded.
func (c *Control) UndoRequest(ctx context.Context, who Caller, request, reason string) (wire.Request, error) {
	r, err := c.stoppable(ctx, who, request, authz.RequestView)
	if err != nil {
		return wire.Request{}, err
	}
	if who.Principal.Kind == authz.KindPerson { // whom else the policy refuses anyway
		if err := c.undoable(ctx, r); err != nil {
			return wire.Request{}, err // before a code is spent on it
		}
	}
	res := c.requestResource(request, r.State.Tenant, [32]byte{})
	res.Detail = "restore what " + request + " has hidden"
	if _, err := c.decideOnce(ctx, who, authz.TombstoneRestore, res, ""); err != nil {
		return wire.Request{}, err
	}
	at := c.now()
	stop, err := c.sign(who, warrant.Stop{
		Kind: warrant.StopRestore, Request: request, Statement: r.State.Digest, Tenant: r.State.Tenant, Reason: reason,
	}, at)
	if err != nil {
		return wire.Request{}, wrap(err)
	}
	text, err := stop.Render()
	if err != nil {
		return wire.Request{}, wrap(err)
	}
	if _, err := c.Gate.Stop(ctx, text); err != nil {
		return wire.Request{}, wrap(err)
	}
	if err := c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		locked, err := quorumsql.LockRequest(ctx, tx, request)
		if err != nil {
			return err
		}
		if err := c.keepStop(ctx, tx, stop, at); err != nil {
			return err
		}
		if err := c.recordRestored(ctx, tx, locked, who.ID(), at); err != nil {
			return err
		}
		return c.recordStop(ctx, tx, stop, at)
	}); err != nil {
		return wire.Request{}, err
	}
	return c.Request(ctx, who, request)
}

// undoable refuses, naming the state, where nothing is hidden that could come back.
func (c *Control) undoable(ctx context.Context, r quorumsql.Request) error {
	switch p := r.State.Phase; {
	case p == quorum.Open || p == quorum.Cooling:
		return newError(wire.TypeConflict, quorum.ErrPhase, "The request is %s: nothing is hidden yet. Cancel it.", p)
	case p.Ended() && p != quorum.Restored:
		return newError(wire.TypeConflict, quorum.ErrPhase, "The request is %s: there is nothing that could be brought back.", p)
	}
	at, err := c.Gate.Status(ctx, r.ID())
	switch {
	case errors.Is(err, site.ErrUnknownRequest) || err == nil && at.State == site.Cooling:
		return newError(wire.TypeConflict, quorum.ErrPhase, "The request is %s: nothing is hidden yet. Cancel it.", r.State.Phase)
	case err == nil && (at.State == site.Erasing || at.State == site.Erased):
		return newError(wire.TypeConflict, site.ErrTooLate, "It is too late: the grace period is over and the site is erasing.")
	}
	return wrap(err)
}

// recordRestored notes that a site brought hidden copies back. The request's own
// receipt of the tombstone may still be missing: the site was faster.
func (c *Control) recordRestored(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, by string, at time.Time) error {
	if r.State.Phase == quorum.Restored {
		return nil
	}
	var err error
	if r.State.Phase == quorum.Executing {
		for name := range r.State.Sites {
			if r, err = quorumsql.Record(ctx, tx, r, quorum.SiteTombstoned{Site: name, Digest: r.State.Digest, At: at}); err != nil {
				return err
			}
		}
	}
	if r, err = quorumsql.Record(ctx, tx, r, quorum.CopiesRestored{Person: by, At: at}); err != nil {
		return err
	}
	return c.logTransition(ctx, tx, audit.KindRequestRestored, r, at, map[string]string{"by": by})
}

// stoppable finds a request and decides whether the caller may use power on it.
func (c *Control) stoppable(ctx context.Context, who Caller, request string, power authz.Action) (r quorumsql.Request, err error) {
	if err := c.read(ctx, func(tx *sqldb.Tx) error {
		r, err = c.visible(ctx, tx, who, request)
		return err
	}); err != nil {
		return r, err
	}
	if err := c.decide(who, power, c.requestResource(request, r.State.Tenant, [32]byte{}), ""); err != nil {
		return r, err
	}
	return r, c.admitted(ctx, who)
}
