package snapshots

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"filippo.io/age"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/snapshots/blob"
)

// Config is what an Engine is made of. All fields without a default are required.
type Config struct {
	DB    *sqldb.DB
	Store Store
	Blobs blob.Store
	// Site is the name of the site that the engine serves, as the charter says it.
	Site string
	// Owner names this process in leases: host and process, for people to read.
	Owner string
	// Identity opens the wraps that are meant for this site; Recipients are whom key sets are wrapped for: this site's
	// own recipient and the charter's recovery recipients.
	Identity   age.Identity
	Recipients []string
	// Undo is the undo window of the charter in force. Default DefaultUndo.
	Undo func() time.Duration
	// Still answers what stops reclaiming of a tenant, as the sweep's guard sees it in the same database. Default: nothing
	// does, so that no more is claimed than is surely kept.
	Still func(ctx context.Context, tx *sqldb.Tx, tenant string) (Stillness, error)
	Now   func() time.Time
	// Workers bounds the goroutines that compress and encrypt at the same time, for one upload and for all. Default: one
	// a processor.
	Workers int
	Log     *slog.Logger
}

// Engine is the data path of a site's primary side. It is safe for concurrent use.
type Engine struct {
	c     Config
	site  Site
	lease Lease // of the process: it owns the open packs, and holds nothing of any tenant
	stop  context.CancelFunc
	bg    context.Context
	wg    sync.WaitGroup
	// stall, when not nil, is called at the steps of a commit; its error stops the commit there, as a crash would.
	stall func(step string) error

	turns   turns
	reading chan struct{} // bulk reads

	mu      sync.Mutex
	closed  bool
	writers map[string]*writer
	keys    map[string]*ring
	known   map[VolumeID]*liveSet // what pushes were told, by volume
}

// New starts an engine: it claims its lease and ends the packs that dead processes left open.
func New(ctx context.Context, c Config) (*Engine, error) {
	if c.DB == nil || c.Store == nil || c.Blobs == nil || c.Site == "" || c.Identity == nil || len(c.Recipients) == 0 || c.Now == nil {
		return nil, errors.New("snapshots: incomplete configuration")
	}
	if c.Undo == nil {
		c.Undo = func() time.Duration { return DefaultUndo }
	}
	if c.Still == nil {
		c.Still = func(context.Context, *sqldb.Tx, string) (Stillness, error) { return Stillness{}, nil }
	}
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Owner == "" {
		c.Owner = "engine"
	}
	e := &Engine{c: c, turns: make(turns, c.Workers), reading: make(chan struct{}, maxBulkReads), writers: map[string]*writer{}, keys: map[string]*ring{}}
	now := c.Now()
	e.lease = Lease{ID: id.New[leaseKind](now), Owner: c.Owner, Purpose: "engine", TakenAt: now, RenewedAt: now}
	err := c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		var err error
		if e.site, err = c.Store.Site(ctx, tx, c.Site, rand.Int64N(1<<62)+1, sqldb.Micros(now)); err != nil {
			return err
		}
		if e.site.Name != c.Site {
			return fmt.Errorf("snapshots: this database belongs to site %q", e.site.Name)
		}
		return c.Store.InsertLease(ctx, tx, e.lease)
	})
	if err != nil {
		return nil, err
	}
	e.bg, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.wg.Add(1)
	go e.renew()
	if _, err := e.EndOrphanPacks(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Site is which site and which life of the database the engine serves.
func (e *Engine) Site() Site { return e.site }

// Close ends the open packs and gives the leases back. Running operations fail with ErrClosed.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	writers := e.writers
	e.mu.Unlock()
	var errs []error
	for _, w := range writers {
		errs = append(errs, w.close())
	}
	e.stop()
	e.wg.Wait()
	ctx := context.Background()
	errs = append(errs, e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		for _, w := range writers {
			for _, l := range w.leases {
				if err := e.c.Store.DeleteLease(ctx, tx, l.ID); err != nil {
					return err
				}
			}
		}
		return e.c.Store.DeleteLease(ctx, tx, e.lease.ID)
	}))
	return errors.Join(errs...)
}

// renew keeps the leases of running operations and of the process alive.
func (e *Engine) renew() {
	defer e.wg.Done()
	t := time.NewTicker(LeaseRenew)
	defer t.Stop()
	for {
		select {
		case <-e.bg.Done():
			return
		case <-t.C:
			if err := e.renewOnce(e.bg); err != nil && e.bg.Err() == nil {
				e.c.Log.Error("leases were not renewed", "error", err)
			}
		}
	}
}

func (e *Engine) renewOnce(ctx context.Context) error {
	ids := []LeaseID{e.lease.ID}
	e.mu.Lock()
	for _, w := range e.writers {
		ids = append(ids, w.leased()...)
	}
	e.mu.Unlock()
	now := sqldb.Micros(e.c.Now())
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		for _, l := range ids {
			// One that is gone fails its operation at commit, not the others here.
			if err := e.c.Store.RenewLease(ctx, tx, l, now); err != nil && !errors.Is(err, ErrLease) {
				return err
			}
		}
		return nil
	})
}

// EndOrphanPacks ends packs whose writers are dead, so that the sweep may rewrite them. It answers how many.
func (e *Engine) EndOrphanPacks(ctx context.Context) (int, error) {
	total := 0
	for {
		var open []OpenPack
		now := e.c.Now()
		err := e.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			open, err = e.c.Store.OpenPacks(ctx, tx, sqldb.Micros(now.Add(-LeaseExpiry)), MaxPage)
			return err
		})
		if err != nil || len(open) == 0 {
			return total, err
		}
		for _, p := range open {
			info, err := e.c.Blobs.Stat(ctx, PackBlob(p.Tenant, p.Pack))
			if err != nil {
				return total, fmt.Errorf("pack %s: %w", p.Pack, err)
			}
			if err := e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
				return e.c.Store.InsertPackEnd(ctx, tx, p.Pack, info.Size, sqldb.Micros(now))
			}); err != nil {
				return total, err
			}
			total++
		}
	}
}

func (e *Engine) read(ctx context.Context, f func(tx *sqldb.Tx) error) error {
	return e.c.DB.Read(ctx, f)
}

// bulk is read for the look-ups that move bytes. Only some of the reading connections serve them, so that one is free for
// whoever looks at a page. f must not read again by itself.
func (e *Engine) bulk(ctx context.Context, f func(tx *sqldb.Tx) error) error {
	select {
	case e.reading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.reading }()
	return e.c.DB.Read(ctx, f)
}

func (e *Engine) step(name string) error {
	if e.stall == nil {
		return nil
	}
	return e.stall(name)
}

// writer finds or makes the one writer of a tenant.
func (e *Engine) writer(ctx context.Context, tenant string) (*writer, error) {
	r, err := e.ring(ctx, tenant)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	w := e.writers[tenant]
	if w == nil {
		w = newWriter(e, tenant, r)
		e.writers[tenant] = w
	}
	return w, nil
}
