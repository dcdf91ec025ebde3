package controltest

import (
	"fmt"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/authz/authztest"
	"holdfast/authz/session"
	authzsql "holdfast/authz/sqlstore"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/control"
	"holdfast/server/wire"
)

// Tenant makes a tenant.
func (e *Env) Tenant(t testing.TB) authz.TenantID {
	t.Helper()
	e.names++
	tenant := id.New[authz.TenantKind](e.Clock.Now())
	must(t, e.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		return e.deps.Accounts.OpenTenant(t.Context(), tx, authz.Tenant{ID: tenant, Name: fmt.Sprintf("Tenant %d", e.names), CreatedAt: e.Clock.Now()})
	}))
	return tenant
}

// Login is somebody with the credentials that a request of theirs carries.
type Login struct {
	control.Caller
	Credentials control.Credentials
}

// Member makes a member with a passkey and a session that has shown it.
func (e *Env) Member(t testing.TB, tenant authz.TenantID, role authz.Role) Login {
	t.Helper()
	return e.person(t, authz.Person{Tenant: tenant, Role: role}, authz.FacePortal)
}

// Staff makes one of the staff, signed in likewise.
func (e *Env) Staff(t testing.TB, role authz.StaffRole) Login {
	t.Helper()
	return e.person(t, authz.Person{Staff: role}, authz.FaceConsole)
}

func (e *Env) person(t testing.TB, p authz.Person, face authz.Face) Login {
	t.Helper()
	e.names++
	now := e.Clock.Now()
	p.ID = id.New[authz.PersonKind](now)
	p.Name, p.Email = fmt.Sprintf("Person %d", e.names), fmt.Sprintf("person%d@example.org", e.names)
	f := authztest.Passkey(t, p.ID, "first")
	hash := authz.HashTicket(p.Email)
	must(t, e.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		inv := authzsql.Invitation{Person: p, Ticket: hash, By: "test", ExpiresAt: now.Add(time.Hour)}
		if err := e.deps.Accounts.Invite(t.Context(), tx, inv, now); err != nil {
			return err
		}
		_, err := e.deps.Accounts.EnrolFirst(t.Context(), tx, authzsql.Enrolment{Ticket: hash, Password: "$phc$", Factor: f}, now)
		return err
	}))
	e.Clock.Advance(time.Second)
	secret, _, err := e.deps.Sessions.Start(t.Context(), face, p.ID,
		session.Proof{Password: true, Method: authz.MethodPasskey, Factor: f.ID, First: true, HasFactor: true}, session.Client{Address: "192.0.2.1"})
	must(t, err)
	return e.login(t, control.Credentials{Face: face, Session: secret.Reveal(), Address: "192.0.2.1"})
}

// Token makes an API token; without volumes it reaches all of the tenant's.
func (e *Env) Token(t testing.TB, owner Login, volumes []string, scopes ...authz.Scope) Login {
	t.Helper()
	e.names++
	now := e.Clock.Now().UTC().Truncate(time.Microsecond)
	tokenID := id.New[authz.TokenKind](now)
	token, err := apitoken.Mint(tokenID.String())
	must(t, err)
	must(t, e.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		return e.deps.Accounts.MintToken(t.Context(), tx, authz.Token{ID: tokenID, Tenant: owner.Principal.Tenant, Name: fmt.Sprintf("token %d", e.names),
			Hash: token.Hash(), Scopes: scopes, AllVolumes: len(volumes) == 0, Volumes: volumes, MintedBy: owner.Person.ID, MintedAt: now, ExpiresAt: now.Add(24 * time.Hour)})
	}))
	return e.login(t, control.Credentials{Face: authz.FacePortal, Bearer: token.Reveal(), Address: "192.0.2.1"})
}

func (e *Env) login(t testing.TB, c control.Credentials) Login {
	t.Helper()
	who, err := e.Authenticate(t.Context(), c)
	must(t, err)
	return Login{who, c}
}

// Again authenticates a login afresh, as its next request does.
func (e *Env) Again(t testing.TB, l Login) Login {
	t.Helper()
	return e.login(t, l.Credentials)
}

// Leaves lists the log's leaves of a kind about a subject, oldest first.
func (e *Env) Leaves(t testing.TB, subject string, kind audit.Kind) (out []quorumsql.LogEntry) {
	t.Helper()
	must(t, e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		all, err := quorumsql.LogEntriesOfSubject(t.Context(), tx, subject, 0, 1000)
		for _, l := range all {
			if l.Kind == kind {
				out = append(out, l)
			}
		}
		return err
	}))
	return out
}

// MintTicket asks for a ticket.
func (e *Env) MintTicket(t testing.TB, who Login, volume string, ops ...string) (wire.Ticket, error) {
	t.Helper()
	return e.Control.Ticket(t.Context(), who.Caller, volume, wire.AskTicket{Operations: ops})
}
