package sqlstore

import (
	"context"
	"database/sql"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/rebuild"
)

var _ rebuild.Store = (*Store)(nil)

// Virgin implements rebuild.Store.
func (*Store) Virgin(ctx context.Context, tx *sqldb.Tx) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM site_meta) + (SELECT COUNT(*) FROM tenants) + (SELECT COUNT(*) FROM packs) + (SELECT COUNT(*) FROM chunks)
		+ (SELECT COUNT(*) FROM volumes) + (SELECT COUNT(*) FROM gate)`).Scan(&n)
	return n == 0, err
}

// InsertFound implements rebuild.Store. Its writer is nobody: no lease keeps it open.
func (*Store) InsertFound(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID, size, at int64) error {
	if _, err := tx.Exec(ctx, `INSERT INTO packs (id, tenant, lease, created_at) VALUES ($1, $2, '', $3) ON CONFLICT (id) DO NOTHING`, p, tenant, at); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO pack_ends (pack, size, at) VALUES ($1, $2, $3) ON CONFLICT (pack) DO NOTHING`, p, size, at)
	return err
}

// CountRefs implements rebuild.Store.
func (*Store) CountRefs(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[snapshots.ChunkKey]int64) error {
	keys := sorted(edges)
	_, err := insert(ctx, tx, `INSERT INTO refs (tenant, id, frame_hash, refs)`,
		`ON CONFLICT (tenant, id, frame_hash) DO UPDATE SET refs = refs.refs + excluded.refs`, 4, len(keys), func(args []any, i int) []any {
			return append(args, tenant, keys[i].ID[:], keys[i].Hash[:], edges[keys[i]])
		})
	return err
}

// InsertErased implements rebuild.Store.
func (*Store) InsertErased(ctx context.Context, tx *sqldb.Tx, c snapshots.Copy) error {
	_, err := tx.Exec(ctx, `INSERT INTO copies (snapshot, site, tenant, volume, state, held_at, tombstoned_at, erased_at)
		VALUES ($1,$2,$3,$4,'erased',$5,$6,$7) ON CONFLICT (snapshot, site) DO NOTHING`,
		c.Snapshot, c.Site, c.Tenant, c.Volume, sqldb.Micros(c.HeldAt), sqldb.Micros(c.TombstonedAt), sqldb.Micros(c.ErasedAt))
	return err
}

// Dangling implements rebuild.Store.
func (*Store) Dangling(ctx context.Context, tx *sqldb.Tx, tenant string, after snapshots.ChunkKey, limit int) ([]snapshots.ChunkKey, error) {
	rows, err := tx.Query(ctx, `SELECT r.id, r.frame_hash FROM refs r WHERE r.tenant = $1 AND r.refs > 0 AND (r.id > $2 OR r.id = $2 AND r.frame_hash > $3) AND NOT EXISTS (
		SELECT 1 FROM chunks c WHERE c.tenant = r.tenant AND c.id = r.id AND c.frame_hash = r.frame_hash) ORDER BY r.id, r.frame_hash LIMIT $4`,
		tenant, after.ID[:], after.Hash[:], limit)
	return collect(rows, err, scanKey)
}

// Roots implements rebuild.Store.
func (*Store) Roots(ctx context.Context, tx *sqldb.Tx, tenant string) ([]snapshots.Location, error) {
	rows, err := tx.Query(ctx, chunkColumns+`WHERE c.tenant = $1 AND c.kind = $2`, tenant, int64(chunk.KindRoot))
	return collect(rows, err, func(r *sql.Rows) (snapshots.Location, error) { return scanLocation(r) })
}

// MarkRebuilt implements rebuild.Store.
func (*Store) MarkRebuilt(ctx context.Context, tx *sqldb.Tx, epoch, at int64, report string) error {
	_, err := tx.Exec(ctx, `INSERT INTO rebuilt (id, at, epoch, report, adopted_at) VALUES (1, $1, $2, $3, 0)`, at, epoch, report)
	return err
}
