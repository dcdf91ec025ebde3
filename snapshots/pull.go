package snapshots

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/stream"
)

// PullRequest selects what a pull sends, in bytewise order of the paths.
type PullRequest struct {
	Tenant string
	Volume VolumeID
	Moment Moment
	// Prefix is the beginning of the paths that are meant; a hard link whose target lies outside comes as a file.
	Prefix string
	// After and Until bound the paths: greater than After, at most Until (unless empty).
	After, Until string
	// List sends entries without their content.
	List bool
	// Path is the only file that is meant, unless empty. Of its content what lies before Offset comes as the ids and
	// lengths of its chunks alone; the chunk that Offset lies in comes whole.
	Path   string
	Offset int64
}

// PullSink takes what a pull sends: an entry, its content in order, the entry's end. The body of a chunk is valid during
// the call only.
type PullSink interface {
	Entry(n Entry) error
	Data(id chunk.ID, s frame.Stored) error
	Ref(id chunk.ID, length int64) error
	Hole(length int64) error
	End(size int64) error
}

// Pull is a moment that is open for pulling. While it is open nothing of the moment is reclaimed: Close it.
type Pull struct {
	// Kind is the volume's.
	Kind Kind
	// At is a time that means the same moment for ever; zero where the volume is empty or the moment is a snapshot.
	At time.Time

	e    *Engine
	w    *writer
	hold *hold
	src  *source
	r    PullRequest
	seq  int64
}

// OpenPull finds the moment.
func (e *Engine) OpenPull(ctx context.Context, r PullRequest) (*Pull, error) {
	if r.Offset < 0 || r.Offset > 0 && r.Path == "" {
		return nil, ErrRange
	}
	for _, p := range []string{r.Prefix, r.After, r.Until} {
		if err := CheckPrefix(p); err != nil {
			return nil, &PathError{p, err}
		}
	}
	if r.Path != "" {
		if err := CheckPath(r.Path); err != nil {
			return nil, &PathError{r.Path, err}
		}
	}
	// The lease comes first, so that what is found under it stays.
	w, err := e.writer(ctx, r.Tenant)
	if err != nil {
		return nil, err
	}
	h, err := w.join(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pull{e: e, w: w, hold: h, src: &source{e: e, tenant: r.Tenant, ring: w.ring.get()}, r: r}
	if err := e.read(ctx, func(tx *sqldb.Tx) error {
		v, seq, err := e.resolve(ctx, tx, r.Tenant, r.Volume, r.Moment)
		if err != nil {
			return err
		}
		p.Kind, p.seq, p.At = v.Kind, seq, r.Moment.Time
		if seq == Live {
			p.seq, p.At = v.Head, v.HeadAt // one moment, however long the pull takes
		}
		return nil
	}); err != nil {
		w.leave(h)
		return nil, err
	}
	return p, nil
}

// Close gives the lease back.
func (p *Pull) Close() error {
	if p.w != nil {
		p.w.leave(p.hold)
		p.w = nil
	}
	return nil
}

// Send gives everything that is meant to the sink, and reads ahead of it across files. A *PathError names the entry whose
// content cannot be read; what went before it was sent whole.
func (p *Pull) Send(ctx context.Context, sink PullSink) error {
	ctx, cancel := context.WithCancel(ctx)
	x := &puller{pull: p, ctx: ctx, sink: sink, queue: make(chan *pullBatch, pullAhead), idle: make(chan struct{}, 1), batch: &pullBatch{}}
	go func() {
		err := x.produce()
		x.dispatch(err)
		close(x.queue)
	}()
	err := x.emit()
	cancel()
	for b := range x.queue {
		x.done(b)
	}
	return err
}

// rows walks the entries that are meant.
func (p *Pull) rows(ctx context.Context, visit func(Entry) error) error {
	if p.r.Path != "" {
		var v Version
		if err := p.e.read(ctx, func(tx *sqldb.Tx) (err error) {
			v, err = p.e.c.Store.VersionAt(ctx, tx, p.r.Volume, p.seq, p.r.Path)
			return err
		}); err != nil {
			return err
		}
		if p.r.Offset > v.Size {
			return ErrRange
		}
		if v.Type == TypeHardlink { // its target is not part of the selection
			v.Type, v.Meta.Link = TypeFile, ""
		}
		return visit(v.Entry)
	}
	s := Select{Volume: p.r.Volume, Seq: p.seq, Prefix: p.r.Prefix, After: p.r.After, Limit: rowBatch}
	if p.r.Until != "" {
		if p.r.Until <= p.r.After {
			return nil
		}
		s.Limit = rowBatch / 8 // a short range is not behind many rows that nobody needs
	}
	for {
		var rows []Version
		if err := p.e.bulk(ctx, func(tx *sqldb.Tx) (err error) {
			rows, err = p.e.c.Store.VersionsAt(ctx, tx, s)
			return err
		}); err != nil {
			return err
		}
		for _, v := range rows {
			if p.r.Until != "" && v.Path > p.r.Until {
				return nil
			}
			n, err := p.link(ctx, v.Entry)
			if err == nil {
				err = visit(n)
			}
			if err != nil {
				return err
			}
		}
		if len(rows) < s.Limit {
			return nil
		}
		s.After, s.Limit = rows[len(rows)-1].Path, rowBatch
	}
}

// link leaves a hard link as one where its target is part of the selection and still the same content; the client then
// needs no content. Otherwise it is the file that it stands for.
func (p *Pull) link(ctx context.Context, n Entry) (Entry, error) {
	if n.Type != TypeHardlink {
		return n, nil
	}
	var t Version
	err := p.e.read(ctx, func(tx *sqldb.Tx) (err error) {
		t, err = p.e.c.Store.VersionAt(ctx, tx, p.r.Volume, p.seq, n.Meta.Link)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return n, err
	}
	if err == nil && t.Type == TypeFile && t.ETag == n.ETag && t.Size == n.Size && strings.HasPrefix(n.Meta.Link, p.r.Prefix) {
		return n, nil
	}
	n.Type, n.Meta.Link = TypeFile, ""
	return n, nil
}

// produce lays the entries out in batches.
func (x *puller) produce() error {
	p := x.pull
	return p.rows(x.ctx, func(n Entry) error {
		if err := x.add(pullStep{kind: stepEntry, entry: &n}, 0); err != nil {
			return err
		}
		if n.Type == TypeFile && !p.r.List {
			var off int64
			if err := stream.Walk(x.ctx, p.src, n.Recipe, func(e stream.Extent) error {
				from := off
				off += e.Len
				switch {
				case e.Hole():
					return x.add(pullStep{kind: stepHole, n: e.Len}, 0)
				case from+e.Len <= p.r.Offset:
					return x.add(pullStep{kind: stepRef, n: e.Len, child: e.Child}, 0)
				}
				return x.add(pullStep{kind: stepData, n: e.Len, child: e.Child}, int(e.Child.Length))
			}); err != nil {
				return &PathError{n.Path, err}
			}
		}
		return x.add(pullStep{kind: stepEnd, n: n.Size}, 0)
	})
}

// Readers is what whoever may read something of the tenant gets, to check what he is given: the id keys, each once under
// the highest number that has it. Chunking and encryption keys are not among them.
func (e *Engine) Readers(ctx context.Context, tenant string) ([]ReaderKey, error) {
	r, err := e.ring(ctx, tenant)
	if err != nil {
		return nil, err
	}
	ring := r.get()
	var out []ReaderKey
	for n := ring.Current().Number(); n > 0; n-- {
		k, err := ring.Key(n)
		if errors.Is(err, key.ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		id := k.Client().Identity
		if !slices.ContainsFunc(out, func(o ReaderKey) bool { return o.Identity == id }) {
			out = append(out, ReaderKey{n, id})
		}
	}
	return out, nil
}

// ReaderKey is the id key of a key set: with it a client computes a chunk's id from its plaintext.
type ReaderKey struct {
	Number   key.Number
	Identity key.Secret
}
