package control

import (
	"context"
	"errors"

	"holdfast/authz"
	"holdfast/authz/password"
	"holdfast/authz/session"
	"holdfast/authz/throttle"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/server/wire"
)

// Members lists the people of the caller's tenant.
func (c *Control) Members(ctx context.Context, who Caller) ([]wire.Person, error) {
	if err := c.decide(who, authz.PeopleView, tenantResource(who.Principal.Tenant), ""); err != nil {
		return nil, err
	}
	return c.people(ctx, func(tx *sqldb.Tx) ([]authz.Person, error) {
		return c.Accounts.Members(ctx, tx, who.Principal.Tenant)
	})
}

// Staff lists the support people.
func (c *Control) Staff(ctx context.Context, who Caller) ([]wire.Person, error) {
	if err := c.decide(who, authz.StaffView, service, ""); err != nil {
		return nil, err
	}
	return c.people(ctx, func(tx *sqldb.Tx) ([]authz.Person, error) { return c.Accounts.StaffMembers(ctx, tx) })
}

func (c *Control) people(ctx context.Context, list func(*sqldb.Tx) ([]authz.Person, error)) ([]wire.Person, error) {
	out := []wire.Person{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		people, err := list(tx)
		out = out[:0]
		for _, p := range people {
			out = append(out, person(p))
		}
		return err
	})
	return out, err
}

// InviteMember asks a person into the caller's tenant.
func (c *Control) InviteMember(ctx context.Context, who Caller, in wire.Invite) (out wire.Invitation, err error) {
	role, err := authz.ParseRole(in.Role)
	if err != nil {
		return out, newError(wire.TypeInvalid, err, "A member is owner, operator or viewer.")
	}
	r := tenantResource(who.Principal.Tenant)
	r.Detail = in.Role + " " + in.Email + " " + in.Name
	if _, err := c.decideOnce(ctx, who, authz.PeopleInvite, r, ""); err != nil {
		return out, err
	}
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		out, err = c.invite(ctx, tx, who, authz.Person{Tenant: who.Principal.Tenant, Role: role, Email: in.Email, Name: in.Name})
		if errors.Is(err, authz.ErrExists) {
			out, err = c.reinvite(ctx, tx, who, role, in.Email)
		}
		return err
	})
	return out, err
}

// reinvite gives a person of the caller's tenant who has not answered yet a fresh
// secret; the old one is void. Anyone else exists already.
func (c *Control) reinvite(ctx context.Context, tx *sqldb.Tx, who Caller, role authz.Role, email string) (out wire.Invitation, err error) {
	p, err := c.Accounts.PersonByEmail(ctx, tx, email)
	if err != nil {
		return out, err
	}
	if p.Tenant != who.Principal.Tenant || p.Role != role || p.Status != authz.PersonInvited {
		return out, authz.ErrExists
	}
	at := c.now()
	secret := authz.NewTicketSecret()
	out = wire.Invitation{Person: person(p), Secret: secret, ExpiresAt: at.Add(InvitationLife)}
	if err := c.Accounts.RenewInvitation(ctx, tx, p.ID, authz.HashTicket(secret), who.ID(), out.ExpiresAt, at); err != nil {
		return out, err
	}
	_, err = c.record(ctx, tx, at, c.accountEntry(who, audit.KindMemberCreated, p, map[string]string{"role": out.Person.Role, "again": "yes"}))
	return out, err
}

// InviteStaff asks a support person in. An approver's vote counts only once a
// charter names them.
func (c *Control) InviteStaff(ctx context.Context, who Caller, in wire.Invite) (out wire.Invitation, err error) {
	role, err := authz.ParseStaffRole(in.Role)
	if err != nil {
		return out, newError(wire.TypeInvalid, err, "Staff are approver or auditor.")
	}
	r := service
	r.Detail = in.Role + " " + in.Email + " " + in.Name
	if _, err := c.decideOnce(ctx, who, authz.StaffInvite, r, ""); err != nil {
		return out, err
	}
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		out, err = c.invite(ctx, tx, who, authz.Person{Staff: role, Email: in.Email, Name: in.Name})
		return err
	})
	return out, err
}

// SetRole gives another member of the caller's tenant another role.
func (c *Control) SetRole(ctx context.Context, who Caller, personID, roleName string) (wire.Person, error) {
	role, err := authz.ParseRole(roleName)
	if err != nil {
		return wire.Person{}, newError(wire.TypeInvalid, err, "A member is owner, operator or viewer.")
	}
	p, err := c.memberOf(ctx, who, personID, authz.PeopleView)
	if err != nil {
		return wire.Person{}, err
	}
	r := personResource(p)
	r.Detail = roleName
	if _, err := c.decideOnce(ctx, who, authz.PeopleSetRole, r, ""); err != nil {
		return wire.Person{}, err
	}
	at := c.now()
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.SetRole(ctx, tx, p.ID, role, who.ID(), at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, c.accountEntry(who, audit.KindRoleChanged, p, map[string]string{"role": roleName}))
		return err
	})
	p.Role = role
	return person(p), err
}

// RemoveMember closes another member's account and ends its sessions.
func (c *Control) RemoveMember(ctx context.Context, who Caller, personID string) error {
	p, err := c.memberOf(ctx, who, personID, authz.PeopleView)
	if err != nil {
		return err
	}
	if _, err := c.decideOnce(ctx, who, authz.PeopleRemove, personResource(p), ""); err != nil {
		return err
	}
	at := c.now()
	if err := c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.CloseAccount(ctx, tx, p.ID, who.ID(), at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, c.accountEntry(who, audit.KindMemberRevoked, p, nil))
		return err
	}); err != nil {
		return err
	}
	return wrap(c.Sessions.RevokeAll(ctx, p.ID)) // the database refuses them already
}

// ChangePassword changes the caller's own password; all other sessions end.
func (c *Control) ChangePassword(ctx context.Context, who Caller, in wire.ChangePassword) (Opened, error) {
	// What is wrong with the new one is said before a confirmation is used up for it.
	if in.New != "" {
		if err := password.Check(in.New, who.Person.Email, who.Person.Name); err != nil {
			return Opened{}, wrap(err)
		}
	}
	if _, err := c.decideOnce(ctx, who, authz.PasswordChange, own(who), ""); err != nil {
		return Opened{}, err
	}
	if err := c.Throttle.Attempt(ctx, throttle.Password, who.Person.ID.String(), address(who.Address)); err != nil {
		return Opened{}, wrap(err)
	}
	if _, err := c.Passwords.Verify(ctx, who.Person.Password, in.Old); err != nil {
		if errors.Is(err, password.ErrMismatch) {
			return Opened{}, newError(wire.TypeBadCredentials, err, "The old password is not right. Your confirmation is used up: confirm again, and type it anew.")
		}
		return Opened{}, wrap(err)
	}
	if err := password.Check(in.New, who.Person.Email, who.Person.Name); err != nil {
		return Opened{}, wrap(err)
	}
	phc, err := c.Passwords.Hash(ctx, in.New)
	if err != nil {
		return Opened{}, wrap(err)
	}
	at := c.now()
	if err := c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.ChangePassword(ctx, tx, who.Person.ID, phc, who.ID(), at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, c.accountEntry(who, audit.KindPasswordChanged, who.Person, nil))
		return err
	}); err != nil {
		return Opened{}, err
	}
	if err := c.Sessions.RevokeAll(ctx, who.Person.ID); err != nil {
		return Opened{}, wrap(err)
	}
	s := who.Session
	secret, fresh, err := c.Sessions.Start(ctx, who.Face, who.Person.ID, session.Proof{
		Password: true, Method: s.Method, Factor: s.Factor, Quarantined: s.Quarantined, First: s.First, HasFactor: true,
	}, who.client())
	if err != nil {
		return Opened{}, wrap(err)
	}
	return c.opened(ctx, who, secret, fresh)
}

// memberOf finds a person in the caller's tenant; anyone else's is not found.
func (c *Control) memberOf(ctx context.Context, who Caller, personID string, view authz.Action) (p authz.Person, err error) {
	if err := c.decide(who, view, tenantResource(who.Principal.Tenant), ""); err != nil {
		return p, err
	}
	parsed, err := id.Parse[authz.PersonKind](personID)
	if err != nil {
		return p, wrap(authz.ErrNotFound)
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		p, err = c.Accounts.Person(ctx, tx, parsed)
		return err
	})
	if err == nil && p.Tenant != who.Principal.Tenant {
		err = wrap(authz.ErrNotFound)
	}
	return p, err
}

// service is what concerns no tenant.
var service = authz.Resource{Kind: authz.ResourceService}

func tenantResource(t authz.TenantID) authz.Resource {
	return authz.Resource{Kind: authz.ResourceTenant, ID: t.String(), Tenant: t}
}
