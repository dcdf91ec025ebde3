package sqlstore

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
)

const tenantColumns = `id, name, status, created_at, lockdown_since, lockdown_at`

func scanTenant(r row) (authz.Tenant, error) {
	var t authz.Tenant
	var status string
	var created, since, at int64
	if err := r.Scan(&t.ID, &t.Name, &status, &created, &since, &at); err != nil {
		return authz.Tenant{}, found(err)
	}
	var err error
	t.Status, err = authz.ParseTenantStatus(status)
	t.CreatedAt, t.LockdownSince, t.LockdownAt = sqldb.FromMicros(created), sqldb.FromMicros(since), sqldb.FromMicros(at)
	return t, err
}

// OpenTenant makes a tenant, active from its first moment.
func (Store) OpenTenant(ctx context.Context, tx *sqldb.Tx, t authz.Tenant) error {
	if t.ID.IsZero() || t.CreatedAt.IsZero() || authz.CheckName(t.Name) != nil {
		return authz.ErrInvalid
	}
	n, err := tx.Exec(ctx, `INSERT INTO tenants (id, name, status, created_at) VALUES ($1, $2, 'active', $3)
		ON CONFLICT DO NOTHING`, t.ID, t.Name, sqldb.Micros(t.CreatedAt))
	if err == nil && n == 0 {
		return authz.ErrExists
	}
	return err
}

// Tenant returns one tenant, or ErrNotFound.
func (Store) Tenant(ctx context.Context, tx *sqldb.Tx, t authz.TenantID) (authz.Tenant, error) {
	return scanTenant(tx.QueryRow(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE id = $1`, t))
}

// LockTenant is Tenant, with the row locked until the transaction ends.
func (Store) LockTenant(ctx context.Context, tx *sqldb.Tx, t authz.TenantID) (authz.Tenant, error) {
	return scanTenant(tx.Lock(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE id = $1`, t))
}

// Tenants lists tenants in the order of their ids after one, at most authz.MaxListed.
func (Store) Tenants(ctx context.Context, tx *sqldb.Tx, after authz.TenantID) ([]authz.Tenant, error) {
	var list []authz.Tenant
	err := each(ctx, tx, func(r row) error {
		t, err := scanTenant(r)
		list = append(list, t)
		return err
	}, `SELECT `+tenantColumns+` FROM tenants WHERE id > $1 ORDER BY id LIMIT $2`, after.String(), authz.MaxListed)
	return list, err
}

// CloseTenant lets nobody and no token of the tenant in any more. It is gated:
// request is the decided request's id. Copies are untouched.
func (s Store) CloseTenant(ctx context.Context, tx *sqldb.Tx, t authz.TenantID, request string, at time.Time) error {
	if request == "" {
		return authz.ErrDenied
	}
	if _, err := s.LockTenant(ctx, tx, t); err != nil {
		return err
	}
	if err := one(tx.Exec(ctx, `UPDATE tenants SET status = 'closed' WHERE id = $1`, t)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE tenant = $1 AND revoked_at = 0`, t, sqldb.Micros(at))
	return err
}

// LockdownResult says what a lockdown revoked.
type LockdownResult struct {
	// People are all active members: their young sessions are to be dropped
	// from the session store too. The database refuses them already.
	People  []authz.PersonID
	Tokens  int64
	Factors int64
}

// Lockdown revokes what was made in the tenant at or after since: tokens,
// factors (but keep, the one that the owner has just used), and, by a mark that
// needs no session store, sessions. The freeze itself is the quorum's.
func (s Store) Lockdown(ctx context.Context, tx *sqldb.Tx, t authz.TenantID, since time.Time, keep authz.FactorID, by string, at time.Time) (LockdownResult, error) {
	var res LockdownResult
	if since.IsZero() || since.After(at) || keep.IsZero() {
		return res, authz.ErrInvalid
	}
	if _, err := s.LockTenant(ctx, tx, t); err != nil {
		return res, err
	}
	members, err := s.Members(ctx, tx, t)
	if err != nil {
		return res, err
	}
	from, now := sqldb.Micros(since), sqldb.Micros(at)
	if _, err := tx.Exec(ctx, `UPDATE tenants SET lockdown_since = $2, lockdown_at = $3 WHERE id = $1`, t, from, now); err != nil {
		return res, err
	}
	if res.Tokens, err = tx.Exec(ctx, `UPDATE tokens SET revoked_at = $3 WHERE tenant = $1 AND revoked_at = 0 AND minted_at >= $2`, t, from, now); err != nil {
		return res, err
	}
	if _, err := tx.Exec(ctx, `UPDATE invitations SET used_at = $2 WHERE used_at = 0
		AND person IN (SELECT id FROM persons WHERE tenant = $1)`, t, now); err != nil {
		return res, err
	}
	for _, m := range members {
		if m.Status != authz.PersonActive {
			continue
		}
		// An enrolment that is under way holds this lock: wait, then see its factor.
		if _, err := s.LockPerson(ctx, tx, m.ID); err != nil {
			return res, err
		}
		n, err := tx.Exec(ctx, `UPDATE factors SET removed_at = $3 WHERE person = $1 AND removed_at = 0 AND enrolled_at >= $2 AND id <> $4`,
			m.ID, from, now, keep)
		if err != nil {
			return res, err
		}
		res.Factors += n
		res.People = append(res.People, m.ID)
		if err := s.record(ctx, tx, m.ID, "lockdown", "young sessions, tokens and factors revoked", by, at); err != nil {
			return res, err
		}
		if err := s.Post(ctx, tx, m.ID, "lockdown", "the tenant is locked down; young sessions, tokens and factors are revoked", at); err != nil {
			return res, err
		}
	}
	return res, nil
}
