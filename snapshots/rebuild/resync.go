package rebuild

import (
	"context"
	"errors"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// due reports whether a sealed snapshot of a moment up to seq was not passed yet and is needed to fill a hole.
func (x *replay) due(seq int64) bool {
	return x.hole && x.next < len(x.seals) && x.seals[x.next].seq() <= seq
}

// rest passes what is left when the journal has ended. A snapshot of a later moment shows that its end is lost.
func (x *replay) rest(ctx context.Context) error {
	if n := len(x.seals); n > 0 && x.seals[n-1].seq() > x.v.Head && !x.hole {
		if err := x.upTo(ctx, x.v.Head); err != nil {
			return err
		}
		x.gap(x.v.JournalNumber, x.v.JournalNumber+1)
	}
	return x.upTo(ctx, snapshots.Live)
}

// upTo passes the sealed snapshots of moments up to seq. After a hole in the journal each one with a whole tree says what
// was at its moment, until the journal goes on right behind one.
func (x *replay) upTo(ctx context.Context, seq int64) error {
	for ; x.next < len(x.seals) && x.seals[x.next].seq() <= seq; x.next++ {
		s := x.seals[x.next]
		if !x.hole || s.root == nil || s.erased != nil {
			continue
		}
		if err := x.resync(ctx, s); err != nil {
			if ctx.Err() != nil || !errors.Is(err, snapshots.ErrCorrupt) {
				return err
			}
			continue // its own tree is damaged: it is named by the check
		}
		x.certain = s.seq()
	}
	return nil
}

// resync makes the volume at a snapshot's moment what the snapshot's tree shows.
func (x *replay) resync(ctx context.Context, s seal) error {
	root := *s.root
	if x.v.Name == "" {
		x.v.Name, x.v.Kind, x.v.Profile, x.v.CreatedAt = root.VolumeName, root.Kind, root.Profile, x.id.Time()
	}
	if root.Seq > x.v.Head {
		if err := x.r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
			return x.r.c.Store.InsertCommits(ctx, tx, x.id, []snapshots.Commit{{Seq: root.Seq, At: sqldb.Micros(root.TakenAt)}})
		}); err != nil {
			return err
		}
		x.v.Head, x.v.HeadAt = root.Seq, root.TakenAt
	}
	var gone []string
	var come []snapshots.Entry
	flush := func(atLeast int) error {
		if len(gone)+len(come) < atLeast || len(gone)+len(come) == 0 {
			return nil
		}
		before, t := x.v, *x.f.tenant
		err := x.r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
			x.v, *x.f.tenant = before, t
			edges := map[snapshots.ChunkKey]int64{}
			if err := x.change(ctx, tx, root.Seq, gone, come, edges); err != nil {
				return err
			}
			return x.r.c.Store.CountRefs(ctx, tx, x.v.Tenant, edges)
		})
		gone, come = nil, nil
		return err
	}
	err := x.compare(ctx, s, func(have, want *snapshots.Entry) error {
		if have != nil {
			gone = append(gone, have.Path)
		}
		if want != nil {
			come = append(come, *want)
		}
		return flush(batchRows)
	})
	return errors.Join(err, flush(0))
}

// compare visits the paths of which the rows at a snapshot's moment say something else than its tree. Either may be nil.
func (x *replay) compare(ctx context.Context, s seal, differ func(have, want *snapshots.Entry) error) error {
	t, err := snapshots.OpenTree(ctx, &source{x.r, x.f}, s.record.Seal.Root)
	if err != nil {
		return err
	}
	rows := &cursor{x: x, seq: t.Root.Seq}
	err = t.Walk(ctx, func(want snapshots.Entry) error {
		for {
			have, err := rows.peek(ctx)
			if err != nil {
				return err
			}
			if have == nil || have.Path > want.Path {
				return differ(nil, &want)
			}
			rows.pass()
			if have.Path == want.Path {
				if equal(have.Entry, want) {
					return nil
				}
				return differ(&have.Entry, &want)
			}
			if err := differ(&have.Entry, nil); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return err
	}
	for {
		have, err := rows.peek(ctx)
		if err != nil || have == nil {
			return err
		}
		rows.pass()
		if err := differ(&have.Entry, nil); err != nil {
			return err
		}
	}
}

func equal(a, b snapshots.Entry) bool {
	return a.Type == b.Type && a.Size == b.Size && a.ETag == b.ETag && string(a.Meta.Render()) == string(b.Meta.Render())
}

// cursor reads the rows of a moment in the order of their paths.
type cursor struct {
	x     *replay
	seq   int64
	rows  []snapshots.Version
	after string
	end   bool
}

func (c *cursor) peek(ctx context.Context) (*snapshots.Version, error) {
	if len(c.rows) == 0 && !c.end {
		if err := c.x.r.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			c.rows, err = c.x.r.c.Store.VersionsAt(ctx, tx, snapshots.Select{Volume: c.x.id, Seq: c.seq, After: c.after, Limit: pageRows})
			return err
		}); err != nil {
			return nil, err
		}
		c.end = len(c.rows) < pageRows
	}
	if len(c.rows) == 0 {
		return nil, nil
	}
	return &c.rows[0], nil
}

func (c *cursor) pass() { c.after, c.rows = c.rows[0].Path, c.rows[1:] }
