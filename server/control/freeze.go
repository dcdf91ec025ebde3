package control

import (
	"context"
	"fmt"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

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
	var placed warrant.Stop
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
		standing, err := standingFreeze(ctx, tx, scope, who.ID())
		if err != nil {
			return err
		}
		if placed = stop; standing.ID != "" {
			placed = standing
			if !in.Lockdown {
				return nil
			}
			_, err := c.record(ctx, tx, at, freezeEntry(who, in, scope, standing.ID))
			return err
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
		_, err = c.record(ctx, tx, at, freezeEntry(who, in, scope, stop.ID))
		return err
	})
	if err != nil {
		return out, err
	}
	c.deliver(ctx, placed)
	for _, p := range locked { // the database refuses these sessions already
		if err := c.Sessions.RevokeYoung(ctx, p, since); err != nil {
			c.Log.WarnContext(ctx, "young sessions could not be dropped from the session store", "error", err)
		}
	}
	out = wire.Freeze{ID: placed.ID, Reason: placed.Reason, By: wire.Actor{ID: placed.Person}, At: placed.At}
	if placed.Person == who.ID() {
		out.By = who.actor()
	}
	if scope != warrant.Everywhere {
		out.Tenant = scope
	}
	return out, nil
}

// standingFreeze is the freeze in force that makes another one over the same
// scope pointless: the caller's own, or any once there are very many. Whoever
// freezes again and again so fills nothing up (T55).
func standingFreeze(ctx context.Context, tx *sqldb.Tx, scope, person string) (warrant.Stop, error) {
	freezes, err := quorumsql.FreezesInForce(ctx, tx, scope)
	if err != nil {
		return warrant.Stop{}, err
	}
	var over []warrant.Stop
	for _, f := range freezes {
		if f.Tenant != scope {
			continue
		}
		if f.Person == person {
			return f, nil
		}
		over = append(over, f)
	}
	if len(over) >= quorum.MaxFreezes {
		return over[0], nil
	}
	return warrant.Stop{}, nil
}

func freezeEntry(who Caller, in wire.PlaceFreeze, scope, freeze string) entry {
	e := entry{kind: audit.KindFreeze, tenant: scope, subject: freeze, body: map[string]string{
		"tenant": scope, "freeze": freeze, "by": who.ID(), "reason": in.Reason, "lockdown": fmt.Sprint(in.Lockdown),
	}}
	if scope == warrant.Everywhere {
		e.tenant, e.facts = "", audit.EverywhereFacts()
	}
	return e
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
	if err := c.decide(who, authz.FreezeTenant, tenantResource(mustTenant(scope)), ""); err != nil {
		return err
	}
	return c.admitted(ctx, who)
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
