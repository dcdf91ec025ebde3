package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
)

// Needed counts what still needs the keys of a tenant: copies here that are not erased, and snapshots that are not sealed.
func Needed(ctx context.Context, tx *sqldb.Tx, tenant, site string) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM copies c WHERE c.tenant = $1 AND c.site = $2 AND c.state <> 'erased') +
		(SELECT COUNT(*) FROM snapshots s WHERE s.tenant = $3 AND NOT EXISTS (SELECT 1 FROM copies c WHERE c.snapshot = s.id))`, tenant, site, tenant).Scan(&n)
	return n, err
}

// Closed reports whether a quorum has closed the tenant.
func Closed(ctx context.Context, tx *sqldb.Tx, tenant string) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM gate_closed WHERE tenant = $1`, tenant).Scan(&n)
	return n > 0, err
}

// Commitment is that of a key set which is still here.
func Commitment(ctx context.Context, tx *sqldb.Tx, tenant string, number int64) (c [32]byte, err error) {
	var b []byte
	err = tx.QueryRow(ctx, `SELECT commitment FROM tenant_keys WHERE tenant = $1 AND key_no = $2`, tenant, number).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("%w: key %d of %s", ErrMissing, number, tenant)
	}
	if err != nil {
		return c, err
	}
	return c, fixed(c[:], b)
}

// KeyDone is what a request did to a key set here. It is empty when it did nothing.
func KeyDone(ctx context.Context, tx *sqldb.Tx, request string) (state string, err error) {
	err = tx.QueryRow(ctx, `SELECT state FROM sweep_keys WHERE request = $1`, request).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return state, err
}

// Disable has a key set not be opened any more, on behalf of a request. It refuses one that another request has disabled.
func Disable(ctx context.Context, tx *sqldb.Tx, request, tenant string, number int64, commitment [32]byte, at int64) error {
	var n int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM sweep_keys WHERE tenant = $1 AND key_no = $2 AND state <> 'restored'`, tenant, number).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: key %d of %s is disabled already", ErrMissing, number, tenant)
	}
	_, err := tx.Exec(ctx, `INSERT INTO sweep_keys (request, tenant, key_no, commitment, state, at) VALUES ($1, $2, $3, $4, 'disabled', $5)`,
		request, tenant, number, commitment[:], at)
	return err
}

// Enable brings the key set back that a request has disabled, and answers how many that were.
func Enable(ctx context.Context, tx *sqldb.Tx, request string, at int64) (int64, error) {
	return tx.Exec(ctx, `UPDATE sweep_keys SET state = 'restored', at = $1 WHERE request = $2 AND state = 'disabled'`, at, request)
}

// DropKey takes every wrap of a key set that the request has disabled out of the database, and has all packs of the tenant
// rewritten: some of them carry wraps too.
func DropKey(ctx context.Context, tx *sqldb.Tx, request, tenant string, number, at int64) error {
	n, err := tx.Exec(ctx, `UPDATE sweep_keys SET state = 'dropped', at = $1 WHERE request = $2 AND tenant = $3 AND key_no = $4 AND state = 'disabled'`,
		at, request, tenant, number)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: key %d of %s was not disabled by this request", ErrMissing, number, tenant)
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM key_wraps WHERE tenant = $1 AND key_no = $2`, tenant, number); err != nil {
		return err
	}
	n, err = tx.Exec(ctx, `DELETE FROM tenant_keys WHERE tenant = $1 AND key_no = $2`, tenant, number)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: key %d of %s", ErrMissing, number, tenant)
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sweep_packs (pack, tenant, dead_bytes, forced, seen_at) SELECT id, tenant, 0, TRUE, 0 FROM packs WHERE tenant = $1
		ON CONFLICT (pack) DO UPDATE SET forced = TRUE`, tenant)
	return err
}

// KeyGone reports whether a key set was destroyed here.
func KeyGone(ctx context.Context, tx *sqldb.Tx, tenant string, number int64) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM sweep_keys WHERE tenant = $1 AND key_no = $2 AND state = 'dropped'`, tenant, number).Scan(&n)
	return n > 0, err
}
