package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"strings"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/authz/session"
	"holdfast/authz/throttle"
	"holdfast/authz/ticket"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/server/wire"
)

// Credentials is what a request carries.
type Credentials struct {
	Face    authz.Face
	Session string // the face's cookie
	Bearer  string // an API token or the operator's secret
	Address string
	Agent   string
	// Unattended says that no person made the request but a page by itself: the
	// session is not prolonged by it.
	Unattended bool
}

// Caller is who uses a power, as the database knows them at this moment.
type Caller struct {
	Principal authz.Principal
	Face      authz.Face
	Person    authz.Person    // zero for tokens and the operator
	Tenant    authz.Tenant    // zero for staff and the operator
	Session   session.Session // zero without one
	Address   string
	Agent     string

	secret session.Secret
	grant  *ticket.Ticket // of a data path's ticket, which is all that such a caller may do
}

// OperatorPrefix begins the credential of the host's operator.
const OperatorPrefix = "hfo_"

// SystemOperator is the host's operator as a principal: who can read the data
// directory may make tenants, invite staff and propose the first charter, and
// nothing else.
const SystemOperator = "operator"

// ID is the text id under which the caller stands in logs.
func (w Caller) ID() string {
	switch w.Principal.Kind {
	case authz.KindPerson:
		return w.Principal.Person.String()
	case authz.KindToken:
		return w.Principal.Token.String()
	case authz.KindSystem:
		return w.Principal.System
	}
	if w.grant != nil {
		return w.grant.Subject
	}
	return "nobody"
}

// actor is the caller as the API names them.
func (w Caller) actor() wire.Actor {
	kind := "member"
	switch {
	case w.Principal.Kind == authz.KindToken:
		kind = "token"
	case w.Principal.Kind == authz.KindSystem:
		kind = "system"
	case w.Principal.Staff != 0:
		kind = "staff"
	}
	return wire.Actor{Kind: kind, ID: w.ID(), Name: w.Person.Name}
}

// tenantID is the caller's tenant as text, empty for staff and the operator.
func (w Caller) tenantID() string {
	if w.Principal.Tenant.IsZero() {
		return ""
	}
	return w.Principal.Tenant.String()
}

// Authenticate finds out who calls. A bearer is never mixed with a cookie.
func (c *Control) Authenticate(ctx context.Context, cred Credentials) (Caller, error) {
	who := Caller{Face: cred.Face, Address: cred.Address, Agent: cred.Agent}
	switch {
	case cred.Bearer != "" && cred.Session != "":
		return Caller{}, newError(wire.TypeNotAuthenticated, nil, "Send either a session or a bearer, not both.")
	case strings.HasPrefix(cred.Bearer, OperatorPrefix):
		sum := sha256.Sum256([]byte(cred.Bearer))
		if cred.Face != authz.FacePortal || subtle.ConstantTimeCompare(sum[:], c.Operator[:]) != 1 {
			return Caller{}, c.unknownBearer(ctx, cred)
		}
		who.Principal = authz.Principal{Kind: authz.KindSystem, System: SystemOperator}
		return who, nil
	case apitoken.LooksLike(cred.Bearer):
		return c.byToken(ctx, cred, who)
	case cred.Bearer != "":
		return Caller{}, newError(wire.TypeNotAuthenticated, nil, "This is neither an API token nor a ticket for this place.")
	case cred.Session == "":
		return Caller{}, newError(wire.TypeNotAuthenticated, nil, "Sign in, or send an API token.")
	}
	return c.bySession(ctx, cred, who)
}

// unknownBearer throttles who tries bearers, by address.
func (c *Control) unknownBearer(ctx context.Context, cred Credentials) error {
	if err := c.Throttle.Attempt(ctx, throttle.Ticket, "", address(cred.Address)); err != nil {
		return wrap(err)
	}
	return newError(wire.TypeNotAuthenticated, nil, "This token is not in force: it is unknown, expired or revoked.")
}

func (c *Control) byToken(ctx context.Context, cred Credentials, who Caller) (Caller, error) {
	if cred.Face != authz.FacePortal {
		return Caller{}, newError(wire.TypeWrongFace, nil, "Tokens belong to tenants: use the portal's address.")
	}
	presented, err := apitoken.Parse(cred.Bearer)
	if err != nil {
		return Caller{}, c.unknownBearer(ctx, cred)
	}
	tokenID, err := id.Parse[authz.TokenKind](presented.ID())
	if err != nil {
		return Caller{}, c.unknownBearer(ctx, cred)
	}
	var token authz.Token
	now := c.now()
	err = c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if token, err = c.Accounts.LiveToken(ctx, tx, tokenID, now); err != nil {
			return err
		}
		if token.Tenant.IsZero() {
			return nil
		}
		who.Tenant, err = c.Accounts.Tenant(ctx, tx, token.Tenant)
		return err
	})
	if errors.Is(err, authz.ErrNotFound) {
		return Caller{}, c.unknownBearer(ctx, cred)
	}
	if err != nil {
		return Caller{}, wrap(err)
	}
	if err := presented.Matches(apitoken.Hash(token.Hash)); err != nil {
		return Caller{}, c.unknownBearer(ctx, cred)
	}
	if now.Sub(token.LastUsedAt) > authz.TokenTouch {
		if err := c.write(ctx, func(tx *sqldb.Tx) error { return c.Accounts.TouchToken(ctx, tx, tokenID, now) }); err != nil {
			return Caller{}, err
		}
	}
	who.Principal = token.Principal()
	return who, nil
}

func (c *Control) bySession(ctx context.Context, cred Credentials, who Caller) (Caller, error) {
	over := newError(wire.TypeNotAuthenticated, nil, "The session is over. Sign in again.")
	secret, err := session.ParseSecret(cred.Session)
	if err != nil {
		return Caller{}, over
	}
	resume := c.Sessions.Resume
	if cred.Unattended {
		resume = c.Sessions.Peek
	}
	s, err := resume(ctx, secret, cred.Face)
	if errors.Is(err, session.ErrNone) {
		return Caller{}, over
	}
	if err != nil {
		return Caller{}, wrap(err)
	}
	err = c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if who.Person, err = c.Accounts.Person(ctx, tx, s.Person); err != nil || who.Person.Tenant.IsZero() {
			return err
		}
		who.Tenant, err = c.Accounts.Tenant(ctx, tx, who.Person.Tenant)
		return err
	})
	if errors.Is(err, authz.ErrNotFound) {
		return Caller{}, over
	}
	if err != nil {
		return Caller{}, wrap(err)
	}
	if !who.Person.Admits(who.Tenant, s.CreatedAt) {
		return Caller{}, over
	}
	who.secret, who.Session = secret, s
	who.Principal = who.Person.Principal(cred.Face, s.Facts())
	return who, nil
}

// address reads a client's address; what is none counts as one common address.
func address(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return a
}

func parsePerson(text string) (authz.PersonID, error) { return id.Parse[authz.PersonKind](text) }

func parseTenant(text string) (authz.TenantID, error) { return id.Parse[authz.TenantKind](text) }
