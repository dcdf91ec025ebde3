package sqlstore

import (
	"context"
	"database/sql"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

const uploadColumns = `push, tenant, volume, owner, path, size, modified, content_type, state, sent, segments, etag, seq, began, at`

// InsertUpload implements snapshots.UploadStore.
func (*Store) InsertUpload(ctx context.Context, tx *sqldb.Tx, u snapshots.Upload) error {
	_, err := tx.Exec(ctx, `INSERT INTO uploads (`+uploadColumns+`) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`,
		snapshots.PushID(u.ID), u.Tenant, u.Volume, u.Owner, []byte(u.Path), u.Size, u.Modified, u.ContentType, string(u.State), u.Offset, u.Segments, u.ETag[:], u.Seq, u.Began, u.At)
	return err
}

// Upload implements snapshots.UploadStore.
func (*Store) Upload(ctx context.Context, tx *sqldb.Tx, tenant string, id snapshots.UploadID) (snapshots.Upload, error) {
	rows, err := tx.Query(ctx, `SELECT `+uploadColumns+` FROM uploads WHERE push = $1 AND tenant = $2`, snapshots.PushID(id), tenant)
	list, err := collect(rows, err, scanUpload)
	if err == nil && len(list) == 0 {
		err = snapshots.ErrNotFound
	}
	if err != nil {
		return snapshots.Upload{}, err
	}
	return list[0], nil
}

// UploadsTo implements snapshots.UploadStore.
func (*Store) UploadsTo(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, owner, path string, since int64, limit int) ([]snapshots.Upload, error) {
	which, args := `state = 'open'`, []any{v, owner, since, limit}
	if path != "" {
		which, args = `path = $5`, append(args, []byte(path))
	}
	rows, err := tx.Query(ctx, `SELECT `+uploadColumns+` FROM uploads WHERE volume = $1 AND owner = $2 AND at >= $3 AND `+which+` ORDER BY at DESC, push DESC LIMIT $4`, args...)
	return collect(rows, err, scanUpload)
}

// OpenUploads implements snapshots.UploadStore.
func (*Store) OpenUploads(ctx context.Context, tx *sqldb.Tx, tenant, owner string, since int64) (mine, all int, err error) {
	err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(CASE WHEN owner = $2 THEN 1 ELSE 0 END), 0), COUNT(*) FROM uploads WHERE tenant = $1 AND at >= $3 AND state = 'open'`,
		tenant, owner, since).Scan(&mine, &all)
	return mine, all, err
}

// AdvanceUpload implements snapshots.UploadStore.
func (*Store) AdvanceUpload(ctx context.Context, tx *sqldb.Tx, u snapshots.Upload, segments, since int64) error {
	res, err := tx.Exec(ctx, `UPDATE uploads SET state = $1, sent = $2, segments = $3, etag = $4, seq = $5, at = $6
		WHERE push = $7 AND state = 'open' AND segments = $8 AND at >= $9`,
		string(u.State), u.Offset, u.Segments, u.ETag[:], u.Seq, u.At, snapshots.PushID(u.ID), segments, since)
	if err == nil && res != 1 {
		err = snapshots.ErrOffset
	}
	return err
}

// ForgetUploads implements snapshots.UploadStore.
func (*Store) ForgetUploads(ctx context.Context, tx *sqldb.Tx, tenant string, before int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM uploads WHERE tenant = $1 AND at < $2`, tenant, before)
	return err
}

// PartialsOf implements snapshots.UploadStore.
func (*Store) PartialsOf(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, push snapshots.PushID, from int64, limit int) ([]snapshots.Partial, error) {
	rows, err := tx.Query(ctx, `SELECT volume, push, segment, tenant, path, recipe, size, done, at FROM partials
		WHERE volume = $1 AND push = $2 AND segment >= $3 ORDER BY segment LIMIT $4`, v, push, from, limit)
	return collect(rows, err, scanPartial)
}

func scanUpload(r *sql.Rows) (u snapshots.Upload, err error) {
	var push snapshots.PushID
	var path, etag []byte
	err = r.Scan(&push, &u.Tenant, &u.Volume, &u.Owner, &path, &u.Size, &u.Modified, &u.ContentType, &u.State, &u.Offset, &u.Segments, &etag, &u.Seq, &u.Began, &u.At)
	u.ID, u.Path = snapshots.UploadID(push), string(path)
	copy(u.ETag[:], etag)
	return u, err
}
