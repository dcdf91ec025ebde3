package index

import (
	"context"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// TakePartial takes away what a push had sent of a file. Its edges are the caller's to take.
func TakePartial(ctx context.Context, tx *sqldb.Tx, p snapshots.Partial) error {
	n, err := tx.Exec(ctx, `DELETE FROM partials WHERE volume = $1 AND push = $2 AND segment = $3`, p.Volume, p.Push, p.Segment)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: partial", ErrMissing)
	}
	return err
}
