package control

import (
	"context"
	"strings"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/authz/ticket"
	"holdfast/internal/id"
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

// AuthenticateData is Authenticate for the data path, which also takes tickets.
// Nothing but the ticket is asked, so that transfers go on while Redis is gone.
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
	// A principal without a kind is denied everything that is asked of the policy;
	// only reach looks at the ticket.
	return Caller{Principal: authz.Principal{Tenant: tenant}, Face: cred.Face, Address: cred.Address, Agent: cred.Agent, grant: &t}, nil
}
