package sweep

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/quorum/warrant"
)

// Erase implements Eraser: Drop in a transaction of its own, and Finish.
func (s *Sweeper) Erase(ctx context.Context, p warrant.Permit) (Result, error) {
	return Result{}, ErrRefused
}

// Tombstone hides the copies that a permit of stage tombstone names, within the site's transaction.
func (s *Sweeper) Tombstone(ctx context.Context, tx *sqldb.Tx, p warrant.Permit) error {
	return ErrRefused
}

// Restore brings the tombstoned copies of a request back, within the site's transaction. It only strengthens.
func (s *Sweeper) Restore(ctx context.Context, tx *sqldb.Tx, request string) error { return ErrRefused }

// Drop decides the erasure that a permit of stage erase names, within the site's transaction: from its commit on the
// copies are gone and Finish takes away what nothing else needs.
func (s *Sweeper) Drop(ctx context.Context, tx *sqldb.Tx, p warrant.Permit) error { return ErrRefused }

// Finish completes the erasures of a request that Drop decided. ErrBusy means that something is in the way for now.
func (s *Sweeper) Finish(ctx context.Context, request string) (Result, error) {
	return Result{}, ErrRefused
}

// Reclaim takes what nothing needs of one tenant, as far as the guard allows.
func (s *Sweeper) Reclaim(ctx context.Context, tenant string, g Guard) (Result, error) {
	return Result{}, ErrSuspended
}
