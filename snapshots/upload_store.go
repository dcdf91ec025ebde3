package snapshots

import (
	"context"

	"holdfast/internal/sqldb"
)

// UploadStore keeps the uploads that may go on. What they have brought is in partials, under the push of the same bits.
type UploadStore interface {
	InsertUpload(ctx context.Context, tx *sqldb.Tx, u Upload) error
	// Upload answers one of the tenant's.
	Upload(ctx context.Context, tx *sqldb.Tx, tenant string, id UploadID) (Upload, error)
	// UploadsTo lists those of an owner to a path of a volume that were used since the given time, newest first; with an
	// empty path all that are open.
	UploadsTo(ctx context.Context, tx *sqldb.Tx, v VolumeID, owner, path string, since int64, limit int) ([]Upload, error)
	// OpenUploads counts the tenant's that are open and were used since the given time: the owner's, and all.
	OpenUploads(ctx context.Context, tx *sqldb.Tx, tenant, owner string, since int64) (mine, all int, err error)
	// AdvanceUpload stores Offset, Segments, State, ETag, Seq and At of an upload that is open, has so many segments and was
	// used since the given time. ErrOffset when there is none.
	AdvanceUpload(ctx context.Context, tx *sqldb.Tx, u Upload, segments, since int64) error
	// ForgetUploads takes away the rows of the tenant's uploads that were not used since the given time. Their partials are
	// the sweep's.
	ForgetUploads(ctx context.Context, tx *sqldb.Tx, tenant string, before int64) error
	// PartialsOf lists what an upload has brought, from the given segment on.
	PartialsOf(ctx context.Context, tx *sqldb.Tx, v VolumeID, push PushID, from int64, limit int) ([]Partial, error)
}
