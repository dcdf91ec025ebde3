package snapshots

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"
)

// openPack is a pack that is being appended to.
type openPack struct {
	id    PackID
	blob  blob.Writer
	w     *pack.Writer
	dirty bool  // has bytes that were not synced
	safe  int64 // size at the last sync
	ended bool
	// using says that one goroutine appends to it, outside the writer's lock; claimed that a group waits for it.
	using, claimed bool
}

func (e *Engine) createPack(ctx context.Context, tenant string) (*openPack, error) {
	p := &openPack{id: id.New[packKind](e.c.Now())}
	var err error
	if p.blob, err = e.c.Blobs.Create(ctx, PackBlob(tenant, p.id)); err != nil {
		return nil, err
	}
	if p.w, err = pack.NewWriter(p.blob, pack.Header{Tenant: tenant, Pack: p.id.String()}); err != nil {
		return nil, errors.Join(err, p.blob.Close())
	}
	return p, nil
}

// writer appends the frames of one tenant to its packs and commits them in groups.
//
// Appending and syncing go on at the same time: a group takes the packs that have unsynced bytes for itself, and what
// is appended meanwhile goes to another pack. Several goroutines append at once, each to a pack of its own, and hash and
// write outside the lock.
type writer struct {
	e      *Engine
	tenant string
	ring   *ring

	mu      sync.Mutex
	idle    []*openPack                // packs that may be appended to, and full ones that wait for their group
	using   []*openPack                // packs that are being appended to
	back    *sync.Cond                 // of mu: a pack that was used is back
	pending map[chunk.ID]Frame         // appended, and not yet in the index
	writing map[chunk.ID]chan struct{} // being sealed and appended; closed when it is pending or has failed
	broken  map[PackID]lost            // packs that failed: what they held unsynced is lost
	known   map[PackID]bool            // packs that have their row
	ended   map[PackID]int64           // ended packs whose end has no row yet, by size
	fresh   atomic.Int64               // bytes appended and not yet counted in the tenant's row
	leases  map[LeaseID]*hold          // held by running operations
	current *hold                      // the lease that new operations join

	careful atomic.Bool // a transaction has failed, perhaps after it was committed (see insertFrames)

	lookups lookups

	qmu     sync.Mutex
	queue   []*op
	leading bool
	closed  bool
}

// hold is a lease with the number of operations under it.
type hold struct {
	Lease
	users int
}

// lost is a pack that failed: bytes up to safe had been synced before.
type lost struct {
	err  error
	safe int64
}

func (l lost) keeps(f Frame) bool { return f.Pos+int64(f.Child.Length) <= l.safe }

func newWriter(e *Engine, tenant string, r *ring) *writer {
	w := &writer{e: e, tenant: tenant, ring: r, pending: map[chunk.ID]Frame{}, writing: map[chunk.ID]chan struct{}{}, broken: map[PackID]lost{},
		known: map[PackID]bool{}, ended: map[PackID]int64{}, leases: map[LeaseID]*hold{}}
	w.back = sync.NewCond(&w.mu)
	w.lookups = lookups{w: w, most: e.c.Workers}
	return w
}

// leased lists the leases that are held. The caller holds no lock of the writer.
func (w *writer) leased() (out []LeaseID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.leases {
		out = append(out, id)
	}
	return out
}

// join puts an operation under a lease that is younger than LeaseAge, taking one when there is none. leave gives it back.
func (w *writer) join(ctx context.Context) (*hold, error) {
	now := w.e.c.Now()
	w.mu.Lock()
	if h := w.current; h != nil && now.Sub(h.TakenAt) < LeaseAge && !now.Before(h.TakenAt) {
		h.users++
		w.mu.Unlock()
		return h, nil
	}
	w.mu.Unlock()
	h := &hold{Lease: Lease{ID: id.New[leaseKind](now), Tenant: w.tenant, Owner: w.e.c.Owner, Purpose: "data path", TakenAt: now, RenewedAt: now}, users: 2}
	if err := w.e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		// Under the tenant's lock: the sweep either sees the lease or has finished its transaction.
		if _, err := w.e.c.Store.LockTenant(ctx, tx, w.tenant); err != nil {
			return err
		}
		return w.e.c.Store.InsertLease(ctx, tx, h.Lease)
	}); err != nil {
		return nil, err
	}
	w.mu.Lock()
	old := w.current
	w.current, w.leases[h.ID] = h, h
	w.mu.Unlock()
	if old != nil {
		w.leave(old)
	}
	return h, nil
}

// leave ends an operation. The current lease counts as one user of itself, so it goes when a younger one replaces it.
func (w *writer) leave(h *hold) {
	w.mu.Lock()
	h.users--
	gone := h.users == 0
	if gone {
		delete(w.leases, h.ID)
	}
	w.mu.Unlock()
	if !gone {
		return
	}
	ctx, cancel := context.WithTimeout(w.e.bg, time.Minute)
	defer cancel()
	if err := w.e.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return w.e.c.Store.DeleteLease(ctx, tx, h.ID) }); err != nil && ctx.Err() == nil {
		w.e.c.Log.Warn("a lease was not given back; it will expire", "lease", h.ID.String(), "error", err)
	}
}

// find looks the id of so many bytes up: appended a moment ago, or in the index. isPending says which. The caller computes (see lookups).
//
// When it is unknown the caller is the one who stores it, and calls stored in any case; others who ask for the id
// meanwhile wait for that. Two frames of one id would be harmless, and a waste.
func (w *writer) find(ctx context.Context, id chunk.ID, size int) (f Frame, isPending, ok bool, err error) {
	for {
		w.mu.Lock()
		f, ok = w.pending[id]
		other := w.writing[id]
		if !ok && other == nil {
			w.writing[id] = make(chan struct{})
		}
		w.mu.Unlock()
		if ok {
			return f, true, true, nil
		}
		if other == nil {
			break
		}
		w.lookups.end()
		select {
		case <-other:
		case <-ctx.Done():
			err = ctx.Err()
		}
		w.lookups.begin()
		if err != nil {
			return Frame{}, false, false, err
		}
	}
	f, ok, err = w.lookups.ask(id, size)
	if ok || err != nil {
		w.stored(id)
	}
	return f, false, ok, err
}

// stored ends what find began for an unknown id: it is pending now, or was given up.
func (w *writer) stored(id chunk.ID) {
	w.mu.Lock()
	done := w.writing[id]
	delete(w.writing, id)
	w.mu.Unlock()
	close(done)
}

// append puts stored bytes into a pack. When the same id has been appended already, that one is answered.
func (w *writer) append(ctx context.Context, t pack.Type, c node.Child, plain int64, children []node.Child, payload []byte) (Frame, error) {
	c.Hash = frame.HashOf(payload)
	w.mu.Lock()
	if t != pack.TypeSeal {
		if f, ok := w.pending[c.ID]; ok {
			w.mu.Unlock()
			return f, nil
		}
	}
	p, err := w.checkOut(ctx)
	w.mu.Unlock()
	if err != nil {
		return Frame{}, err
	}
	f, err := w.appendTo(p, t, c, plain, children, payload)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.giveBack(p, err)
	if err != nil {
		return Frame{}, err
	}
	if t == pack.TypeChunk || t == pack.TypeNode {
		w.pending[c.ID] = f
	}
	return f, nil
}

// checkOut takes a pack with room, the one that was used last, for the caller alone. The caller holds w.mu.
func (w *writer) checkOut(ctx context.Context) (*openPack, error) {
	for {
		for i := len(w.idle) - 1; i >= 0; i-- {
			if p := w.idle[i]; !p.w.Full() {
				w.idle = slices.Delete(w.idle, i, i+1)
				p.using = true
				w.using = append(w.using, p)
				return p, nil
			}
		}
		if len(w.using) < maxAppending {
			break
		}
		w.back.Wait()
	}
	p, err := w.e.createPack(context.WithoutCancel(ctx), w.tenant)
	if err != nil {
		return nil, err
	}
	p.using = true
	w.using = append(w.using, p)
	return p, nil
}

// giveBack ends what checkOut began. err is what appending said. The caller holds w.mu.
func (w *writer) giveBack(p *openPack, err error) {
	p.using = false
	w.using = slices.DeleteFunc(w.using, func(q *openPack) bool { return q == p })
	switch {
	case err != nil:
		w.lose(p, err)
	case !p.claimed:
		w.idle = append(w.idle, p)
	}
	w.back.Broadcast()
}

// end finishes a pack that nobody uses. The caller holds w.mu.
func (w *writer) end(p *openPack) error {
	if err := p.w.Finish(); err != nil {
		w.lose(p, err)
		return err
	}
	p.dirty, p.ended = false, true
	w.ended[p.id] = p.w.Size()
	return nil
}

// lose gives up a pack that failed. What it held and was not acknowledged is forgotten; what was stays readable. The
// caller holds w.mu.
func (w *writer) lose(p *openPack, err error) {
	l := lost{err: err, safe: p.safe}
	w.broken[p.id] = l
	p.ended = true
	if p.safe > 0 {
		// Nobody appends to it any more: the sweep may rewrite it before this process ends.
		w.ended[p.id] = p.safe
	}
	for id, f := range w.pending {
		if f.Pack == p.id && !l.keeps(f) {
			delete(w.pending, id)
		}
	}
	for i, q := range w.idle {
		if q == p {
			w.idle = append(w.idle[:i], w.idle[i+1:]...)
			break
		}
	}
	if err := p.blob.Close(); err != nil {
		w.e.c.Log.Warn("closing a broken pack", "pack", p.id.String(), "error", err)
	}
}

// appendTo appends to a pack that the caller owns; c has the payload's hash. After an error the caller has to lose it.
func (w *writer) appendTo(p *openPack, t pack.Type, c node.Child, plain int64, children []node.Child, payload []byte) (Frame, error) {
	before := p.w.Size()
	en, err := p.w.Append(pack.Record{Type: t, Kind: c.Kind, ID: c.ID, Payload: payload, Hash: c.Hash})
	if err != nil {
		return Frame{}, err
	}
	p.dirty = true
	w.fresh.Add(p.w.Size() - before)
	c.Length = en.Length
	return Frame{Location: Location{Child: c, Pack: p.id, Pos: en.Offset, PlainLen: plain}, Children: children}, nil
}

// takeDirty takes every pack with unsynced bytes out of the way of appenders. A pack that is being
// appended to has bytes of the group if it had any before; it is waited for, which takes as long as one append.
func (w *writer) takeDirty() []*openPack {
	w.mu.Lock()
	defer w.mu.Unlock()
	var taken, left []*openPack
	for _, p := range w.idle {
		if p.dirty {
			taken = append(taken, p)
		} else {
			left = append(left, p)
		}
	}
	w.idle = left
	using := slices.Clone(w.using)
	for _, p := range using {
		p.claimed = true // all of them before the first wait, so that none goes back among the idle ones
	}
	for _, p := range using {
		for p.using {
			w.back.Wait()
		}
		p.claimed = false
		switch {
		case p.ended:
		case p.dirty:
			taken = append(taken, p)
		default:
			w.idle = append(w.idle, p)
		}
	}
	return taken
}

// roomy is one of the taken packs that has room, or one more that it takes.
func (w *writer) roomy(ctx context.Context, taken *[]*openPack) (*openPack, error) {
	for _, p := range *taken {
		if !p.ended && !p.w.Full() {
			return p, nil
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.checkOut(ctx)
	if err != nil {
		return nil, err
	}
	p.using = false
	w.using = slices.DeleteFunc(w.using, func(q *openPack) bool { return q == p })
	w.back.Broadcast()
	*taken = append(*taken, p)
	return p, nil
}

// syncAll makes the taken packs durable, all at once, ends the full ones and gives back the others.
func (w *writer) syncAll(taken []*openPack) error {
	errs := make([]error, len(taken))
	var wg sync.WaitGroup
	for i, p := range taken {
		if !p.dirty || p.ended {
			continue
		}
		sync := p.w.Sync
		if p.w.Full() {
			sync = p.w.Finish
		}
		if i == len(taken)-1 {
			errs[i] = sync()
		} else {
			wg.Go(func() { errs[i] = sync() })
		}
	}
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range taken {
		switch {
		case p.ended:
		case errs[i] != nil:
			w.lose(p, errs[i])
		case p.dirty && p.w.Full():
			p.dirty, p.ended = false, true
			w.ended[p.id] = p.w.Size()
		default:
			p.dirty, p.safe = false, p.w.Size()
			w.idle = append(w.idle, p)
		}
	}
	w.back.Broadcast()
	return errors.Join(errs...)
}

// close ends every pack and refuses what comes later.
func (w *writer) close() error {
	w.qmu.Lock()
	w.closed = true
	queue := w.queue
	w.queue = nil
	w.qmu.Unlock()
	for _, o := range queue {
		o.finish(ErrClosed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.using) > 0 {
		w.back.Wait()
	}
	var errs []error
	for _, p := range slices.Clone(w.idle) {
		errs = append(errs, w.end(p))
	}
	w.idle = nil
	now := sqldb.Micros(w.e.c.Now())
	ctx := context.Background()
	errs = append(errs, w.e.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return w.packRows(ctx, tx, nil, w.ended, now) }))
	return errors.Join(errs...)
}

// packRows inserts the rows of the packs that frames stand in, and the ends that are due.
func (w *writer) packRows(ctx context.Context, tx *sqldb.Tx, packs []PackID, ends map[PackID]int64, at int64) error {
	for _, p := range packs {
		if err := w.e.c.Store.InsertPack(ctx, tx, w.tenant, p, w.e.lease.ID, at); err != nil {
			return err
		}
	}
	for p, size := range ends {
		if err := w.e.c.Store.InsertPack(ctx, tx, w.tenant, p, w.e.lease.ID, at); err != nil {
			return err
		}
		if err := w.e.c.Store.InsertPackEnd(ctx, tx, p, size, at); err != nil {
			return err
		}
	}
	return nil
}

// packsOf lists the packs that frames stand in and that have no row yet, and copies the ends that are due.
func (w *writer) packsOf(frames []Frame) (packs []PackID, ends map[PackID]int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[PackID]bool{}
	for _, f := range frames {
		if l, ok := w.broken[f.Pack]; ok && !l.keeps(f) {
			return nil, nil, l.err
		}
		if !w.known[f.Pack] && !seen[f.Pack] {
			seen[f.Pack] = true
			packs = append(packs, f.Pack)
		}
	}
	return packs, maps.Clone(w.ended), nil
}

// committed remembers what a transaction has put into the index.
func (w *writer) committed(packs []PackID, ends map[PackID]int64, frames []Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range packs {
		w.known[p] = true
	}
	for p := range ends {
		delete(w.ended, p)
		delete(w.known, p)
	}
	for _, f := range frames {
		if g, ok := w.pending[f.Child.ID]; ok && g.Child.Hash == f.Child.Hash {
			delete(w.pending, f.Child.ID)
		}
	}
}
