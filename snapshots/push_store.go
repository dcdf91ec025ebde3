package snapshots

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/stream"
)

// Partial is what one segment of a push has brought for a file whose end has not come. Its recipe's edges are counted, so
// that nothing of it is reclaimed while the row is there; the sweep releases it, and nobody else.
type Partial struct {
	Tenant  string
	Volume  VolumeID
	Push    PushID
	Segment int64
	Path    string
	Recipe  stream.Recipe
	Size    int64
	// Done says that the file's end has come, so that its version keeps what the partial kept.
	Done bool
	At   int64 // microseconds since 1970 UTC
}

// PushStore keeps partials, and answers what a push asks about many paths and chunks at once.
type PushStore interface {
	UploadStore
	// InsertPartial inserts a row. The edges of its recipe are counted in the same transaction.
	InsertPartial(ctx context.Context, tx *sqldb.Tx, p Partial) error
	// FinishPartials marks the rows of a push with segments before the given one as done.
	FinishPartials(ctx context.Context, tx *sqldb.Tx, v VolumeID, push PushID, before int64) error
	// Partials lists those of a volume, newest first.
	Partials(ctx context.Context, tx *sqldb.Tx, v VolumeID, limit int) ([]Partial, error)
	// OldPartials lists those of a tenant that are done or older than the given time.
	OldPartials(ctx context.Context, tx *sqldb.Tx, tenant string, before int64, limit int) ([]Partial, error)
	// LiveRecipes answers the recipes of live versions in the order of their paths, from after the given path, and the
	// last path that it looked at, empty when there is none.
	LiveRecipes(ctx context.Context, tx *sqldb.Tx, v VolumeID, after string, limit int) ([]stream.Recipe, string, error)
}
