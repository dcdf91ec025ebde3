package snapshots

import (
	"context"
	"errors"
	"time"

	"holdfast/internal/sqldb"
)

// CompareRequest names two moments, of one volume or of two of the same tenant.
type CompareRequest struct {
	Tenant string
	From   VolumeID
	Was    Moment
	To     VolumeID
	Is     Moment
	Prefix string
	Cursor string // Next of the call before
	Limit  int    // changes of one answer; 0 is DefaultPage
}

// Change is one path that differs. Was is nil for what was added, Is for what was deleted.
type Change struct{ Was, Is *Version }

// Path is the path that differs.
func (c Change) Path() string {
	if c.Was != nil {
		return c.Was.Path
	}
	return c.Is.Path
}

// Comparison is a part of a difference, in bytewise order of the paths. Next is empty when both states were compared to
// their end; an answer with Next may have no changes.
type Comparison struct {
	Changes []Change
	Next    string
}

// Compare answers which entries differ between two moments: their content by its digest, and their metadata. One call
// looks at a bounded number of versions, so that it answers in time whatever the volume's size. Errors: ErrNotFound,
// ErrReclaimed, ErrPath, ErrFormat for a cursor that is none.
func (e *Engine) Compare(ctx context.Context, r CompareRequest) (out Comparison, err error) {
	if CheckPrefix(r.Prefix) != nil {
		return out, &PathError{r.Prefix, ErrPath}
	}
	after, from, err := parseCursor(r.Cursor)
	if err != nil {
		return out, err
	}
	was, is := Select{Volume: r.From, Prefix: r.Prefix, After: after, From: from}, Select{Volume: r.To, Prefix: r.Prefix, After: after, From: from}
	until, most := "", compareApart
	if r.From == r.To {
		most = compareTogether
	}
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, was.Seq, err = e.resolve(ctx, tx, r.Tenant, r.From, r.Was); err != nil {
			return err
		}
		if _, is.Seq, err = e.resolve(ctx, tx, r.Tenant, r.To, r.Is); err != nil {
			return err
		}
		until = ""
		for _, v := range []VolumeID{r.From, r.To} {
			path, err := e.c.Store.PathOn(ctx, tx, v, max(after, r.Prefix), most)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if until == "" || path < until {
				until = path
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if end, ok := successor(r.Prefix); ok && until >= end {
		until = ""
	}
	was.Until, is.Until = until, until
	if r.From == r.To {
		if was.Seq == is.Seq {
			return out, nil
		}
		was.Except, is.Except = is.Seq, was.Seq
	}
	return e.merge(ctx, was, is, pageSize(r.Limit))
}

// merge walks two states in the order of their paths.
func (e *Engine) merge(ctx context.Context, a, b Select, limit int) (out Comparison, err error) {
	was, is, last := e.walk(ctx, a), e.walk(ctx, b), ""
	for {
		w, err := was.peek()
		if err != nil {
			return out, err
		}
		i, err := is.peek()
		if err != nil {
			return out, err
		}
		if w == nil && i == nil {
			if a.Until != "" {
				out.Next = cursor('e', a.Until)
			}
			return out, nil
		}
		if len(out.Changes) == limit {
			out.Next = cursor('e', last)
			return out, nil
		}
		switch {
		case i == nil || w != nil && w.Path < i.Path:
			out.Changes, last = append(out.Changes, Change{Was: w}), w.Path
			was.next()
		case w == nil || i.Path < w.Path:
			out.Changes, last = append(out.Changes, Change{Is: i}), i.Path
			is.next()
		default:
			if !w.Entry.same(i.Entry) {
				out.Changes, last = append(out.Changes, Change{w, i}), w.Path
			}
			was.next()
			is.next()
		}
	}
}

// Removal is a path that was deleted and has not come back.
type Removal struct {
	Version
	At     time.Time // when it was deleted
	Before time.Time // a moment at which it was still there
}

// Removed lists what was deleted within the undo window and is not there now, newest first, paths of one commit in
// descending order. One call looks at a bounded number of dead versions: an answer with a Next may be empty.
func (e *Engine) Removed(ctx context.Context, tenant string, v VolumeID, cur RemovedCursor) (out []Removal, next *RemovedCursor, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, next = nil, nil
		vol, err := e.c.Store.Volume(ctx, tx, tenant, v)
		if err != nil {
			return err
		}
		cutoff, err := e.undoBegins(ctx, tx, vol)
		if err != nil {
			return err
		}
		if cur.Seq == 0 {
			cur.Seq = Live - 1
		}
		rows, back, err := e.c.Store.Dead(ctx, tx, v, cur.Seq, cur.Path, removedScan)
		if err != nil {
			return err
		}
		var died int64
		var at time.Time
		for i, row := range rows {
			if row.Died != died {
				us, err := e.c.Store.CommitAt(ctx, tx, v, row.Died)
				if err != nil {
					return err
				}
				died, at = row.Died, sqldb.FromMicros(us)
			}
			if at.Before(cutoff) {
				return nil
			}
			if !back[i] {
				out = append(out, Removal{row, at, at.Add(-time.Microsecond)})
			}
			if len(out) == removedPage || i == len(rows)-1 && len(rows) == removedScan {
				next = &RemovedCursor{row.Died, row.Path}
				return nil
			}
		}
		return nil
	})
	return out, next, err
}

// RemovedCursor is where a listing of what was deleted goes on; the zero value begins it.
type RemovedCursor struct {
	Seq  int64
	Path string
}

// Bucket counts the copies of a span of time at one site. Site is empty for snapshots that have no copy yet.
type Bucket struct {
	Number int64 // of the span, from 0
	Site   string
	// Count is how many snapshots, Whole how many copies are held, Proven how many of them were ever restored and compared.
	Count, Whole, Proven int64
	Erased               int64 // of Count: copies that are erased
	Newest               SnapshotID
}

// Timeline counts a volume's snapshots from a moment on, in n spans of equal width.
func (e *Engine) Timeline(ctx context.Context, tenant string, v VolumeID, from time.Time, width time.Duration, n int) (out []Bucket, err error) {
	if width < time.Second || n < 1 || n > MaxPage {
		return nil, ErrRange
	}
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Volume(ctx, tx, tenant, v); err != nil {
			return err
		}
		out, err = e.c.Store.Buckets(ctx, tx, v, sqldb.Micros(from), width.Microseconds(), n)
		return err
	})
	return out, err
}

// Size is how much a sealed snapshot held.
type Size struct {
	At    time.Time
	Bytes int64
}

// Sizes lists what the newest sealed snapshots of a volume held, newest first.
func (e *Engine) Sizes(ctx context.Context, tenant string, v VolumeID, limit int) (out []Size, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Volume(ctx, tx, tenant, v); err != nil {
			return err
		}
		out, err = e.c.Store.Sizes(ctx, tx, v, pageSize(limit))
		return err
	})
	return out, err
}

const (
	// compareTogether and compareApart bound the versions that one comparison looks at: of one volume, where the
	// database leaves out what is the same, and of two.
	compareTogether = 6_000
	compareApart    = 3_000
	// removedScan and removedPage bound the dead versions that one listing of what was deleted looks at and answers.
	removedScan = 500
	removedPage = 200
)
