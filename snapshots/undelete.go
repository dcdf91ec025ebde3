package snapshots

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sqldb"
)

// UndeleteRequest names an act of deletion: what was deleted from a volume at moments that follow each other.
type UndeleteRequest struct {
	Tenant string
	Volume VolumeID
	// Until is when the last path of the act was deleted, From when the first was. A zero From is as far back as the
	// deletions follow each other within ActGap.
	Until, From time.Time
	// Prefix is a directory with a slash at its end, which is its own entry and all below it, or one path; empty is all.
	Prefix string
	// Cursor is Next of the call before, or empty to begin.
	Cursor string
}

// UndeleteSummary is what one call brought back. Next is where the next call goes on, empty when nothing is left to do.
type UndeleteSummary struct {
	Files, Folders, Bytes int64
	// Differ counts paths that are not there as they were, right after they were brought back: somebody else worked there.
	Differ int64
	Next   string
}

var errBackMeanwhile = errors.New("snapshots: a path is there again")

// Undelete brings back exactly what an act deleted and what is not there now, with the content and metadata that each
// path had when it was deleted, and compares it by its digests. It overwrites nothing. One call looks at a bounded number
// of dead versions. Errors: ErrNotFound, ErrPath, ErrFormat for a cursor that is none, ErrPrecondition where others keep writing the same paths.
func (e *Engine) Undelete(ctx context.Context, r UndeleteRequest) (sum UndeleteSummary, err error) {
	if CheckPrefix(r.Prefix) != nil {
		return sum, &PathError{r.Prefix, ErrPath}
	}
	cur, last, err := parseUndelete(r.Cursor)
	if err != nil {
		return sum, err
	}
	if last.IsZero() {
		last = r.Until
	}
	s, err := e.session(ctx, r.Tenant)
	if err != nil {
		return sum, err
	}
	defer s.close()
	for range maxUndeleteTries {
		var gone []Version
		var next string
		if gone, next, err = e.undeletable(ctx, r, cur, last); err != nil {
			return sum, err
		}
		if len(gone) > 0 {
			muts, paths := make([]Mutation, len(gone)), make([]string, len(gone))
			for i, g := range gone {
				muts[i], paths[i] = Mutation{Op: OpPut, Entry: g.Entry}, g.Path
			}
			err = s.commit(ctx, &op{volume: r.Volume, muts: muts, check: func(ctx context.Context, tx *sqldb.Tx, v Volume) error {
				there, err := e.c.Store.LiveVersions(ctx, tx, v.ID, paths)
				if err == nil && len(there) > 0 {
					err = errBackMeanwhile
				}
				return err
			}})
			if errors.Is(err, errBackMeanwhile) {
				continue
			}
			if err != nil {
				return sum, err
			}
			if sum.Differ, err = e.differ(ctx, r.Volume, gone, paths); err != nil {
				return sum, err
			}
		}
		for _, g := range gone {
			if g.Type == TypeDir {
				sum.Folders++
			} else {
				sum.Files++
				sum.Bytes += g.Size
			}
		}
		sum.Next = next
		return sum, nil
	}
	return sum, ErrPrecondition
}

// undeletable reads the next part of what is to be brought back, whole.
func (e *Engine) undeletable(ctx context.Context, r UndeleteRequest, cur RemovedCursor, last time.Time) (gone []Version, next string, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		gone, next = nil, ""
		cur, last := cur, last
		vol, err := e.c.Store.Volume(ctx, tx, r.Tenant, r.Volume)
		if err == nil && !vol.DeletedAt.IsZero() {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if cur.Seq == 0 {
			if cur.Seq, _, err = e.c.Store.SeqAt(ctx, tx, vol.ID, sqldb.Micros(r.Until)); err != nil {
				return err
			}
		}
		rows, back, err := e.c.Store.Dead(ctx, tx, vol.ID, cur.Seq, cur.Path, undeleteBatch)
		if err != nil {
			return err
		}
		var died int64
		var at time.Time
		for i, row := range rows {
			if row.Died != died {
				us, err := e.c.Store.CommitAt(ctx, tx, vol.ID, row.Died)
				if err != nil {
					return err
				}
				died, at = row.Died, sqldb.FromMicros(us)
				if err := e.inWindow(ctx, tx, vol, died-1); errors.Is(err, ErrReclaimed) {
					return nil
				} else if err != nil {
					return err
				}
			}
			if !r.From.IsZero() && at.Before(r.From) {
				return nil
			}
			if back[i] {
				continue
			}
			if r.From.IsZero() && last.Sub(at) > ActGap {
				return nil
			}
			last = at
			if !r.means(row.Path) {
				continue
			}
			whole, err := e.c.Store.VersionAt(ctx, tx, vol.ID, row.Died-1, row.Path)
			if err != nil {
				return err
			}
			gone = append(gone, whole)
		}
		if n := len(rows); n == undeleteBatch {
			next = undeleteCursor(RemovedCursor{rows[n-1].Died, rows[n-1].Path}, last)
		}
		return nil
	})
	return gone, next, err
}

func (r UndeleteRequest) means(path string) bool {
	dir, below := strings.CutSuffix(r.Prefix, "/")
	return r.Prefix == "" || path == dir || below && strings.HasPrefix(path, r.Prefix)
}

// differ counts what is not there as it was.
func (e *Engine) differ(ctx context.Context, v VolumeID, was []Version, paths []string) (n int64, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		n = 0
		found, err := e.c.Store.LiveVersions(ctx, tx, v, paths)
		if err != nil {
			return err
		}
		is := make(map[string]Entry, len(found))
		for _, f := range found {
			is[f.Path] = f.Entry
		}
		for _, w := range was {
			if now, ok := is[w.Path]; !ok || !now.same(w.Entry) {
				n++
			}
		}
		return nil
	})
	return n, err
}

func undeleteCursor(at RemovedCursor, last time.Time) string {
	us := int64(0)
	if !last.IsZero() {
		us = sqldb.Micros(last)
	}
	return strconv.FormatInt(at.Seq, 10) + "." + strconv.FormatInt(us, 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(at.Path))
}

func parseUndelete(text string) (at RemovedCursor, last time.Time, err error) {
	if text == "" {
		return at, last, nil
	}
	seq, rest, _ := strings.Cut(text, ".")
	when, path, ok := strings.Cut(rest, ".")
	if at.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil || at.Seq < 1 || !ok {
		return at, last, ErrFormat
	}
	us, err := strconv.ParseInt(when, 10, 64)
	if err != nil || us < 0 {
		return at, last, ErrFormat
	}
	if us > 0 {
		last = sqldb.FromMicros(us)
	}
	raw, err := base64.RawURLEncoding.DecodeString(path)
	if err != nil || len(raw) == 0 || len(raw) > MaxPath {
		return at, last, ErrFormat
	}
	at.Path = string(raw)
	return at, last, nil
}

const (
	// ActGap is the longest time between two deletions that belong to one act.
	ActGap = time.Minute
	// undeleteBatch bounds the dead versions that one call looks at; maxUndeleteTries how often it begins again because
	// a path came back meanwhile.
	undeleteBatch    = 1000
	maxUndeleteTries = 4
)
