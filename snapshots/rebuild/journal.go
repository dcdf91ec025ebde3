package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/frame"
)

// bone is a journal record without what it says, and where it stands.
type bone struct {
	snapshots.StoredRecord
	at snapshots.Location
}

// journals opens the journal records of a tenant and answers their bones by volume.
func (r *rebuild) journals(ctx context.Context, f *found) (map[snapshots.VolumeID][]bone, error) {
	out := map[snapshots.VolumeID][]bone{}
	for i, l := range f.journal {
		r.c.Progress(Progress{Phase: "journals", Done: int64(i), Total: int64(len(f.journal))})
		rec, err := r.journal(ctx, f, l)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			r.damage(f, Damage{Pack: l.Pack.String(), Offset: l.Pos, Length: int64(l.Child.Length), What: "journal: " + err.Error()})
			continue
		}
		rec.Commits = nil
		if len(out[rec.Volume]) >= maxSkeleton {
			return nil, fmt.Errorf("%w: more than %d journal records of %s", snapshots.ErrTooLarge, maxSkeleton, rec.Volume)
		}
		out[rec.Volume] = append(out[rec.Volume], bone{snapshots.StoredRecord{Record: rec, Hash: l.Child.Hash}, l})
	}
	return out, nil
}

// journal reads one record.
func (r *rebuild) journal(ctx context.Context, f *found, l snapshots.Location) (snapshots.Record, error) {
	b, err := (&source{r, f}).fetch(ctx, l.Child)
	if err != nil {
		return snapshots.Record{}, err
	}
	plain, err := frame.Open(nil, f.ring, l.Child.ID, l.Child.Kind, b, frame.MaxPlaintext)
	if err != nil {
		return snapshots.Record{}, err
	}
	rec, err := snapshots.ParseRecord(plain)
	if err == nil && rec.Tenant != f.tenant.Tenant {
		err = errors.New("a record of another tenant")
	}
	return rec, err
}

// chains orders the bones into runs that follow each other; between two runs records are lost.
func chains(bones []bone) (runs [][]bone) {
	by := map[frame.Hash]bone{}
	left := make([]snapshots.StoredRecord, 0, len(bones))
	for _, b := range bones {
		by[b.Hash] = b
		left = append(left, b.StoredRecord)
	}
	for len(left) > 0 {
		var run []bone
		for _, rec := range snapshots.Chain(left) {
			run = append(run, by[rec.Hash])
		}
		runs = append(runs, run)
		last := run[len(run)-1].Number
		left = slices.DeleteFunc(left, func(rec snapshots.StoredRecord) bool { return rec.Number <= last })
	}
	return runs
}

// acknowledged cuts records off the end of a journal whose frames were never written: of a group that failed between the
// fsync of the journal's pack and another's. Where packs are damaged a missing frame may as well have been lost, and
// nothing is cut.
func (x *replay) acknowledged(ctx context.Context, run []bone) ([]bone, error) {
	for len(run) > 0 && !x.f.tenant.damaged {
		rec, err := x.r.journal(ctx, x.f, run[len(run)-1].at)
		if err != nil {
			return nil, err
		}
		whole := len(rec.Commits) > 0 && rec.Commits[len(rec.Commits)-1].Final
		for i := 0; whole && i < len(rec.Commits); i++ {
			if whole, err = x.there(ctx, rec.Commits[i]); err != nil {
				return nil, err
			}
		}
		if whole {
			return run, nil
		}
		run = run[:len(run)-1]
		x.f.tenant.Unfinished++
	}
	return run, nil
}

// there reports whether every frame that a commit names directly is in the index.
func (x *replay) there(ctx context.Context, c snapshots.Commit) (bool, error) {
	want := map[snapshots.ChunkKey]bool{}
	for i := range c.Mutations {
		if c.Mutations[i].Op == snapshots.OpPut {
			for _, k := range c.Mutations[i].Entry.Recipe.Children() {
				want[snapshots.ChunkKey{ID: k.ID, Hash: k.Hash}] = true
			}
		}
	}
	keys := make([]snapshots.ChunkKey, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	have := 0
	err := x.r.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		at, err := x.r.c.Store.Locate(ctx, tx, x.f.tenant.Tenant, keys)
		have = len(at)
		return err
	})
	return have == len(keys), err
}
