package control

import (
	"context"
	"errors"
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

// admitted refuses staff whom the charter in force does not name: one approver
// alone can invite such, who would then stop everything for ever (T55).
func (c *Control) admitted(ctx context.Context, who Caller) error {
	if who.Principal.Staff == 0 {
		return nil
	}
	return c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		if _, ok := ch.Approver(who.ID()); !ok {
			return quorum.ErrNotApprover
		}
		return nil
	})
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
	case volume != "":
		v, err := c.volumeOf(ctx, tenant, volume)
		return tenant, v.ID.String(), wrap(err)
	}
	return tenant, "", nil
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
