package snapshots

import (
	"context"
	"time"

	"holdfast/internal/sqldb"
)

// Still says since when, and by what, reclaiming stands still. The zero value: it goes on.
type Still struct {
	Since time.Time
	By    string // "freeze" or "hold"
}

// Stillness is what stops reclaiming of one tenant: for all that is the tenant's, or for single volumes.
type Stillness struct {
	All     Still
	Volumes map[string]Still // by the id's text
}

// Of is what stops reclaiming of one volume, the earliest if there are several.
func (s Stillness) Of(v VolumeID) Still {
	one, ok := s.Volumes[v.String()]
	if !ok || !s.All.Since.IsZero() && s.All.Since.Before(one.Since) {
		return s.All
	}
	return one
}

// Begins is the beginning of an undo window: as long ago as it is long, and while reclaiming stands still that long before
// it came to stand, less what a sweep under way then may have taken (stillSlack). What is claimed is never more than is kept.
func (s Still) Begins(now time.Time, undo time.Duration) time.Time {
	from := now.Add(-undo)
	if s.Since.IsZero() {
		return from
	}
	if held := s.Since.Add(stillSlack - undo); held.Before(from) {
		return held
	}
	return from
}

// Stillness answers what stops reclaiming of a tenant now.
func (e *Engine) Stillness(ctx context.Context, tenant string) (s Stillness, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		s, err = e.c.Still(ctx, tx, tenant)
		return err
	})
	return s, err
}

// undoBegins is when the undo window of a volume begins: what ended before may be gone.
func (e *Engine) undoBegins(ctx context.Context, tx *sqldb.Tx, v Volume) (time.Time, error) {
	undo, err := e.undoOf(ctx, tx, v)
	if err != nil {
		return time.Time{}, err
	}
	s, err := e.c.Still(ctx, tx, v.Tenant)
	return s.Of(v.ID).Begins(e.c.Now(), undo), err
}
