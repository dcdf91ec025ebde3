package rebuild

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/key"
	"holdfast/snapshots/pack"
)

// tenant restores one tenant: its row, its keys, its volumes and snapshots.
func (r *rebuild) tenant(ctx context.Context, f *found) error {
	if f.first.IsZero() {
		f.first = r.c.Now()
	}
	if err := r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return r.c.Store.InsertTenant(ctx, tx, snapshots.TenantState{Tenant: f.tenant.Tenant, QuotaBytes: r.c.Quota, StoredBytes: f.bytes, CreatedAt: f.first})
	}); err != nil {
		return err
	}
	if err := r.sets(ctx, f); err != nil {
		return err
	}
	if f.tenant.Locked {
		return nil
	}
	volumes, err := r.journals(ctx, f)
	if err != nil {
		return err
	}
	seals, err := r.sealed(ctx, f)
	if err != nil {
		return err
	}
	for _, s := range seals { // volumes of which no journal is left
		if volumes[s.record.Volume] == nil {
			volumes[s.record.Volume] = nil
		}
	}
	order := slices.SortedFunc(maps.Keys(volumes), snapshots.VolumeID.Compare)
	for i, v := range order {
		r.c.Progress(Progress{Phase: "journals", Done: int64(i), Total: int64(len(order))})
		x := &replay{r: r, f: f, id: v, frames: volumes[v]}
		for _, s := range seals {
			if s.record.Volume == v {
				x.seals = append(x.seals, s)
			}
		}
		if err := x.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sets stores the key sets: of each the oldest wraps as its own, the others behind them. Where the newest do not cover
// whom they must, new ones are made, and stand in a pack before the database knows them.
func (r *rebuild) sets(ctx context.Context, f *found) error {
	by := map[key.Number][]wrapped{}
	for _, w := range f.wraps {
		by[w.w.Number()] = append(by[w.w.Number()], w)
	}
	for _, n := range slices.Sorted(maps.Keys(by)) {
		list := by[n]
		slices.SortFunc(list, func(a, b wrapped) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return slices.Compare(a.text, b.text)
		})
		commitment := list[0].w.Commitment()
		if t := f.sets[n]; t != nil {
			commitment = t.Commitment()
			// Wraps of something else under this number are nobody's.
			list = slices.DeleteFunc(list, func(w wrapped) bool { return w.w.Commitment() != commitment })
		}
		if err := r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
			for i, w := range list {
				at := w.at.Add(time.Duration(i) * time.Microsecond)
				var err error
				if i == 0 {
					err = r.c.Store.InsertKey(ctx, tx, snapshots.TenantKey{Tenant: f.tenant.Tenant, Number: n, Wraps: w.text, Commitment: commitment, CreatedAt: at})
				} else {
					err = r.c.Store.InsertWraps(ctx, tx, f.tenant.Tenant, n, w.text, sqldb.Micros(at))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		f.tenant.Keys++
		if t := f.sets[n]; t != nil && len(list) > 0 {
			if err := r.rewrap(ctx, f, t, list[len(list)-1].w); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rebuild) rewrap(ctx context.Context, f *found, t *key.Tenant, newest *key.Wraps) error {
	if len(r.c.Recipients) == 0 || newest.Covers(r.c.Recipients...) == nil {
		return nil
	}
	w, err := key.Wrap(t, r.c.Recipients...)
	if err != nil {
		return err
	}
	at := r.c.Now()
	p := fresh(snapshots.PackID{}, at)
	out, err := r.c.Blobs.Create(ctx, snapshots.PackBlob(f.tenant.Tenant, p))
	if err != nil {
		return err
	}
	pw, err := pack.NewWriter(out, pack.Header{Tenant: f.tenant.Tenant, Pack: p.String()})
	if err == nil {
		_, err = pw.Append(pack.Record{Type: pack.TypeWraps, Payload: w.Render()})
	}
	if err == nil {
		err = pw.Finish()
	}
	if err != nil {
		return errors.Join(err, out.Close())
	}
	f.tenant.Rewrapped++
	return r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := r.c.Store.InsertFound(ctx, tx, f.tenant.Tenant, p, pw.Size(), sqldb.Micros(at)); err != nil {
			return err
		}
		return r.c.Store.InsertWraps(ctx, tx, f.tenant.Tenant, t.Number(), w.Render(), sqldb.Micros(at))
	})
}

// fresh makes a new id of the same kind.
func fresh[K id.Kind](_ id.ID[K], at time.Time) id.ID[K] { return id.New[K](at) }
