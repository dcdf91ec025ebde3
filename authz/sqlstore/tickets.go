package sqlstore

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
)

// Invitation is an account to be, and the ticket that opens it.
type Invitation struct {
	// Person is the account: id, tenant and role or staff role, e-mail, name.
	Person authz.Person
	// Ticket is the hash of the ticket's secret (authz.HashTicket).
	Ticket [32]byte
	// By is the text id of who invites.
	By string
	// ExpiresAt is at most authz.MaxInvitationLife ahead.
	ExpiresAt time.Time
}

// Invite makes an account in status invited, with its ticket. An address in use
// is ErrExists.
func (s Store) Invite(ctx context.Context, tx *sqldb.Tx, inv Invitation, at time.Time) error {
	p := inv.Person
	folded, err := authz.FoldEmail(p.Email)
	if err != nil {
		return err
	}
	member := p.Role.String() != "" && p.Staff == 0 && !p.Tenant.IsZero()
	staff := p.Staff.String() != "" && p.Role == 0 && p.Tenant.IsZero()
	if p.ID.IsZero() || authz.CheckName(p.Name) != nil || !member && !staff {
		return authz.ErrInvalid
	}
	if member {
		t, err := s.LockTenant(ctx, tx, p.Tenant)
		if err != nil {
			return err
		}
		if t.Status != authz.TenantActive {
			return authz.ErrDenied
		}
	}
	n, err := tx.Exec(ctx, `INSERT INTO persons (id, tenant, role, staff, email, email_folded, name, status, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'invited', $8) ON CONFLICT DO NOTHING`,
		p.ID, p.Tenant, p.Role.String(), p.Staff.String(), p.Email, folded, p.Name, sqldb.Micros(at))
	if err != nil {
		return err
	}
	if n == 0 {
		return authz.ErrExists
	}
	if err := s.issue(ctx, tx, "account", p.ID, inv.Ticket, inv.By, inv.ExpiresAt, authz.MaxInvitationLife, at); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "invited", "invited as "+p.Role.String()+p.Staff.String(), inv.By, at)
}

// RenewInvitation voids the tickets of an invited account and issues another.
func (s Store) RenewInvitation(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, ticket [32]byte, by string, expires, at time.Time) error {
	p, err := s.LockPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	if p.Status != authz.PersonInvited {
		return authz.ErrDenied
	}
	return s.issue(ctx, tx, "account", person, ticket, by, expires, authz.MaxInvitationLife, at)
}

// IssueEnrolment gives an account whose factors were reset the ticket to enrol
// a first factor again. It is part of the gated reset: request is the decided
// request's id. An account that has a live factor gets none.
func (s Store) IssueEnrolment(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, ticket [32]byte, request string, expires, at time.Time) error {
	p, err := s.LockPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	live, err := s.Factors(ctx, tx, person)
	if err != nil {
		return err
	}
	if request == "" || p.Status != authz.PersonActive || len(live) != 0 {
		return authz.ErrDenied
	}
	return s.issue(ctx, tx, "enrolment", person, ticket, request, expires, authz.MaxEnrolmentLife, at)
}

func (Store) issue(ctx context.Context, tx *sqldb.Tx, purpose string, person authz.PersonID, ticket [32]byte, by string, expires time.Time, most time.Duration, at time.Time) error {
	if ticket == [32]byte{} || by == "" || !expires.After(at) || expires.Sub(at) > most {
		return authz.ErrInvalid
	}
	if _, err := tx.Exec(ctx, `UPDATE invitations SET used_at = $2 WHERE person = $1 AND used_at = 0`, person, sqldb.Micros(at)); err != nil {
		return err
	}
	return one(tx.Exec(ctx, `INSERT INTO invitations (hash, purpose, person, created_by, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, ticket[:], purpose, person, by, sqldb.Micros(at), sqldb.Micros(expires)))
}

// Ticket is an open invitation or enrolment ticket.
type Ticket struct {
	Person authz.PersonID
	// Account says that it opens a new account: a password must come with the factor.
	Account   bool
	ExpiresAt time.Time
}

// Ticket returns an open ticket; ErrSpent if it is used, expired or unknown.
func (Store) Ticket(ctx context.Context, tx *sqldb.Tx, ticket [32]byte, at time.Time) (Ticket, error) {
	return scanTicket(tx.QueryRow(ctx, `SELECT purpose, person, expires_at, used_at FROM invitations WHERE hash = $1`, ticket[:]), at)
}

func scanTicket(r row, at time.Time) (Ticket, error) {
	var t Ticket
	var purpose string
	var expires, used int64
	switch err := found(r.Scan(&purpose, &t.Person, &expires, &used)); {
	case err == authz.ErrNotFound:
		return Ticket{}, authz.ErrSpent
	case err != nil:
		return Ticket{}, err
	}
	t.Account, t.ExpiresAt = purpose == "account", sqldb.FromMicros(expires)
	if used != 0 || !at.Before(t.ExpiresAt) {
		return Ticket{}, authz.ErrSpent
	}
	return t, nil
}

// Enrolment spends a ticket: a first factor, and a password for a new account.
type Enrolment struct {
	Ticket [32]byte
	// Password is the PHC string for a new account; empty for a reset one.
	Password string
	// Factor is the first factor; its Person is taken from the ticket.
	Factor authz.Factor
	// Quarantine is how long the factor may stop but not confirm.
	Quarantine time.Duration
}

// EnrolFirst spends a ticket, once: a new account becomes active with its
// password and first factor in the same step, a reset one gets its first factor
// again. There is no account with a password and no factor in between, and so
// none whose first factor a thief of the password could enrol (T01, T13).
func (s Store) EnrolFirst(ctx context.Context, tx *sqldb.Tx, e Enrolment, at time.Time) (authz.Person, error) {
	open, err := s.Ticket(ctx, tx, e.Ticket, at)
	if err != nil {
		return authz.Person{}, err
	}
	p, err := s.lockMember(ctx, tx, open.Person)
	if err != nil {
		return authz.Person{}, err
	}
	if !p.Tenant.IsZero() {
		t, err := s.Tenant(ctx, tx, p.Tenant)
		if err != nil {
			return authz.Person{}, err
		}
		if t.Status != authz.TenantActive {
			return authz.Person{}, authz.ErrSpent
		}
	}
	// Again under the lock: of two at once the second finds it spent.
	if open, err = s.Ticket(ctx, tx, e.Ticket, at); err != nil {
		return authz.Person{}, err
	}
	live, err := s.Factors(ctx, tx, p.ID)
	if err != nil {
		return authz.Person{}, err
	}
	if len(live) != 0 || open.Account != (p.Status == authz.PersonInvited) || p.Status == authz.PersonClosed {
		return authz.Person{}, authz.ErrSpent
	}
	if open.Account != (e.Password != "") {
		return authz.Person{}, authz.ErrInvalid
	}
	if err := one(tx.Exec(ctx, `UPDATE invitations SET used_at = $2 WHERE hash = $1 AND used_at = 0`, e.Ticket[:], sqldb.Micros(at))); err != nil {
		return authz.Person{}, err
	}
	f := e.Factor
	f.Person, f.First = p.ID, true
	if err := s.insertFactor(ctx, tx, f, e.Quarantine, at); err != nil {
		return authz.Person{}, err
	}
	if open.Account {
		if err := one(tx.Exec(ctx, `UPDATE persons SET status = 'active', password = $2 WHERE id = $1`, p.ID, e.Password)); err != nil {
			return authz.Person{}, err
		}
		p.Status, p.Password = authz.PersonActive, e.Password
	}
	return p, s.tell(ctx, tx, p, "factor-enrolled", "first factor: "+f.Mechanism.String()+" "+f.Label, p.ID.String(), at)
}
