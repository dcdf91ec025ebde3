package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// Done is what a request did to a copy here. It is empty when it did nothing.
func Done(ctx context.Context, tx *sqldb.Tx, request, snapshot string) (state string, err error) {
	err = tx.QueryRow(ctx, `SELECT state FROM sweep_copies WHERE request = $1 AND snapshot = $2`, request, snapshot).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return state, err
}

// Hide makes a held copy a tombstoned one, on behalf of a request.
func Hide(ctx context.Context, tx *sqldb.Tx, request string, c snapshots.Copy, digest []byte, at int64) error {
	n, err := tx.Exec(ctx, `UPDATE copies SET state = 'tombstoned', tombstoned_at = $1 WHERE snapshot = $2 AND site = $3 AND state = 'held'`, at, c.Snapshot, c.Site)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: copy of %s", ErrMissing, c.Snapshot)
	}
	_, err = tx.Exec(ctx, `INSERT INTO sweep_copies (request, snapshot, tenant, volume, digest, state, at) VALUES ($1, $2, $3, $4, $5, 'tombstoned', $6)`,
		request, c.Snapshot, c.Tenant, c.Volume, digest, at)
	return err
}

// Show makes what a request has tombstoned held again, and answers how many copies.
func Show(ctx context.Context, tx *sqldb.Tx, request, site string, at int64) (int, error) {
	rows, err := tx.Query(ctx, `UPDATE sweep_copies SET state = 'restored', at = $1 WHERE request = $2 AND state = 'tombstoned' RETURNING snapshot`, at, request)
	list, err := collect(rows, err, func(r *sql.Rows) (s string, err error) { err = r.Scan(&s); return s, err })
	if err != nil {
		return 0, err
	}
	for _, s := range list {
		n, err := tx.Exec(ctx, `UPDATE copies SET state = 'held', tombstoned_at = $1 WHERE snapshot = $2 AND site = $3 AND state = 'tombstoned'`,
			int64(snapshots.Live), s, site)
		if err != nil {
			return 0, err
		}
		if n != 1 {
			return 0, fmt.Errorf("%w: copy of %s", ErrMissing, s)
		}
	}
	return len(list), nil
}

// Drop makes a copy that the request has tombstoned an erased one.
func Drop(ctx context.Context, tx *sqldb.Tx, request string, c snapshots.Copy, digest []byte, at int64) error {
	n, err := tx.Exec(ctx, `UPDATE sweep_copies SET state = 'dropped', at = $1 WHERE request = $2 AND snapshot = $3 AND state = 'tombstoned' AND digest = $4`,
		at, request, c.Snapshot, digest)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: %s was not tombstoned by this request", ErrMissing, c.Snapshot)
	}
	if err != nil {
		return err
	}
	n, err = tx.Exec(ctx, `UPDATE copies SET state = 'erased', erased_at = $1 WHERE snapshot = $2 AND site = $3 AND state = 'tombstoned'`, at, c.Snapshot, c.Site)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: copy of %s", ErrMissing, c.Snapshot)
	}
	return err
}

// Erasure is a decided erasure.
type Erasure struct {
	Request, Tenant string
	Copies, Bytes   int64
	Finished        bool
}

// Decide records an erasure; deciding it again adds its copies.
func Decide(ctx context.Context, tx *sqldb.Tx, e Erasure, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO sweep_erasures (request, tenant, copies, bytes, dropped_at, finished_at) VALUES ($1, $2, $3, 0, $4, 0)
		ON CONFLICT (request) DO UPDATE SET copies = sweep_erasures.copies + excluded.copies`, e.Request, e.Tenant, e.Copies, at)
	return err
}

// Decided reads an erasure; false when there is none.
func Decided(ctx context.Context, tx *sqldb.Tx, request string) (e Erasure, ok bool, err error) {
	var finished int64
	err = tx.QueryRow(ctx, `SELECT request, tenant, copies, bytes, finished_at FROM sweep_erasures WHERE request = $1`, request).
		Scan(&e.Request, &e.Tenant, &e.Copies, &e.Bytes, &finished)
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	e.Finished = finished != 0
	return e, err == nil, err
}

// Unfinished lists the requests whose erasures are decided and not finished.
func Unfinished(ctx context.Context, tx *sqldb.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT request FROM sweep_erasures WHERE finished_at = 0 ORDER BY dropped_at, request`)
	return collect(rows, err, func(r *sql.Rows) (s string, err error) { err = r.Scan(&s); return s, err })
}

// Freed adds bytes to an erasure.
func Freed(ctx context.Context, tx *sqldb.Tx, request string, n int64) error {
	_, err := tx.Exec(ctx, `UPDATE sweep_erasures SET bytes = bytes + $1 WHERE request = $2`, n, request)
	return err
}

// Finish ends an erasure.
func Finish(ctx context.Context, tx *sqldb.Tx, request string, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE sweep_erasures SET finished_at = $1 WHERE request = $2 AND finished_at = 0`, at, request)
	return err
}
