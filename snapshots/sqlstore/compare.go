package sqlstore

import (
	"context"
	"database/sql"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// PathOn implements snapshots.CompareStore.
func (*Store) PathOn(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, after string, n int) (string, error) {
	var path []byte
	err := tx.QueryRow(ctx, `SELECT path FROM versions WHERE volume = $1 AND path > $2 ORDER BY path, born LIMIT 1 OFFSET $3`, v, []byte(after), n).Scan(&path)
	return string(path), notFound(err)
}

// Dead implements snapshots.CompareStore.
func (*Store) Dead(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, seq int64, path string, limit int) (out []snapshots.Version, back []bool, err error) {
	where, args := `v.died <= $2`, []any{v, seq, limit}
	if path != "" {
		where, args = `(v.died < $2 OR v.died = $2 AND v.path < $4)`, append(args, []byte(path))
	}
	rows, err := tx.Query(ctx, `SELECT v.path, v.born, v.died, v.type, v.size,
		EXISTS (SELECT 1 FROM versions l WHERE l.volume = v.volume AND l.path = v.path AND l.born >= v.died)
		FROM versions v WHERE v.volume = $1 AND v.died < 9223372036854775807 AND v.died <= $2 AND `+where+`
		ORDER BY v.died DESC, v.path DESC LIMIT $3`, args...)
	out, err = collect(rows, err, func(r *sql.Rows) (x snapshots.Version, err error) {
		var path []byte
		var kind int64
		var later bool
		err = r.Scan(&path, &x.Born, &x.Died, &kind, &x.Size, &later)
		x.Volume, x.Path, x.Type = v, string(path), snapshots.Type(kind)
		back = append(back, later)
		return x, err
	})
	return out, back, err
}

// Buckets implements snapshots.CompareStore.
func (*Store) Buckets(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, from, width int64, n int) ([]snapshots.Bucket, error) {
	rows, err := tx.Query(ctx, `SELECT b.bucket, b.site, COUNT(*), CAST(SUM(b.whole) AS BIGINT), CAST(SUM(b.proven) AS BIGINT), CAST(SUM(b.erased) AS BIGINT), MAX(b.id) FROM (
		SELECT (s.taken_at - $2) / $3 AS bucket, s.id AS id, COALESCE(c.site, '') AS site, CASE WHEN c.state = 'held' THEN 1 ELSE 0 END AS whole,
			CASE WHEN c.state = 'erased' THEN 1 ELSE 0 END AS erased,
			CASE WHEN c.state = 'held' AND EXISTS (SELECT 1 FROM proofs p WHERE p.snapshot = c.snapshot AND p.site = c.site AND p.ok) THEN 1 ELSE 0 END AS proven
		FROM snapshots s LEFT JOIN copies c ON c.snapshot = s.id WHERE s.volume = $1 AND s.taken_at >= $2 AND s.taken_at < $4) b
		GROUP BY b.bucket, b.site ORDER BY b.site, b.bucket`, v, from, width, from+width*int64(n))
	return collect(rows, err, func(r *sql.Rows) (b snapshots.Bucket, err error) {
		err = r.Scan(&b.Number, &b.Site, &b.Count, &b.Whole, &b.Proven, &b.Erased, &b.Newest)
		return b, err
	})
}

// Sizes implements snapshots.CompareStore.
func (*Store) Sizes(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, limit int) ([]snapshots.Size, error) {
	rows, err := tx.Query(ctx, `SELECT s.taken_at, l.bytes FROM snapshots s JOIN seals l ON l.snapshot = s.id WHERE s.volume = $1
		AND (NOT EXISTS (SELECT 1 FROM copies c WHERE c.snapshot = s.id) OR EXISTS (SELECT 1 FROM copies c WHERE c.snapshot = s.id AND c.state <> 'erased'))
		ORDER BY s.taken_at DESC, s.id DESC LIMIT $2`, v, limit)
	return collect(rows, err, func(r *sql.Rows) (x snapshots.Size, err error) {
		var at int64
		err = r.Scan(&at, &x.Bytes)
		x.At = sqldb.FromMicros(at)
		return x, err
	})
}
