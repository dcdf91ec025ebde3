package snapshots

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/key"
	"holdfast/snapshots/pack"
)

// ring is the opened key sets of a tenant.
type ring struct {
	mu sync.Mutex
	r  *key.Ring
}

func (r *ring) get() *key.Ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r
}

// NewTenant is what a tenant starts with. QuotaBytes bounds what packs hold for it, garbage included.
type NewTenant struct {
	Tenant     string
	QuotaBytes int64
	// Undo is the tenant's own undo window; only what is longer than the charter's counts.
	Undo time.Duration
}

// CreateTenant makes the tenant's first key set, wraps it for the site and the recovery recipients, writes the wraps
// into a pack and then into the database. Calling it again for a tenant that is there does nothing.
func (e *Engine) CreateTenant(ctx context.Context, n NewTenant) error {
	if err := checkTenant(n.Tenant); err != nil {
		return err
	}
	if n.QuotaBytes < 0 || n.Undo < 0 {
		return fmt.Errorf("%w: quota or undo window", ErrFormat)
	}
	_, err := e.ring(ctx, n.Tenant)
	if err == nil || !errors.Is(err, ErrNotFound) {
		return err
	}
	t, err := key.Generate(n.Tenant)
	if err != nil {
		return err
	}
	err = e.storeKey(ctx, t, func(tx *sqldb.Tx, at time.Time) error {
		return e.c.Store.InsertTenant(ctx, tx, TenantState{Tenant: n.Tenant, QuotaBytes: n.QuotaBytes, Undo: n.Undo, CreatedAt: at})
	})
	if sqldb.IsUnique(err) { // another node was first, and its key set stands
		_, err = e.ring(ctx, n.Tenant)
	}
	return err
}

// RotateKey adds a key set, which seals everything from now on. The older ones stay, for copies need them.
func (e *Engine) RotateKey(ctx context.Context, tenant string) error {
	r, err := e.ring(ctx, tenant)
	if err != nil {
		return err
	}
	t, err := r.get().Current().Rotate()
	if err != nil {
		return err
	}
	if err := e.storeKey(ctx, t, func(*sqldb.Tx, time.Time) error { return nil }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.r.With(t)
	if err == nil {
		r.r = next
	}
	return err
}

// storeKey makes the wraps durable in a pack of their own before the database knows the key set: nothing may ever be
// encrypted under a key that could not be opened again.
func (e *Engine) storeKey(ctx context.Context, t *key.Tenant, more func(tx *sqldb.Tx, at time.Time) error) error {
	wraps, err := key.Wrap(t, e.c.Recipients...)
	if err != nil {
		return err
	}
	opened, err := wraps.Open(e.c.Identity)
	if err != nil {
		return fmt.Errorf("snapshots: the site cannot open the key set that it made: %w", err)
	}
	if err := key.CheckCommitment(opened, t.Commitment()); err != nil {
		return err
	}
	body := wraps.Render()
	p, err := e.createPack(ctx, t.Tenant())
	if err != nil {
		return err
	}
	if _, err := p.w.Append(pack.Record{Type: pack.TypeWraps, Payload: body}); err != nil {
		return errors.Join(err, p.blob.Close())
	}
	if err := p.w.Finish(); err != nil {
		return errors.Join(err, p.blob.Close())
	}
	size := p.w.Size()
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		now := e.c.Now()
		at := sqldb.Micros(now)
		if err := e.c.Store.InsertKey(ctx, tx, TenantKey{Tenant: t.Tenant(), Number: t.Number(), Wraps: body, Commitment: t.Commitment(), CreatedAt: now}); err != nil {
			return err
		}
		if err := more(tx, now); err != nil {
			return err
		}
		if err := e.c.Store.InsertPack(ctx, tx, t.Tenant(), p.id, e.lease.ID, at); err != nil {
			return err
		}
		return e.c.Store.InsertPackEnd(ctx, tx, p.id, size, at)
	})
}

// ring opens the tenant's key sets, once.
func (e *Engine) ring(ctx context.Context, tenant string) (*ring, error) {
	e.mu.Lock()
	r := e.keys[tenant]
	e.mu.Unlock()
	if r != nil {
		return r, nil
	}
	sets, err := e.OpenKeys(ctx, tenant)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.keys[tenant] == nil {
		e.keys[tenant] = &ring{r: sets}
	}
	return e.keys[tenant], nil
}

// OpenKeys opens every wrap of the tenant and checks it against its commitment. It is also the periodic opening test:
// it never answers from memory.
func (e *Engine) OpenKeys(ctx context.Context, tenant string) (*key.Ring, error) {
	return OpenKeys(ctx, e.c.DB, e.c.Store, e.c.Identity, tenant)
}

// OpenKeys is Engine.OpenKeys for who has no engine.
func OpenKeys(ctx context.Context, db *sqldb.DB, store TenantStore, identity age.Identity, tenant string) (*key.Ring, error) {
	var stored []TenantKey
	if err := db.Read(ctx, func(tx *sqldb.Tx) (err error) {
		stored, err = store.Keys(ctx, tx, tenant)
		return err
	}); err != nil {
		return nil, err
	}
	if len(stored) == 0 {
		return nil, ErrNotFound
	}
	var sets []*key.Tenant
	for _, k := range stored {
		w, err := key.ParseWraps(k.Wraps)
		if err != nil {
			return nil, fmt.Errorf("key %d of %s: %w", k.Number, tenant, err)
		}
		t, err := w.Open(identity)
		if err != nil {
			return nil, fmt.Errorf("key %d of %s: %w", k.Number, tenant, err)
		}
		if t.Tenant() != tenant || t.Number() != k.Number {
			return nil, fmt.Errorf("key %d of %s: %w: wraps of another key set", k.Number, tenant, ErrCorrupt)
		}
		if err := key.CheckCommitment(t, k.Commitment); err != nil {
			return nil, fmt.Errorf("key %d of %s: %w", k.Number, tenant, err)
		}
		sets = append(sets, t)
	}
	return key.NewRing(sets...)
}

// Usage answers the tenant's quota and what it has used of it.
func (e *Engine) Usage(ctx context.Context, tenant string) (t TenantState, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		t, err = e.c.Store.Tenant(ctx, tx, tenant)
		return err
	})
	return t, err
}

// SetQuota changes the quota. A quota below what is used refuses writes and prunes nothing.
func (e *Engine) SetQuota(ctx context.Context, tenant string, n int64) error {
	if n < 0 {
		return fmt.Errorf("%w: quota", ErrFormat)
	}
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error { return e.c.Store.SetQuota(ctx, tx, tenant, n) })
}

// checkTenant bounds what may be part of a blob's name.
func checkTenant(t string) error {
	if t == "" || len(t) > 64 {
		return fmt.Errorf("%w: tenant", ErrName)
	}
	for _, r := range t {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return fmt.Errorf("%w: tenant", ErrName)
		}
	}
	return nil
}
