package sqlstore

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
)

const personColumns = `id, tenant, role, staff, email, name, status, password, created_at, sessions_after`

func scanPerson(r row) (authz.Person, error) {
	var p authz.Person
	var role, staff, status string
	var created, after int64
	if err := r.Scan(&p.ID, &p.Tenant, &role, &staff, &p.Email, &p.Name, &status, &p.Password, &created, &after); err != nil {
		return authz.Person{}, found(err)
	}
	p.CreatedAt, p.SessionsAfter = sqldb.FromMicros(created), sqldb.FromMicros(after)
	var err error
	if role != "" {
		if p.Role, err = authz.ParseRole(role); err != nil {
			return authz.Person{}, err
		}
	}
	if staff != "" {
		if p.Staff, err = authz.ParseStaffRole(staff); err != nil {
			return authz.Person{}, err
		}
	}
	p.Status, err = authz.ParsePersonStatus(status)
	return p, err
}

// Person returns one account, or ErrNotFound.
func (Store) Person(ctx context.Context, tx *sqldb.Tx, p authz.PersonID) (authz.Person, error) {
	return scanPerson(tx.QueryRow(ctx, `SELECT `+personColumns+` FROM persons WHERE id = $1`, p))
}

// LockPerson is Person, with the row locked until the transaction ends.
func (Store) LockPerson(ctx context.Context, tx *sqldb.Tx, p authz.PersonID) (authz.Person, error) {
	return scanPerson(tx.Lock(ctx, `SELECT `+personColumns+` FROM persons WHERE id = $1`, p))
}

// PersonByEmail finds an account by its address without regard to case, or
// ErrNotFound, also for what is no address. The caller answers both alike (T14).
func (Store) PersonByEmail(ctx context.Context, tx *sqldb.Tx, email string) (authz.Person, error) {
	folded, err := authz.FoldEmail(email)
	if err != nil {
		return authz.Person{}, authz.ErrNotFound
	}
	return scanPerson(tx.QueryRow(ctx, `SELECT `+personColumns+` FROM persons WHERE email_folded = $1`, folded))
}

func people(ctx context.Context, tx *sqldb.Tx, where string, args ...any) ([]authz.Person, error) {
	var list []authz.Person
	err := each(ctx, tx, func(r row) error {
		p, err := scanPerson(r)
		list = append(list, p)
		return err
	}, `SELECT `+personColumns+` FROM persons WHERE `+where, args...)
	return list, err
}

// Members lists the accounts of a tenant, closed ones too, at most authz.MaxListed.
func (Store) Members(ctx context.Context, tx *sqldb.Tx, t authz.TenantID) ([]authz.Person, error) {
	return people(ctx, tx, `tenant = $1 ORDER BY id LIMIT $2`, t, authz.MaxListed)
}

// StaffMembers lists the accounts of the staff, closed ones too, at most authz.MaxListed.
func (Store) StaffMembers(ctx context.Context, tx *sqldb.Tx) ([]authz.Person, error) {
	return people(ctx, tx, `tenant IS NULL ORDER BY id LIMIT $1`, authz.MaxListed)
}

// SetRole changes a member's role. A tenant keeps an active owner: ErrLastOwner.
func (s Store) SetRole(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, role authz.Role, by string, at time.Time) error {
	if role.String() == "" {
		return authz.ErrInvalid
	}
	p, err := s.lockMember(ctx, tx, person)
	if err != nil {
		return err
	}
	if p.Tenant.IsZero() || p.Status == authz.PersonClosed {
		return authz.ErrInvalid
	}
	if role != authz.RoleOwner {
		if err := s.keepOwner(ctx, tx, p); err != nil {
			return err
		}
	}
	if err := one(tx.Exec(ctx, `UPDATE persons SET role = $2 WHERE id = $1`, person, role.String())); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "role-set", "role changed from "+p.Role.String()+" to "+role.String(), by, at)
}

// CloseAccount ends an account for good: its sessions, factors and codes are
// void; its rows stay. A tenant keeps an active owner: ErrLastOwner.
func (s Store) CloseAccount(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, by string, at time.Time) error {
	p, err := s.lockMember(ctx, tx, person)
	if err != nil {
		return err
	}
	if err := s.keepOwner(ctx, tx, p); err != nil {
		return err
	}
	if err := s.voidProofs(ctx, tx, person, at); err != nil {
		return err
	}
	if err := one(tx.Exec(ctx, `UPDATE persons SET status = 'closed' WHERE id = $1`, person)); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "account-closed", "the account was closed", by, at)
}

// ChangePassword sets a new hash and voids every session opened until at; the
// caller opens a fresh one.
func (s Store) ChangePassword(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, phc, by string, at time.Time) error {
	p, err := s.LockPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	if phc == "" || p.Status != authz.PersonActive {
		return authz.ErrInvalid
	}
	if err := one(tx.Exec(ctx, `UPDATE persons SET password = $2, sessions_after = $3 WHERE id = $1`, person, phc, sqldb.Micros(at))); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "password-changed", "the password was changed", by, at)
}

// RehashPassword replaces the hash of an unchanged password by a costlier one,
// if it is still old.
func (Store) RehashPassword(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, old, phc string) error {
	if old == "" || phc == "" {
		return authz.ErrInvalid
	}
	return one(tx.Exec(ctx, `UPDATE persons SET password = $3 WHERE id = $1 AND password = $2`, person, old, phc))
}

// lockMember locks a person's tenant, then the person: the order of all locks.
func (s Store) lockMember(ctx context.Context, tx *sqldb.Tx, person authz.PersonID) (authz.Person, error) {
	p, err := s.Person(ctx, tx, person) // the tenant of a person never changes
	if err != nil {
		return p, err
	}
	if !p.Tenant.IsZero() {
		if _, err := s.LockTenant(ctx, tx, p.Tenant); err != nil {
			return p, err
		}
	}
	return s.LockPerson(ctx, tx, person)
}

// keepOwner refuses if p is the tenant's only active owner. The tenant's row is
// locked, so two owners cannot remove each other at once.
func (Store) keepOwner(ctx context.Context, tx *sqldb.Tx, p authz.Person) error {
	if p.Role != authz.RoleOwner || p.Status != authz.PersonActive {
		return nil
	}
	var others int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM persons WHERE tenant = $1 AND id <> $2 AND role = 'owner' AND status = 'active'`,
		p.Tenant, p.ID).Scan(&others)
	if err == nil && others == 0 {
		return authz.ErrLastOwner
	}
	return err
}

// voidProofs ends everything by which a person could prove presence.
func (Store) voidProofs(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, at time.Time) error {
	now := sqldb.Micros(at)
	for _, q := range []string{
		`UPDATE factors SET removed_at = $2 WHERE person = $1 AND removed_at = 0`,
		`UPDATE recovery_codes SET used_at = $2 WHERE person = $1 AND used_at = 0`,
		`UPDATE invitations SET used_at = $2 WHERE person = $1 AND used_at = 0`,
		`UPDATE persons SET sessions_after = $2 WHERE id = $1`,
	} {
		if _, err := tx.Exec(ctx, q, person, now); err != nil {
			return err
		}
	}
	return nil
}
