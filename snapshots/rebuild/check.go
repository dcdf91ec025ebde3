package rebuild

import (
	"context"
	"errors"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/scrub"
)

// check compares every sealed snapshot with what the journal says of its moment, and names what needs frames that are
// nowhere: they are quarantined, and copies that need them are flagged.
func (r *rebuild) check(ctx context.Context, names []string) error {
	s, err := scrub.New(scrub.Config{DB: r.c.DB, Store: r.c.Store, Blobs: r.c.Blobs, Site: r.c.Site, Now: r.c.Now, Log: r.c.Log,
		Undo: func() time.Duration { return r.c.Undo }})
	if err != nil {
		return err
	}
	for i, name := range names {
		r.c.Progress(Progress{Phase: "check", Done: int64(i), Total: int64(len(names))})
		f := r.tenants[name]
		if f.tenant.Locked {
			continue
		}
		if err := r.missing(ctx, s, f); err != nil {
			return err
		}
		if err := r.trees(ctx, f); err != nil {
			return err
		}
		f.tenant.Unsealed = max(0, f.tenant.Snapshots-f.tenant.Sealed)
	}
	return nil
}

// missing finds frames that are named and nowhere, and that something still needs.
func (r *rebuild) missing(ctx context.Context, s *scrub.Scrubber, f *found) error {
	var all []snapshots.ChunkKey
	var after snapshots.ChunkKey
	for {
		var page []snapshots.ChunkKey
		if err := r.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			page, err = r.c.Store.Dangling(ctx, tx, f.tenant.Tenant, after, batchRows)
			return err
		}); err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		all, after = append(all, page...), page[len(page)-1]
	}
	needed, err := s.Needed(ctx, f.tenant.Tenant, all)
	if err != nil || len(needed) == 0 {
		return err
	}
	f.tenant.Missing = int64(len(needed))
	var rot []scrub.Rot
	for _, k := range needed {
		rot = append(rot, scrub.Rot{Frame: k, Reason: "in no pack"})
	}
	if err := r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return r.c.Store.Quarantine(ctx, tx, f.tenant.Tenant, rot, sqldb.Micros(r.c.Now()))
	}); err != nil {
		return err
	}
	if err := s.Assess(ctx); err != nil {
		return err
	}
	return r.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		hit, err := r.c.Store.AffectedNow(ctx, tx, f.tenant.Tenant, maxNamed)
		f.tenant.Affected = nil
		for _, a := range hit {
			p := Path{Volume: a.Volume.String(), Path: a.Path}
			if !a.Snapshot.IsZero() {
				p.Snapshot = a.Snapshot.String()
			}
			f.tenant.Affected = append(f.tenant.Affected, p)
		}
		return err
	})
}

var errDiffers = errors.New("differs")

// trees compares sealed trees with rows. A tree that cannot be read was named already.
func (r *rebuild) trees(ctx context.Context, f *found) error {
	seals, err := r.sealed(ctx, f)
	if err != nil {
		return err
	}
	for _, s := range seals {
		if s.erased != nil || s.root == nil {
			continue
		}
		x := &replay{r: r, f: f, id: s.record.Volume}
		err := x.compare(ctx, s, func(_, _ *snapshots.Entry) error { return errDiffers })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errDiffers) && len(f.tenant.Differs) < maxNamed {
			f.tenant.Differs = append(f.tenant.Differs, s.record.Snapshot.String())
			if err := r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
				return r.c.Store.InsertSuspect(ctx, tx, s.record.Snapshot, r.c.Site, sqldb.Micros(r.c.Now()), false, "rebuild: the journal says something else")
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
