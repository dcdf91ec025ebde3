package index

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/stream"
)

// VolumesOf answers the volumes of snapshots, each once, in their order.
func VolumesOf(ctx context.Context, tx *sqldb.Tx, tenant string, ids []snapshots.SnapshotID) (out []snapshots.VolumeID, err error) {
	for part := range slices.Chunk(ids, batch) {
		args := []any{tenant}
		for _, s := range part {
			args = append(args, s)
		}
		rows, err := tx.Query(ctx, `SELECT DISTINCT volume FROM snapshots WHERE tenant = $1 AND id IN `+list(2, len(part)), args...)
		if err != nil {
			return nil, err
		}
		if err := each(rows, func() error {
			var v snapshots.VolumeID
			err := rows.Scan(&v)
			out = append(out, v)
			return err
		}); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b snapshots.VolumeID) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(out), nil
}

// Standing is a snapshot whose copy here is not erased, or that has none yet, and the commit that it shows.
type Standing struct {
	Snapshot snapshots.SnapshotID
	Seq      int64
}

// StandingOf answers a volume's standing snapshots in the order of their commits.
func StandingOf(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID) (out []Standing, err error) {
	rows, err := tx.Query(ctx, `SELECT s.id, s.seq FROM snapshots s WHERE s.volume = $1 AND NOT EXISTS (SELECT 1 FROM copies c
		WHERE c.snapshot = s.id AND c.site = (SELECT site FROM site_meta) AND c.state = 'erased') ORDER BY s.seq, s.id`, v)
	if err != nil {
		return nil, err
	}
	err = each(rows, func() error {
		var s Standing
		err := rows.Scan(&s.Snapshot, &s.Seq)
		out = append(out, s)
		return err
	})
	return out, err
}

// DeadCursor is a place in the order of DeadAfter.
type DeadCursor struct {
	Died int64
	Path string
}

// DeadAfter answers versions of a volume that were born by a commit and died by the horizon, in the order of their deaths and
// paths from after a place on: where they stand in it, what they are called and what they refer to. A horizon of
// snapshots.Live is that of a volume that is gone, whose live versions are dead too.
func DeadAfter(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, horizon, born int64, after DeadCursor, limit int) (out []snapshots.Version, err error) {
	const columns = `SELECT path, born, died, recipe FROM versions WHERE volume = $1 AND born <= $2 `
	look := func(condition string, args ...any) error {
		rows, err := tx.Query(ctx, columns+condition+` ORDER BY died, path LIMIT $3`, append([]any{v, born, limit - len(out)}, args...)...)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			x := snapshots.Version{Volume: v}
			var path, recipe []byte
			if err := rows.Scan(&path, &x.Born, &x.Died, &recipe); err != nil {
				return err
			}
			x.Path = string(path)
			x.Recipe, err = stream.ParseRecipe(recipe)
			out = append(out, x)
			return err
		})
	}
	const dead = `9223372036854775807`
	if after.Died < snapshots.Live {
		if err := look(`AND died < `+dead+` AND died <= $4 AND (died > $5 OR died = $5 AND path > $6)`, horizon, after.Died, []byte(after.Path)); err != nil {
			return nil, err
		}
		after.Path = ""
	}
	if horizon == snapshots.Live && len(out) < limit {
		if err := look(`AND died = `+dead+` AND path > $4`, []byte(after.Path)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// each calls f for every row, and closes.
func each(rows *sql.Rows, f func() error) error {
	for rows.Next() {
		if err := f(); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
