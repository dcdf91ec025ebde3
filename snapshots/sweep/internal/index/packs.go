package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// Pack is a pack that holds bytes which the index has let go.
type Pack struct {
	ID     snapshots.PackID
	Dead   int64
	Forced bool
	SeenAt int64
	// Owner is the lease of the process that wrote it; Ended says that it will never be appended to again, Size its bytes.
	Owner string
	Ended bool
	Size  int64
}

// Packs lists the packs of a tenant that hold garbage, from after the given one.
func Packs(ctx context.Context, tx *sqldb.Tx, tenant, after string, limit int) ([]Pack, error) {
	rows, err := tx.Query(ctx, `SELECT s.pack, s.dead_bytes, s.forced, s.seen_at, p.lease, COALESCE(e.size, -1) FROM sweep_packs s
		JOIN packs p ON p.id = s.pack AND p.tenant = s.tenant LEFT JOIN pack_ends e ON e.pack = s.pack
		WHERE s.tenant = $1 AND s.pack > $2 ORDER BY s.pack LIMIT $3`, tenant, after, limit)
	return collect(rows, err, func(r *sql.Rows) (p Pack, err error) {
		err = r.Scan(&p.ID, &p.Dead, &p.Forced, &p.SeenAt, &p.Owner, &p.Size)
		p.Ended = p.Size >= 0
		return p, err
	})
}

// PackOf reads one of them again; it is not Ended when it is not there.
func PackOf(ctx context.Context, tx *sqldb.Tx, tenant string, id snapshots.PackID) (p Pack, err error) {
	err = tx.QueryRow(ctx, `SELECT s.pack, s.dead_bytes, s.forced, s.seen_at, p.lease, COALESCE(e.size, -1) FROM sweep_packs s
		JOIN packs p ON p.id = s.pack AND p.tenant = s.tenant LEFT JOIN pack_ends e ON e.pack = s.pack
		WHERE s.tenant = $1 AND s.pack = $2`, tenant, id).Scan(&p.ID, &p.Dead, &p.Forced, &p.SeenAt, &p.Owner, &p.Size)
	if errors.Is(err, sql.ErrNoRows) {
		return Pack{}, nil
	}
	p.Ended = err == nil && p.Size >= 0
	return p, err
}

// Seen records that the sweep has found a pack ended.
func Seen(ctx context.Context, tx *sqldb.Tx, p snapshots.PackID, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE sweep_packs SET seen_at = $1 WHERE pack = $2 AND seen_at = 0`, at, p)
	return err
}

// Place is where a frame of a pack stands.
type Place struct {
	Key snapshots.ChunkKey
	Pos int64
}

// Living lists the frames of a pack that the index knows.
func Living(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID) ([]Place, error) {
	rows, err := tx.Query(ctx, `SELECT id, frame_hash, pos FROM chunks WHERE pack = $1 AND tenant = $2`, p, tenant)
	return collect(rows, err, func(r *sql.Rows) (l Place, err error) {
		var id, hash []byte
		if err := r.Scan(&id, &hash, &l.Pos); err != nil {
			return l, err
		}
		return l, errors.Join(fixed(l.Key.ID[:], id), fixed(l.Key.Hash[:], hash))
	})
}

// Plan records a pack that a rewrite is about to make.
func Plan(ctx context.Context, tx *sqldb.Tx, tenant string, fresh, old snapshots.PackID, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO sweep_rewrites (pack, old_pack, tenant, at) VALUES ($1, $2, $3, $4)`, fresh, old, tenant, at)
	return err
}

// Abandon turns the unfinished rewrites of a tenant into removals. A rewrite that is under way elsewhere then fails.
func Abandon(ctx context.Context, tx *sqldb.Tx, tenant string, at int64) error {
	rows, err := tx.Query(ctx, `DELETE FROM sweep_rewrites WHERE tenant = $1 RETURNING pack`, tenant)
	list, err := collect(rows, err, func(r *sql.Rows) (p snapshots.PackID, err error) { err = r.Scan(&p); return p, err })
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := queue(ctx, tx, tenant, p, at); err != nil {
			return err
		}
	}
	return nil
}

// Move makes the rewritten pack the place of the frames, and queues the old pack for removal. Every frame that the index
// has in the old pack must be among them.
func Move(ctx context.Context, tx *sqldb.Tx, tenant string, old, fresh snapshots.PackID, places []Place, size, at int64) error {
	n, err := tx.Exec(ctx, `DELETE FROM sweep_rewrites WHERE pack = $1 AND old_pack = $2 AND tenant = $3`, fresh, old, tenant)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: the rewrite was abandoned", ErrMissing)
	}
	for _, l := range places {
		if _, err := tx.Exec(ctx, `UPDATE chunks SET pack = $1, pos = $2 WHERE tenant = $3 AND id = $4 AND frame_hash = $5 AND pack = $6`,
			fresh, l.Pos, tenant, l.Key.ID[:], l.Key.Hash[:], old); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `INSERT INTO packs (id, tenant, lease, created_at) VALUES ($1, $2, '', $3)`, fresh, tenant, at); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO pack_ends (pack, size, at) VALUES ($1, $2, $3)`, fresh, size, at); err != nil {
		return err
	}
	return Forget(ctx, tx, tenant, old, at)
}

// Forget takes a pack without frames out of the index and queues it for removal.
func Forget(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID, at int64) error {
	var left int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM chunks WHERE pack = $1`, p).Scan(&left); err != nil {
		return err
	}
	if left != 0 {
		return fmt.Errorf("%w: %d frames are left in %s", ErrMissing, left, p)
	}
	n, err := tx.Exec(ctx, `DELETE FROM packs WHERE id = $1 AND tenant = $2`, p, tenant)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: pack %s", ErrMissing, p)
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM pack_ends WHERE pack = $1`, p); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM sweep_packs WHERE pack = $1`, p); err != nil {
		return err
	}
	return queue(ctx, tx, tenant, p, at)
}

func queue(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO sweep_removals (pack, tenant, at) VALUES ($1, $2, $3) ON CONFLICT (pack) DO NOTHING`, p, tenant, at)
	return err
}

// Removals lists packs whose files are to be removed. None of them is in packs.
func Removals(ctx context.Context, tx *sqldb.Tx, tenant string, limit int) ([]snapshots.PackID, error) {
	rows, err := tx.Query(ctx, `SELECT r.pack FROM sweep_removals r WHERE r.tenant = $1 AND NOT EXISTS (SELECT 1 FROM packs p WHERE p.id = r.pack)
		AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.pack = r.pack) ORDER BY r.pack LIMIT $2`, tenant, limit)
	return collect(rows, err, func(r *sql.Rows) (p snapshots.PackID, err error) { err = r.Scan(&p); return p, err })
}

// Removed records that a pack's file is gone.
func Removed(ctx context.Context, tx *sqldb.Tx, p snapshots.PackID) error {
	_, err := tx.Exec(ctx, `DELETE FROM sweep_removals WHERE pack = $1`, p)
	return err
}

// Shrink gives stored bytes back to a tenant, never more than it has.
func Shrink(ctx context.Context, tx *sqldb.Tx, tenant string, n int64) error {
	_, err := tx.Exec(ctx, `UPDATE tenants SET stored_bytes = CASE WHEN stored_bytes > $1 THEN stored_bytes - $1 ELSE 0 END WHERE tenant = $2`, n, tenant)
	return err
}
