package snapshots

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/key"
	"holdfast/snapshots/pack"
)

// WrapStore keeps wraps that were made after their key set. They are only added; Keys answers the newest of each set.
type WrapStore interface {
	InsertWraps(ctx context.Context, tx *sqldb.Tx, tenant string, number key.Number, wraps []byte, at int64) error
}

// Rewrap wraps every key set of the tenant for the engine's own recipients and the given ones, where the newest wraps do
// not cover them all. The older wraps stay where they are. The new ones are opened and held against the set's commitment
// before they are kept, and stand in a pack before the database knows them. It answers when it did so; zero when
// everything was covered.
func (e *Engine) Rewrap(ctx context.Context, tenant string, recovery []string) (at time.Time, err error) {
	recipients := append(append([]string{}, e.c.Recipients...), recovery...)
	var stored []TenantKey
	if err := e.read(ctx, func(tx *sqldb.Tx) (err error) {
		stored, err = e.c.Store.Keys(ctx, tx, tenant)
		return err
	}); err != nil {
		return at, err
	}
	if len(stored) == 0 {
		return at, ErrNotFound
	}
	for _, k := range stored {
		old, err := key.ParseWraps(k.Wraps)
		if err != nil {
			return at, fmt.Errorf("key %d of %s: %w", k.Number, tenant, err)
		}
		if old.Covers(recipients...) == nil {
			continue
		}
		set, err := old.Open(e.c.Identity)
		if err == nil {
			err = key.CheckCommitment(set, k.Commitment)
		}
		if err != nil {
			return at, fmt.Errorf("key %d of %s: %w", k.Number, tenant, err)
		}
		if at, err = e.addWraps(ctx, set, recipients); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (e *Engine) addWraps(ctx context.Context, set *key.Tenant, recipients []string) (at time.Time, err error) {
	wraps, err := key.Wrap(set, recipients...)
	if err != nil {
		return at, err
	}
	opened, err := wraps.Open(e.c.Identity)
	if err == nil {
		err = key.CheckCommitment(opened, set.Commitment())
	}
	if err != nil {
		return at, fmt.Errorf("snapshots: the site cannot open the wraps that it made: %w", err)
	}
	body := wraps.Render()
	p, err := e.createPack(ctx, set.Tenant())
	if err != nil {
		return at, err
	}
	if _, err := p.w.Append(pack.Record{Type: pack.TypeWraps, Payload: body}); err != nil {
		return at, errors.Join(err, p.blob.Close())
	}
	if err := p.w.Finish(); err != nil {
		return at, errors.Join(err, p.blob.Close())
	}
	size := p.w.Size()
	return at, e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		at = sqldb.FromMicros(sqldb.Micros(e.c.Now()))
		if err := e.c.Store.InsertWraps(ctx, tx, set.Tenant(), set.Number(), body, sqldb.Micros(at)); err != nil {
			return err
		}
		if err := e.c.Store.InsertPack(ctx, tx, set.Tenant(), p.id, e.lease.ID, sqldb.Micros(at)); err != nil {
			return err
		}
		return e.c.Store.InsertPackEnd(ctx, tx, p.id, size, sqldb.Micros(at))
	})
}
