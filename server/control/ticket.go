package control

import (
	"context"
	"errors"
	"strings"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/authz/ticket"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/server/wire"
)

// ticketActions are what the caller must be allowed himself for each operation of
// a ticket.
var ticketActions = map[ticket.Op]authz.Action{
	ticket.Put: authz.FileWrite, ticket.Get: authz.FileRead, ticket.Delete: authz.FileDelete,
	ticket.List: authz.VolumeView, ticket.Restore: authz.SnapshotRead,
}

// Ticket mints a ticket for the data path of one volume, with no more than the
// caller may do there himself, for at most ticket.MaxLifetime. A ticket mints no
// ticket.
func (c *Control) Ticket(ctx context.Context, who Caller, ref string, in wire.AskTicket) (wire.Ticket, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err != nil {
		return wire.Ticket{}, err
	}
	if who.grant != nil {
		return wire.Ticket{}, wrap(authz.ErrDenied)
	}
	var ops []ticket.Op
	for _, name := range in.Operations {
		one, err := ticket.ParseOps(name)
		if err != nil {
			return wire.Ticket{}, wrap(err)
		}
		for op, action := range ticketActions {
			if !one.Has(op) {
				continue
			}
			if err := c.reach(who, v, action); err != nil {
				return wire.Ticket{}, err
			}
			ops = append(ops, op)
		}
	}
	set, err := ticket.OpsOf(ops...)
	if err != nil {
		return wire.Ticket{}, wrap(err)
	}
	text, minted, err := c.Tickets.Mint(c.Site, ticket.Ticket{Subject: who.ID(), Tenant: v.Tenant, Volume: v.ID.String(), Ops: set}, ticket.MaxLifetime)
	return wire.Ticket{Ticket: text, ExpiresAt: minted.Expires}, wrap(err)
}

// AuthenticateData is Authenticate for the data path, which also takes tickets. It
// asks the ticket and the database, so that transfers go on while Redis is gone.
func (c *Control) AuthenticateData(ctx context.Context, cred Credentials) (Caller, error) {
	if cred.Bearer == "" || apitoken.LooksLike(cred.Bearer) || strings.HasPrefix(cred.Bearer, OperatorPrefix) {
		return c.Authenticate(ctx, cred)
	}
	switch {
	case cred.Session != "":
		return Caller{}, newError(wire.TypeNotAuthenticated, nil, "Send either a session or a bearer, not both.")
	case cred.Face != authz.FacePortal:
		return Caller{}, newError(wire.TypeWrongFace, nil, "Tickets belong to tenants: use the portal's address.")
	}
	t, err := c.TicketCheck.Verify(cred.Bearer)
	if err != nil {
		return Caller{}, wrap(err)
	}
	tenant, err := id.Parse[authz.TenantKind](t.Tenant)
	if err != nil {
		return Caller{}, wrap(ticket.ErrInvalid)
	}
	if err := c.stillHolds(ctx, t); err != nil {
		return Caller{}, err
	}
	// A principal without a kind is denied everything that is asked of the policy;
	// only reach looks at the ticket.
	return Caller{Principal: authz.Principal{Tenant: tenant}, Face: cred.Face, Address: cred.Address, Agent: cred.Agent, grant: &t}, nil
}

// stillHolds refuses a ticket whose minter is gone: a token that was revoked, an
// account that was closed or signed out everywhere, a tenant that was closed or
// locked down since. The end of a single session is not seen here: its tickets end
// by themselves within ticket.MaxLifetime.
func (c *Control) stillHolds(ctx context.Context, t ticket.Ticket) error {
	err := c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		if tokenID, bad := id.Parse[authz.TokenKind](t.Subject); bad == nil {
			token, err := c.Accounts.LiveToken(ctx, tx, tokenID, c.now())
			if err == nil && token.Tenant.String() != t.Tenant {
				err = authz.ErrNotFound
			}
			return err
		}
		personID, err := id.Parse[authz.PersonKind](t.Subject)
		if err != nil {
			return authz.ErrNotFound
		}
		p, err := c.Accounts.Person(ctx, tx, personID)
		if err != nil {
			return err
		}
		of, err := c.Accounts.Tenant(ctx, tx, p.Tenant)
		if err == nil && (of.ID.String() != t.Tenant || !p.Admits(of, t.IssuedAt)) {
			err = authz.ErrNotFound
		}
		return err
	})
	if errors.Is(err, authz.ErrNotFound) {
		err = ticket.ErrInvalid
	}
	return wrap(err)
}
