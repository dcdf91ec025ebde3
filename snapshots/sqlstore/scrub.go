package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/scrub"
)

var _ scrub.Store = (*Store)(nil)

// FramesOf implements snapshots.QuarantineStore.
func (*Store) FramesOf(ctx context.Context, tx *sqldb.Tx, tenant string, id chunk.ID) ([]snapshots.Location, error) {
	rows, err := tx.Query(ctx, chunkColumns+`WHERE c.tenant = $1 AND c.id = $2 AND NOT EXISTS (
		SELECT 1 FROM quarantine q WHERE q.tenant = c.tenant AND q.id = c.id AND q.frame_hash = c.frame_hash) ORDER BY c.frame_hash`, tenant, id[:])
	return collect(rows, err, func(r *sql.Rows) (snapshots.Location, error) { return scanLocation(r) })
}

// Passes implements scrub.Store.
func (*Store) Passes(ctx context.Context, tx *sqldb.Tx, limit int) ([]scrub.Pass, error) {
	rows, err := tx.Query(ctx, `SELECT number, started_at, finished_at FROM scrub_passes ORDER BY number DESC LIMIT $1`, limit)
	return collect(rows, err, func(r *sql.Rows) (p scrub.Pass, err error) {
		var started, finished int64
		err = r.Scan(&p.Number, &started, &finished)
		p.StartedAt, p.FinishedAt = sqldb.FromMicros(started), sqldb.FromMicros(finished)
		return p, err
	})
}

// BeginPass implements scrub.Store.
func (*Store) BeginPass(ctx context.Context, tx *sqldb.Tx, number, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO scrub_passes (number, started_at, finished_at) VALUES ($1, $2, 0)`, number, at)
	return err
}

// EndPass implements scrub.Store.
func (*Store) EndPass(ctx context.Context, tx *sqldb.Tx, number, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE scrub_passes SET finished_at = $1 WHERE number = $2 AND finished_at = 0`, at, number)
	return err
}

// DuePacks implements scrub.Store.
func (*Store) DuePacks(ctx context.Context, tx *sqldb.Tx, pass int64, after snapshots.PackID, limit int) ([]snapshots.OpenPack, error) {
	rows, err := tx.Query(ctx, `SELECT p.id, p.tenant FROM packs p WHERE p.id > $1 AND NOT EXISTS (
		SELECT 1 FROM scrub_packs s WHERE s.pack = p.id AND s.pass >= $2) ORDER BY p.id LIMIT $3`, after.String(), pass, limit)
	return collect(rows, err, func(r *sql.Rows) (p snapshots.OpenPack, err error) { err = r.Scan(&p.Pack, &p.Tenant); return p, err })
}

// PackFrames implements scrub.Store.
func (*Store) PackFrames(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID) (frames []snapshots.Location, known, ended bool, err error) {
	var n, ends int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*), COUNT(e.pack) FROM packs p LEFT JOIN pack_ends e ON e.pack = p.id WHERE p.id = $1 AND p.tenant = $2`, p, tenant).
		Scan(&n, &ends); err != nil {
		return nil, false, false, err
	}
	rows, err := tx.Query(ctx, chunkColumns+`WHERE c.pack = $1 AND c.tenant = $2 ORDER BY c.pos`, p, tenant)
	frames, err = collect(rows, err, func(r *sql.Rows) (snapshots.Location, error) { return scanLocation(r) })
	return frames, n > 0, ends > 0, err
}

// KnownPack implements scrub.Store: in the index, or on its way into or out of it by the hands of the sweep.
func (*Store) KnownPack(ctx context.Context, tx *sqldb.Tx, p snapshots.PackID) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM packs WHERE id = $1) + (SELECT COUNT(*) FROM sweep_removals WHERE pack = $1)
		+ (SELECT COUNT(*) FROM sweep_rewrites WHERE pack = $1)`, p).Scan(&n)
	return n > 0, err
}

// RecordPack implements scrub.Store.
func (*Store) RecordPack(ctx context.Context, tx *sqldb.Tx, r scrub.PackResult) error {
	_, err := tx.Exec(ctx, `INSERT INTO scrub_packs (pack, tenant, pass, at, bytes, frames, bad, state, detail) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)
		ON CONFLICT (pack) DO UPDATE SET pass = excluded.pass, at = excluded.at, bytes = excluded.bytes, frames = excluded.frames,
		bad = excluded.bad, state = excluded.state, detail = excluded.detail`,
		r.Pack, r.Tenant, r.Pass, sqldb.Micros(r.At), r.Bytes, r.Frames, r.Bad, string(r.State), r.Detail)
	return err
}

// ForgetPacks implements scrub.Store: readings of packs that a pass has not met any more.
func (*Store) ForgetPacks(ctx context.Context, tx *sqldb.Tx, pass int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM scrub_packs WHERE pass < $1`, pass)
	return err
}

// PackResults implements scrub.Store.
func (*Store) PackResults(ctx context.Context, tx *sqldb.Tx, limit int) ([]scrub.PackResult, error) {
	rows, err := tx.Query(ctx, `SELECT pack, tenant, pass, at, bytes, frames, bad, state, detail FROM scrub_packs WHERE state IN ('damaged', 'missing', 'unknown')
		ORDER BY pack LIMIT $1`, limit)
	return collect(rows, err, func(r *sql.Rows) (p scrub.PackResult, err error) {
		var at int64
		err = r.Scan(&p.Pack, &p.Tenant, &p.Pass, &at, &p.Bytes, &p.Frames, &p.Bad, &p.State, &p.Detail)
		p.At = sqldb.FromMicros(at)
		return p, err
	})
}

// Tally implements scrub.Store.
func (*Store) Tally(ctx context.Context, tx *sqldb.Tx, pass int64) (t scrub.Tally, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT), CAST(COALESCE(SUM(frames), 0) AS BIGINT), CAST(COALESCE(SUM(bad), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN state = 'damaged' THEN 1 ELSE 0 END), 0) AS BIGINT), CAST(COALESCE(SUM(CASE WHEN state = 'missing' THEN 1 ELSE 0 END), 0) AS BIGINT),
		CAST(COALESCE(SUM(CASE WHEN state = 'unknown' THEN 1 ELSE 0 END), 0) AS BIGINT) FROM scrub_packs WHERE pass = $1`, pass).
		Scan(&t.Packs, &t.Bytes, &t.Frames, &t.Bad, &t.Damaged, &t.Missing, &t.Unknown)
	if err != nil {
		return t, err
	}
	err = tx.QueryRow(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(e.size), 0) AS BIGINT) FROM packs p LEFT JOIN pack_ends e ON e.pack = p.id`).Scan(&t.OfPacks, &t.OfBytes)
	return t, err
}

// Quarantine implements scrub.Store; a frame that is there stays as it was found.
func (*Store) Quarantine(ctx context.Context, tx *sqldb.Tx, tenant string, bad []scrub.Rot, at int64) error {
	_, err := insert(ctx, tx, `INSERT INTO quarantine (tenant, id, frame_hash, pack, found_at, reason)`, `ON CONFLICT (tenant, id, frame_hash) DO NOTHING`, 6, len(bad), func(args []any, i int) []any {
		pack := ""
		if !bad[i].Pack.IsZero() { // zero is a frame that is in no pack
			pack = bad[i].Pack.String()
		}
		return append(args, tenant, bad[i].Frame.ID[:], bad[i].Frame.Hash[:], pack, at, bad[i].Reason)
	})
	return err
}

// Release implements scrub.Store.
func (*Store) Release(ctx context.Context, tx *sqldb.Tx, tenant string, k snapshots.ChunkKey) error {
	_, err := tx.Exec(ctx, `DELETE FROM quarantine WHERE tenant = $1 AND id = $2 AND frame_hash = $3`, tenant, k.ID[:], k.Hash[:])
	return err
}

const rotColumns = `SELECT q.id, q.frame_hash, q.pack, q.found_at, q.reason, (SELECT COUNT(*) FROM chunks c WHERE c.tenant = q.tenant AND c.id = q.id AND NOT EXISTS (
	SELECT 1 FROM quarantine r WHERE r.tenant = c.tenant AND r.id = c.id AND r.frame_hash = c.frame_hash)) FROM quarantine q `

// Quarantined implements scrub.Store.
func (*Store) Quarantined(ctx context.Context, tx *sqldb.Tx, tenant string) ([]scrub.Rot, error) {
	rows, err := tx.Query(ctx, rotColumns+`WHERE q.tenant = $1`, tenant)
	return collect(rows, err, func(r *sql.Rows) (x scrub.Rot, err error) {
		var id, hash []byte
		var pack string
		var at, others int64
		if err := r.Scan(&id, &hash, &pack, &at, &x.Reason, &others); err != nil {
			return x, err
		}
		if err := x.Pack.UnmarshalText([]byte(pack)); err != nil {
			return x, err
		}
		x.FoundAt, x.Healed = sqldb.FromMicros(at), others > 0
		return x, errors.Join(fixed(x.Frame.ID[:], id), fixed(x.Frame.Hash[:], hash))
	})
}

// QuarantinedTenants implements scrub.Store: those with quarantined frames or with anything still affected.
func (*Store) QuarantinedTenants(ctx context.Context, tx *sqldb.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT tenant FROM quarantine UNION SELECT tenant FROM scrub_affected WHERE healed_at = 0 ORDER BY 1`)
	return collect(rows, err, func(r *sql.Rows) (s string, err error) { err = r.Scan(&s); return s, err })
}

// CountQuarantined implements scrub.Store.
func (*Store) CountQuarantined(ctx context.Context, tx *sqldb.Tx) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM quarantine`).Scan(&n)
	return n, err
}

// AllVersions implements scrub.Store.
func (*Store) AllVersions(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, after snapshots.Version, limit int) ([]snapshots.Version, error) {
	rows, err := tx.Query(ctx, versionColumns+`WHERE volume = $1 AND (path > $2 OR path = $2 AND born > $3) ORDER BY path, born LIMIT $4`,
		v, []byte(after.Path), after.Born, limit)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Version, error) { return scanVersion(r) })
}

// Affect implements scrub.Store; what was affected, healed and is affected again is found anew.
func (*Store) Affect(ctx context.Context, tx *sqldb.Tx, list []scrub.Affected, at int64) error {
	_, err := insert(ctx, tx, `INSERT INTO scrub_affected (volume, snapshot, path, tenant, found_at, healed_at)`,
		`ON CONFLICT (volume, snapshot, path) DO UPDATE SET found_at = CASE WHEN scrub_affected.healed_at = 0 THEN scrub_affected.found_at ELSE excluded.found_at END, healed_at = 0`,
		6, len(list), func(args []any, i int) []any {
			return append(args, list[i].Volume, snapshotText(list[i].Snapshot), []byte(list[i].Path), list[i].Tenant, at, int64(0))
		})
	return err
}

// Heal implements scrub.Store.
func (*Store) Heal(ctx context.Context, tx *sqldb.Tx, a scrub.Affected, at int64) error {
	_, err := tx.Exec(ctx, `UPDATE scrub_affected SET healed_at = $1 WHERE volume = $2 AND snapshot = $3 AND path = $4 AND healed_at = 0`,
		at, a.Volume, snapshotText(a.Snapshot), []byte(a.Path))
	return err
}

// AffectedNow implements scrub.Store. An empty tenant lists all.
func (*Store) AffectedNow(ctx context.Context, tx *sqldb.Tx, tenant string, limit int) ([]scrub.Affected, error) {
	q, args := `WHERE healed_at = 0`, []any{limit}
	if tenant != "" {
		q, args = q+` AND tenant = $2`, append(args, tenant)
	}
	rows, err := tx.Query(ctx, `SELECT volume, snapshot, path, tenant, found_at FROM scrub_affected `+q+` ORDER BY volume, snapshot, path LIMIT $1`, args...)
	return collect(rows, err, func(r *sql.Rows) (a scrub.Affected, err error) {
		var snapshot string
		var path []byte
		var at int64
		if err := r.Scan(&a.Volume, &snapshot, &path, &a.Tenant, &at); err != nil {
			return a, err
		}
		a.Path, a.FoundAt = string(path), sqldb.FromMicros(at)
		if snapshot != "" {
			a.Snapshot, err = snapshots.ParseSnapshotID(snapshot)
		}
		return a, err
	})
}

func snapshotText(s snapshots.SnapshotID) string {
	if s.IsZero() {
		return ""
	}
	return s.String()
}
