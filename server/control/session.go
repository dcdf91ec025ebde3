package control

import (
	"context"
	"slices"

	"holdfast/authz"
	"holdfast/authz/session"
	"holdfast/internal/sqldb"
	"holdfast/server/wire"
)

// Session says who the caller is and how strongly. It is the one power of a
// session that has shown a password only, besides showing a second factor.
func (c *Control) Session(ctx context.Context, who Caller) (wire.Session, error) {
	if who.Principal.Kind != authz.KindPerson {
		return wire.Session{}, newError(wire.TypeNotAuthenticated, nil, "This is not a session.")
	}
	return c.describeSession(ctx, who, who.Session, who.Session.Handle)
}

// SignOut ends the caller's session.
func (c *Control) SignOut(ctx context.Context, who Caller) error {
	if err := c.decide(who, authz.SessionEnd, own(who), ""); err != nil {
		return err
	}
	return wrap(c.Sessions.End(ctx, who.secret, who.Face))
}

// OwnSessions lists the caller's sessions on both faces.
func (c *Control) OwnSessions(ctx context.Context, who Caller) ([]wire.Session, error) {
	if err := c.decide(who, authz.SessionView, own(who), ""); err != nil {
		return nil, err
	}
	live, err := c.Sessions.List(ctx, who.Person.ID)
	if err != nil {
		return nil, wrap(err)
	}
	out := []wire.Session{}
	for _, s := range live {
		d, err := c.describeSession(ctx, who, s, who.Session.Handle)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// RevokeSession ends one of the caller's sessions.
func (c *Control) RevokeSession(ctx context.Context, who Caller, handle string) error {
	if err := c.decide(who, authz.SessionRevoke, own(who), ""); err != nil {
		return err
	}
	live, err := c.Sessions.List(ctx, who.Person.ID)
	if err != nil {
		return wrap(err)
	}
	if !slices.ContainsFunc(live, func(s session.Session) bool { return s.Handle == handle }) {
		return wrap(authz.ErrNotFound)
	}
	return wrap(c.Sessions.Revoke(ctx, who.Person.ID, handle))
}

func (c *Control) describeSession(ctx context.Context, who Caller, s session.Session, current string) (wire.Session, error) {
	out := wire.Session{
		ID: s.Handle, Person: person(who.Person), Face: s.Face.String(), Assurance: authz.AssurancePassword.String(),
		Methods: []string{}, CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt,
		Address: s.Client.Address, Agent: s.Client.Agent, Current: s.Handle == current,
	}
	if !s.SecondFactorAt.IsZero() {
		out.Assurance = authz.AssuranceSecondFactor.String()
	}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		factors, err := c.Accounts.Factors(ctx, tx, who.Person.ID)
		if err != nil {
			return err
		}
		seen := map[authz.Mechanism]bool{}
		for _, f := range factors {
			out.Enrolled = true
			if !seen[f.Mechanism] {
				seen[f.Mechanism] = true
				out.Methods = append(out.Methods, f.Mechanism.String())
			}
		}
		return nil
	})
	return out, err
}

// person is an account as the API shows it.
func person(p authz.Person) wire.Person {
	out := wire.Person{ID: p.ID.String(), Name: p.Name, Email: p.Email, Role: p.Role.String(), Status: p.Status.String(), CreatedAt: p.CreatedAt}
	if p.Tenant.IsZero() {
		out.Role = p.Staff.String()
	} else {
		out.Tenant = p.Tenant.String()
	}
	return out
}
