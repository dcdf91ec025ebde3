package sqlstore

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// EndLeases implements snapshots.LifeStore.
func (*Store) EndLeases(ctx context.Context, tx *sqldb.Tx, owner string, but snapshots.LeaseID) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM leases WHERE owner = $1 AND id <> $2`, owner, but)
}
