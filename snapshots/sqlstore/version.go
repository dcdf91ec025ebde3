package sqlstore

import (
	"context"
	"database/sql"
	"strconv"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/stream"
)

const versionColumns = `SELECT volume, path, born, died, type, meta, size, etag, recipe FROM versions `

func scanVersion(r scanner) (v snapshots.Version, err error) {
	var path, meta, etag, recipe []byte
	var kind int64
	if err := r.Scan(&v.Volume, &path, &v.Born, &v.Died, &kind, &meta, &v.Size, &etag, &recipe); err != nil {
		return v, notFound(err)
	}
	v.Path, v.Type = string(path), snapshots.Type(kind)
	if v.Meta, err = snapshots.ParseMeta(meta); err != nil {
		return v, err
	}
	if v.Recipe, err = stream.ParseRecipe(recipe); err != nil {
		return v, err
	}
	err = fixed(v.ETag[:], etag)
	return v, err
}

// InsertVersions implements snapshots.VersionStore.
func (*Store) InsertVersions(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, born int64, entries []snapshots.Entry) error {
	volume := v.String()
	_, err := insert(ctx, tx, `INSERT INTO versions (volume, path, born, died, type, meta, size, etag, recipe)`, ``, 9, len(entries), func(args []any, i int) []any {
		e := &entries[i]
		return append(args, volume, []byte(e.Path), born, int64(snapshots.Live), int64(e.Type), e.Meta.Render(), e.Size, e.ETag[:], e.Recipe.Render())
	})
	return err
}

// EndVersions implements snapshots.VersionStore.
func (*Store) EndVersions(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, seq int64, paths []string) (files, bytes int64, err error) {
	for at := 0; at < len(paths); at += batchIn {
		n := min(batchIn, len(paths)-at)
		args := []any{seq, v}
		for _, p := range paths[at : at+n] {
			args = append(args, []byte(p))
		}
		rows, err := tx.Query(ctx, `UPDATE versions SET died = $1 WHERE volume = $2 AND died = 9223372036854775807 AND path IN `+in(3, power(n))+` RETURNING size`, pad(args, n)...)
		sizes, err := collect(rows, err, func(r *sql.Rows) (s int64, err error) { err = r.Scan(&s); return s, err })
		if err != nil {
			return 0, 0, err
		}
		files += int64(len(sizes))
		for _, s := range sizes {
			bytes += s
		}
	}
	return files, bytes, nil
}

// EndPrefix implements snapshots.VersionStore.
func (*Store) EndPrefix(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, seq int64, prefix string) (files, bytes int64, err error) {
	where := `WHERE volume = $1 AND died = 9223372036854775807 AND path >= $2`
	args := []any{v, []byte(prefix)}
	if end, ok := above(prefix); ok {
		where += ` AND path < $3`
		args = append(args, end)
	}
	if err := tx.QueryRow(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM versions `+where, args...).Scan(&files, &bytes); err != nil {
		return 0, 0, err
	}
	if files == 0 {
		return 0, 0, nil
	}
	_, err = tx.Exec(ctx, `UPDATE versions SET died = $`+strconv.Itoa(len(args)+1)+` `+where, append(args, seq)...)
	return files, bytes, err
}

// VersionAt implements snapshots.VersionStore.
func (*Store) VersionAt(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, seq int64, path string) (snapshots.Version, error) {
	if seq == snapshots.Live {
		return scanVersion(tx.QueryRow(ctx, versionColumns+`WHERE volume = $1 AND path = $2 AND died = 9223372036854775807`, v, []byte(path)))
	}
	return scanVersion(tx.QueryRow(ctx, versionColumns+`WHERE volume = $1 AND path = $2 AND born <= $3 AND died > $3`, v, []byte(path), seq))
}

// LiveVersions implements snapshots.VersionStore.
func (*Store) LiveVersions(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, paths []string) ([]snapshots.Version, error) {
	var out []snapshots.Version
	for at := 0; at < len(paths); at += batchIn {
		n := min(batchIn, len(paths)-at)
		args := []any{v}
		for _, p := range paths[at : at+n] {
			args = append(args, []byte(p))
		}
		rows, err := tx.Query(ctx, versionColumns+`WHERE volume = $1 AND died = 9223372036854775807 AND path IN `+in(2, power(n)), pad(args, n)...)
		found, err := collect(rows, err, func(r *sql.Rows) (snapshots.Version, error) { return scanVersion(r) })
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// VersionsAt implements snapshots.VersionStore. At snapshots.Live it reads the partial index of live versions, so that
// dead ones cost nothing.
func (*Store) VersionsAt(ctx context.Context, tx *sqldb.Tx, s snapshots.Select) ([]snapshots.Version, error) {
	args := []any{s.Volume}
	arg := func(v any) string {
		args = append(args, v)
		return `$` + strconv.Itoa(len(args))
	}
	q := versionColumns + `WHERE volume = $1`
	switch {
	case s.After >= s.Prefix && s.From:
		q += ` AND path >= ` + arg([]byte(s.After))
	case s.After >= s.Prefix && s.After != "":
		q += ` AND path > ` + arg([]byte(s.After))
	case s.Prefix != "":
		q += ` AND path >= ` + arg([]byte(s.Prefix))
	}
	if end, ok := above(s.Prefix); ok {
		q += ` AND path < ` + arg(end)
	}
	if s.Until != "" {
		q += ` AND path <= ` + arg([]byte(s.Until))
	}
	if s.Seq == snapshots.Live {
		q += ` AND died = 9223372036854775807`
	} else {
		p := arg(s.Seq)
		q += ` AND born <= ` + p + ` AND died > ` + p
	}
	switch s.Except {
	case 0:
	case snapshots.Live:
		q += ` AND died < 9223372036854775807`
	default:
		p := arg(s.Except)
		q += ` AND NOT (born <= ` + p + ` AND died > ` + p + `)`
	}
	rows, err := tx.Query(ctx, q+` ORDER BY path LIMIT `+arg(s.Limit), args...)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Version, error) { return scanVersion(r) })
}

// History implements snapshots.VersionStore.
func (*Store) History(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, path string, limit int) ([]snapshots.Version, error) {
	rows, err := tx.Query(ctx, versionColumns+`WHERE volume = $1 AND path = $2 ORDER BY born DESC LIMIT $3`, v, []byte(path), limit)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Version, error) { return scanVersion(r) })
}

// covered is a condition: some snapshot whose copy here is not erased shows the version v.
const covered = `EXISTS (SELECT 1 FROM snapshots s WHERE s.volume = v.volume AND s.seq >= v.born AND s.seq < v.died AND NOT EXISTS (
	SELECT 1 FROM copies c WHERE c.snapshot = s.id AND c.site = (SELECT site FROM site_meta) AND c.state = 'erased'))`

// span is a volume with the last commit before its undo window; snapshots.Live where the volume itself was deleted before.
type span struct {
	volume snapshots.VolumeID
	seq    int64
}

// spans answers those of a tenant's volumes that a condition on v picks, in their order. $4 is the condition's argument.
func spans(ctx context.Context, tx *sqldb.Tx, tenant string, cutoff, undo int64, condition, arg string) ([]span, error) {
	rows, err := tx.Query(ctx, `SELECT w.id, w.deleted_at, w.cutoff, COALESCE((SELECT MAX(c.seq) FROM commits c WHERE c.volume = w.id AND c.at < w.cutoff), 0)
		FROM (SELECT u.id AS id, u.deleted_at AS deleted_at, CAST($2 AS BIGINT) - CASE WHEN u.own > $3 THEN u.own - $3 ELSE 0 END AS cutoff FROM
			(SELECT v.id AS id, v.deleted_at AS deleted_at, COALESCE((SELECT x.undo_us FROM undo_windows x WHERE x.volume = v.id ORDER BY x.number DESC LIMIT 1), 0) AS own
			FROM volumes v WHERE v.tenant = $1 AND `+condition+`) u) w ORDER BY w.id`, tenant, cutoff, undo, arg)
	return collect(rows, err, func(r *sql.Rows) (s span, err error) {
		var deleted, cutoff int64
		err = r.Scan(&s.volume, &deleted, &cutoff, &s.seq)
		if deleted < cutoff {
			s.seq = snapshots.Live
		}
		return s, err
	})
}

// Horizon implements snapshots.ReclaimStore.
func (*Store) Horizon(ctx context.Context, tx *sqldb.Tx, tenant string, v snapshots.VolumeID, cutoff, undo int64) (int64, error) {
	found, err := spans(ctx, tx, tenant, cutoff, undo, `v.id = $4`, v.String())
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].seq, nil
}

// Reclaimable implements snapshots.ReclaimStore.
func (*Store) Reclaimable(ctx context.Context, tx *sqldb.Tx, tenant string, cutoff, undo int64, after snapshots.Version, limit int) ([]snapshots.Version, error) {
	spans, err := spans(ctx, tx, tenant, cutoff, undo, `v.id >= $4`, after.Volume.String())
	if err != nil {
		return nil, err
	}
	var out []snapshots.Version
	for _, s := range spans {
		if len(out) >= limit {
			break
		}
		q := `SELECT v.volume, v.path, v.born, v.died, v.type, v.meta, v.size, v.etag, v.recipe FROM versions v WHERE v.volume = $1 AND v.died <= $2`
		if s.seq != snapshots.Live {
			q += ` AND v.died < 9223372036854775807`
		}
		args := []any{s.volume, s.seq, limit - len(out)}
		if s.volume == after.Volume {
			q += ` AND (v.path > $4 OR v.path = $4 AND v.born > $5)`
			args = append(args, []byte(after.Path), after.Born)
		}
		rows, err := tx.Query(ctx, q+` AND NOT `+covered+` ORDER BY v.path, v.born LIMIT $3`, args...)
		found, err := collect(rows, err, func(r *sql.Rows) (snapshots.Version, error) { return scanVersion(r) })
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}
