package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/key"
)

const chunkColumns = `SELECT c.id, c.frame_hash, c.kind, c.pack, c.pos, c.length, c.plain_len, c.key_no FROM chunks c `

func scanLocation(r scanner) (l snapshots.Location, err error) {
	var id, hash []byte
	var kind, length, keyNo int64
	if err := r.Scan(&id, &hash, &kind, &l.Pack, &l.Pos, &length, &l.PlainLen, &keyNo); err != nil {
		return l, notFound(err)
	}
	l.Child.Kind, l.Child.Length, l.Child.Key = chunk.Kind(kind), uint32(length), key.Number(keyNo)
	err = errors.Join(fixed(l.Child.ID[:], id), fixed(l.Child.Hash[:], hash))
	return l, err
}

// FindChunks implements snapshots.ChunkStore.
func (*Store) FindChunks(ctx context.Context, tx *sqldb.Tx, tenant string, ids []chunk.ID) ([]snapshots.Location, error) {
	best := make(map[chunk.ID]snapshots.Location, len(ids))
	for at := 0; at < len(ids); at += batchIn {
		n := min(batchIn, len(ids)-at)
		args := []any{tenant}
		for i := range n {
			args = append(args, ids[at+i][:])
		}
		rows, err := tx.Query(ctx, chunkColumns+`WHERE c.tenant = $1 AND c.id IN `+in(2, n)+` AND NOT EXISTS (
			SELECT 1 FROM condemned d WHERE d.tenant = c.tenant AND d.id = c.id AND d.frame_hash = c.frame_hash) AND NOT EXISTS (
			SELECT 1 FROM quarantine q WHERE q.tenant = c.tenant AND q.id = c.id AND q.frame_hash = c.frame_hash)`, args...)
		found, err := collect(rows, err, func(r *sql.Rows) (snapshots.Location, error) { return scanLocation(r) })
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			// Of several frames always the same one, so that two uploads agree.
			if b, ok := best[l.Child.ID]; !ok || bytes.Compare(l.Child.Hash[:], b.Child.Hash[:]) < 0 {
				best[l.Child.ID] = l
			}
		}
	}
	return slices.Collect(maps.Values(best)), nil
}

// Locate implements snapshots.ChunkStore.
func (*Store) Locate(ctx context.Context, tx *sqldb.Tx, tenant string, keys []snapshots.ChunkKey) ([]snapshots.Location, error) {
	want := make(map[snapshots.ChunkKey]bool, len(keys))
	for _, k := range keys {
		want[k] = true
	}
	var out []snapshots.Location
	for at := 0; at < len(keys); at += batchIn {
		n := min(batchIn, len(keys)-at)
		args := []any{tenant}
		for _, k := range keys[at : at+n] {
			args = append(args, k.ID[:])
		}
		rows, err := tx.Query(ctx, chunkColumns+`WHERE c.tenant = $1 AND c.id IN `+in(2, power(n)), pad(args, n)...)
		found, err := collect(rows, err, func(r *sql.Rows) (snapshots.Location, error) { return scanLocation(r) })
		if err != nil {
			return nil, err
		}
		for _, l := range found {
			k := snapshots.ChunkKey{ID: l.Child.ID, Hash: l.Child.Hash}
			if want[k] {
				delete(want, k)
				out = append(out, l)
			}
		}
	}
	return out, nil
}

// InsertFrames implements snapshots.ChunkStore.
func (*Store) InsertFrames(ctx context.Context, tx *sqldb.Tx, tenant string, frames []snapshots.Frame) ([]snapshots.Frame, error) {
	frames = sortedFrames(frames)
	by := make(map[snapshots.ChunkKey]int, len(frames))
	for i, f := range frames {
		by[snapshots.ChunkKey{ID: f.Child.ID, Hash: f.Child.Hash}] = i
	}
	var out []snapshots.Frame
	for at := 0; at < len(frames); {
		n := cut(len(frames) - at)
		args := make([]any, 0, n*9)
		for i := range n {
			args = frameRow(args, tenant, frames[at+i].Pack.String(), &frames[at+i])
		}
		rows, err := tx.Query(ctx, insertFrames+` VALUES `+values(n, 9)+` ON CONFLICT (tenant, id, frame_hash) DO NOTHING RETURNING id, frame_hash`, args...)
		inserted, err := collect(rows, err, scanKey)
		if err != nil {
			return nil, err
		}
		for _, k := range inserted {
			out = append(out, frames[by[k]])
		}
		at += n
	}
	return out, nil
}

// InsertNewFrames implements snapshots.ChunkStore.
func (*Store) InsertNewFrames(ctx context.Context, tx *sqldb.Tx, tenant string, frames []snapshots.Frame) error {
	frames = sortedFrames(frames)
	packs := map[snapshots.PackID]string{}
	n, err := insert(ctx, tx, insertFrames, `ON CONFLICT (tenant, id, frame_hash) DO NOTHING`, 9, len(frames), func(args []any, i int) []any {
		f := &frames[i]
		if packs[f.Pack] == "" {
			packs[f.Pack] = f.Pack.String()
		}
		return frameRow(args, tenant, packs[f.Pack], f)
	})
	if err == nil && n != int64(len(frames)) {
		err = snapshots.ErrExists
	}
	return err
}

const insertFrames = `INSERT INTO chunks (tenant, id, frame_hash, kind, pack, pos, length, plain_len, key_no)`

// frameRow appends the arguments of a row; pack is the text of l.Pack.
func frameRow(args []any, tenant, pack string, f *snapshots.Frame) []any {
	l := &f.Location
	return append(args, tenant, l.Child.ID[:], l.Child.Hash[:], int64(l.Child.Kind), pack, l.Pos, int64(l.Child.Length), l.PlainLen, int64(l.Child.Key))
}

// sortedFrames are the frames in the order of their keys, each once.
func sortedFrames(frames []snapshots.Frame) []snapshots.Frame {
	out := slices.SortedFunc(slices.Values(frames), func(a, b snapshots.Frame) int { return compareKeys(keyOf(&a), keyOf(&b)) })
	return slices.CompactFunc(out, func(a, b snapshots.Frame) bool { return keyOf(&a) == keyOf(&b) })
}

func keyOf(f *snapshots.Frame) snapshots.ChunkKey {
	return snapshots.ChunkKey{ID: f.Child.ID, Hash: f.Child.Hash}
}

func compareKeys(a, b snapshots.ChunkKey) int {
	if c := bytes.Compare(a.ID[:], b.ID[:]); c != 0 {
		return c
	}
	return bytes.Compare(a.Hash[:], b.Hash[:])
}

func scanKey(r *sql.Rows) (k snapshots.ChunkKey, err error) {
	var id, hash []byte
	if err := r.Scan(&id, &hash); err != nil {
		return k, err
	}
	err = errors.Join(fixed(k.ID[:], id), fixed(k.Hash[:], hash))
	return k, err
}

// sorted gives the keys one order everywhere, so that two transactions never wait for each other crosswise.
func sorted[V any](m map[snapshots.ChunkKey]V) []snapshots.ChunkKey {
	return slices.SortedFunc(maps.Keys(m), compareKeys)
}

// AddRefs implements snapshots.ChunkStore.
func (*Store) AddRefs(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[snapshots.ChunkKey]int64) error {
	keys := sorted(edges)
	for at := 0; at < len(keys); at += batchIn {
		part := keys[at:min(at+batchIn, len(keys))]
		args := []any{tenant}
		for _, k := range part {
			args = append(args, k.ID[:])
		}
		args = pad(args, len(part))
		list := in(2, power(len(part)))
		rows, err := tx.Query(ctx, `SELECT id, frame_hash FROM chunks WHERE tenant = $1 AND id IN `+list, args...)
		there, err := collect(rows, err, scanKey)
		if err != nil {
			return err
		}
		have := make(map[snapshots.ChunkKey]bool, len(there))
		for _, k := range there {
			have[k] = true
		}
		for _, k := range part {
			if !have[k] {
				return snapshots.ErrChunkGone
			}
		}
		rows, err = tx.Query(ctx, `SELECT id, frame_hash FROM condemned WHERE tenant = $1 AND id IN `+list, args...)
		condemned, err := collect(rows, err, scanKey)
		if err != nil {
			return err
		}
		for _, k := range condemned {
			if _, needed := edges[k]; !needed {
				continue
			}
			if _, err := tx.Exec(ctx, `DELETE FROM condemned WHERE tenant = $1 AND id = $2 AND frame_hash = $3`, tenant, k.ID[:], k.Hash[:]); err != nil {
				return err
			}
		}
	}
	return addRefs(ctx, tx, tenant, keys, edges)
}

// AddFirstRefs implements snapshots.ChunkStore.
func (*Store) AddFirstRefs(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[snapshots.ChunkKey]int64) error {
	return addRefs(ctx, tx, tenant, sorted(edges), edges)
}

func addRefs(ctx context.Context, tx *sqldb.Tx, tenant string, keys []snapshots.ChunkKey, edges map[snapshots.ChunkKey]int64) error {
	_, err := insert(ctx, tx, `INSERT INTO refs (tenant, id, frame_hash, refs)`,
		`ON CONFLICT (tenant, id, frame_hash) DO UPDATE SET refs = refs.refs + excluded.refs`, 4, len(keys), func(args []any, i int) []any {
			return append(args, tenant, keys[i].ID[:], keys[i].Hash[:], edges[keys[i]])
		})
	return err
}

// InsertPack implements snapshots.ChunkStore; a pack that is there stays as it is.
func (*Store) InsertPack(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID, lease snapshots.LeaseID, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO packs (id, tenant, lease, created_at) VALUES ($1,$2,$3,$4) ON CONFLICT (id) DO NOTHING`, p, tenant, lease, at)
	return err
}

// InsertPackEnd implements snapshots.ChunkStore; an end that is there stays.
func (*Store) InsertPackEnd(ctx context.Context, tx *sqldb.Tx, p snapshots.PackID, size, at int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO pack_ends (pack, size, at) VALUES ($1,$2,$3) ON CONFLICT (pack) DO NOTHING`, p, size, at)
	return err
}

// OpenPacks implements snapshots.ChunkStore.
func (*Store) OpenPacks(ctx context.Context, tx *sqldb.Tx, renewedSince int64, limit int) ([]snapshots.OpenPack, error) {
	rows, err := tx.Query(ctx, `SELECT p.id, p.tenant FROM packs p WHERE NOT EXISTS (SELECT 1 FROM pack_ends e WHERE e.pack = p.id)
		AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.id = p.lease AND l.renewed_at >= $1) ORDER BY p.id LIMIT $2`, renewedSince, limit)
	return collect(rows, err, func(r *sql.Rows) (p snapshots.OpenPack, err error) { err = r.Scan(&p.Pack, &p.Tenant); return p, err })
}

// InsertJournal implements snapshots.ChunkStore.
func (*Store) InsertJournal(ctx context.Context, tx *sqldb.Tx, r snapshots.JournalRow) error {
	_, err := tx.Exec(ctx, `INSERT INTO journal (volume, number, first_seq, last_seq, tenant, id, frame_hash) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
		r.Volume, r.Number, r.FirstSeq, r.LastSeq, r.Tenant, r.Frame.ID[:], r.Frame.Hash[:])
	return err
}
