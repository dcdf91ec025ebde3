package index

import (
	"context"
	"database/sql"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// Dropped is a copy that a request took, and when.
type Dropped struct {
	Snapshot snapshots.SnapshotID
	At       int64
}

// DroppedBy lists what a request took.
func DroppedBy(ctx context.Context, tx *sqldb.Tx, request string) ([]Dropped, error) {
	rows, err := tx.Query(ctx, `SELECT snapshot, at FROM sweep_copies WHERE request = $1 AND state = 'dropped' ORDER BY snapshot`, request)
	return collect(rows, err, func(r *sql.Rows) (d Dropped, err error) { err = r.Scan(&d.Snapshot, &d.At); return d, err })
}

// AddPack brings an ended pack without frames into the index.
func AddPack(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID, size, at int64) error {
	if _, err := tx.Exec(ctx, `INSERT INTO packs (id, tenant, lease, created_at) VALUES ($1, $2, '', $3)`, p, tenant, at); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO pack_ends (pack, size, at) VALUES ($1, $2, $3)`, p, size, at)
	return err
}
