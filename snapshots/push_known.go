package snapshots

import (
	"context"
	"hash/maphash"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/stream"
)

// idSet is a set of chunk ids in little memory: 64 bits of each, under a seed that nobody knows, so that nobody can look
// for an id that is taken for another. It is bounded: what does not fit is not in it.
type idSet struct {
	seed maphash.Seed
	has  map[uint64]struct{}
	most int
}

func newIDSet(most int) *idSet {
	return &idSet{seed: maphash.MakeSeed(), has: map[uint64]struct{}{}, most: most}
}

func (s *idSet) add(id chunk.ID) {
	if len(s.has) < s.most {
		s.has[maphash.Bytes(s.seed, id[:])] = struct{}{}
	}
}

func (s *idSet) contains(id chunk.ID) bool {
	_, ok := s.has[maphash.Bytes(s.seed, id[:])]
	return ok
}

// liveSet is what the live versions of a volume refer to at a commit. It is not changed once it is made.
type liveSet struct {
	head int64
	*idSet
}

// liveSet makes the set of a volume, or finds the one that was made at the same head. The caller holds a lease.
func (e *Engine) liveSet(ctx context.Context, tenant string, id VolumeID) (*liveSet, error) {
	v, err := e.Volume(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	found := e.known[id]
	e.mu.Unlock()
	if found != nil && found.head == v.Head {
		return found, nil
	}
	src, err := e.source(ctx, tenant)
	if err != nil {
		return nil, err
	}
	set := &liveSet{head: v.Head, idSet: newIDSet(maxKnown)}
	for after := ""; len(set.has) < set.most; {
		var recipes []stream.Recipe
		if err := e.bulk(ctx, func(tx *sqldb.Tx) (err error) {
			recipes, after, err = e.c.Store.LiveRecipes(ctx, tx, id, after, rowBatch)
			return err
		}); err != nil {
			return nil, err
		}
		if len(recipes) == 0 {
			break
		}
		for _, r := range recipes {
			if err := collect(ctx, src, r, set.idSet); err != nil {
				return nil, err
			}
		}
	}
	// What was committed while it was made is missing, or more than the volume still has: asked for at that head, it
	// is made again.
	e.mu.Lock()
	defer e.mu.Unlock()
	total := len(set.has)
	for other, s := range e.known {
		if total += len(s.has); other == id || total > maxKnown {
			total -= len(s.has)
			delete(e.known, other)
		}
	}
	if e.known == nil {
		e.known = map[VolumeID]*liveSet{}
	}
	e.known[id] = set
	return set, nil
}

// collect adds the data chunks of a recipe.
func collect(ctx context.Context, src stream.Source, r stream.Recipe, into *idSet) error {
	return stream.Walk(ctx, src, r, func(x stream.Extent) error {
		if !x.Hole() {
			into.add(x.Child.ID)
		}
		return nil
	})
}

// prepare makes the sets of the session, once.
func (p *Push) prepare(ctx context.Context) error {
	p.making.Lock()
	defer p.making.Unlock()
	if p.live != nil {
		return nil
	}
	live, err := p.e.liveSet(ctx, p.v.Tenant, p.v.ID)
	if err != nil {
		return err
	}
	src, err := p.e.source(ctx, p.v.Tenant)
	if err != nil {
		return err
	}
	var partials []Partial
	if err := p.e.read(ctx, func(tx *sqldb.Tx) (err error) {
		partials, err = p.e.c.Store.Partials(ctx, tx, p.v.ID, maxPartials)
		return err
	}); err != nil {
		return err
	}
	own := &idSet{seed: p.uploaded.seed, has: map[uint64]struct{}{}, most: maxUploaded}
	for _, x := range partials {
		if err := collect(ctx, src, x.Recipe, own); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.uploaded.has { // what was uploaded before anybody asked
		own.has[k] = struct{}{}
	}
	p.live, p.uploaded = live, own
	return nil
}

// Known answers for each id whether the volume has it: a chunk that its live versions or partials refer to, or that this
// session has uploaded, and that is in the index. What another volume has is not known here (T51). At most KnownBatch ids.
func (p *Push) Known(ctx context.Context, ids []chunk.ID) ([]bool, error) {
	if len(ids) > KnownBatch {
		return nil, ErrTooLarge
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	found, err := p.locate(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(ids))
	for i, id := range ids {
		_, out[i] = found[id]
	}
	return out, nil
}

// owns reports whether the volume has the id, as far as the session may say. The caller holds p.mu.
func (p *Push) owns(id chunk.ID) bool {
	return p.uploaded.contains(id) || p.live != nil && p.live.contains(id)
}

// place is where a known chunk stands; pending says that the index does not have it yet.
type place struct {
	Frame
	pending bool
}

// locate finds those of the ids that the volume has.
func (p *Push) locate(ctx context.Context, ids []chunk.ID) (map[chunk.ID]place, error) {
	out := make(map[chunk.ID]place, len(ids))
	var ask []chunk.ID
	p.mu.Lock()
	for _, id := range ids {
		if f, ok := p.resolved[id]; ok {
			out[id] = f
		} else if p.owns(id) {
			ask = append(ask, id)
		}
	}
	w := p.s.w
	p.mu.Unlock()
	if len(ask) == 0 {
		return out, nil
	}
	// First what is appended, then the index: on its way from the one to the other it is in both.
	w.mu.Lock()
	rest := ask[:0]
	for _, id := range ask {
		if f, ok := w.pending[id]; ok {
			out[id] = place{f, true}
		} else {
			rest = append(rest, id)
		}
	}
	w.mu.Unlock()
	var found []Location
	if err := p.e.bulk(ctx, func(tx *sqldb.Tx) (err error) {
		found, err = p.e.c.Store.FindChunks(ctx, tx, p.v.Tenant, rest)
		return err
	}); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range found {
		if l.Child.Kind != chunk.KindData {
			continue
		}
		at := place{Frame: Frame{Location: l}}
		out[l.Child.ID] = at
		if len(p.resolved) >= maxResolved {
			clear(p.resolved)
		}
		p.resolved[l.Child.ID] = at
	}
	return out, nil
}
