package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"
)

func openNode(l snapshots.Location, ring *key.Ring, b []byte) error {
	kind, _, err := node.Children(b)
	if err != nil {
		return err
	}
	if kind != l.Child.Kind {
		return errors.New("a node of another kind")
	}
	if ring == nil {
		return nil
	}
	_, err = node.Open(ring, l.Child.ID, l.Child.Kind, b)
	return err
}

// reading is the reading of one pack.
type reading struct {
	r      *run
	p      snapshots.OpenPack
	ring   *key.Ring
	want   map[int64]snapshots.Location // frames of the index that were not met yet, by place
	whole  []snapshots.ChunkKey
	bad    []Rot
	detail []string
	result PackResult
}

// pack reads one pack and stores what it found. Its rows are read first: what they name was durable before, so whatever
// of it is not there afterwards, and still named, is rot.
func (r *run) pack(ctx context.Context, p snapshots.OpenPack) (PackResult, error) {
	x := &reading{r: r, p: p, ring: r.ring(ctx, p.Tenant), want: map[int64]snapshots.Location{}}
	frames, known, ended, err := r.frames(ctx, p)
	if err != nil || !known {
		return PackResult{}, err
	}
	for _, l := range frames {
		x.want[l.Pos] = l
	}
	x.result = PackResult{Pack: p.Pack, Tenant: p.Tenant, Pass: r.pass.Number, Frames: int64(len(frames)), State: Good}
	if err := x.scan(ctx, ended); err != nil {
		return PackResult{}, err
	}
	// What the scan did not meet is read by itself, as a restore would read it.
	for _, l := range x.want {
		if err := x.single(ctx, l); err != nil {
			return PackResult{}, err
		}
	}
	return x.store(ctx)
}

func (r *run) frames(ctx context.Context, p snapshots.OpenPack) (frames []snapshots.Location, known, ended bool, err error) {
	err = r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		frames, known, ended, err = r.s.c.Store.PackFrames(ctx, tx, p.Tenant, p.Pack)
		return err
	})
	return frames, known, ended, err
}

func (x *reading) note(state State, format string, args ...any) {
	if x.result.State != Missing {
		x.result.State = state
	}
	x.detail = append(x.detail, fmt.Sprintf(format, args...))
}

// scan reads the pack from its beginning to its end.
func (x *reading) scan(ctx context.Context, ended bool) error {
	s := x.r.s
	in, err := s.c.Blobs.OpenReader(ctx, snapshots.PackBlob(x.p.Tenant, x.p.Pack), 0, -1)
	if errors.Is(err, blob.ErrNotFound) {
		x.note(Missing, "the pack is not there")
		return nil
	}
	if err != nil {
		x.note(Damaged, "cannot be opened: %v", err)
		return ctx.Err()
	}
	defer in.Close()
	paced := &pacer{ctx: ctx, s: s, in: in}
	report, err := pack.Scan(paced, x.visit)
	x.result.Bytes = paced.total
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		x.note(Damaged, "reading ended early: %v", err)
	case report.Header.Tenant != x.p.Tenant || report.Header.Pack != x.p.Pack.String():
		x.note(Damaged, "the pack says that it is another one")
	}
	lost := int64(0)
	for _, d := range report.Damaged {
		lost += d.Length
	}
	if lost > 0 {
		x.note(Damaged, "%d bytes in %d places are no whole records", lost, len(report.Damaged))
	}
	if err == nil && ended && !report.Finished && !report.Torn {
		// A killed writer leaves a pack without footer; one whose footer lists other records than there are is damaged.
		if info, err := s.c.Blobs.Stat(ctx, snapshots.PackBlob(x.p.Tenant, x.p.Pack)); err == nil && info.Size > report.Good {
			x.note(Damaged, "its table does not list what is there")
		}
	}
	return nil
}

// visit takes a record whose payload has the hash that stands beside it.
func (x *reading) visit(e pack.Entry, payload []byte) error {
	switch e.Type {
	case pack.TypeWraps:
		if _, err := key.ParseWraps(payload); err != nil {
			x.note(Damaged, "key wraps that cannot be read")
		}
		return nil
	case pack.TypeSeal:
		if _, err := snapshots.ParseSealRecord(payload); err != nil {
			x.note(Damaged, "a seal that cannot be read")
		}
		return nil
	}
	l, ok := x.want[e.Offset]
	if !ok {
		return nil // not in the index: of an operation that failed or is under way, or let go by the sweep
	}
	if e.ID != l.Child.ID || e.Hash != l.Child.Hash || e.Length != l.Child.Length {
		return nil // looked at again by itself
	}
	if err := open(l, x.ring, payload); err != nil {
		return nil
	}
	delete(x.want, e.Offset)
	x.whole = append(x.whole, keyOf(l))
	return nil
}

func keyOf(l snapshots.Location) snapshots.ChunkKey {
	return snapshots.ChunkKey{ID: l.Child.ID, Hash: l.Child.Hash}
}

// single reads one frame at its place, more than once before it is called rotten.
func (x *reading) single(ctx context.Context, l snapshots.Location) error {
	var problem error
	for range again {
		buf := make([]byte, l.Child.Length)
		if err := x.r.s.pause(ctx, int64(len(buf))); err != nil {
			return err
		}
		n, err := x.r.s.c.Blobs.ReadAt(ctx, snapshots.PackBlob(x.p.Tenant, x.p.Pack), buf, l.Pos)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case n == len(buf) && (err == nil || errors.Is(err, io.EOF)):
			problem = verify(l, x.ring, buf)
		case err == nil || errors.Is(err, io.EOF) || errors.Is(err, blob.ErrRange):
			problem = errors.New("the pack ends before")
		default:
			problem = err
		}
		if problem == nil {
			x.whole = append(x.whole, keyOf(l))
			return nil
		}
	}
	x.bad = append(x.bad, Rot{Frame: keyOf(l), Pack: x.p.Pack, Reason: clip(problem.Error())})
	return nil
}

// store writes the reading down: rot into quarantine, but only where the index still has the frame in this pack, for the
// sweep may have moved it meanwhile; and out of it what was read whole.
func (x *reading) store(ctx context.Context) (PackResult, error) {
	s := x.r.s
	err := s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		frames, known, _, err := s.c.Store.PackFrames(ctx, tx, x.p.Tenant, x.p.Pack)
		if err != nil {
			return err
		}
		if !known { // removed by the sweep since
			x.result = PackResult{Pack: x.p.Pack, Tenant: x.p.Tenant, Pass: x.r.pass.Number, Bytes: x.result.Bytes, State: Good}
			return nil
		}
		here := make(map[snapshots.ChunkKey]bool, len(frames))
		for _, l := range frames {
			here[keyOf(l)] = true
		}
		var bad []Rot
		for _, b := range x.bad {
			if here[b.Frame] {
				bad = append(bad, b)
			}
		}
		x.result.Bad = int64(len(bad))
		if len(bad) > 0 && x.result.State == Good {
			x.note(Damaged, "%d frames are not what the index names", len(bad))
		}
		at := s.c.Now()
		if err := s.c.Store.Quarantine(ctx, tx, x.p.Tenant, bad, sqldb.Micros(at)); err != nil {
			return err
		}
		if err := x.release(ctx, tx); err != nil {
			return err
		}
		x.result.At, x.result.Detail = at, clip(strings.Join(x.detail, "; "))
		return s.c.Store.RecordPack(ctx, tx, x.result)
	})
	if err != nil {
		return x.result, err
	}
	s.found.Add(x.result.Bad)
	if x.result.State != Good {
		s.c.Log.Error("a pack is not as it was written", "pack", x.p.Pack.String(), "tenant", x.p.Tenant, "state", string(x.result.State),
			"bad", x.result.Bad, "frames", x.result.Frames, "detail", x.result.Detail)
	}
	return x.result, nil
}

// release takes out of quarantine what was read whole.
func (x *reading) release(ctx context.Context, tx *sqldb.Tx) error {
	s := x.r.s
	list, err := s.c.Store.Quarantined(ctx, tx, x.p.Tenant)
	if err != nil || len(list) == 0 {
		return err
	}
	whole := make(map[snapshots.ChunkKey]bool, len(x.whole))
	for _, k := range x.whole {
		whole[k] = true
	}
	for _, q := range list {
		if whole[q.Frame] {
			if err := s.c.Store.Release(ctx, tx, x.p.Tenant, q.Frame); err != nil {
				return err
			}
		}
	}
	return nil
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "?") }

// unknown looks for packs that are there and that the database has not heard of.
func (r *run) unknown(ctx context.Context) error {
	s := r.s
	var found []PackResult
	err := s.c.Blobs.List(ctx, "packs/", func(i blob.Info) error {
		parts := strings.Split(i.Name, "/")
		if len(parts) != 3 {
			return nil
		}
		var p snapshots.PackID
		if err := p.UnmarshalText([]byte(parts[2])); err != nil || s.c.Now().Sub(p.Time()) < unknownAge {
			return nil
		}
		known := false
		if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			known, err = s.c.Store.KnownPack(ctx, tx, p)
			return err
		}); err != nil || known {
			return err
		}
		found = append(found, PackResult{Pack: p, Tenant: parts[1], Pass: r.pass.Number, State: Unknown,
			Detail: fmt.Sprintf("%d bytes that the database does not know; left alone, a rebuild takes them in", i.Size)})
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
			// Once more: its writer may have committed since.
			known, err := s.c.Store.KnownPack(ctx, tx, p.Pack)
			if err != nil || known {
				return err
			}
			p.At = s.c.Now()
			return s.c.Store.RecordPack(ctx, tx, p)
		}); err != nil {
			return err
		}
		r.progress(p)
	}
	return nil
}
