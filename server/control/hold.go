package control

import (
	"context"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// PlaceHold protects a tenant or one of its volumes at once. A hold on a snapshot
// lies on its whole volume.
func (c *Control) PlaceHold(ctx context.Context, who Caller, in wire.PlaceHold) (out wire.Hold, err error) {
	scope, volume, err := c.scope(ctx, who, in.Tenant, in.Volume, in.Snapshot)
	if err != nil {
		return out, err
	}
	r := authz.Resource{Kind: authz.ResourceTenant, ID: scope, Tenant: mustTenant(scope), Volume: volume}
	if err := c.decide(who, authz.HoldPlace, r, ""); err != nil {
		return out, err
	}
	if err := c.admitted(ctx, who); err != nil {
		return out, err
	}
	at := c.now()
	stop, err := c.sign(who, warrant.Stop{Kind: warrant.StopHold, Tenant: scope, Volume: volume, Reason: in.Reason}, at)
	if err != nil {
		return out, wrap(err)
	}
	hold := quorumsql.Hold{ID: stop.ID, Tenant: scope, Volume: volume, Kind: quorumsql.LegalHold, Reason: in.Reason, PlacedBy: who.ID(), At: at}
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		if err := roomForHold(ctx, tx, hold); err != nil {
			return err
		}
		if err := c.keepStop(ctx, tx, stop, at); err != nil {
			return err
		}
		if _, err := quorumsql.PlaceHold(ctx, tx, hold); err != nil {
			return err
		}
		if err := c.eachLive(ctx, tx, scope, func(r quorumsql.Request) error {
			s, err := parseStatement(r)
			if err != nil || !holdConcerns(hold, s) {
				return err
			}
			_, err = quorumsql.Record(ctx, tx, r, quorum.HoldPlaced{Hold: hold.ID, At: at})
			return err
		}); err != nil {
			return err
		}
		if err := c.recordStop(ctx, tx, stop, at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, entry{kind: audit.KindHoldPlaced, tenant: scope, subject: hold.ID, body: map[string]string{
			"tenant": scope, "volume": volume, "hold": hold.ID, "by": who.ID(), "reason": in.Reason,
		}})
		return err
	})
	if err != nil {
		return out, err
	}
	c.deliver(ctx, stop)
	return wire.Hold{ID: hold.ID, Tenant: scope, Volume: volume, Reason: in.Reason, By: who.actor(), PlacedAt: at}, nil
}

// roomForHold refuses what one person piles up: every hold is looked at for every request.
func roomForHold(ctx context.Context, tx *sqldb.Tx, h quorumsql.Hold) error {
	holds, err := quorumsql.HoldsInForce(ctx, tx, h.Tenant)
	if err != nil {
		return err
	}
	own := 0
	for _, x := range holds {
		if x.PlacedBy == h.PlacedBy && x.Volume == h.Volume {
			own++
		}
	}
	if own >= quorum.MaxHoldsPerPerson {
		return newError(wire.TypeThrottled, quorum.ErrTooMany, "You hold this %d times already. It stays held until a quorum has released every one.", own)
	}
	return nil
}

// Holds lists the holds in force that the caller may see.
func (c *Control) Holds(ctx context.Context, who Caller) ([]wire.Hold, error) {
	if err := c.decide(who, authz.HoldView, c.requestResource("", who.tenantID(), [32]byte{}), ""); err != nil {
		return nil, err
	}
	out := []wire.Hold{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		holds, err := quorumsql.HoldsInForce(ctx, tx, who.tenantID())
		for _, h := range holds {
			out = append(out, wire.Hold{
				ID: h.ID, Tenant: h.Tenant, Volume: h.Volume, Reason: h.Reason, PlacedAt: h.At,
				By: wire.Actor{ID: h.PlacedBy, Name: c.nameOf(ctx, tx, h.PlacedBy)},
			})
		}
		return err
	})
	return out, err
}
