package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/key"
)

const snapshotColumns = `SELECT s.id, s.tenant, s.volume, s.seq, s.at, s.taken_at, s.taken_by, s.note,
	l.digest, l.root, l.frame_length, l.files, l.bytes, l.key_no, l.sealed_at
	FROM snapshots s LEFT JOIN seals l ON l.snapshot = s.id `

func scanSnapshot(r scanner) (s snapshots.Snapshot, err error) {
	var at, taken int64
	var digest, root []byte
	var length, files, bytes, keyNo, sealed sql.NullInt64
	if err := r.Scan(&s.ID, &s.Tenant, &s.Volume, &s.Seq, &at, &taken, &s.TakenBy, &s.Note,
		&digest, &root, &length, &files, &bytes, &keyNo, &sealed); err != nil {
		return s, notFound(err)
	}
	s.At, s.TakenAt = sqldb.FromMicros(at), sqldb.FromMicros(taken)
	if !sealed.Valid {
		return s, nil
	}
	l := &snapshots.Seal{Files: files.Int64, Bytes: bytes.Int64, KeyNo: key.Number(keyNo.Int64), At: sqldb.FromMicros(sealed.Int64)}
	err = errors.Join(fixed(l.Digest[:], digest), fixed(l.Root.ID[:], root))
	l.Root.Kind, l.Root.Hash, l.Root.Length, l.Root.Key = chunk.KindRoot, l.Digest, uint32(length.Int64), l.KeyNo
	s.Seal = l
	return s, err
}

// InsertSnapshot implements snapshots.SnapshotStore.
func (*Store) InsertSnapshot(ctx context.Context, tx *sqldb.Tx, s snapshots.Snapshot) error {
	_, err := tx.Exec(ctx, `INSERT INTO snapshots (id, tenant, volume, seq, at, taken_at, taken_by, note) VALUES ($1,$2,$3,$4,$5,$6,$7,$8)`,
		s.ID, s.Tenant, s.Volume, s.Seq, sqldb.Micros(s.At), sqldb.Micros(s.TakenAt), s.TakenBy, s.Note)
	return err
}

// Snapshot implements snapshots.SnapshotStore.
func (*Store) Snapshot(ctx context.Context, tx *sqldb.Tx, tenant string, id snapshots.SnapshotID) (snapshots.Snapshot, error) {
	return scanSnapshot(tx.QueryRow(ctx, snapshotColumns+`WHERE s.id = $1 AND s.tenant = $2`, id, tenant))
}

// Snapshots implements snapshots.SnapshotStore. A zero volume lists all of the tenant.
func (*Store) Snapshots(ctx context.Context, tx *sqldb.Tx, tenant string, v snapshots.VolumeID, before snapshots.SnapshotID, limit int) ([]snapshots.Snapshot, error) {
	q, args := `WHERE s.tenant = $1`, []any{tenant, limit}
	if !v.IsZero() {
		args = append(args, v)
		q += ` AND s.volume = $3`
	}
	if !before.IsZero() {
		args = append(args, before)
		q += ` AND s.id < $` + map[int]string{3: "3", 4: "4"}[len(args)]
	}
	rows, err := tx.Query(ctx, snapshotColumns+q+` ORDER BY s.id DESC LIMIT $2`, args...)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Snapshot, error) { return scanSnapshot(r) })
}

// Newest implements snapshots.SnapshotStore.
func (*Store) Newest(ctx context.Context, tx *sqldb.Tx, tenant string, v snapshots.VolumeID, limit int, gone ...snapshots.CopyState) ([]snapshots.Snapshot, error) {
	args := []any{tenant, v, limit}
	var states []string
	for _, s := range gone {
		args = append(args, s)
		states = append(states, "$"+strconv.Itoa(len(args)))
	}
	rows, err := tx.Query(ctx, snapshotColumns+`WHERE s.tenant = $1 AND s.volume = $2 AND (
		EXISTS (SELECT 1 FROM copies c WHERE c.snapshot = s.id AND c.state NOT IN (`+strings.Join(states, ", ")+`)) OR
		NOT EXISTS (SELECT 1 FROM copies c WHERE c.snapshot = s.id)) ORDER BY s.id DESC LIMIT $3`, args...)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Snapshot, error) { return scanSnapshot(r) })
}

// Unsealed implements snapshots.SnapshotStore.
func (*Store) Unsealed(ctx context.Context, tx *sqldb.Tx, limit int) ([]snapshots.Snapshot, error) {
	rows, err := tx.Query(ctx, snapshotColumns+`WHERE l.snapshot IS NULL ORDER BY s.id LIMIT $1`, limit)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Snapshot, error) { return scanSnapshot(r) })
}

// CoversSeq implements snapshots.SnapshotStore.
func (*Store) CoversSeq(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, seq int64) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM snapshots s WHERE s.volume = $1 AND s.seq = $2 AND NOT EXISTS (
		SELECT 1 FROM copies c WHERE c.snapshot = s.id AND c.site = (SELECT site FROM site_meta) AND c.state = 'erased')`, v, seq).Scan(&n)
	return n > 0, err
}

// InsertPin implements snapshots.SnapshotStore; a pin that is there stays.
func (*Store) InsertPin(ctx context.Context, tx *sqldb.Tx, s snapshots.SnapshotID, name, by string, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO pins (snapshot, name, pinned_at, pinned_by) VALUES ($1,$2,$3,$4) ON CONFLICT (snapshot, name) DO NOTHING`, s, name, at, by)
	return err
}

// DeletePin implements snapshots.SnapshotStore.
func (*Store) DeletePin(ctx context.Context, tx *sqldb.Tx, s snapshots.SnapshotID, name string) error {
	n, err := tx.Exec(ctx, `DELETE FROM pins WHERE snapshot = $1 AND name = $2`, s, name)
	if err == nil && n == 0 {
		return snapshots.ErrNotFound
	}
	return err
}

// InsertSeal implements snapshots.SnapshotStore.
func (*Store) InsertSeal(ctx context.Context, tx *sqldb.Tx, s snapshots.Snapshot, l snapshots.Seal) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO seals (snapshot, tenant, volume, digest, root, frame_length, files, bytes, key_no, sealed_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10) ON CONFLICT (snapshot) DO NOTHING`,
		s.ID, s.Tenant, s.Volume, l.Digest[:], l.Root.ID[:], int64(l.Root.Length), l.Files, l.Bytes, int64(l.KeyNo), sqldb.Micros(l.At))
	return n == 1, err
}

// InsertCopy implements snapshots.SnapshotStore; it inserts a held copy, and a copy that is there stays as it is.
func (*Store) InsertCopy(ctx context.Context, tx *sqldb.Tx, c snapshots.Copy) error {
	_, err := tx.Exec(ctx, `INSERT INTO copies (snapshot, site, tenant, volume, state, held_at, tombstoned_at, erased_at)
		VALUES ($1,$2,$3,$4,'held',$5,$6,$6) ON CONFLICT (snapshot, site) DO NOTHING`,
		c.Snapshot, c.Site, c.Tenant, c.Volume, sqldb.Micros(c.HeldAt), int64(snapshots.Live))
	return err
}

const copyColumns = `SELECT c.snapshot, c.site, c.tenant, c.volume, c.state, c.held_at, c.tombstoned_at, c.erased_at,
	COALESCE((SELECT MAX(p.at) FROM proofs p WHERE p.snapshot = c.snapshot AND p.site = c.site), 0),
	COALESCE((SELECT MAX(p.at) FROM proofs p WHERE p.snapshot = c.snapshot AND p.site = c.site AND p.ok), -1),
	COALESCE((SELECT u.reason FROM suspects u WHERE u.snapshot = c.snapshot AND u.site = c.site AND NOT u.lifted
		AND u.at = (SELECT MAX(w.at) FROM suspects w WHERE w.snapshot = c.snapshot AND w.site = c.site)), '')
	FROM copies c `

func scanCopy(r scanner) (c snapshots.Copy, err error) {
	var state string
	var held, tombstoned, erased, tried, proven int64
	if err := r.Scan(&c.Snapshot, &c.Site, &c.Tenant, &c.Volume, &state, &held, &tombstoned, &erased, &tried, &proven, &c.Suspect); err != nil {
		return c, notFound(err)
	}
	c.State, c.HeldAt = snapshots.CopyState(state), sqldb.FromMicros(held)
	if tombstoned != snapshots.Live {
		c.TombstonedAt = sqldb.FromMicros(tombstoned)
	}
	if erased != snapshots.Live {
		c.ErasedAt = sqldb.FromMicros(erased)
	}
	if proven > 0 && proven == tried {
		c.ProvenAt = sqldb.FromMicros(proven)
		if c.State == snapshots.Held {
			c.State = snapshots.Proven
		}
	}
	return c, nil
}

// Copy implements snapshots.SnapshotStore.
func (*Store) Copy(ctx context.Context, tx *sqldb.Tx, s snapshots.SnapshotID, site string) (snapshots.Copy, error) {
	return scanCopy(tx.QueryRow(ctx, copyColumns+`WHERE c.snapshot = $1 AND c.site = $2`, s, site))
}

// Copies implements snapshots.SnapshotStore.
func (*Store) Copies(ctx context.Context, tx *sqldb.Tx, tenant string, s snapshots.SnapshotID) ([]snapshots.Copy, error) {
	rows, err := tx.Query(ctx, copyColumns+`WHERE c.snapshot = $1 AND c.tenant = $2 ORDER BY c.site`, s, tenant)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Copy, error) { return scanCopy(r) })
}

// InsertProof implements snapshots.SnapshotStore.
func (*Store) InsertProof(ctx context.Context, tx *sqldb.Tx, p snapshots.Proof) error {
	_, err := tx.Exec(ctx, `INSERT INTO proofs (snapshot, site, at, ok, files, bytes, detail) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
		p.Snapshot, p.Site, sqldb.Micros(p.At), p.OK, p.Files, p.Bytes, p.Detail)
	return err
}

// InsertSuspect implements snapshots.SnapshotStore.
func (*Store) InsertSuspect(ctx context.Context, tx *sqldb.Tx, s snapshots.SnapshotID, site string, at int64, lifted bool, reason string) error {
	_, err := tx.Exec(ctx, `INSERT INTO suspects (snapshot, site, at, lifted, reason) VALUES ($1,$2,$3,$4,$5)`, s, site, at, lifted, reason)
	return err
}

// Unproven implements snapshots.SnapshotStore.
func (*Store) Unproven(ctx context.Context, tx *sqldb.Tx, site string, before int64, limit int) ([]snapshots.Copy, error) {
	rows, err := tx.Query(ctx, copyColumns+`WHERE c.site = $1 AND c.state = 'held' AND NOT EXISTS (
		SELECT 1 FROM proofs p WHERE p.snapshot = c.snapshot AND p.site = c.site AND p.at >= $2) ORDER BY c.snapshot LIMIT $3`, site, before, limit)
	return collect(rows, err, func(r *sql.Rows) (snapshots.Copy, error) { return scanCopy(r) })
}
