package snapshots

import (
	"context"
	"errors"
	"strings"

	"holdfast/internal/sqldb"
)

// List answers one page, in time that does not depend on the size of the volume, nor, where a sealed snapshot is listed,
// on what came into the volume after it.
func (e *Engine) List(ctx context.Context, r ListRequest) (Page, error) {
	if CheckPrefix(r.Prefix) != nil || len(r.Delimiter) > MaxComponent {
		return Page{}, ErrPath
	}
	after, from, err := parseCursor(r.Cursor)
	if err != nil {
		return Page{}, err
	}
	limit := pageSize(r.Limit)
	l := listing{e: e, r: r, limit: limit, leaps: true, s: Select{Prefix: r.Prefix, After: after, From: from, Limit: limit + 1}}
	if r.Delimiter != "" {
		l.s.Limit = min(l.s.Limit, probe)
	}
	for {
		if err := e.read(ctx, func(tx *sqldb.Tx) error { return l.read(ctx, tx) }); err != nil {
			return Page{}, err
		}
		if l.gap == "" {
			return l.page, nil
		}
		// Outside the transaction: the tree is read over another connection.
		more, err := l.leap(ctx)
		if err != nil {
			return Page{}, err
		}
		if !more {
			l.page.Next = ""
			return l.page, nil
		}
	}
}

// listing is a page that is being read. The rows that came into a volume after a snapshot stand among those that the
// snapshot shows. Where there are very many of them, a statement looks at a bounded number of rows, and where all of those
// are later ones, the snapshot's own tree says what it shows next: rows are then read on from there. What is listed comes
// from the rows alone.
type listing struct {
	e     *Engine
	r     ListRequest
	limit int
	s     Select
	n     int // entries and prefixes so far
	page  Page

	leaps bool   // where a gap is found it is leaped over
	gap   string // the path up to which nothing more is shown
	tree  *Tree
}

// read fills the page until it is full or at the end, and up to a gap.
func (l *listing) read(ctx context.Context, tx *sqldb.Tx) error {
	store, prefix, delimiter := l.e.c.Store, l.r.Prefix, l.r.Delimiter
	v, seq, err := l.e.resolve(ctx, tx, l.r.Tenant, l.r.Volume, l.r.Moment)
	if err != nil {
		return err
	}
	bounded, err := l.bounded(ctx, tx, v)
	if err != nil {
		return err
	}
	l.gap, l.s.Volume, l.s.Seq, l.page.Seq = "", v.ID, seq, seq
	if seq == Live {
		l.page.Seq = v.Head
	}
	for {
		s := l.s
		if bounded {
			if s.Until, err = reach(ctx, tx, store, s); err != nil {
				return err
			}
		}
		rows, err := store.VersionsAt(ctx, tx, s)
		if err != nil {
			return err
		}
		skip := ""
		for _, row := range rows {
			if skip != "" && strings.HasPrefix(row.Path, skip) {
				continue
			}
			skip = ""
			if l.n == l.limit {
				return nil
			}
			l.n++
			if name := row.Path[len(prefix):]; delimiter != "" && strings.Contains(name, delimiter) {
				skip = prefix + name[:strings.Index(name, delimiter)+len(delimiter)]
				l.page.Prefixes = append(l.page.Prefixes, skip)
				l.page.Next = cursor('p', skip)
				continue
			}
			l.page.Entries = append(l.page.Entries, row)
			l.page.Next = cursor('e', row.Path)
		}
		short := len(rows) < s.Limit
		switch {
		case short && s.Until == "":
			l.page.Next = ""
			return nil
		case short:
			l.s.After, l.s.From = s.Until, false
		default:
			l.s.After, l.s.From = rows[len(rows)-1].Path, false
		}
		// What a prefix hides is jumped over, so that reading many rows at once pays only where entries are listed.
		l.s.Limit = min(l.s.Limit*probe, l.limit+1)
		if skip != "" {
			l.s.Limit = min(probe, l.limit+1)
			next, ok := successor(skip)
			if !ok {
				l.page.Next = ""
				return nil
			}
			if next > l.s.After {
				l.s.After, l.s.From = next, true
				continue
			}
		}
		if short {
			l.gap = s.Until
			return nil
		}
	}
}

// bounded reports whether statements look at a bounded number of rows: where a sealed snapshot is listed, of a volume to
// which very many files were added since.
func (l *listing) bounded(ctx context.Context, tx *sqldb.Tx, v Volume) (bool, error) {
	if !l.leaps || l.r.Moment.Snapshot.IsZero() {
		return false, nil
	}
	s, err := l.e.c.Store.Snapshot(ctx, tx, l.r.Tenant, l.r.Moment.Snapshot)
	return err == nil && s.Seal != nil && v.LiveFiles-s.Seal.Files > manyLater, err
}

// reach is the path up to which a statement looks, empty where it comes to the end of what is selected before.
func reach(ctx context.Context, tx *sqldb.Tx, store Store, s Select) (string, error) {
	path, err := store.PathOn(ctx, tx, s.Volume, max(s.After, s.Prefix), max(rowsAhead, 2*s.Limit))
	if errors.Is(err, ErrNotFound) || err == nil && !strings.HasPrefix(path, s.Prefix) {
		return "", nil
	}
	return path, err
}

// leap asks the snapshot's tree what it shows after a gap, and says whether that is anything more. A tree that cannot be
// read costs only time: all rows are looked at.
func (l *listing) leap(ctx context.Context) (more bool, err error) {
	next, ok, err := l.after(ctx)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		l.leaps = false
		return true, nil
	}
	l.s.After, l.s.From = next, true
	return ok && strings.HasPrefix(next, l.r.Prefix), nil
}

func (l *listing) after(ctx context.Context) (path string, ok bool, err error) {
	if l.tree == nil {
		if l.tree, err = l.e.Tree(ctx, l.r.Tenant, l.r.Moment.Snapshot); err != nil {
			return "", false, err
		}
	}
	return l.tree.After(ctx, l.gap)
}
