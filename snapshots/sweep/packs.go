package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/pack"
	"holdfast/snapshots/sweep/internal/index"
)

// packs removes packs without live records and rewrites those with some. Only packs that the index knows are looked at.
func (r *run) packs(ctx context.Context) error {
	after := ""
	var errs []error
	for {
		var list []index.Pack
		if err := r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			list, err = index.Packs(ctx, tx, r.tenant, after, batchPacks)
			return err
		}); err != nil {
			return err
		}
		for _, p := range list {
			after = p.ID.String()
			err := r.pack(ctx, p)
			switch {
			case errors.Is(err, ErrCorrupt):
				r.s.c.Logger.Error("a pack is damaged and is not swept", "pack", p.ID.String(), "error", err)
				errs = append(errs, err)
			case errors.Is(err, ErrBusy):
				errs = append(errs, r.onlyErase(err))
			case err != nil:
				return err
			}
		}
		if len(list) < batchPacks {
			return errors.Join(errs...)
		}
	}
}

// onlyErase: what is in the way of Reclaim is no error, the next call comes by again.
func (r *run) onlyErase(err error) error {
	if r.request == "" {
		return nil
	}
	return err
}

func (r *run) pack(ctx context.Context, p index.Pack) error {
	if !p.Forced && p.Ended && p.Dead*garbageShare < p.Size {
		return nil
	}
	if err := r.quiesce(ctx); err != nil {
		return err
	}
	ready := false
	if err := r.write(ctx, func(tx *sqldb.Tx, _ Leave) (err error) {
		ready, err = r.ready(ctx, tx, &p)
		return err
	}); err != nil {
		return err
	}
	if !ready {
		return fmt.Errorf("%w: pack %s is in use", ErrBusy, p.ID)
	}
	return r.rewrite(ctx, p)
}

// ready reports whether nobody can bring frames of the pack into the index any more: it is ended, its writer was
// quiesced in this call or is dead, and no lease is left that may have appended to it.
func (r *run) ready(ctx context.Context, tx *sqldb.Tx, p *index.Pack) (bool, error) {
	now, err := index.PackOf(ctx, tx, r.tenant, p.ID)
	if err != nil || !now.Ended {
		return false, err
	}
	*p = now
	if p.Owner != "" && (r.owner.IsZero() || p.Owner != r.owner.String()) {
		alive, err := index.Alive(ctx, tx, p.Owner, r.s.leaseLimit())
		if err != nil || alive {
			return false, err
		}
	}
	first, last, err := index.ExpireLeases(ctx, tx, r.tenant, r.s.leaseLimit())
	if err != nil {
		return false, err
	}
	if p.SeenAt == 0 {
		p.SeenAt = max(sqldb.Micros(r.s.c.Now()), last)
		if err := index.Seen(ctx, tx, p.ID, p.SeenAt); err != nil {
			return false, err
		}
	}
	return first == 0 || first > p.SeenAt, nil
}

// rewrite copies what lives in a pack to a new one, makes that durable, indexes it and queues the old one for removal, or
// only that where nothing lives.
func (r *run) rewrite(ctx context.Context, p index.Pack) error {
	living := map[snapshots.ChunkKey]int64{}
	if err := r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		list, err := index.Living(ctx, tx, r.tenant, p.ID)
		for _, l := range list {
			living[l.Key] = l.Pos
		}
		return err
	}); err != nil {
		return err
	}
	c := copier{r: r, ctx: ctx, old: p.ID, living: living}
	err := c.run()
	if err != nil {
		return errors.Join(err, c.close())
	}
	if err := r.s.step("rewritten"); err != nil {
		return err
	}
	freed := p.Size - c.size
	if err := r.write(ctx, func(tx *sqldb.Tx, _ Leave) error {
		again := p
		ok, err := r.ready(ctx, tx, &again)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: pack %s is in use", ErrBusy, p.ID)
		}
		at := sqldb.Micros(r.s.c.Now())
		if c.out == nil {
			err = index.Forget(ctx, tx, r.tenant, p.ID, at)
		} else {
			err = index.Move(ctx, tx, r.tenant, p.ID, c.fresh, c.places, c.size, at)
		}
		if err != nil {
			return err
		}
		if err := index.Shrink(ctx, tx, r.tenant, freed); err != nil {
			return err
		}
		if r.request != "" {
			if err := index.Freed(ctx, tx, r.request, freed); err != nil {
				return err
			}
		}
		return r.s.step("moving")
	}); err != nil {
		return err
	}
	if c.out == nil {
		r.result.PacksRemoved++
	} else {
		r.result.PacksRewritten++
	}
	r.result.Bytes += freed
	if err := r.s.step("moved"); err != nil {
		return err
	}
	return r.removals(ctx)
}

// copier copies what lives in a pack to a new one.
type copier struct {
	r      *run
	ctx    context.Context
	old    snapshots.PackID
	living map[snapshots.ChunkKey]int64

	fresh  snapshots.PackID
	blob   blob.Writer
	out    *pack.Writer
	places []index.Place
	size   int64
}

func (c *copier) run() error {
	in, err := c.r.s.c.Blobs.OpenReader(c.ctx, snapshots.PackBlob(c.r.tenant, c.old), 0, -1)
	if err != nil {
		if errors.Is(err, blob.ErrNotFound) {
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		return err
	}
	defer in.Close()
	report, err := pack.Scan(in, c.visit)
	if err != nil {
		return err
	}
	// A torn tail is what a killed writer leaves behind its last acknowledged record; a hole in the middle is damage.
	if len(report.Damaged) > 0 || report.Header.Tenant != c.r.tenant || report.Header.Pack != c.old.String() {
		return fmt.Errorf("%w: pack %s", ErrCorrupt, c.old)
	}
	if len(c.places) != len(c.living) {
		return fmt.Errorf("%w: pack %s has %d of %d frames", ErrCorrupt, c.old, len(c.places), len(c.living))
	}
	if c.out == nil {
		return nil
	}
	if err := c.out.Finish(); err != nil {
		return err
	}
	c.size = c.out.Size()
	return nil
}

func (c *copier) close() error {
	if c.blob == nil {
		return nil
	}
	return c.blob.Close()
}

func (c *copier) visit(e pack.Entry, payload []byte) error {
	switch e.Type {
	case pack.TypeChunk, pack.TypeNode, pack.TypeJournal:
		k := snapshots.ChunkKey{ID: e.ID, Hash: frame.HashOf(payload)}
		if pos, ok := c.living[k]; !ok || pos != e.Offset {
			return nil
		}
		at, err := c.append(e, payload)
		if err != nil {
			return err
		}
		c.places = append(c.places, index.Place{Key: k, Pos: at})
		return nil
	case pack.TypeSeal:
		s, err := snapshots.ParseSealRecord(payload)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		erased := false
		if err := c.r.s.c.DB.Read(c.ctx, func(tx *sqldb.Tx) (err error) {
			erased, err = index.Erased(c.ctx, tx, s.Snapshot.String(), c.r.s.c.Site)
			return err
		}); err != nil || erased {
			return err
		}
		_, err = c.append(e, payload)
		return err
	case pack.TypeWraps:
		kept, err := c.keptWraps(payload)
		if err == nil && kept {
			_, err = c.append(e, payload)
		}
		return err
	}
	if e.Type == pack.TypeErased {
		_, err := c.append(e, payload)
		return err
	}
	return fmt.Errorf("%w: a record of an unknown type in %s", ErrCorrupt, c.old)
}

func (c *copier) append(e pack.Entry, payload []byte) (pos int64, err error) {
	if c.out == nil {
		if err := c.create(); err != nil {
			return 0, err
		}
	}
	out, err := c.out.Append(pack.Record{Type: e.Type, Kind: e.Kind, ID: e.ID, Payload: payload})
	return out.Offset, err
}

// create makes the new pack. The database hears of it first, so that a killed rewrite leaves nothing that nobody knows.
func (c *copier) create() error {
	s := c.r.s
	c.fresh = another(c.old, s.c.Now())
	if err := c.r.write(c.ctx, func(tx *sqldb.Tx, _ Leave) error {
		return index.Plan(c.ctx, tx, c.r.tenant, c.fresh, c.old, sqldb.Micros(s.c.Now()))
	}); err != nil {
		return err
	}
	if err := s.step("planned"); err != nil {
		return err
	}
	var err error
	if c.blob, err = s.c.Blobs.Create(c.ctx, snapshots.PackBlob(c.r.tenant, c.fresh)); err != nil {
		return err
	}
	c.out, err = pack.NewWriter(c.blob, pack.Header{Tenant: c.r.tenant, Pack: c.fresh.String()})
	return err
}

// another makes a new id of the same kind.
func another[K id.Kind](_ id.ID[K], at time.Time) id.ID[K] { return id.New[K](at) }
