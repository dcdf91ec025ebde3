package sqlstore

import (
	"context"
	"database/sql"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/stream"
)

// InsertPartial implements snapshots.PushStore.
func (*Store) InsertPartial(ctx context.Context, tx *sqldb.Tx, p snapshots.Partial) error {
	_, err := tx.Exec(ctx, `INSERT INTO partials (volume, push, segment, tenant, path, recipe, size, done, at) VALUES ($1,$2,$3,$4,$5,$6,$7,FALSE,$8)`,
		p.Volume, p.Push, p.Segment, p.Tenant, []byte(p.Path), p.Recipe.Render(), p.Size, p.At)
	return err
}

// FinishPartials implements snapshots.PushStore. The rows stay: only the sweep takes them and their edges away.
func (*Store) FinishPartials(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, push snapshots.PushID, before int64) error {
	_, err := tx.Exec(ctx, `UPDATE partials SET done = TRUE WHERE volume = $1 AND push = $2 AND segment < $3 AND NOT done`, v, push, before)
	return err
}

// Partials implements snapshots.PushStore.
func (*Store) Partials(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, limit int) ([]snapshots.Partial, error) {
	rows, err := tx.Query(ctx, `SELECT volume, push, segment, tenant, path, recipe, size, done, at FROM partials WHERE volume = $1 ORDER BY at DESC, segment DESC LIMIT $2`, v, limit)
	return collect(rows, err, scanPartial)
}

// OldPartials implements snapshots.PushStore. Those of an upload are as old as its last use.
func (*Store) OldPartials(ctx context.Context, tx *sqldb.Tx, tenant string, before int64, limit int) ([]snapshots.Partial, error) {
	rows, err := tx.Query(ctx, `SELECT volume, push, segment, tenant, path, recipe, size, done, at FROM partials
		WHERE tenant = $1 AND (done OR at < $2 AND NOT EXISTS (SELECT 1 FROM uploads u WHERE u.push = partials.push AND u.state = 'open' AND u.at >= $2)) ORDER BY volume, push, segment LIMIT $3`, tenant, before, limit)
	return collect(rows, err, scanPartial)
}

func scanPartial(r *sql.Rows) (p snapshots.Partial, err error) {
	var path, recipe []byte
	if err := r.Scan(&p.Volume, &p.Push, &p.Segment, &p.Tenant, &path, &recipe, &p.Size, &p.Done, &p.At); err != nil {
		return p, err
	}
	p.Path = string(path)
	p.Recipe, err = stream.ParseRecipe(recipe)
	return p, err
}

// LiveRecipes implements snapshots.PushStore.
func (*Store) LiveRecipes(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, after string, limit int) (out []stream.Recipe, last string, err error) {
	type row struct {
		path   []byte
		recipe []byte
	}
	rows, err := tx.Query(ctx, `SELECT path, recipe FROM versions WHERE volume = $1 AND died = 9223372036854775807 AND path > $2 ORDER BY path LIMIT $3`,
		v, []byte(after), limit)
	list, err := collect(rows, err, func(r *sql.Rows) (x row, err error) { err = r.Scan(&x.path, &x.recipe); return x, err })
	if err != nil {
		return nil, "", err
	}
	for _, x := range list {
		recipe, err := stream.ParseRecipe(x.recipe)
		if err != nil {
			return nil, "", err
		}
		out, last = append(out, recipe), string(x.path)
	}
	return out, last, nil
}
