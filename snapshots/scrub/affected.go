package scrub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// suspicion begins the reason of every flag that this package sets: only such it lifts.
const suspicion = "scrub: "

// Assess says, for every tenant with rot, which snapshots and paths need it, flags copies that do, and lifts its own
// flags from copies that do not any more.
func (s *Scrubber) Assess(ctx context.Context) error {
	var tenants []string
	if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		tenants, err = s.c.Store.QuarantinedTenants(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	for _, t := range tenants {
		if err := s.assess(ctx, t); err != nil {
			return fmt.Errorf("tenant %s: %w", t, err)
		}
	}
	return nil
}

func (s *Scrubber) assess(ctx context.Context, tenant string) error {
	w := &walker{s: s, tenant: tenant, bad: map[snapshots.ChunkKey]bool{}, seen: map[snapshots.ChunkKey]bool{}}
	if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		list, err := s.c.Store.Quarantined(ctx, tx, tenant)
		for _, q := range list {
			w.bad[q.Frame] = !q.Healed
		}
		return err
	}); err != nil {
		return err
	}
	found, err := w.tenants(ctx)
	if err != nil {
		return err
	}
	return s.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return s.mark(ctx, tx, tenant, found) })
}

// mark stores what is affected and flags the copies.
func (s *Scrubber) mark(ctx context.Context, tx *sqldb.Tx, tenant string, found []Affected) error {
	at := s.c.Now()
	before, err := s.c.Store.AffectedNow(ctx, tx, tenant, MaxListed)
	if err != nil {
		return err
	}
	if err := s.c.Store.Affect(ctx, tx, found, sqldb.Micros(at)); err != nil {
		return err
	}
	still := map[Affected]bool{}
	hit := map[snapshots.SnapshotID]int{}
	for _, a := range found {
		a.FoundAt = at
		still[Affected{Volume: a.Volume, Snapshot: a.Snapshot, Path: a.Path}] = true
		if !a.Snapshot.IsZero() {
			hit[a.Snapshot]++
		}
	}
	healed := map[snapshots.SnapshotID]bool{}
	for _, a := range before {
		if !still[Affected{Volume: a.Volume, Snapshot: a.Snapshot, Path: a.Path}] {
			if err := s.c.Store.Heal(ctx, tx, a, sqldb.Micros(at)); err != nil {
				return err
			}
			if !a.Snapshot.IsZero() && hit[a.Snapshot] == 0 {
				healed[a.Snapshot] = true
			}
		}
	}
	for id, n := range hit {
		if err := s.flag(ctx, tx, id, true, fmt.Sprintf("%s%d paths need bytes that cannot be read", suspicion, n)); err != nil {
			return err
		}
	}
	for id := range healed {
		if err := s.flag(ctx, tx, id, false, suspicion+"healed"); err != nil {
			return err
		}
	}
	return nil
}

// flag flags a copy of this site, or lifts a flag that this package set. A copy that is flagged otherwise stays so.
func (s *Scrubber) flag(ctx context.Context, tx *sqldb.Tx, id snapshots.SnapshotID, suspect bool, reason string) error {
	c, err := s.c.Store.Copy(ctx, tx, id, s.c.Site)
	if errors.Is(err, snapshots.ErrNotFound) {
		return nil // not sealed, hence no restore point
	}
	if err != nil {
		return err
	}
	own := strings.HasPrefix(c.Suspect, suspicion)
	if suspect && c.Suspect != "" || !suspect && !own {
		return nil
	}
	return s.c.Store.InsertSuspect(ctx, tx, id, s.c.Site, sqldb.Micros(s.c.Now()), !suspect, reason)
}

// Needed answers which of some frames that are not there any snapshot, living version or moment of the undo window needs.
func (s *Scrubber) Needed(ctx context.Context, tenant string, missing []snapshots.ChunkKey) (out []snapshots.ChunkKey, err error) {
	w := &walker{s: s, tenant: tenant, bad: map[snapshots.ChunkKey]bool{}, seen: map[snapshots.ChunkKey]bool{}, met: map[snapshots.ChunkKey]bool{}}
	for _, k := range missing {
		w.bad[k] = true
	}
	if _, err := w.tenants(ctx); err != nil {
		return nil, err
	}
	for k := range w.met {
		out = append(out, k)
	}
	return out, nil
}

// walker finds what needs rotten frames.
type walker struct {
	s      *Scrubber
	tenant string
	bad    map[snapshots.ChunkKey]bool
	seen   map[snapshots.ChunkKey]bool // nodes that were looked at, and what was found
	met    map[snapshots.ChunkKey]bool // if not nil, the bad frames that were met: none is passed over then
}

func (w *walker) tenants(ctx context.Context) (found []Affected, err error) {
	any := false
	for _, bad := range w.bad {
		any = any || bad
	}
	if !any {
		return nil, nil
	}
	var after snapshots.VolumeID
	for {
		var page []snapshots.Volume
		if err := w.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			page, err = w.s.c.Store.Volumes(ctx, tx, w.tenant, true, after, batchVersions)
			return err
		}); err != nil {
			return nil, err
		}
		for _, v := range page {
			list, err := w.volume(ctx, v)
			if err != nil {
				return nil, err
			}
			found = append(found, list...)
			after = v.ID
		}
		if len(page) < batchVersions {
			return found, nil
		}
	}
}

// point is a snapshot whose copy here is not erased, with what was found of it.
type point struct {
	snapshots.Snapshot
	paths map[string]bool
}

func (w *walker) volume(ctx context.Context, v snapshots.Volume) ([]Affected, error) {
	points, err := w.points(ctx, v)
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	cutoff, err := w.cutoff(ctx, v)
	if err != nil {
		return nil, err
	}
	var after snapshots.Version
	for {
		var page []snapshots.Version
		if err := w.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			page, err = w.s.c.Store.AllVersions(ctx, tx, v.ID, after, batchVersions)
			return err
		}); err != nil {
			return nil, err
		}
		for _, x := range page {
			if x.Died <= cutoff && !slices.ContainsFunc(points, func(p point) bool { return x.Born <= p.Seq && p.Seq < x.Died }) {
				continue // nobody's any more
			}
			hit, err := w.any(ctx, x.Recipe.Children(), 0)
			if err != nil {
				return nil, err
			}
			if !hit {
				continue
			}
			if x.Died > cutoff && len(live) < MaxPaths {
				live[x.Path] = true
			}
			for i := range points {
				if p := &points[i]; x.Born <= p.Seq && p.Seq < x.Died && len(p.paths) < MaxPaths {
					p.paths[x.Path] = true
				}
			}
		}
		if len(page) < batchVersions {
			break
		}
		after = page[len(page)-1]
	}
	var out []Affected
	add := func(id snapshots.SnapshotID, paths map[string]bool) {
		for path := range paths {
			out = append(out, Affected{Tenant: w.tenant, Volume: v.ID, Snapshot: id, Path: path})
		}
	}
	add(snapshots.SnapshotID{}, live)
	for _, p := range points {
		if p.Seal != nil {
			hit, err := w.any(ctx, []node.Child{p.Seal.Root}, 0)
			if err != nil {
				return nil, err
			}
			if hit && len(p.paths) == 0 {
				p.paths[""] = true // a catalogue page or the root
			}
		}
		add(p.ID, p.paths)
	}
	return out, nil
}

// cutoff is the last commit before the undo window: what died no later is nobody's but the snapshots'.
func (w *walker) cutoff(ctx context.Context, v snapshots.Volume) (seq int64, err error) {
	err = w.s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		t, err := w.s.c.Store.Tenant(ctx, tx, w.tenant)
		if err != nil {
			return err
		}
		since := w.s.c.Now().Add(-max(t.Undo, w.s.c.Undo()))
		if !v.DeletedAt.IsZero() && v.DeletedAt.Before(since) {
			seq = snapshots.Live
			return nil
		}
		seq, _, err = w.s.c.Store.SeqAt(ctx, tx, v.ID, sqldb.Micros(since))
		if errors.Is(err, snapshots.ErrNotFound) {
			seq, err = 0, nil
		}
		return err
	})
	return seq, err
}

func (w *walker) points(ctx context.Context, v snapshots.Volume) (out []point, err error) {
	var before snapshots.SnapshotID
	for {
		var page []snapshots.Snapshot
		if err := w.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			if page, err = w.s.c.Store.Snapshots(ctx, tx, w.tenant, v.ID, before, snapshots.MaxPage); err != nil {
				return err
			}
			for _, s := range page {
				c, err := w.s.c.Store.Copy(ctx, tx, s.ID, w.s.c.Site)
				if err != nil && !errors.Is(err, snapshots.ErrNotFound) {
					return err
				}
				if c.State != snapshots.Erased {
					out = append(out, point{s, map[string]bool{}})
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if len(page) < snapshots.MaxPage {
			return out, nil
		}
		before = page[len(page)-1].ID
	}
}

// any reports whether one of the edges leads to a rotten frame. It needs no keys: nodes name their children in the clear.
func (w *walker) any(ctx context.Context, edges []node.Child, depth int) (bool, error) {
	found := false
	for _, c := range edges {
		k := snapshots.ChunkKey{ID: c.ID, Hash: c.Hash}
		if w.bad[k] {
			if w.met == nil {
				return true, nil
			}
			w.met[k], found = true, true
			continue
		}
		if c.Kind == chunk.KindData {
			continue
		}
		hit, known := w.seen[k]
		if !known {
			children, err := w.children(ctx, c)
			if err != nil {
				return false, err
			}
			if depth < maxDepth {
				if hit, err = w.any(ctx, children, depth+1); err != nil {
					return false, err
				}
			}
			w.seen[k] = hit
		}
		if hit && w.met == nil {
			return true, nil
		}
		found = found || hit
	}
	return found, nil
}

// children reads the edges of a node, or of another node with the same id, whose edges are the same. What cannot be read
// now has none: scrubbing finds that by itself.
func (w *walker) children(ctx context.Context, c node.Child) ([]node.Child, error) {
	var places []snapshots.Location
	if err := w.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if places, err = w.s.c.Store.Locate(ctx, tx, w.tenant, []snapshots.ChunkKey{{ID: c.ID, Hash: c.Hash}}); err != nil {
			return err
		}
		others, err := w.s.c.Store.FramesOf(ctx, tx, w.tenant, c.ID)
		places = append(places, others...)
		return err
	}); err != nil {
		return nil, err
	}
	for _, l := range places {
		if l.Child.Length > stream.MaxStored {
			continue
		}
		buf := make([]byte, l.Child.Length)
		n, err := w.s.c.Blobs.ReadAt(ctx, snapshots.PackBlob(w.tenant, l.Pack), buf, l.Pos)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if n != len(buf) || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, blob.ErrNotFound) || node.Verify(l.Child, buf) != nil {
			continue
		}
		if _, children, err := node.Children(buf); err == nil {
			return children, nil
		}
	}
	return nil, nil
}
