package snapshots

import (
	"context"

	"holdfast/internal/sqldb"
)

// LifeStore ends what a former life of this process has left.
type LifeStore interface {
	// EndLeases takes the leases of an owner away, but for one, and answers how many.
	EndLeases(ctx context.Context, tx *sqldb.Tx, owner string, but LeaseID) (int64, error)
}

// EndFormerLives takes away the leases of earlier processes that had this one's owner. Who calls has proof that none of
// them is alive: they hold up what the sweep has to take, and nobody will renew them. What they uploaded and did not
// commit was never acknowledged. It comes before anything is written: the leases of this process have the same owner.
func (e *Engine) EndFormerLives(ctx context.Context) (n int64, err error) {
	err = e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		n, err = e.c.Store.EndLeases(ctx, tx, e.c.Owner, e.lease.ID)
		return err
	})
	return n, err
}
