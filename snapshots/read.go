package snapshots

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/stream"
)

// Moment says which state of a volume is meant: a snapshot, or a time of the undo window, or (zero) now.
type Moment struct {
	Snapshot SnapshotID
	Time     time.Time
}

// resolve finds the sequence number of a moment: Live for now. A snapshot that is tombstoned or erased here is not found.
func (e *Engine) resolve(ctx context.Context, tx *sqldb.Tx, tenant string, id VolumeID, m Moment) (Volume, int64, error) {
	v, err := e.c.Store.Volume(ctx, tx, tenant, id)
	if err != nil {
		return v, 0, err
	}
	switch {
	case !m.Snapshot.IsZero():
		s, err := e.c.Store.Snapshot(ctx, tx, tenant, m.Snapshot)
		if err != nil {
			return v, 0, err
		}
		c, err := e.c.Store.Copy(ctx, tx, s.ID, e.c.Site)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return v, 0, err
		}
		if s.Volume != v.ID || c.State == Tombstoned || c.State == Erased {
			return v, 0, ErrNotFound
		}
		return v, s.Seq, nil
	case !m.Time.IsZero():
		t := sqldb.Micros(m.Time)
		if !v.DeletedAt.IsZero() && t >= sqldb.Micros(v.DeletedAt) {
			return v, 0, ErrNotFound
		}
		seq, _, err := e.c.Store.SeqAt(ctx, tx, v.ID, t)
		if err != nil {
			return v, 0, err
		}
		return v, seq, e.inWindow(ctx, tx, v, seq)
	case !v.DeletedAt.IsZero():
		return v, 0, ErrNotFound
	}
	return v, Live, nil
}

// inWindow refuses a state that ended before the undo window began and that no snapshot keeps: parts of it may be gone.
func (e *Engine) inWindow(ctx context.Context, tx *sqldb.Tx, v Volume, seq int64) error {
	cutoff, err := e.undoBegins(ctx, tx, v)
	if err != nil {
		return err
	}
	if seq == v.Head {
		if !v.DeletedAt.IsZero() && v.DeletedAt.Before(cutoff) {
			return ErrReclaimed
		}
		return nil
	}
	ended, err := e.c.Store.CommitAt(ctx, tx, v.ID, seq+1)
	if err != nil || ended >= sqldb.Micros(cutoff) {
		return err
	}
	kept, err := e.c.Store.CoversSeq(ctx, tx, v.ID, seq)
	if err == nil && !kept {
		err = ErrReclaimed
	}
	return err
}

// Head answers the version of a path at a moment.
func (e *Engine) Head(ctx context.Context, tenant string, v VolumeID, path string, m Moment) (out Version, err error) {
	if err := CheckPath(path); err != nil {
		return out, &PathError{path, err}
	}
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		_, seq, err := e.resolve(ctx, tx, tenant, v, m)
		if err != nil {
			return err
		}
		out, err = e.c.Store.VersionAt(ctx, tx, v, seq, path)
		return err
	})
	return out, err
}

// History lists the versions of a path that are still there, newest first.
func (e *Engine) History(ctx context.Context, tenant string, v VolumeID, path string, limit int) (out []Version, err error) {
	if err := CheckPath(path); err != nil {
		return nil, &PathError{path, err}
	}
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Volume(ctx, tx, tenant, v); err != nil {
			return err
		}
		out, err = e.c.Store.History(ctx, tx, v, path, pageSize(limit))
		return err
	})
	return out, err
}

// CommitTime answers when a commit of the volume happened: Last-Modified of a version is that of its Born.
func (e *Engine) CommitTime(ctx context.Context, tenant string, v VolumeID, seq int64) (at time.Time, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Volume(ctx, tx, tenant, v); err != nil {
			return err
		}
		us, err := e.c.Store.CommitAt(ctx, tx, v, seq)
		at = sqldb.FromMicros(us)
		return err
	})
	return at, err
}

// Object is a version that can be read. While it is open nothing of it is reclaimed: Close it.
type Object struct {
	Version
	e    *Engine
	w    *writer
	hold *hold
	src  *source
}

// Open finds the version of a path at a moment for reading.
func (e *Engine) Open(ctx context.Context, tenant string, v VolumeID, path string, m Moment) (*Object, error) {
	// The lease comes first, so that what is found under it stays.
	w, err := e.writer(ctx, tenant)
	if err != nil {
		return nil, err
	}
	h, err := w.join(ctx)
	if err != nil {
		return nil, err
	}
	o := &Object{e: e, w: w, hold: h, src: &source{e: e, tenant: tenant, ring: w.ring.get()}}
	if o.Version, err = e.Head(ctx, tenant, v, path, m); err != nil {
		w.leave(h)
		return nil, err
	}
	return o, nil
}

// Range reads length bytes from off; length -1 is to the end. A range outside the file is ErrRange.
func (o *Object) Range(ctx context.Context, off, length int64) (io.ReadCloser, error) {
	if length < 0 {
		length = o.Size - off
	}
	if off < 0 || length < 0 || off > o.Size || length > o.Size-off {
		return nil, ErrRange
	}
	if !o.Type.HasContent() {
		return nil, ErrKind
	}
	return stream.NewReader(ctx, o.src, o.Recipe, off, length), nil
}

// Close gives the lease back.
func (o *Object) Close() error {
	if o.w != nil {
		o.w.leave(o.hold)
		o.w = nil
	}
	return nil
}

// ListRequest selects entries of a volume at a moment, in bytewise order of their paths. With a Delimiter, what lies
// below prefix + name + delimiter is listed as one prefix, as in S3.
type ListRequest struct {
	Tenant    string
	Volume    VolumeID
	Moment    Moment
	Prefix    string
	Delimiter string
	Cursor    string // Next of the page before
	Limit     int
}

// Page is a part of a listing. Next is empty on the last page.
type Page struct {
	Seq      int64 // of the moment; of the present it is the head
	Entries  []Version
	Prefixes []string
	Next     string
}

func cursor(kind byte, path string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{kind}, path...))
}

func parseCursor(c string) (after string, from bool, err error) {
	if c == "" {
		return "", false, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(c)
	if err != nil || len(b) < 2 || len(b) > MaxPath+1 {
		return "", false, fmt.Errorf("%w: cursor", ErrFormat)
	}
	switch b[0] {
	case 'e':
		return string(b[1:]), false, nil
	case 'p':
		next, ok := successor(string(b[1:]))
		if ok {
			return next, true, nil
		}
	}
	return "", false, fmt.Errorf("%w: cursor", ErrFormat)
}

// successor is the least string greater than all that begin with prefix.
func successor(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] != 0xff {
			b[len(b)-1]++
			return string(b), true
		}
		b = b[:len(b)-1]
	}
	return "", false
}

// rows walks all entries of a volume at a sequence number, in the order of their paths.
func (e *Engine) rows(ctx context.Context, v VolumeID, seq int64, prefix string, visit func(Version) error) error {
	return e.pages(ctx, v, seq, prefix, func(rows []Version) error {
		for _, r := range rows {
			if err := visit(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// pages is rows by the page.
func (e *Engine) pages(ctx context.Context, v VolumeID, seq int64, prefix string, visit func([]Version) error) error {
	s := Select{Volume: v, Seq: seq, Prefix: prefix, Limit: rowBatch}
	for {
		var rows []Version
		if err := e.read(ctx, func(tx *sqldb.Tx) (err error) {
			rows, err = e.c.Store.VersionsAt(ctx, tx, s)
			return err
		}); err != nil {
			return err
		}
		if err := visit(rows); err != nil {
			return err
		}
		if len(rows) < s.Limit {
			return nil
		}
		s.After = rows[len(rows)-1].Path
	}
}
