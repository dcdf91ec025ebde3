package site

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
)

// facts reads everything that Authorise asks, under the site's lock. A fact that cannot be read is an error, and then
// nothing is authorised.
func (p *Primary) facts(ctx context.Context, tx *sqldb.Tx, g gate, c *charter.Charter, w row, v warrant.Verified, stage warrant.Stage, now time.Time) (f warrant.SiteFacts, err error) {
	st := v.Statement()
	f = warrant.SiteFacts{Site: p.c.Name, Stage: stage, Cooling: w.cooling, CoolingEnded: w.CoolingEndedAt, Grace: w.grace, GraceEnded: w.GraceEndedAt,
		Suspect: g.suspended != "" || g.clock.Suspended, Intent: -1}
	over, err := stopsOver(ctx, tx, st.Tenant.ID)
	if err != nil {
		return f, err
	}
	f.Frozen, f.TenantHeld, f.Held = over.frozen, over.all, over.volumes
	if f.Stops, err = p.stopsOf(ctx, tx, c, w.Request); err != nil {
		return f, err
	}
	if f.OwnCause, err = ownCause(ctx, tx, w); err != nil {
		return f, err
	}
	if f.Spent, err = isSpent(ctx, tx, w.Request); err != nil {
		return f, err
	}
	if f.Checkpoint, err = opened(g.checkpoint, c); err != nil {
		return f, err
	}
	f.Replayed = g.replay.Checkpoint().Size
	if st.Action == statement.DeleteCopies {
		if err := p.copyFacts(ctx, tx, &f, st, w, now); err != nil {
			return f, err
		}
		if st.Selection == statement.ByRule && stage == warrant.StageTombstone {
			if f.Chosen, err = p.chosen(ctx, tx, st, c.Undo, now); err != nil {
				return f, err
			}
		}
	}
	if stage == warrant.StageTombstone {
		if err := intentFacts(ctx, tx, &f, st, w, p.c.Name); err != nil {
			return f, err
		}
	}
	f.ReleaseNonce = w.nonce
	if w.person != "" {
		proof, err := warrant.ParseProof(w.proof)
		if err != nil || proof.Passkey == nil {
			return f, errors.Join(warrant.ErrRelease, err)
		}
		f.Release = &warrant.Release{Person: w.person, Passkey: *proof.Passkey}
	}
	f.Complete = true
	return f, nil
}

func (p *Primary) copyFacts(ctx context.Context, tx *sqldb.Tx, f *warrant.SiteFacts, st statement.Statement, w row, now time.Time) error {
	targets, volumes := map[string]bool{}, map[string]bool{}
	for _, c := range st.At(p.c.Name) {
		targets[c.Snapshot], volumes[c.Volume] = true, true
		have, err := copyOf(ctx, tx, p.c.Name, st.Tenant.ID, c.Snapshot)
		if errors.Is(err, errNoCopy) {
			continue // Authorise refuses what is not here
		}
		if err != nil {
			return err
		}
		elsewhere, erased, err := others(ctx, tx, c.Snapshot)
		if err != nil {
			return err
		}
		if erased.After(f.OtherErased) {
			f.OtherErased = erased
		}
		hidden, err := hiddenBy(ctx, tx, w.Request, c.Snapshot)
		if err != nil {
			return err
		}
		if have.State == "erased" || have.State == "tombstoned" && !hidden {
			continue
		}
		f.Inventory = append(f.Inventory, warrant.Holding{Volume: have.Volume, Snapshot: have.Snapshot, Digest: have.Digest, TakenAt: have.TakenAt,
			Bytes: have.Bytes, Files: have.Files, Tombstoned: have.State == "tombstoned" && hidden, ProvenElsewhere: elsewhere})
	}
	for v := range volumes {
		points, err := pointsOf(ctx, tx, p.c.Name, st.Tenant.ID, v)
		if err != nil {
			return err
		}
		for _, x := range points {
			if !targets[x.Snapshot] {
				f.Points = append(f.Points, x)
			}
		}
	}
	var copies, bytes int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT), CAST(COALESCE(SUM(copies), 0) AS BIGINT) FROM gate_spent
		WHERE at > $1 AND request <> $2`, sqldb.Micros(now.Add(-warrant.CapWindow)), w.Request).Scan(new(int64), &bytes, &copies); err != nil {
		return err
	}
	f.Destroyed = warrant.Amount{Copies: uint64(copies), Bytes: uint64(bytes)}
	return nil
}

// intentFacts says whether the intent to hide stands in the log, and who has seen it there.
func intentFacts(ctx context.Context, tx *sqldb.Tx, f *warrant.SiteFacts, st statement.Statement, w row, site string) error {
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(leaf), -1) FROM gate_events WHERE request = $1 AND kind = $2 AND stage = $3`,
		w.Request, string(audit.KindRequestIntent), warrant.StageTombstone.String()).Scan(&f.Intent)
	if err != nil {
		return err
	}
	targets := map[string]bool{}
	for _, c := range st.At(site) {
		targets[c.Snapshot] = true
	}
	f.HoldersPast, err = holdersPast(ctx, tx, f.Checkpoint, f.Intent, targets)
	return err
}

var errNoCopy = errors.New("site: no such copy")

// hiddenBy reports whether this request has tombstoned the copy.
func hiddenBy(ctx context.Context, tx *sqldb.Tx, request, snapshot string) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM sweep_copies WHERE request = $1 AND snapshot = $2 AND state = 'tombstoned'`, request, snapshot).Scan(&n)
	return n > 0, err
}

// others says, by the log, whether another site holds a proven copy that no request is executing, and when another site
// last tombstoned or erased one.
func others(ctx context.Context, tx *sqldb.Tx, snapshot string) (proven bool, erased time.Time, err error) {
	rows, err := tx.Query(ctx, `SELECT state, at FROM gate_copies WHERE snapshot = $1 AND site NOT IN (SELECT site FROM gate_detached)`, snapshot)
	if err != nil {
		return false, erased, err
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var at int64
		if err := rows.Scan(&state, &at); err != nil {
			return false, erased, err
		}
		proven = proven || state == "proven"
		if t := sqldb.FromMicros(at); (state == "tombstoned" || state == "erased") && t.After(erased) {
			erased = t
		}
	}
	return proven, erased, rows.Err()
}

// holdersPast reports whether every other site that holds one of the targets has cosigned beyond the intent.
func holdersPast(ctx context.Context, tx *sqldb.Tx, o audit.Opened, intent int64, targets map[string]bool) (bool, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT site, snapshot FROM gate_copies WHERE state NOT IN ('tombstoned', 'erased')
		AND site NOT IN (SELECT site FROM gate_detached)`)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	past := map[string]bool{}
	if intent >= 0 && o.Size > intent {
		for _, c := range o.Cosignatures {
			past[c.Witness] = true
		}
	}
	all := true
	for rows.Next() {
		var site, snapshot string
		if err := rows.Scan(&site, &snapshot); err != nil {
			return false, err
		}
		if targets[snapshot] && !past[site+"/witness"] {
			all = false
		}
	}
	return all, rows.Err()
}

const copyColumns = `SELECT c.snapshot, c.tenant, c.volume, v.name, s.taken_at, l.digest, l.bytes, l.files, c.state,
	COALESCE((SELECT MAX(p.at) FROM proofs p WHERE p.snapshot = c.snapshot AND p.site = c.site), 0),
	COALESCE((SELECT MAX(p.at) FROM proofs p WHERE p.snapshot = c.snapshot AND p.site = c.site AND p.ok), -1),
	COALESCE((SELECT u.reason FROM suspects u WHERE u.snapshot = c.snapshot AND u.site = c.site AND NOT u.lifted
		AND u.at = (SELECT MAX(w.at) FROM suspects w WHERE w.snapshot = c.snapshot AND w.site = c.site)), '')
	FROM copies c JOIN snapshots s ON s.id = c.snapshot JOIN seals l ON l.snapshot = c.snapshot JOIN volumes v ON v.id = c.volume `

func copiesIn(ctx context.Context, tx *sqldb.Tx, where string, args ...any) (out []CopyFacts, err error) {
	rows, err := tx.Query(ctx, copyColumns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f CopyFacts
		var digest []byte
		var taken, bytes, files, tried, proven int64
		if err := rows.Scan(&f.Snapshot, &f.Tenant, &f.Volume, &f.VolumeName, &taken, &digest, &bytes, &files, &f.State, &tried, &proven, &f.Suspect); err != nil {
			return nil, err
		}
		f.TakenAt, f.Bytes, f.Files = sqldb.FromMicros(taken), uint64(bytes), uint64(files)
		if err := fixed(&f.Digest, digest); err != nil {
			return nil, err
		}
		if f.State == "held" && proven > 0 && proven == tried {
			f.State = "proven"
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

func copyOf(ctx context.Context, tx *sqldb.Tx, site, tenant, snapshot string) (CopyFacts, error) {
	list, err := copiesIn(ctx, tx, `WHERE c.site = $1 AND c.tenant = $2 AND c.snapshot = $3`, site, tenant, snapshot)
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("%w: %s", errNoCopy, snapshot)
	}
	if err != nil {
		return CopyFacts{}, err
	}
	return list[0], nil
}

// copiesOf are the copies of some snapshots by their ids; one that is not here is missing.
func copiesOf(ctx context.Context, tx *sqldb.Tx, site, tenant string, ids []string) (map[string]CopyFacts, error) {
	out := make(map[string]CopyFacts, len(ids))
	for part := range slices.Chunk(ids, copiesAtOnce) {
		args := []any{site, tenant}
		var in strings.Builder
		for i, s := range part {
			if i > 0 {
				in.WriteByte(',')
			}
			args = append(args, s)
			fmt.Fprintf(&in, "$%d", len(args))
		}
		list, err := copiesIn(ctx, tx, `WHERE c.site = $1 AND c.tenant = $2 AND c.snapshot IN (`+in.String()+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, c := range list {
			out[c.Snapshot] = c
		}
	}
	return out, nil
}

// Point is a copy that is here and not hidden, as a keep rule and whoever counts restore points look at it.
type Point struct {
	Snapshot string
	TakenAt  time.Time
	// Bytes is what a restore brings back.
	Bytes uint64
	// Proven says that its newest proof succeeded.
	Proven bool
	// Suspect is why it does not count as a restore point, or empty.
	Suspect string
}

// eachHeld visits the copies of a volume that are here and not hidden, newest first, until visit wants no more. Of each
// it says what a restore point is made of, and its size; what a volume's ten thousand copies do not need stays unread.
func eachHeld(ctx context.Context, tx *sqldb.Tx, site, tenant, volume string, visit func(Point) (more bool)) error {
	suspects, err := suspectsIn(ctx, tx, site, volume)
	if err != nil {
		return err
	}
	// CROSS JOIN: in the order of the index by time, so that nothing is sorted and whoever has enough stops reading. The
	// size of a copy whose newest proof succeeded stands in the proof, which compared it with the seal's; that of any other
	// is read from the seal and comes as -1 - size.
	rows, err := tx.Query(ctx, `SELECT s.id, s.taken_at, COALESCE(
			(SELECT CASE WHEN p.ok THEN p.bytes END FROM proofs p WHERE p.snapshot = s.id AND p.site = $1 ORDER BY p.at DESC LIMIT 1),
			(SELECT -1 - l.bytes FROM seals l WHERE l.snapshot = s.id))
		FROM snapshots s CROSS JOIN copies c
		WHERE s.volume = $3 AND c.snapshot = s.id AND c.site = $1 AND c.tenant = $2 AND c.state = 'held'
		ORDER BY s.taken_at DESC, s.id DESC`, site, tenant, volume)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var x Point
		var taken int64
		var size sql.NullInt64
		if err := rows.Scan(&x.Snapshot, &taken, &size); err != nil {
			return err
		}
		if !size.Valid {
			continue // without a seal it is no copy
		}
		x.TakenAt, x.Bytes, x.Proven = sqldb.FromMicros(taken), uint64(size.Int64), size.Int64 >= 0
		if !x.Proven {
			x.Bytes = uint64(-1 - size.Int64)
		}
		if len(suspects) > 0 {
			x.Suspect = suspects[x.Snapshot]
		}
		if !visit(x) {
			return nil
		}
	}
	return rows.Err()
}

// suspectsIn are the copies of a volume that are flagged here, with the reason. There are few, and so they come first.
func suspectsIn(ctx context.Context, tx *sqldb.Tx, site, volume string) (map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT u.snapshot, u.reason FROM suspects u CROSS JOIN snapshots s WHERE s.id = u.snapshot AND s.volume = $2 AND u.site = $1
		AND NOT u.lifted AND u.at = (SELECT MAX(w.at) FROM suspects w WHERE w.snapshot = u.snapshot AND w.site = u.site)`, site, volume)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var snapshot, reason string
		if err := rows.Scan(&snapshot, &reason); err != nil {
			return nil, err
		}
		out[snapshot] = reason
	}
	return out, rows.Err()
}

func restorePoint(volume string, x Point) warrant.RestorePoint {
	return warrant.RestorePoint{Volume: volume, Snapshot: x.Snapshot, TakenAt: x.TakenAt, Sealed: true, Proven: x.Proven, Suspect: x.Suspect != ""}
}

// pointsOf are the restore points of a volume that are here and not hidden, newest first.
func pointsOf(ctx context.Context, tx *sqldb.Tx, site, tenant, volume string) (out []warrant.RestorePoint, err error) {
	err = eachHeld(ctx, tx, site, tenant, volume, func(x Point) bool {
		out = append(out, restorePoint(volume, x))
		return true
	})
	return out, err
}
