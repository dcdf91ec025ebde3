package rebuild

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"
)

// onePack is a pack that was found.
type onePack struct {
	tenant string
	id     snapshots.PackID
	size   int64
}

func (p onePack) name() string { return snapshots.PackBlob(p.tenant, p.id) }

// list finds the packs, the oldest first.
func (r *rebuild) list(ctx context.Context) (out []onePack, err error) {
	err = r.c.Blobs.List(ctx, "packs/", func(i blob.Info) error {
		parts := strings.Split(i.Name, "/")
		var p snapshots.PackID
		if len(parts) != 3 || p.UnmarshalText([]byte(parts[2])) != nil || p.IsZero() {
			r.damage(nil, Damage{Pack: i.Name, What: "not the name of a pack; left alone"})
			return nil
		}
		out = append(out, onePack{parts[1], p, i.Size})
		return nil
	})
	slices.SortFunc(out, func(a, b onePack) int { return a.id.Compare(b.id) })
	return out, err
}

// keys opens the tenants' key sets, so that every frame can be decrypted when it is met. Most packs have a footer that
// says where wraps and seals stand; the few that a crash has torn are read through.
func (r *rebuild) keys(ctx context.Context, packs []onePack) error {
	for i, p := range packs {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.c.Progress(Progress{Phase: "keys", Done: int64(i), Total: int64(len(packs))})
		at := blob.At(ctx, r.c.Blobs, p.name())
		h, entries, err := pack.ReadIndex(at, p.size)
		if err != nil {
			if err := r.scanKeys(ctx, p); err != nil {
				return err
			}
			continue
		}
		if h.Tenant != p.tenant {
			continue // told of when it is read whole
		}
		for _, e := range entries {
			if e.Type != pack.TypeWraps && e.Type != pack.TypeSeal {
				continue
			}
			b, err := pack.ReadPayload(nil, at, e)
			if err != nil {
				continue
			}
			r.record(r.of(p.tenant), p, e, b)
		}
	}
	for _, f := range r.tenants {
		r.unlock(f)
	}
	return nil
}

func (r *rebuild) scanKeys(ctx context.Context, p onePack) error {
	in, err := r.c.Blobs.OpenReader(ctx, p.name(), 0, -1)
	if err != nil {
		return ctx.Err()
	}
	defer in.Close()
	// What is wrong with the pack is told of when it is read again.
	_, _ = pack.Scan(bufio.NewReaderSize(in, readBuffer), func(e pack.Entry, b []byte) error {
		if e.Type == pack.TypeWraps || e.Type == pack.TypeSeal {
			r.record(r.of(p.tenant), p, e, b)
		}
		return ctx.Err()
	})
	return ctx.Err()
}

// record takes what stands in the clear: wraps, seals, erasures.
func (r *rebuild) record(f *found, p onePack, e pack.Entry, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Type {
	case pack.TypeWraps:
		f.take(b, p.id.Time())
	case pack.TypeSeal:
		s, err := snapshots.ParseSealRecord(b)
		if err != nil || s.Tenant != p.tenant {
			return
		}
		for _, w := range s.Wraps {
			f.take(w, p.id.Time())
		}
		f.seals[string(b)] = s
	case pack.TypeErased:
		if x, err := snapshots.ParseErasedRecord(b); err == nil && x.Seal.Tenant == p.tenant && x.Seal.Site == r.c.Site {
			f.erased[x.Seal.Snapshot] = x
		}
	}
}

// take remembers wraps, by the first time that they were met.
func (f *found) take(text []byte, at time.Time) {
	w, err := key.ParseWraps(text)
	if err != nil || w.Tenant() != f.tenant.Tenant {
		return
	}
	if old, ok := f.wraps[string(text)]; !ok || at.Before(old.at) {
		f.wraps[string(text)] = wrapped{w, slices.Clone(text), at}
	}
}

// unlock opens what the given identities fit.
func (r *rebuild) unlock(f *found) {
	for _, w := range f.wraps {
		if f.sets[w.w.Number()] != nil {
			continue
		}
		if t, err := w.w.Open(r.c.Identities...); err == nil {
			f.sets[t.Number()] = t
		}
	}
	var sets []*key.Tenant
	for _, t := range f.sets {
		sets = append(sets, t)
	}
	if len(sets) > 0 {
		if ring, err := key.NewRing(sets...); err == nil {
			f.ring = ring
		}
	}
	f.tenant.Locked = f.ring == nil
}

// packs reads every pack whole and indexes what it holds, several at once.
func (r *rebuild) packs(ctx context.Context, packs []onePack) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan onePack)
	var wg sync.WaitGroup
	for range r.c.Workers {
		wg.Go(func() {
			for p := range work {
				if err := r.pack(ctx, p); err != nil {
					cancel(fmt.Errorf("pack %s: %w", p.id, err))
				}
			}
		})
	}
	for i, p := range packs {
		select {
		case work <- p:
		case <-ctx.Done():
		}
		r.mu.Lock()
		bytes := r.report.Bytes
		r.mu.Unlock()
		r.c.Progress(Progress{Phase: "packs", Done: int64(i + 1), Total: int64(len(packs)), Bytes: bytes})
	}
	close(work)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, f := range r.tenants {
		r.unlock(f)
	}
	return nil
}

// errStore marks an error of the database, which ends the run, unlike one of a pack.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

// reading is the reading of one pack.
type reading struct {
	r      *rebuild
	ctx    context.Context
	f      *found
	p      onePack
	ring   *key.Ring
	frames []snapshots.Frame
	rows   int
}

func (r *rebuild) pack(ctx context.Context, p onePack) error {
	in, err := r.c.Blobs.OpenReader(ctx, p.name(), 0, -1)
	if err != nil {
		r.damage(r.of(p.tenant), Damage{Pack: p.id.String(), What: "cannot be opened: " + err.Error()})
		return ctx.Err()
	}
	defer in.Close()
	f := r.of(p.tenant)
	x := &reading{r: r, ctx: ctx, f: f, p: p, ring: f.ring}
	if err := r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return r.c.Store.InsertFound(ctx, tx, p.tenant, p.id, p.size, p.id.Time().UnixMicro())
	}); err != nil {
		return err
	}
	report, err := pack.Scan(bufio.NewReaderSize(in, readBuffer), x.visit)
	var broken storeError
	if errors.As(err, &broken) {
		return broken.error
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case err != nil:
		r.damage(f, Damage{Pack: p.id.String(), Offset: report.Good, What: err.Error()})
		if err := x.singles(); err != nil {
			return err
		}
	case report.Header.Tenant != p.tenant || report.Header.Pack != p.id.String():
		r.damage(f, Damage{Pack: p.id.String(), What: "the pack says that it is another one"})
	}
	for _, d := range report.Damaged {
		r.damage(f, Damage{Pack: p.id.String(), Offset: d.Offset, Length: d.Length, What: "no whole records"})
	}
	if err := x.flush(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Packs++
	r.report.Bytes += p.size
	if report.Torn {
		r.report.Torn++
	}
	f.bytes += p.size
	if at := p.id.Time(); f.first.IsZero() || at.Before(f.first) {
		f.first = at
	}
	return nil
}

// singles reads by its footer what a scan could not reach because the storage failed in the middle.
func (x *reading) singles() error {
	at := blob.At(x.ctx, x.r.c.Blobs, x.p.name())
	_, entries, err := pack.ReadIndex(at, x.p.size)
	if err != nil {
		return x.ctx.Err()
	}
	for _, e := range entries {
		b, err := pack.ReadPayload(nil, at, e)
		if err != nil {
			continue
		}
		if err := x.visit(e, b); err != nil {
			return err
		}
	}
	return nil
}

// visit indexes one record. What was met before is not counted again.
func (x *reading) visit(e pack.Entry, payload []byte) error {
	switch e.Type {
	case pack.TypeChunk, pack.TypeNode, pack.TypeJournal:
	default:
		x.r.record(x.f, x.p, e, payload)
		return nil
	}
	l := snapshots.Location{Child: node.Child{ID: e.ID, Hash: e.Hash, Length: e.Length, Kind: e.Kind}, Pack: x.p.id, Pos: e.Offset}
	f := snapshots.Frame{Location: l}
	var err error
	if e.Type == pack.TypeNode {
		err = x.node(&f, payload)
	} else {
		err = x.frame(&f, payload)
	}
	if err != nil {
		x.r.mu.Lock()
		x.r.report.Unreadable++
		x.r.mu.Unlock()
		x.r.damage(x.f, Damage{Pack: x.p.id.String(), Offset: e.Offset, Length: int64(e.Length), What: e.Type.String() + ": " + err.Error()})
		return nil
	}
	x.frames = append(x.frames, f)
	if x.rows += 1 + len(f.Children); x.rows >= batchRows {
		return x.flush()
	}
	return nil
}

func (x *reading) frame(f *snapshots.Frame, b []byte) (err error) {
	if f.Child.Kind != chunk.KindData && f.Child.Kind != chunk.KindJournal {
		return errors.New("a frame of a kind that has none")
	}
	if f.Child.Key, err = frame.NumberOf(b); err != nil {
		return err
	}
	if x.ring == nil {
		return nil
	}
	if _, err := x.ring.Key(f.Child.Key); err != nil {
		return nil // a set whose wraps were not met yet, or that nobody opens: kept as it is
	}
	plain, err := frame.Open(nil, x.ring, f.Child.ID, f.Child.Kind, b, frame.MaxPlaintext)
	f.PlainLen = int64(len(plain))
	return err
}

func (x *reading) node(f *snapshots.Frame, b []byte) error {
	kind, children, err := node.Children(b)
	if err != nil {
		return err
	}
	if kind != f.Child.Kind {
		return errors.New("a node of another kind")
	}
	inner := b[len(b)-int(nodeFrame(b)):]
	if f.Child.Key, err = frame.NumberOf(inner); err != nil {
		return err
	}
	f.Children = children
	if x.ring == nil {
		return nil
	}
	if _, err := x.ring.Key(f.Child.Key); err != nil {
		return nil
	}
	n, err := node.Open(x.ring, f.Child.ID, f.Child.Kind, b)
	f.PlainLen = int64(len(n.Payload))
	return err
}

// nodeFrame is the length of the frame within a node that node.Children has taken.
func nodeFrame(b []byte) uint32 {
	return uint32(b[8])<<24 | uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11])
}

func (x *reading) flush() error {
	frames := x.frames
	x.frames, x.rows = nil, 0
	if len(frames) == 0 {
		return nil
	}
	var fresh []snapshots.Frame
	if err := x.r.c.DB.Write(x.ctx, func(tx *sqldb.Tx) (err error) {
		if fresh, err = x.r.c.Store.InsertFrames(x.ctx, tx, x.p.tenant, frames); err != nil {
			return err
		}
		edges := map[snapshots.ChunkKey]int64{}
		for _, f := range fresh {
			count(edges, f.Children)
		}
		return x.r.c.Store.CountRefs(x.ctx, tx, x.p.tenant, edges)
	}); err != nil {
		return storeError{err}
	}
	x.r.mu.Lock()
	defer x.r.mu.Unlock()
	x.r.report.Frames += int64(len(fresh))
	x.r.report.Duplicates += int64(len(frames) - len(fresh))
	for _, f := range fresh {
		if f.Child.Kind == chunk.KindJournal {
			x.f.journal = append(x.f.journal, f.Location)
		}
	}
	return nil
}

// count counts one edge for each distinct child.
func count(edges map[snapshots.ChunkKey]int64, children []node.Child) {
	seen := make(map[snapshots.ChunkKey]bool, len(children))
	for _, c := range children {
		k := snapshots.ChunkKey{ID: c.ID, Hash: c.Hash}
		if !seen[k] {
			seen[k] = true
			edges[k]++
		}
	}
}
