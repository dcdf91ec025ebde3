package rebuild

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// replay restores one volume: what its journal says, and where that has a hole, what the next sealed snapshot shows.
type replay struct {
	r      *rebuild
	f      *found
	id     snapshots.VolumeID
	frames []bone
	seals  []seal

	v     snapshots.Volume
	known bool // the volume came to be by its journal
	hole  bool // records were lost since the last moment that is certain
	next  int  // the first of seals that was not passed
	// certain is the moment that a sealed snapshot has shown last, after a hole.
	certain int64
}

func (x *replay) run(ctx context.Context) error {
	x.v = snapshots.Volume{ID: x.id, Tenant: x.f.tenant.Tenant}
	x.hole = true // before the first record nothing is certain, unless it is the first
	runs := chains(x.frames)
	for i, run := range runs {
		if first := run[0].Number; first != x.v.JournalNumber+1 {
			x.gap(x.v.JournalNumber, first)
		} else if i == 0 {
			x.hole = false
		}
		if i == len(runs)-1 {
			var err error
			if run, err = x.acknowledged(ctx, run); err != nil {
				return err
			}
		}
		if err := x.records(ctx, run); err != nil {
			return err
		}
	}
	if err := x.rest(ctx); err != nil {
		return err
	}
	if !x.known && len(x.seals) == 0 {
		return nil // not even its name is left; the gap was named
	}
	if x.v.Name == "" {
		x.v.Name = "lost name " + x.id.String()
	}
	if x.v.Kind == "" {
		x.v.Kind = snapshots.Files
	}
	if x.v.Profile == 0 {
		x.v.Profile = 1
	}
	if err := x.r.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return x.r.c.Store.InsertVolume(ctx, tx, x.v) }); err != nil {
		return err
	}
	x.f.tenant.Volumes++
	for _, s := range x.seals {
		if err := x.seal(ctx, s); err != nil {
			return err
		}
		x.f.tenant.Sealed++
		if s.erased != nil {
			x.f.tenant.Erased++
		}
	}
	return nil
}

func (x *replay) gap(after, before int64) {
	x.hole = true
	if len(x.f.tenant.Gaps) < maxNamed {
		x.f.tenant.Gaps = append(x.f.tenant.Gaps, Gap{x.id.String(), after, before})
	}
}

// records replays one run of the journal, commit by commit; a commit may be longer than a record.
func (x *replay) records(ctx context.Context, run []bone) error {
	var open *snapshots.Commit
	var batch []snapshots.Commit
	var rows []snapshots.JournalRow
	weight := 0
	flush := func() error {
		if len(batch) == 0 && len(rows) == 0 {
			return nil
		}
		err := x.apply(ctx, batch, rows)
		batch, rows, weight = nil, nil, 0
		return err
	}
	for _, b := range run {
		rec, err := x.r.journal(ctx, x.f, b.at)
		if err != nil {
			return err
		}
		x.v.JournalNumber, x.v.JournalTip = rec.Number, b.Hash
		row := snapshots.JournalRow{Tenant: x.v.Tenant, Volume: x.id, Number: rec.Number, Frame: snapshots.ChunkKey{ID: b.at.Child.ID, Hash: b.Hash}}
		for i, c := range rec.Commits {
			if i == 0 {
				row.FirstSeq = c.Seq
			}
			row.LastSeq = c.Seq
			if open != nil && open.Seq == c.Seq {
				open.Mutations, open.Final = append(open.Mutations, c.Mutations...), c.Final
			} else {
				open = &c
			}
			if open.Final {
				// A snapshot between two commits is passed before the second.
				if x.due(open.Seq - 1) {
					if err := flush(); err != nil {
						return err
					}
					if err := x.upTo(ctx, open.Seq-1); err != nil {
						return err
					}
				}
				if x.certain == open.Seq-1 {
					x.hole = false // the journal goes on where the snapshot ends
				}
				batch, weight = append(batch, *open), weight+1+len(open.Mutations)
				open = nil
			}
		}
		rows = append(rows, row)
		if weight >= batchRows || len(rows) >= batchRows {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// apply writes commits, as the data path wrote them.
func (x *replay) apply(ctx context.Context, commits []snapshots.Commit, rows []snapshots.JournalRow) error {
	before, t, known := x.v, *x.f.tenant, x.known
	return x.r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		x.v, *x.f.tenant, x.known = before, t, known // tried again from where it began
		edges := map[snapshots.ChunkKey]int64{}
		for i := range commits {
			if err := x.commit(ctx, tx, &commits[i], edges); err != nil {
				return err
			}
		}
		for _, row := range rows {
			edges[row.Frame]++
			if err := x.r.c.Store.InsertJournal(ctx, tx, row); err != nil {
				return err
			}
		}
		return x.r.c.Store.CountRefs(ctx, tx, x.v.Tenant, edges)
	})
}

func (x *replay) commit(ctx context.Context, tx *sqldb.Tx, c *snapshots.Commit, edges map[snapshots.ChunkKey]int64) error {
	s, at := x.r.c.Store, sqldb.FromMicros(c.At)
	if err := s.InsertCommits(ctx, tx, x.id, []snapshots.Commit{*c}); err != nil {
		return err
	}
	var paths []string
	var born []snapshots.Entry
	for i := range c.Mutations {
		m := &c.Mutations[i]
		var files, bytes int64
		var err error
		switch m.Op {
		case snapshots.OpPut:
			paths, born = append(paths, m.Entry.Path), append(born, m.Entry)
		case snapshots.OpDelete:
			paths = append(paths, m.Path)
		case snapshots.OpDeletePrefix:
			files, bytes, err = s.EndPrefix(ctx, tx, x.id, c.Seq, m.Path)
		case snapshots.OpSnapshot:
			x.f.tenant.Snapshots++
			err = s.InsertSnapshot(ctx, tx, snapshots.Snapshot{ID: m.Snapshot, Tenant: x.v.Tenant, Volume: x.id, Seq: c.Seq, At: at, TakenAt: at, TakenBy: m.By, Note: m.Note})
		case snapshots.OpCreate:
			x.known = true
			x.v.Name, x.v.Kind, x.v.Profile, x.v.CreatedBy, x.v.CreatedAt = m.Name, m.Kind, m.Profile, m.By, at
		case snapshots.OpDeleteVolume:
			x.v.DeletedAt = at
		case snapshots.OpUndelete:
			x.v.Name = m.Name
			x.v.DeletedAt = sqldb.FromMicros(0)
		}
		if err != nil {
			return err
		}
		x.v.LiveFiles -= files
		x.v.LiveBytes -= bytes
	}
	if err := x.change(ctx, tx, c.Seq, paths, born, edges); err != nil {
		return err
	}
	x.v.Head, x.v.HeadAt = c.Seq, at
	x.f.tenant.Commits++
	return nil
}

// change ends the live versions of paths and brings entries to life.
func (x *replay) change(ctx context.Context, tx *sqldb.Tx, seq int64, paths []string, born []snapshots.Entry, edges map[snapshots.ChunkKey]int64) error {
	files, bytes, err := x.r.c.Store.EndVersions(ctx, tx, x.id, seq, paths)
	if err != nil {
		return err
	}
	if err := x.r.c.Store.InsertVersions(ctx, tx, x.id, seq, born); err != nil {
		return err
	}
	x.v.LiveFiles += int64(len(born)) - files
	x.v.LiveBytes -= bytes
	for i := range born {
		x.v.LiveBytes += born[i].Size
		count(edges, born[i].Recipe.Children())
	}
	x.f.tenant.Versions += int64(len(born))
	return nil
}
