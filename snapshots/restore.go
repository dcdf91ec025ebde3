package snapshots

import (
	"context"

	"holdfast/internal/sqldb"
)

// RestoreRequest brings a moment of one volume back as live versions of the same or another volume of the tenant. No
// byte is copied: the new versions have the recipes of the old ones.
type RestoreRequest struct {
	Tenant string
	From   VolumeID
	Moment Moment
	Prefix string
	To     VolumeID
	// Exact also deletes what lies below Prefix in To and was not there at the moment.
	Exact bool
	// Missing leaves what is in To as it is, and brings back only paths that are not there.
	Missing bool
	// Cursor is Next of the call before, or empty to begin.
	Cursor string
	// Most bounds the paths that one call compares; 0 is no bound.
	Most int
}

// RestoreSummary is what a restore changed. Next is where the next call goes on, empty when nothing is left to do.
type RestoreSummary struct {
	Restored, Unchanged, Deleted int64
	Next                         string
}

// Restore walks both states in the order of their paths and commits the differences in groups; called again after a
// failure it goes on where it was. Snapshots never change by it. Errors: ErrNotFound, ErrKind, ErrReclaimed, ErrFormat for
// a cursor that is none.
func (e *Engine) Restore(ctx context.Context, r RestoreRequest) (RestoreSummary, error) {
	var sum RestoreSummary
	if err := CheckPrefix(r.Prefix); err != nil {
		return sum, &PathError{r.Prefix, err}
	}
	after, from, err := parseCursor(r.Cursor)
	if err != nil {
		return sum, err
	}
	s, err := e.session(ctx, r.Tenant)
	if err != nil {
		return sum, err
	}
	defer s.close()
	seq, err := e.restorable(ctx, r)
	if err != nil {
		return sum, err
	}
	var muts []Mutation
	commit := func(least int) error {
		if len(muts) < least {
			return nil
		}
		err := s.commit(ctx, &op{volume: r.To, muts: muts})
		muts = nil
		return err
	}
	then := e.walk(ctx, Select{Volume: r.From, Seq: seq, Prefix: r.Prefix, After: after, From: from})
	now := e.walk(ctx, Select{Volume: r.To, Seq: Live, Prefix: r.Prefix, After: after, From: from})
	for n := 0; err == nil; n++ {
		var was, is *Version
		if was, err = then.peek(); err != nil {
			break
		}
		if is, err = now.peek(); err != nil || was == nil && is == nil {
			break
		}
		if r.Most > 0 && n == r.Most {
			sum.Next = cursor('e', after)
			break
		}
		switch {
		case is == nil || was != nil && was.Path < is.Path:
			after = was.Path
			sum.Restored++
			muts = append(muts, Mutation{Op: OpPut, Entry: was.Entry})
			then.next()
		case was == nil || is.Path < was.Path:
			after = is.Path
			if r.Exact {
				sum.Deleted++
				muts = append(muts, Mutation{Op: OpDelete, Path: is.Path})
			}
			now.next()
		default:
			after = was.Path
			if r.Missing || is.Entry.same(was.Entry) {
				sum.Unchanged++
			} else {
				sum.Restored++
				muts = append(muts, Mutation{Op: OpPut, Entry: was.Entry})
			}
			then.next()
			now.next()
		}
		err = commit(restoreBatch)
	}
	if err == nil {
		err = commit(1)
	}
	return sum, err
}

// restorable finds the moment that is to be restored, and refuses a volume that cannot take it.
func (e *Engine) restorable(ctx context.Context, r RestoreRequest) (seq int64, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		to, err := e.c.Store.Volume(ctx, tx, r.Tenant, r.To)
		if err == nil && !to.DeletedAt.IsZero() {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		v, at, err := e.resolve(ctx, tx, r.Tenant, r.From, r.Moment)
		if err != nil {
			return err
		}
		if seq = at; seq == Live {
			seq = v.Head
		}
		if v.Kind != to.Kind {
			return ErrKind
		}
		return nil
	})
	return seq, err
}

// walker goes through versions in the order of their paths, a batch of rows at a time.
type walker struct {
	e    *Engine
	ctx  context.Context
	at   Select
	rows []Version
	last bool
}

func (e *Engine) walk(ctx context.Context, s Select) *walker {
	s.Limit = rowBatch
	return &walker{e: e, ctx: ctx, at: s}
}

// peek answers the version that the walk stands at, nil at its end.
func (w *walker) peek() (*Version, error) {
	if len(w.rows) == 0 && !w.last {
		err := w.e.read(w.ctx, func(tx *sqldb.Tx) (err error) {
			w.rows, err = w.e.c.Store.VersionsAt(w.ctx, tx, w.at)
			return err
		})
		if err != nil {
			return nil, err
		}
		w.last = len(w.rows) < w.at.Limit
		if n := len(w.rows); n > 0 {
			w.at.After, w.at.From = w.rows[n-1].Path, false
		}
	}
	if len(w.rows) == 0 {
		return nil, nil
	}
	return &w.rows[0], nil
}

func (w *walker) next() { w.rows = w.rows[1:] }
