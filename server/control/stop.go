package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/authz"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// Stops strengthen, so that one person is enough: a signed object is recorded,
// applied to the requests that it concerns, and brought to the site at once and,
// should that fail, by the outbox.

// sign makes a stop the caller's: the control plane attests that they have shown
// their second factor. Redis is not needed for it beyond the session.
func (c *Control) sign(who Caller, s warrant.Stop, at time.Time) (warrant.Stop, error) {
	s.ID, s.Person, s.At = id.New[quorum.StopKind](at).String(), who.ID(), at
	if s.Kind == warrant.StopHold {
		s.ID = id.New[quorum.HoldKind](at).String()
	}
	digest, err := s.Digest()
	if err != nil {
		return s, newError(wire.TypeInvalid, err, "The reason must be plain text of at most %d bytes.", warrant.MaxReasonBytes)
	}
	method := warrant.MethodTOTP // a recovery code is a one-time code too
	if who.Session.Method == authz.MethodPasskey {
		method = warrant.MethodPasskey
	}
	s.Proof, err = c.attestation(who, method, warrant.PurposeStop, digest, at)
	return s, err
}

// keepStop verifies and records a stop in tx and orders its delivery.
func (c *Control) keepStop(ctx context.Context, tx *sqldb.Tx, s warrant.Stop, at time.Time) error {
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	suspended, err := quorumsql.Suspended(ctx, tx)
	if err != nil {
		return err
	}
	verified, err := warrant.VerifyStop(s, warrant.StopContext{Charter: ch, Now: at, Suspended: suspended})
	if err != nil {
		return err
	}
	if _, err := quorumsql.RecordStop(ctx, tx, verified); err != nil {
		return err
	}
	text, err := s.Render()
	if err != nil {
		return err
	}
	return quorumsql.Enqueue(ctx, tx, quorumsql.Job{ID: "stop " + s.ID, Topic: topicStop, Body: text, DueAt: at})
}

// recordStop appends the stop itself to the log, in the bytes that a site reads:
// who follows the log learns of it even if nobody brings it (T53).
func (c *Control) recordStop(ctx context.Context, tx *sqldb.Tx, s warrant.Stop, at time.Time) error {
	text, err := s.Render()
	if err != nil {
		return err
	}
	e := entry{kind: audit.KindStop, tenant: s.Tenant, subject: s.ID, raw: text}
	if s.Tenant == warrant.Everywhere {
		e.tenant = ""
	}
	_, err = c.record(ctx, tx, at, e)
	return err
}

// deliver brings a recorded stop to the site now; the outbox repeats what fails.
func (c *Control) deliver(ctx context.Context, s warrant.Stop) {
	text, err := s.Render()
	if err == nil {
		_, err = c.Gate.Stop(ctx, text)
	}
	if err != nil && !errors.Is(err, site.ErrUnknownRequest) {
		c.Log.WarnContext(ctx, "a stop is not at the site yet", "stop", s.ID, "error", err)
	}
}

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
	return r, c.decide(who, power, c.requestResource(request, r.State.Tenant, [32]byte{}), "")
}

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

// Freeze stops everything destructive for a tenant, or everywhere; a lockdown
// also revokes what is young in the tenant.
func (c *Control) Freeze(ctx context.Context, who Caller, in wire.PlaceFreeze) (out wire.Freeze, err error) {
	scope := warrant.Everywhere
	if !in.Everywhere {
		if scope, _, err = c.scope(ctx, who, in.Tenant, "", ""); err != nil {
			return out, err
		}
	}
	if err := c.mayFreeze(ctx, who, in, scope); err != nil {
		return out, err
	}
	at := c.now()
	stop, err := c.sign(who, warrant.Stop{Kind: warrant.StopFreeze, Tenant: scope, Reason: in.Reason}, at)
	if err != nil {
		return out, wrap(err)
	}
	var locked []authz.PersonID
	since := at.Add(-lockdownReach)
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		if in.Lockdown {
			result, err := c.Accounts.Lockdown(ctx, tx, who.Principal.Tenant, since, who.Session.Factor, who.ID(), at)
			if err != nil {
				return err
			}
			locked = result.People
		}
		if err := c.keepStop(ctx, tx, stop, at); err != nil {
			return err
		}
		live := scope
		if scope == warrant.Everywhere {
			live = ""
		}
		if err := c.eachLive(ctx, tx, live, func(r quorumsql.Request) error {
			_, err := quorumsql.Record(ctx, tx, r, quorum.FreezeSet{Stop: stop.ID, At: at})
			return err
		}); err != nil {
			return err
		}
		if err := c.recordStop(ctx, tx, stop, at); err != nil {
			return err
		}
		e := entry{kind: audit.KindFreeze, tenant: scope, subject: stop.ID, body: map[string]string{
			"tenant": scope, "freeze": stop.ID, "by": who.ID(), "reason": in.Reason, "lockdown": fmt.Sprint(in.Lockdown),
		}}
		if scope == warrant.Everywhere {
			e.tenant, e.facts = "", audit.EverywhereFacts()
		}
		_, err := c.record(ctx, tx, at, e)
		return err
	})
	if err != nil {
		return out, err
	}
	c.deliver(ctx, stop)
	for _, p := range locked { // the database refuses these sessions already
		if err := c.Sessions.RevokeYoung(ctx, p, since); err != nil {
			c.Log.WarnContext(ctx, "young sessions could not be dropped from the session store", "error", err)
		}
	}
	out = wire.Freeze{ID: stop.ID, Reason: in.Reason, By: who.actor(), At: at}
	if scope != warrant.Everywhere {
		out.Tenant = scope
	}
	return out, nil
}

func (c *Control) mayFreeze(ctx context.Context, who Caller, in wire.PlaceFreeze, scope string) error {
	switch {
	case in.Everywhere:
		r := service
		r.Detail = "freeze everything"
		_, err := c.decideOnce(ctx, who, authz.FreezeService, r, "")
		return err
	case in.Lockdown:
		r := tenantResource(who.Principal.Tenant)
		r.Detail = "lock down"
		_, err := c.decideOnce(ctx, who, authz.Lockdown, r, "")
		return err
	}
	return c.decide(who, authz.FreezeTenant, tenantResource(mustTenant(scope)), "")
}

// Freezes lists the freezes in force that concern the caller.
func (c *Control) Freezes(ctx context.Context, who Caller) ([]wire.Freeze, error) {
	if err := c.decide(who, authz.HoldView, c.requestResource("", who.tenantID(), [32]byte{}), ""); err != nil {
		return nil, err
	}
	out := []wire.Freeze{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		scopes := []string{who.tenantID()}
		if who.tenantID() == "" {
			tenants, err := c.Accounts.Tenants(ctx, tx, authz.TenantID{})
			if err != nil {
				return err
			}
			scopes = []string{warrant.Everywhere}
			for _, t := range tenants {
				scopes = append(scopes, t.ID.String())
			}
		}
		seen := map[string]bool{}
		for _, scope := range scopes {
			freezes, err := quorumsql.FreezesInForce(ctx, tx, scope)
			if err != nil {
				return err
			}
			for _, f := range freezes {
				if seen[f.ID] {
					continue
				}
				seen[f.ID] = true
				line := wire.Freeze{ID: f.ID, Tenant: f.Tenant, Reason: f.Reason, At: f.At, By: wire.Actor{ID: f.Person, Name: c.nameOf(ctx, tx, f.Person)}}
				if f.Tenant == warrant.Everywhere {
					line.Tenant = ""
				}
				out = append(out, line)
			}
		}
		return nil
	})
	return out, err
}

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

// scope finds what a hold or freeze concerns: a member's own tenant, for staff
// the one that they name.
func (c *Control) scope(ctx context.Context, who Caller, tenant, volume, snapshot string) (string, string, error) {
	own := who.tenantID()
	switch {
	case own != "" && tenant != "" && tenant != own:
		return "", "", wrap(authz.ErrNotFound)
	case own != "":
		tenant = own
	case tenant == "":
		return "", "", newError(wire.TypeInvalid, nil, "Name the tenant.")
	}
	tenantID, err := parseTenant(tenant)
	if err != nil {
		return "", "", wrap(authz.ErrNotFound)
	}
	if err := c.read(ctx, func(tx *sqldb.Tx) error {
		_, err := c.Accounts.Tenant(ctx, tx, tenantID)
		return err
	}); err != nil {
		return "", "", err
	}
	switch {
	case snapshot != "":
		s, v, err := c.snapshot(ctx, who, snapshot)
		if err != nil {
			return "", "", err
		}
		if s.Tenant != tenant {
			return "", "", wrap(authz.ErrNotFound)
		}
		return tenant, v.ID.String(), nil
	case volume != "" && own != "":
		v, err := c.volume(ctx, who, volume, true)
		return tenant, v.ID.String(), err
	}
	return tenant, volume, nil
}

// eachLive locks every request of a tenant (all if it is empty) that has not
// ended, in the order of ids, and gives it to f.
func (c *Control) eachLive(ctx context.Context, tx *sqldb.Tx, tenant string, f func(quorumsql.Request) error) error {
	for _, p := range []quorum.Phase{quorum.Open, quorum.Cooling, quorum.Executing, quorum.Tombstoned} {
		for after := ""; ; {
			lines, err := quorumsql.InPhase(ctx, tx, p, after, maxListedRequests)
			if err != nil {
				return err
			}
			for _, line := range lines {
				after = line.ID
				if tenant != "" && line.Tenant != tenant {
					continue
				}
				r, err := quorumsql.LockRequest(ctx, tx, line.ID)
				if errors.Is(err, quorum.ErrTampered) {
					continue // it is never executed, and must not keep anybody from stopping the rest
				}
				if err != nil {
					return err
				}
				if r.State.Phase.Ended() {
					continue
				}
				if err := f(r); err != nil {
					return err
				}
			}
			if len(lines) < maxListedRequests {
				break
			}
		}
	}
	return nil
}

// tighten brings the charter in force and the suspensions to every live request:
// a vote of someone who is no approver any more counts no more (T18).
func (c *Control) tighten(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter, at time.Time) error {
	roster, err := c.roster(ctx, tx, ch)
	if err != nil {
		return err
	}
	return c.eachLive(ctx, tx, "", func(r quorumsql.Request) error {
		s, err := parseStatement(r)
		if err != nil {
			return err
		}
		var sites []string
		for name := range r.State.Sites {
			if _, ok := ch.Site(name); ok {
				sites = append(sites, name)
			}
		}
		need, err := strictest(ch, s.Action, circumstanceOf(s), sites)
		if err != nil {
			return err
		}
		_, err = quorumsql.Record(ctx, tx, r, quorum.RulesTightened{Requirement: requirement(ch, need, quorum.Hides(s.Action)), Roster: roster, At: at})
		return err
	})
}

func mustTenant(text string) authz.TenantID {
	t, err := parseTenant(text)
	if err != nil {
		return authz.TenantID{} // the policy then sees no tenant and denies
	}
	return t
}
