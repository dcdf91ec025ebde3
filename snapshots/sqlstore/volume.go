package sqlstore

import (
	"context"
	"database/sql"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

const volumeColumns = `SELECT id, tenant, name, kind, profile, head, head_at, journal_number, journal_tip, live_files, live_bytes,
	created_at, created_by, deleted_at, compression FROM volumes `

func deletedAt(v snapshots.Volume) int64 {
	if v.DeletedAt.IsZero() {
		return snapshots.Live
	}
	return sqldb.Micros(v.DeletedAt)
}

func scanVolume(r scanner) (v snapshots.Volume, err error) {
	var profile, compression string
	var headAt, created, deleted int64
	var tip []byte
	if err := r.Scan(&v.ID, &v.Tenant, &v.Name, &v.Kind, &profile, &v.Head, &headAt, &v.JournalNumber, &tip,
		&v.LiveFiles, &v.LiveBytes, &created, &v.CreatedBy, &deleted, &compression); err != nil {
		return v, notFound(err)
	}
	if v.Profile, err = chunk.ParseProfile(profile); err != nil {
		return v, err
	}
	if v.Compression, err = frame.ParseCompression(compression); err != nil {
		return v, err
	}
	v.HeadAt, v.CreatedAt = sqldb.FromMicros(headAt), sqldb.FromMicros(created)
	if deleted != snapshots.Live {
		v.DeletedAt = sqldb.FromMicros(deleted)
	}
	err = fixed(v.JournalTip[:], tip)
	return v, err
}

// InsertVolume implements snapshots.VolumeStore; a live volume of the same name is ErrExists.
func (*Store) InsertVolume(ctx context.Context, tx *sqldb.Tx, v snapshots.Volume) error {
	if v.Compression == 0 { // packs do not say
		v.Compression = frame.CompressionZstd
	}
	_, err := tx.Exec(ctx, `INSERT INTO volumes (id, tenant, name, kind, profile, head, head_at, journal_number, journal_tip,
		live_files, live_bytes, created_at, created_by, deleted_at, compression) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`,
		v.ID, v.Tenant, v.Name, string(v.Kind), v.Profile.String(), v.Head, sqldb.Micros(v.HeadAt), v.JournalNumber, v.JournalTip[:],
		v.LiveFiles, v.LiveBytes, sqldb.Micros(v.CreatedAt), v.CreatedBy, deletedAt(v), v.Compression.String())
	if err != nil && sqldb.IsUnique(err) {
		return snapshots.ErrExists
	}
	return err
}

// LockVolume implements snapshots.VolumeStore.
func (*Store) LockVolume(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID) (snapshots.Volume, error) {
	return scanVolume(tx.Lock(ctx, volumeColumns+`WHERE id = $1`, v))
}

// Volume implements snapshots.VolumeStore.
func (*Store) Volume(ctx context.Context, tx *sqldb.Tx, tenant string, v snapshots.VolumeID) (snapshots.Volume, error) {
	return scanVolume(tx.QueryRow(ctx, volumeColumns+`WHERE id = $1 AND tenant = $2`, v, tenant))
}

// VolumeByName implements snapshots.VolumeStore.
func (*Store) VolumeByName(ctx context.Context, tx *sqldb.Tx, tenant, name string) (snapshots.Volume, error) {
	return scanVolume(tx.QueryRow(ctx, volumeColumns+`WHERE tenant = $1 AND name = $2 AND deleted_at = 9223372036854775807`, tenant, name))
}

// Volumes implements snapshots.VolumeStore.
func (*Store) Volumes(ctx context.Context, tx *sqldb.Tx, tenant string, deleted bool, after snapshots.VolumeID, limit int) ([]snapshots.Volume, error) {
	q := `WHERE tenant = $1 AND id > $2 `
	if !deleted {
		q += `AND deleted_at = 9223372036854775807 `
	}
	rows, err := tx.Query(ctx, volumeColumns+q+`ORDER BY id LIMIT $3`, tenant, after.String(), limit)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Volume, error) { return scanVolume(r) })
}

// AdvanceVolume implements snapshots.VolumeStore.
func (*Store) AdvanceVolume(ctx context.Context, tx *sqldb.Tx, v snapshots.Volume) error {
	_, err := tx.Exec(ctx, `UPDATE volumes SET head = $1, head_at = $2, journal_number = $3, journal_tip = $4, live_files = $5, live_bytes = $6
		WHERE id = $7`, v.Head, sqldb.Micros(v.HeadAt), v.JournalNumber, v.JournalTip[:], v.LiveFiles, v.LiveBytes, v.ID)
	return err
}

// MarkVolume implements snapshots.VolumeStore.
func (*Store) MarkVolume(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, deletedAt int64) error {
	_, err := tx.Exec(ctx, `UPDATE volumes SET deleted_at = $1 WHERE id = $2`, deletedAt, v)
	if err != nil && sqldb.IsUnique(err) {
		return snapshots.ErrExists
	}
	return err
}

// InsertCommits implements snapshots.VolumeStore.
func (*Store) InsertCommits(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, commits []snapshots.Commit) error {
	_, err := insert(ctx, tx, `INSERT INTO commits (volume, seq, at)`, ``, 3, len(commits), func(args []any, i int) []any {
		return append(args, v, commits[i].Seq, commits[i].At)
	})
	return err
}

// SeqAt implements snapshots.VolumeStore.
func (*Store) SeqAt(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, t int64) (seq, at int64, err error) {
	err = tx.QueryRow(ctx, `SELECT seq, at FROM commits WHERE volume = $1 AND at <= $2 ORDER BY at DESC LIMIT 1`, v, t).Scan(&seq, &at)
	return seq, at, notFound(err)
}

// CommitAt implements snapshots.VolumeStore.
func (*Store) CommitAt(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, seq int64) (at int64, err error) {
	err = tx.QueryRow(ctx, `SELECT at FROM commits WHERE volume = $1 AND seq = $2`, v, seq).Scan(&at)
	return at, notFound(err)
}
