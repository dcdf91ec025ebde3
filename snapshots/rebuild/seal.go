package rebuild

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
)

// seal is a sealed snapshot, with its root if that can be read. erased says that its copy here went by decision.
type seal struct {
	record snapshots.SealRecord
	root   *snapshots.Root
	erased *snapshots.ErasedRecord
}

func (s seal) seq() int64 {
	if s.root == nil {
		return 0
	}
	return s.root.Seq
}

// sealed finds the sealed snapshots: by their records, and where those are lost by their roots alone. Of several seals of
// one snapshot, which race before one is taken, the earliest counts. They are in the order of their sequence numbers.
func (r *rebuild) sealed(ctx context.Context, f *found) ([]seal, error) {
	by := map[snapshots.SnapshotID]seal{}
	for _, s := range f.seals {
		if s.Site != r.c.Site {
			continue
		}
		if old, ok := by[s.Snapshot]; !ok || earlier(s, old.record) {
			by[s.Snapshot] = seal{record: s}
		}
	}
	for id, x := range f.erased {
		by[id] = seal{record: x.Seal, erased: &x}
	}
	var roots []snapshots.Location
	if err := r.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		roots, err = r.c.Store.Roots(ctx, tx, f.tenant.Tenant)
		return err
	}); err != nil {
		return nil, err
	}
	src := &source{r, f}
	for _, l := range roots {
		t, err := snapshots.OpenTree(ctx, src, l.Child)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			r.damage(f, Damage{Pack: l.Pack.String(), Offset: l.Pos, What: "a root that cannot be read: " + err.Error()})
			continue
		}
		s, ok := by[t.Root.Snapshot]
		switch {
		case ok && s.erased != nil:
		case ok && s.record.Seal.Digest == l.Child.Hash:
			s.root = &t.Root
			by[t.Root.Snapshot] = s
		case !ok && t.Root.Tenant == f.tenant.Tenant:
			// Its record is lost, or the seal was not finished, and this is what it would be again.
			by[t.Root.Snapshot] = seal{root: &t.Root, record: snapshots.SealRecord{Tenant: t.Root.Tenant, Volume: t.Root.Volume,
				Snapshot: t.Root.Snapshot, Site: r.c.Site, Seal: snapshots.Seal{Digest: l.Child.Hash, Root: l.Child, Files: t.Root.Files,
					Bytes: t.Root.Bytes, KeyNo: l.Child.Key, At: l.Pack.Time()}}}
		}
	}
	var out []seal
	for _, s := range by {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b seal) int {
		return cmp.Or(cmp.Compare(a.seq(), b.seq()), a.record.Snapshot.Compare(b.record.Snapshot))
	})
	return out, nil
}

func earlier(a, b snapshots.SealRecord) bool {
	return cmp.Or(a.Seal.At.Compare(b.Seal.At), slices.Compare(a.Seal.Digest[:], b.Seal.Digest[:])) < 0
}

// seal stores one: the snapshot's row if the journal had none, its seal, its copy, and the edge to its root.
func (x *replay) seal(ctx context.Context, s seal) error {
	st, t := x.r.c.Store, x.f.tenant
	return x.r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		snap, err := st.Snapshot(ctx, tx, t.Tenant, s.record.Snapshot)
		if errors.Is(err, snapshots.ErrNotFound) {
			snap = snapshots.Snapshot{ID: s.record.Snapshot, Tenant: t.Tenant, Volume: x.id, Seq: s.seq(), At: s.record.Seal.At, TakenAt: s.record.Seal.At}
			if s.root != nil {
				snap.At, snap.TakenAt, snap.TakenBy, snap.Note = s.root.TakenAt, s.root.TakenAt, s.root.TakenBy, s.root.Note
			}
			err = st.InsertSnapshot(ctx, tx, snap)
		}
		if err != nil {
			return err
		}
		if _, err := st.InsertSeal(ctx, tx, snap, s.record.Seal); err != nil {
			return err
		}
		c := snapshots.Copy{Snapshot: snap.ID, Site: x.r.c.Site, Tenant: t.Tenant, Volume: x.id, HeldAt: s.record.Seal.At}
		if s.erased != nil {
			c.State, c.TombstonedAt, c.ErasedAt = snapshots.Erased, sqldb.FromMicros(s.erased.At), sqldb.FromMicros(s.erased.At)
			return st.InsertErased(ctx, tx, c)
		}
		if err := st.InsertCopy(ctx, tx, c); err != nil {
			return err
		}
		root := s.record.Seal.Root
		if root.Kind != chunk.KindRoot {
			return snapshots.ErrFormat
		}
		return st.CountRefs(ctx, tx, t.Tenant, map[snapshots.ChunkKey]int64{{ID: root.ID, Hash: root.Hash}: 1})
	})
}
