package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/key"
)

// Site implements snapshots.SiteStore.
func (*Store) Site(ctx context.Context, tx *sqldb.Tx, site string, epoch, at int64) (snapshots.Site, error) {
	_, err := tx.Exec(ctx, `INSERT INTO site_meta (id, site, epoch, created_at) VALUES (1, $1, $2, $3) ON CONFLICT (id) DO NOTHING`, site, epoch, at)
	if err != nil {
		return snapshots.Site{}, err
	}
	var s snapshots.Site
	err = tx.QueryRow(ctx, `SELECT site, epoch FROM site_meta WHERE id = 1`).Scan(&s.Name, &s.Epoch)
	return s, err
}

// InsertTenant implements snapshots.TenantStore; a tenant that is there stays as it is.
func (*Store) InsertTenant(ctx context.Context, tx *sqldb.Tx, t snapshots.TenantState) error {
	_, err := tx.Exec(ctx, `INSERT INTO tenants (tenant, quota_bytes, stored_bytes, undo_us, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant) DO NOTHING`,
		t.Tenant, t.QuotaBytes, t.StoredBytes, t.Undo.Microseconds(), sqldb.Micros(t.CreatedAt))
	return err
}

const tenantColumns = `SELECT tenant, quota_bytes, stored_bytes, undo_us, created_at FROM tenants WHERE tenant = $1`

func scanTenant(r scanner) (snapshots.TenantState, error) {
	var t snapshots.TenantState
	var undo, created int64
	if err := r.Scan(&t.Tenant, &t.QuotaBytes, &t.StoredBytes, &undo, &created); err != nil {
		return t, notFound(err)
	}
	t.Undo = time.Duration(undo) * time.Microsecond
	t.CreatedAt = sqldb.FromMicros(created)
	return t, nil
}

// LockTenant implements snapshots.TenantStore.
func (*Store) LockTenant(ctx context.Context, tx *sqldb.Tx, tenant string) (snapshots.TenantState, error) {
	return scanTenant(tx.Lock(ctx, tenantColumns, tenant))
}

// Tenant implements snapshots.TenantStore.
func (*Store) Tenant(ctx context.Context, tx *sqldb.Tx, tenant string) (snapshots.TenantState, error) {
	return scanTenant(tx.QueryRow(ctx, tenantColumns, tenant))
}

// AddStored implements snapshots.TenantStore.
func (*Store) AddStored(ctx context.Context, tx *sqldb.Tx, tenant string, n int64) error {
	_, err := tx.Exec(ctx, `UPDATE tenants SET stored_bytes = stored_bytes + $1 WHERE tenant = $2`, n, tenant)
	return err
}

// SetQuota implements snapshots.TenantStore.
func (*Store) SetQuota(ctx context.Context, tx *sqldb.Tx, tenant string, n int64) error {
	rows, err := tx.Exec(ctx, `UPDATE tenants SET quota_bytes = $1 WHERE tenant = $2`, n, tenant)
	if err == nil && rows == 0 {
		return snapshots.ErrNotFound
	}
	return err
}

// InsertKey implements snapshots.TenantStore. A number that is taken is an error.
func (*Store) InsertKey(ctx context.Context, tx *sqldb.Tx, k snapshots.TenantKey) error {
	_, err := tx.Exec(ctx, `INSERT INTO tenant_keys (tenant, key_no, wraps, commitment, created_at) VALUES ($1, $2, $3, $4, $5)`,
		k.Tenant, int64(k.Number), k.Wraps, k.Commitment[:], sqldb.Micros(k.CreatedAt))
	return err
}

// Keys implements snapshots.TenantStore.
func (*Store) Keys(ctx context.Context, tx *sqldb.Tx, tenant string) ([]snapshots.TenantKey, error) {
	rows, err := tx.Query(ctx, `SELECT k.tenant, k.key_no,
		COALESCE((SELECT w.wraps FROM key_wraps w WHERE w.tenant = k.tenant AND w.key_no = k.key_no ORDER BY w.at DESC LIMIT 1), k.wraps),
		k.commitment, k.created_at FROM tenant_keys k WHERE k.tenant = $1 AND NOT EXISTS (SELECT 1 FROM sweep_keys x
		WHERE x.tenant = k.tenant AND x.key_no = k.key_no AND x.state <> 'restored') ORDER BY k.key_no`, tenant)
	return collect(rows, err, func(r *sql.Rows) (k snapshots.TenantKey, err error) {
		var number, created int64
		var commitment []byte
		if err := r.Scan(&k.Tenant, &number, &k.Wraps, &commitment, &created); err != nil {
			return k, err
		}
		k.Number = key.Number(number)
		k.CreatedAt = sqldb.FromMicros(created)
		err = fixed(k.Commitment[:], commitment)
		return k, err
	})
}

// fixed copies a column that must have exactly the length of dst.
func fixed(dst, src []byte) error {
	if len(dst) != len(src) {
		return fmt.Errorf("%w: a column of %d bytes where %d were expected", snapshots.ErrCorrupt, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

// InsertLease implements snapshots.LeaseStore.
func (*Store) InsertLease(ctx context.Context, tx *sqldb.Tx, l snapshots.Lease) error {
	_, err := tx.Exec(ctx, `INSERT INTO leases (id, tenant, owner, purpose, taken_at, renewed_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		l.ID, l.Tenant, l.Owner, l.Purpose, sqldb.Micros(l.TakenAt), sqldb.Micros(l.RenewedAt))
	return err
}

// RenewLease implements snapshots.LeaseStore.
func (*Store) RenewLease(ctx context.Context, tx *sqldb.Tx, l snapshots.LeaseID, at int64) error {
	n, err := tx.Exec(ctx, `UPDATE leases SET renewed_at = $1 WHERE id = $2 AND renewed_at <= $1`, at, l)
	if err == nil && n == 0 {
		return snapshots.ErrLease
	}
	return err
}

// CheckLease implements snapshots.LeaseStore.
func (*Store) CheckLease(ctx context.Context, tx *sqldb.Tx, l snapshots.LeaseID, renewedSince int64) error {
	var renewed int64
	err := notFound(tx.QueryRow(ctx, `SELECT renewed_at FROM leases WHERE id = $1`, l).Scan(&renewed))
	if err == snapshots.ErrNotFound || err == nil && renewed < renewedSince {
		return snapshots.ErrLease
	}
	return err
}

// DeleteLease implements snapshots.LeaseStore.
func (*Store) DeleteLease(ctx context.Context, tx *sqldb.Tx, l snapshots.LeaseID) error {
	_, err := tx.Exec(ctx, `DELETE FROM leases WHERE id = $1`, l)
	return err
}

// Leases implements snapshots.LeaseStore.
func (*Store) Leases(ctx context.Context, tx *sqldb.Tx, tenant string) ([]snapshots.Lease, error) {
	rows, err := tx.Query(ctx, `SELECT id, tenant, owner, purpose, taken_at, renewed_at FROM leases WHERE tenant = $1 ORDER BY taken_at, id`, tenant)
	return collect(rows, err, func(r *sql.Rows) (l snapshots.Lease, err error) {
		var taken, renewed int64
		err = r.Scan(&l.ID, &l.Tenant, &l.Owner, &l.Purpose, &taken, &renewed)
		l.TakenAt, l.RenewedAt = sqldb.FromMicros(taken), sqldb.FromMicros(renewed)
		return l, err
	})
}

// InsertKeepRule implements snapshots.KeepStore.
func (*Store) InsertKeepRule(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, rule, by string, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO keep_rules (volume, number, rule, set_at, set_by)
		SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM keep_rules WHERE volume = $1`, v, rule, at, by)
	return err
}

// KeepRule implements snapshots.KeepStore.
func (*Store) KeepRule(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID) (k snapshots.KeepRule, err error) {
	var at int64
	err = tx.QueryRow(ctx, `SELECT volume, number, rule, set_at, set_by FROM keep_rules WHERE volume = $1 ORDER BY number DESC LIMIT 1`, v).
		Scan(&k.Volume, &k.Number, &k.Rule, &at, &k.SetBy)
	k.SetAt = sqldb.FromMicros(at)
	return k, notFound(err)
}

// InsertWindow implements snapshots.KeepStore.
func (*Store) InsertWindow(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, undo time.Duration, by string, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO undo_windows (volume, number, undo_us, set_at, set_by)
		SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM undo_windows WHERE volume = $1`, v, undo.Microseconds(), at, by)
	return err
}

// Window implements snapshots.KeepStore.
func (*Store) Window(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID) (w snapshots.Window, err error) {
	var at, undo int64
	err = tx.QueryRow(ctx, `SELECT volume, number, undo_us, set_at, set_by FROM undo_windows WHERE volume = $1 ORDER BY number DESC LIMIT 1`, v).
		Scan(&w.Volume, &w.Number, &undo, &at, &w.SetBy)
	w.SetAt, w.Undo = sqldb.FromMicros(at), time.Duration(undo)*time.Microsecond
	return w, notFound(err)
}

// Windows implements snapshots.KeepStore.
func (*Store) Windows(ctx context.Context, tx *sqldb.Tx, tenant string) (out []snapshots.Window, err error) {
	rows, err := tx.Query(ctx, `SELECT w.volume, w.number, w.undo_us, w.set_at, w.set_by
		FROM undo_windows w JOIN volumes v ON v.id = w.volume
		WHERE v.tenant = $1 AND w.number = (SELECT MAX(x.number) FROM undo_windows x WHERE x.volume = w.volume)`, tenant)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var w snapshots.Window
		var at, undo int64
		if err := rows.Scan(&w.Volume, &w.Number, &undo, &at, &w.SetBy); err != nil {
			return nil, err
		}
		w.SetAt, w.Undo = sqldb.FromMicros(at), time.Duration(undo)*time.Microsecond
		out = append(out, w)
	}
	return out, rows.Err()
}
