package sqlstore

import (
	"context"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
)

// Draft is a request that a token, a rule or a person prepared and nobody has confirmed: it has no force (T09).
type Draft struct {
	ID, Tenant, Drafter string
	// Body is the caller's own encoding of what was asked for.
	Body []byte
	At   time.Time
}

// KeepDraft stores a draft. A drafter's oldest one gives way to what is more than MaxDraftsPerDrafter. Errors:
// quorum.ErrTooMany when the tenant has too many, quorum.ErrConflict.
func KeepDraft(ctx context.Context, tx *sqldb.Tx, d Draft) error {
	if err := lockTenant(ctx, tx, d.Tenant); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM request_drafts WHERE tenant = $1 AND at < $2`, d.Tenant, sqldb.Micros(d.At.Add(-quorum.MaxDraftAge))); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM request_drafts WHERE tenant = $1 AND drafter = $2`, d.Tenant, d.Drafter).Scan(&n); err != nil {
		return err
	}
	if n >= quorum.MaxDraftsPerDrafter {
		// Whoever floods displaces his own: with a colleague's credentials nobody keeps that colleague from asking.
		if _, err := tx.Exec(ctx, `DELETE FROM request_drafts WHERE id IN (SELECT id FROM request_drafts WHERE tenant = $1 AND drafter = $2
			ORDER BY at, id LIMIT $3)`, d.Tenant, d.Drafter, n+1-quorum.MaxDraftsPerDrafter); err != nil {
			return err
		}
	}
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM request_drafts WHERE tenant = $1`, d.Tenant).Scan(&n); err != nil {
		return err
	}
	if n >= quorum.MaxDraftsPerTenant {
		return quorum.ErrTooMany
	}
	added, err := tx.Exec(ctx, `INSERT INTO request_drafts (id, tenant, drafter, body, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		d.ID, d.Tenant, d.Drafter, d.Body, sqldb.Micros(d.At))
	if err == nil && added == 0 {
		return quorum.ErrConflict
	}
	return err
}

// Drafts lists a tenant's drafts, oldest first.
func Drafts(ctx context.Context, tx *sqldb.Tx, tenant string) ([]Draft, error) {
	rows, err := tx.Query(ctx, `SELECT id, tenant, drafter, body, at FROM request_drafts WHERE tenant = $1 ORDER BY at, id LIMIT $2`, tenant, quorum.MaxDraftsPerTenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Draft
	for rows.Next() {
		var d Draft
		var at int64
		if err := rows.Scan(&d.ID, &d.Tenant, &d.Drafter, &d.Body, &at); err != nil {
			return nil, err
		}
		d.At = sqldb.FromMicros(at)
		out = append(out, d)
	}
	return out, rows.Err()
}

// TakeDraft removes a draft of the tenant and returns it: a person confirms it now, or throws it away.
func TakeDraft(ctx context.Context, tx *sqldb.Tx, tenant, id string) (Draft, error) {
	var d Draft
	var at int64
	err := tx.QueryRow(ctx, `DELETE FROM request_drafts WHERE id = $1 AND tenant = $2 RETURNING id, tenant, drafter, body, at`, id, tenant).
		Scan(&d.ID, &d.Tenant, &d.Drafter, &d.Body, &at)
	if err != nil {
		return Draft{}, notFound(err)
	}
	d.At = sqldb.FromMicros(at)
	return d, nil
}
