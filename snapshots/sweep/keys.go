package sweep

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots/key"
	"holdfast/snapshots/sweep/internal/index"
)

// A key set goes by the first door too, and only when nothing needs it: its tenant was closed by a quorum, no copy of the
// tenant is left here that is not erased, and no snapshot waits for its seal. Otherwise destroying a key would destroy
// copies without naming them (T35). Its tombstone is that nobody opens it; undone, everything is as it was.

// KeyID names a key set in a statement.
func KeyID(tenant string, number int64) string {
	return tenant + ":" + strconv.FormatInt(number, 10)
}

// ParseKeyID reads what KeyID writes.
func ParseKeyID(s string) (tenant string, number int64, err error) {
	tenant, n, ok := strings.Cut(s, ":")
	number, err = strconv.ParseInt(n, 10, 64)
	if !ok || err != nil || number < 1 || tenant == "" || KeyID(tenant, number) != s {
		return "", 0, fmt.Errorf("%w: %.80q is no key set", ErrRefused, s)
	}
	return tenant, number, nil
}

// DisableKey disables the key set that a permit of stage tombstone names, within the site's transaction. commitment is the
// statement's. Doing it again for the same request does nothing.
func (s *Sweeper) DisableKey(ctx context.Context, tx *sqldb.Tx, p warrant.Permit, commitment [32]byte) error {
	number, done, err := s.keyOf(ctx, tx, p, warrant.StageTombstone, commitment)
	if err != nil || done == "disabled" {
		return err
	}
	if done != "" {
		return fmt.Errorf("%w: the key set is %s", ErrRefused, done)
	}
	return refusedKey(index.Disable(ctx, tx, p.Request(), p.Tenant(), number, commitment, sqldb.Micros(s.c.Now())))
}

// DropKey decides the destruction of the key set that a permit of stage erase names, within the site's transaction. Finish
// then rewrites the packs that carry its wraps.
func (s *Sweeper) DropKey(ctx context.Context, tx *sqldb.Tx, p warrant.Permit, commitment [32]byte) error {
	number, done, err := s.keyOf(ctx, tx, p, warrant.StageErase, commitment)
	if err != nil || done == "dropped" {
		return err
	}
	if done != "disabled" {
		return fmt.Errorf("%w: the key set was not disabled by this request", ErrRefused)
	}
	now := sqldb.Micros(s.c.Now())
	if err := index.DropKey(ctx, tx, p.Request(), p.Tenant(), number, now); err != nil {
		return refusedKey(err)
	}
	return index.Decide(ctx, tx, index.Erasure{Request: p.Request(), Tenant: p.Tenant()}, now)
}

// keyOf checks a permit against the site's own rows, under the tenant's lock.
func (s *Sweeper) keyOf(ctx context.Context, tx *sqldb.Tx, p warrant.Permit, stage warrant.Stage, commitment [32]byte) (number int64, done string, err error) {
	if err := p.Check(s.c.Site, stage, s.c.Now()); err != nil {
		return 0, "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	subjects := p.Subjects()
	if p.Action() != string(statement.DestroyKey) || p.Request() == "" || len(subjects) != 1 {
		return 0, "", fmt.Errorf("%w: a permit to %s", ErrRefused, p.Action())
	}
	tenant, number, err := ParseKeyID(subjects[0])
	if err != nil {
		return 0, "", err
	}
	if tenant != p.Tenant() {
		return 0, "", fmt.Errorf("%w: a key set of another tenant", ErrRefused)
	}
	if err := index.LockTenant(ctx, tx, tenant); err != nil {
		return 0, "", fmt.Errorf("%w: tenant: %w", ErrRefused, err)
	}
	if done, err = index.KeyDone(ctx, tx, p.Request()); err != nil || done == "dropped" {
		return number, done, err
	}
	have, err := index.Commitment(ctx, tx, tenant, number)
	if err != nil {
		return 0, "", refusedKey(err)
	}
	if have != commitment {
		return 0, "", fmt.Errorf("%w: the key set has another commitment", ErrRefused)
	}
	return number, done, s.unneeded(ctx, tx, tenant)
}

func (s *Sweeper) unneeded(ctx context.Context, tx *sqldb.Tx, tenant string) error {
	closed, err := index.Closed(ctx, tx, tenant)
	if err != nil {
		return err
	}
	if !closed {
		return fmt.Errorf("%w: tenant %s is not closed", ErrRefused, tenant)
	}
	n, err := index.Needed(ctx, tx, tenant, s.c.Site)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: %d snapshots need the key", ErrRefused, n)
	}
	return nil
}

// ForgetKeys has the process's own data path read the tenant's keys anew.
func (s *Sweeper) ForgetKeys(tenant string) {
	if w, ok := s.c.Writers.(interface{ ForgetKeys(tenant string) }); ok {
		w.ForgetKeys(tenant)
	}
}

// keptWraps reports whether a record of wraps is to be copied to the new pack.
func (c *copier) keptWraps(payload []byte) (bool, error) {
	w, err := key.ParseWraps(payload)
	if err != nil {
		return true, nil // nobody can read it, and nobody throws it away
	}
	gone := false
	err = c.r.s.c.DB.Read(c.ctx, func(tx *sqldb.Tx) (err error) {
		gone, err = index.KeyGone(c.ctx, tx, w.Tenant(), int64(w.Number()))
		return err
	})
	return !gone, err
}

func refusedKey(err error) error {
	if errors.Is(err, index.ErrMissing) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
