package sqlstore

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/key"
)

// InsertWraps implements snapshots.WrapStore.
func (*Store) InsertWraps(ctx context.Context, tx *sqldb.Tx, tenant string, number key.Number, wraps []byte, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO key_wraps (tenant, key_no, at, wraps) VALUES ($1, $2, $3, $4)`, tenant, int64(number), at, wraps)
	return err
}

// SnapshotTenant implements snapshots.OwnerStore.
func (*Store) SnapshotTenant(ctx context.Context, tx *sqldb.Tx, s snapshots.SnapshotID) (tenant string, err error) {
	err = tx.QueryRow(ctx, `SELECT tenant FROM snapshots WHERE id = $1`, s).Scan(&tenant)
	return tenant, notFound(err)
}
