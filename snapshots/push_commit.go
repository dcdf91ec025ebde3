package snapshots

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/stream"
)

// Commit makes the segment durable, behind those before it, and visible: all its entries and deletions in one commit. The
// next segment can be received meanwhile. After an error the session is as before the segment, and so is the volume.
func (g *Segment) Commit(ctx context.Context) (PushAnswer, error) {
	for len(g.queue) > 0 {
		if err := g.assemble(ctx); err != nil {
			g.Abort()
			return PushAnswer{}, err
		}
	}
	partial, err := g.partial(ctx)
	if err != nil {
		g.Abort()
		return PushAnswer{}, err
	}
	if !g.p.received(g) {
		g.failed = errSuperseded
		close(g.done)
		g.p.over(g, PushAnswer{}, errSuperseded)
		return PushAnswer{}, errSuperseded
	}
	// From here on others build on it: whoever asked may go, the segment may not.
	ctx = context.WithoutCancel(ctx)
	var a PushAnswer
	if g.prev != nil {
		<-g.prev.done
		if err = g.prev.failed; err != nil {
			err = errSuperseded
		}
		g.prev = nil
	}
	if err == nil {
		a, err = g.commit(ctx, partial)
	}
	g.failed = err
	g.p.over(g, a, err)
	close(g.done)
	return a, err
}

// partial is the recipe of what the segment has brought for the entry that stays open, nil when there is none.
func (g *Segment) partial(ctx context.Context) (*Partial, error) {
	if !g.state.open || len(g.extents) == 0 {
		return nil, nil
	}
	r, err := stream.Fold(ctx, g.s, g.extents)
	if err != nil {
		return nil, err
	}
	return &Partial{Tenant: g.p.v.Tenant, Volume: g.p.v.ID, Push: g.p.id, Segment: g.n, Path: g.state.entry.Path,
		Recipe: r, Size: r.Size(), At: sqldb.Micros(g.p.e.c.Now())}, nil
}

// commit writes what has been assembled.
func (g *Segment) commit(ctx context.Context, partial *Partial) (PushAnswer, error) {
	p := g.p
	v, err := p.e.Volume(ctx, p.v.Tenant, p.v.ID)
	if err != nil || !v.DeletedAt.IsZero() {
		return PushAnswer{}, errors.Join(err, ErrNotFound)
	}
	latest := map[string]int{} // of several records of one path the last holds
	for i := range g.items {
		it := &g.items[i]
		if it.err == nil && !it.delete && it.entry.Type == TypeHardlink {
			if it.err = g.link(ctx, latest, &it.entry); it.err != nil && !refusal(it.err) {
				return PushAnswer{}, it.err
			}
		}
		if it.err == nil {
			latest[it.entry.Path] = i
		}
	}
	live, at, err := g.liveVersions(ctx, v, latest)
	if err != nil {
		return PushAnswer{}, err
	}
	a := PushAnswer{Sent: g.sent}
	var muts []Mutation
	began := g.n // the oldest segment that an ended entry began in
	for i := range g.items {
		it := &g.items[i]
		if it.err != nil {
			a.Refused = append(a.Refused, Refusal{it.entry.Path, it.err})
			continue
		}
		began = min(began, it.from)
		old, there := live[it.entry.Path]
		last := latest[it.entry.Path] == i
		switch {
		case it.delete:
			if there && last {
				a.Deleted++
				muts = append(muts, Mutation{Op: OpDelete, Path: it.entry.Path})
			}
			continue
		case there && last && old.Entry.same(it.entry):
			a.Unchanged++
		case last:
			muts = append(muts, Mutation{Op: OpPut, Entry: it.entry})
		}
		a.Entries++
		a.Bytes += it.entry.Size
	}
	o := &op{muts: muts, edges: map[ChunkKey]int64{}, live: live, liveAt: at}
	if len(muts) > 0 {
		o.volume = p.v.ID
	}
	if partial != nil {
		edgesOf(o.edges, partial.Recipe.Children())
	}
	o.extra = func(ctx context.Context, tx *sqldb.Tx) error {
		if began < g.n {
			if err := p.e.c.Store.FinishPartials(ctx, tx, p.v.ID, p.id, g.n); err != nil {
				return err
			}
		}
		if partial == nil {
			return nil
		}
		return p.e.c.Store.InsertPartial(ctx, tx, *partial)
	}
	// Frames of entries that were there already may still be on their way: they too are durable when this is answered.
	if err := g.s.commit(ctx, o); err != nil {
		return PushAnswer{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(muts) > 0 {
		p.alone = p.alone && !o.shared && o.seq == p.head+1
		p.head, p.at = o.seq, sqldb.FromMicros(o.at)
		p.mine.add(muts)
	}
	a.Seq, a.At, a.Alone = p.head, p.at, p.alone
	return a, nil
}

// refusal reports whether an error is one of an entry, and not of the service.
func refusal(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrKind) || errors.Is(err, ErrPath)
}

// link gives a hard link the content of its target: an entry before it, or what the volume has.
func (g *Segment) link(ctx context.Context, latest map[string]int, n *Entry) error {
	var target Entry
	if i, ok := latest[n.Meta.Link]; ok {
		if target = g.items[i].entry; g.items[i].delete {
			return &PathError{n.Path, fmt.Errorf("hard link to %q: %w", n.Meta.Link, ErrNotFound)}
		}
	} else {
		v, err := g.p.e.Head(ctx, g.p.v.Tenant, g.p.v.ID, n.Meta.Link, Moment{})
		if err != nil {
			return &PathError{n.Path, fmt.Errorf("hard link to %q: %w", n.Meta.Link, err)}
		}
		target = v.Entry
	}
	if !target.Type.HasContent() {
		return &PathError{n.Path, fmt.Errorf("hard link to %q: %w", n.Meta.Link, ErrKind)}
	}
	n.Recipe, n.Size, n.ETag = target.Recipe, target.Size, target.ETag
	return nil
}

// liveVersions reads what the volume has under the paths, and tells at which commit. v is the volume as it was just now.
func (g *Segment) liveVersions(ctx context.Context, v Volume, latest map[string]int) (live map[string]Version, at int64, err error) {
	p := g.p
	p.mu.Lock()
	alone := p.alone && v.Head == p.head
	paths := make([]string, 0, len(latest))
	for path := range latest {
		if !alone || p.mine.mayHave(path) {
			paths = append(paths, path)
		}
	}
	p.mu.Unlock()
	live = make(map[string]Version, len(paths))
	if v.LiveFiles == 0 || len(paths) == 0 {
		return live, v.Head, nil
	}
	err = p.e.bulk(ctx, func(tx *sqldb.Tx) error {
		now, err := p.e.c.Store.Volume(ctx, tx, p.v.Tenant, p.v.ID)
		if err != nil {
			return err
		}
		if now.Head == v.Head {
			at = v.Head // it holds of the paths that are not looked up, too
		}
		found, err := p.e.c.Store.LiveVersions(ctx, tx, p.v.ID, paths)
		for _, v := range found {
			live[v.Path] = v
		}
		return err
	})
	return live, at, err
}

// pathSet is the paths that a session has put into a volume that was empty when it began, in little memory: as long as
// nobody else commits there, what is not in it is not in the volume. nil may have everything.
type pathSet struct {
	seed maphash.Seed
	has  map[uint64]struct{}
}

func newPathSet() *pathSet { return &pathSet{maphash.MakeSeed(), map[uint64]struct{}{}} }

func (s *pathSet) mayHave(path string) bool {
	if s == nil || s.has == nil {
		return true
	}
	_, ok := s.has[maphash.String(s.seed, path)]
	return ok
}

// add adds what mutations put. What is too much has the set give up.
func (s *pathSet) add(muts []Mutation) {
	if s == nil || s.has == nil {
		return
	}
	if len(s.has)+len(muts) > maxOwnPaths {
		s.has = nil
		return
	}
	for i := range muts {
		s.has[maphash.String(s.seed, muts[i].path())] = struct{}{}
	}
}
