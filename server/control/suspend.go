package control

import (
	"context"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// SuspendApprover suspends another approver, and the caller with them, until a
// gated decision (T55).
func (c *Control) SuspendApprover(ctx context.Context, who Caller, personID, reason string) error {
	r := authz.Resource{Kind: authz.ResourcePerson, ID: personID, Detail: "suspend, and oneself too"}
	if _, err := c.decideOnce(ctx, who, authz.ApproverSuspend, r, ""); err != nil {
		return err
	}
	at := c.now()
	stop, err := c.sign(who, warrant.Stop{Kind: warrant.StopSuspend, Subject: personID, Reason: reason}, at)
	if err != nil {
		return wrap(err)
	}
	if err := c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		if err := c.keepStop(ctx, tx, stop, at); err != nil {
			return err
		}
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		if err := c.tighten(ctx, tx, ch, at); err != nil {
			return err
		}
		if err := c.recordStop(ctx, tx, stop, at); err != nil {
			return err
		}
		_, err = c.record(ctx, tx, at, entry{kind: audit.KindApproverSuspended, subject: stop.ID, body: map[string]string{
			"suspension": stop.ID, "subject": personID, "by": who.ID(), "reason": reason,
		}})
		return err
	}); err != nil {
		return err
	}
	c.deliver(ctx, stop)
	return nil
}

// Suspensions lists the suspensions in force, for staff.
func (c *Control) Suspensions(ctx context.Context, who Caller) ([]wire.Suspension, error) {
	if err := c.decide(who, authz.StaffView, service, ""); err != nil {
		return nil, err
	}
	out := []wire.Suspension{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		all, err := quorumsql.SuspensionsInForce(ctx, tx)
		for _, s := range all {
			out = append(out, wire.Suspension{
				ID: s.ID, Subject: wire.Actor{Kind: "staff", ID: s.Subject, Name: c.nameOf(ctx, tx, s.Subject)},
				By: wire.Actor{Kind: "staff", ID: s.Person, Name: c.nameOf(ctx, tx, s.Person)}, Reason: s.Reason, At: s.At,
			})
		}
		return err
	})
	return out, err
}
