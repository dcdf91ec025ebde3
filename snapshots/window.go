package snapshots

import (
	"context"
	"time"

	"holdfast/internal/sqldb"
)

// OwnerStore finds out whose a snapshot is, for callers who belong to no tenant.
type OwnerStore interface {
	QuarantineStore
	SnapshotTenant(ctx context.Context, tx *sqldb.Tx, s SnapshotID) (string, error)
}

// SnapshotTenant answers whose a snapshot is. Who calls has decided that the caller may look across tenants.
func (e *Engine) SnapshotTenant(ctx context.Context, s SnapshotID) (tenant string, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		tenant, err = e.c.Store.SnapshotTenant(ctx, tx, s)
		return err
	})
	return tenant, err
}

// UndoWindow is how long the tenant's deleted and overwritten data stays restorable: the longer of the charter's window
// and the tenant's own. ErrNotFound for a tenant that has nothing yet.
func (e *Engine) UndoWindow(ctx context.Context, tenant string) (d time.Duration, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		d, err = e.undo(ctx, tx, tenant)
		return err
	})
	return d, err
}
