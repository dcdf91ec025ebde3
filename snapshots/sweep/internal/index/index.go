// Package index owns every SQL statement that takes away or changes copies, chunks, packs and their edges. Only
// snapshots/sweep can import it.
//
// It must never decide: the sweep has locked the tenant and checked before it calls. It must never open a transaction.
package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
)

// ErrMissing means that a row which must be there is not, or that a count would go below zero.
var ErrMissing = errors.New("index: contradicts itself")

// batch bounds the rows that one statement names.
const batch = 100

// Dead is a condemned frame with its place.
type Dead struct {
	Key  snapshots.ChunkKey
	Kind chunk.Kind
	Pack snapshots.PackID
	Pos  int64
	Len  int64
	At   int64
}

func fixed(dst, src []byte) error {
	if len(dst) != len(src) {
		return fmt.Errorf("%w: a column of %d bytes", ErrMissing, len(src))
	}
	copy(dst, src)
	return nil
}

func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func scanKey(r *sql.Rows) (k snapshots.ChunkKey, err error) {
	var id, hash []byte
	if err := r.Scan(&id, &hash); err != nil {
		return k, err
	}
	return k, errors.Join(fixed(k.ID[:], id), fixed(k.Hash[:], hash))
}

// anyOf writes ((id = $n AND frame_hash = $n+1) OR …) and appends the arguments.
func anyOf(keys []snapshots.ChunkKey, args []any) (string, []any) {
	var b strings.Builder
	b.WriteByte('(')
	for i, k := range keys {
		if i > 0 {
			b.WriteString(" OR ")
		}
		n := len(args)
		b.WriteString("(id = $" + strconv.Itoa(n+1) + " AND frame_hash = $" + strconv.Itoa(n+2) + ")")
		args = append(args, k.ID[:], k.Hash[:])
	}
	b.WriteByte(')')
	return b.String(), args
}

// Condemned lists condemned frames that stand in the index, from after the given key.
func Condemned(ctx context.Context, tx *sqldb.Tx, tenant string, after snapshots.ChunkKey, limit int) ([]Dead, error) {
	rows, err := tx.Query(ctx, `SELECT d.id, d.frame_hash, c.kind, c.pack, c.pos, c.length, d.at FROM condemned d
		JOIN chunks c ON c.tenant = d.tenant AND c.id = d.id AND c.frame_hash = d.frame_hash
		WHERE d.tenant = $1 AND (d.id > $2 OR d.id = $2 AND d.frame_hash > $3) ORDER BY d.id, d.frame_hash LIMIT $4`,
		tenant, after.ID[:], after.Hash[:], limit)
	return collect(rows, err, func(r *sql.Rows) (d Dead, err error) {
		var id, hash []byte
		var kind int64
		if err := r.Scan(&id, &hash, &kind, &d.Pack, &d.Pos, &d.Len, &d.At); err != nil {
			return d, err
		}
		d.Kind = chunk.Kind(kind)
		return d, errors.Join(fixed(d.Key.ID[:], id), fixed(d.Key.Hash[:], hash))
	})
}

// Orphans lists frames that no edge points at and that are not condemned, from after the given key, looking at no more
// than limit rows; last is the last row that it looked at, the zero key when there was none left.
func Orphans(ctx context.Context, tx *sqldb.Tx, tenant string, after snapshots.ChunkKey, limit int) (out []snapshots.ChunkKey, last snapshots.ChunkKey, err error) {
	rows, err := tx.Query(ctx, `SELECT c.id, c.frame_hash FROM chunks c
		WHERE c.tenant = $1 AND (c.id > $2 OR c.id = $2 AND c.frame_hash > $3) ORDER BY c.id, c.frame_hash LIMIT $4`,
		tenant, after.ID[:], after.Hash[:], limit)
	all, err := collect(rows, err, scanKey)
	if err != nil || len(all) == 0 {
		return nil, snapshots.ChunkKey{}, err
	}
	last = all[len(all)-1]
	rows, err = tx.Query(ctx, `SELECT c.id, c.frame_hash FROM chunks c
		LEFT JOIN refs r ON r.tenant = c.tenant AND r.id = c.id AND r.frame_hash = c.frame_hash
		LEFT JOIN condemned d ON d.tenant = c.tenant AND d.id = c.id AND d.frame_hash = c.frame_hash
		WHERE c.tenant = $1 AND (c.id > $2 OR c.id = $2 AND c.frame_hash > $3) AND (c.id < $4 OR c.id = $4 AND c.frame_hash <= $5)
		AND COALESCE(r.refs, 0) = 0 AND d.id IS NULL ORDER BY c.id, c.frame_hash`,
		tenant, after.ID[:], after.Hash[:], last.ID[:], last.Hash[:])
	out, err = collect(rows, err, scanKey)
	return out, last, err
}

// Unedge takes edges away and answers the frames that none points at any more. A count that would fall below zero is
// ErrMissing: then the index is wrong, and nothing is taken by it.
func Unedge(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[snapshots.ChunkKey]int64) (zero []snapshots.ChunkKey, err error) {
	by := map[int64][]snapshots.ChunkKey{}
	for k, n := range edges {
		by[n] = append(by[n], k)
	}
	for n, keys := range by {
		for at := 0; at < len(keys); at += batch {
			part := keys[at:min(at+batch, len(keys))]
			where, args := anyOf(part, []any{n, tenant})
			rows, err := tx.Query(ctx, `UPDATE refs SET refs = refs - $1 WHERE tenant = $2 AND refs >= $1 AND `+where+` RETURNING id, frame_hash, refs`, args...)
			type left struct {
				key  snapshots.ChunkKey
				refs int64
			}
			done, err := collect(rows, err, func(r *sql.Rows) (l left, err error) {
				var id, hash []byte
				if err := r.Scan(&id, &hash, &l.refs); err != nil {
					return l, err
				}
				return l, errors.Join(fixed(l.key.ID[:], id), fixed(l.key.Hash[:], hash))
			})
			if err != nil {
				return nil, err
			}
			if len(done) != len(part) {
				return nil, fmt.Errorf("%w: %d edges of %d", ErrMissing, len(done), len(part))
			}
			for _, l := range done {
				if l.refs == 0 {
					zero = append(zero, l.key)
				}
			}
		}
	}
	return zero, nil
}

// Condemn has frames without edges wait for the sweep.
func Condemn(ctx context.Context, tx *sqldb.Tx, tenant string, keys []snapshots.ChunkKey, at int64) error {
	for _, k := range keys {
		if _, err := tx.Exec(ctx, `INSERT INTO condemned (tenant, id, frame_hash, at) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, id, frame_hash) DO NOTHING`,
			tenant, k.ID[:], k.Hash[:], at); err != nil {
			return err
		}
	}
	return nil
}

// Take takes one frame out of the index if it is still condemned since the time at which the sweep saw it and no edge
// points at it. It answers false, and changes nothing, when it was resurrected.
func Take(ctx context.Context, tx *sqldb.Tx, tenant string, d Dead, forced bool) (bool, error) {
	n, err := tx.Exec(ctx, `DELETE FROM condemned WHERE tenant = $1 AND id = $2 AND frame_hash = $3 AND at = $4 AND NOT EXISTS (
		SELECT 1 FROM refs r WHERE r.tenant = condemned.tenant AND r.id = condemned.id AND r.frame_hash = condemned.frame_hash AND r.refs > 0)`,
		tenant, d.Key.ID[:], d.Key.Hash[:], d.At)
	if err != nil || n != 1 {
		return false, err
	}
	n, err = tx.Exec(ctx, `DELETE FROM chunks WHERE tenant = $1 AND id = $2 AND frame_hash = $3 AND pack = $4 AND pos = $5`,
		tenant, d.Key.ID[:], d.Key.Hash[:], d.Pack, d.Pos)
	if err != nil {
		return false, err
	}
	if n != 1 {
		return false, fmt.Errorf("%w: a frame has moved", ErrMissing)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM refs WHERE tenant = $1 AND id = $2 AND frame_hash = $3`, tenant, d.Key.ID[:], d.Key.Hash[:]); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO sweep_packs (pack, tenant, dead_bytes, forced, seen_at) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (pack) DO UPDATE SET dead_bytes = sweep_packs.dead_bytes + excluded.dead_bytes,
		forced = (sweep_packs.forced OR excluded.forced)`, d.Pack, tenant, d.Len, forced)
	return err == nil, err
}

// TakeVersion takes a version away.
func TakeVersion(ctx context.Context, tx *sqldb.Tx, v snapshots.Version) error {
	n, err := tx.Exec(ctx, `DELETE FROM versions WHERE volume = $1 AND path = $2 AND born = $3 AND died = $4`, v.Volume, []byte(v.Path), v.Born, v.Died)
	if err == nil && n != 1 {
		err = fmt.Errorf("%w: version", ErrMissing)
	}
	return err
}

// ExpireLeases takes leases of a tenant away that were silent since before the given time, and answers the earliest and
// latest taking of those that live; zero when there are none.
func ExpireLeases(ctx context.Context, tx *sqldb.Tx, tenant string, since int64) (first, last int64, err error) {
	if _, err := tx.Exec(ctx, `DELETE FROM leases WHERE tenant = $1 AND renewed_at < $2`, tenant, since); err != nil {
		return 0, 0, err
	}
	err = tx.QueryRow(ctx, `SELECT COALESCE(MIN(taken_at), 0), COALESCE(MAX(taken_at), 0) FROM leases WHERE tenant = $1`, tenant).Scan(&first, &last)
	return first, last, err
}

// Alive reports whether a lease was renewed since the given time.
func Alive(ctx context.Context, tx *sqldb.Tx, lease string, since int64) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM leases WHERE id = $1 AND renewed_at >= $2`, lease, since).Scan(&n)
	return n > 0, err
}

// Waiting counts the condemned frames and forced packs of a tenant.
func Waiting(ctx context.Context, tx *sqldb.Tx, tenant string) (frames, packs int64, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM condemned d JOIN chunks c ON c.tenant = d.tenant AND c.id = d.id AND c.frame_hash = d.frame_hash
		WHERE d.tenant = $1`, tenant).Scan(&frames)
	if err != nil {
		return 0, 0, err
	}
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM sweep_packs WHERE tenant = $1 AND forced`, tenant).Scan(&packs)
	return frames, packs, err
}

// LockTenant locks the row that writers of a tenant lock.
func LockTenant(ctx context.Context, tx *sqldb.Tx, tenant string) error {
	var t string
	return tx.Lock(ctx, `SELECT tenant FROM tenants WHERE tenant = $1`, tenant).Scan(&t)
}

// Reclaimed records what Reclaim took, and forgets what is older than the given time.
func Reclaimed(ctx context.Context, tx *sqldb.Tx, tenant string, bytes, at, since int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sweep_reclaimed WHERE at < $1`, since); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO sweep_reclaimed (at, tenant, bytes) VALUES ($1, $2, $3)`, at, tenant, bytes)
	return err
}

// ReclaimedSince sums what Reclaim took of all tenants.
func ReclaimedSince(ctx context.Context, tx *sqldb.Tx, since int64) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM sweep_reclaimed WHERE at >= $1`, since).Scan(&n)
	return n, err
}

// Erased reports whether the copy of a snapshot at a site is erased.
func Erased(ctx context.Context, tx *sqldb.Tx, snapshot, site string) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM copies WHERE snapshot = $1 AND site = $2 AND state = 'erased'`, snapshot, site).Scan(&n)
	return n > 0, err
}

// RootsOf finds the root frames of sealed snapshots by their digests; one that is not there is missing.
func RootsOf(ctx context.Context, tx *sqldb.Tx, tenant string, digests [][32]byte) (map[[32]byte]snapshots.ChunkKey, error) {
	out := make(map[[32]byte]snapshots.ChunkKey, len(digests))
	for part := range slices.Chunk(digests, batch) {
		args := []any{tenant}
		for i := range part {
			args = append(args, part[i][:])
		}
		rows, err := tx.Query(ctx, `SELECT DISTINCT digest, root FROM seals WHERE tenant = $1 AND digest IN `+list(2, len(part)), args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var digest, root []byte
			var k snapshots.ChunkKey
			if err := errors.Join(rows.Scan(&digest, &root), fixed(k.Hash[:], digest), fixed(k.ID[:], root)); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			out[k.Hash] = k
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Counted is a frame in its place, and how many edges point at it.
type Counted struct {
	Dead
	Refs int64
}

// CountedOf reads frames; one that is not in the index is missing.
func CountedOf(ctx context.Context, tx *sqldb.Tx, tenant string, keys []snapshots.ChunkKey) (map[snapshots.ChunkKey]Counted, error) {
	out := make(map[snapshots.ChunkKey]Counted, len(keys))
	for part := range slices.Chunk(keys, batch) {
		args := []any{tenant}
		for i := range part {
			args = append(args, part[i].ID[:])
		}
		// By id alone, of which there is hardly ever more than one frame; others than those asked for do no harm.
		rows, err := tx.Query(ctx, `SELECT c.id, c.frame_hash, c.kind, c.pack, c.pos, c.length, COALESCE(r.refs, 0) FROM chunks c
			LEFT JOIN refs r ON r.tenant = c.tenant AND r.id = c.id AND r.frame_hash = c.frame_hash
			WHERE c.tenant = $1 AND c.id IN `+list(2, len(part)), args...)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			var p Counted
			var id, hash []byte
			var kind int64
			if err := errors.Join(rows.Scan(&id, &hash, &kind, &p.Pack, &p.Pos, &p.Len, &p.Refs), fixed(p.Key.ID[:], id), fixed(p.Key.Hash[:], hash)); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			p.Kind = chunk.Kind(kind)
			out[p.Key] = p
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// list writes n placeholders from number first on.
func list(first, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteByte("(,"[min(i, 1)])
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	return b.String() + ")"
}
