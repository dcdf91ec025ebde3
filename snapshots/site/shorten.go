package site

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots/keep"
)

// What a quorum shortens, a site shortens itself, in the transaction that spends the warrant: nothing else in the program
// writes a shorter rule or window (I4). If what the statement says is so no longer, it is refused: whoever lengthened
// meanwhile wins (I5).

// shortenRetention sets the keep rule that the statement names in place of the one that it names.
func (p *Primary) shortenRetention(ctx context.Context, tx *sqldb.Tx, permit warrant.Permit, st statement.Statement) error {
	u, from, to, err := shortening(st)
	if err != nil {
		return err
	}
	if _, err := keep.Parse(to); err != nil {
		return fmt.Errorf("%w: %w", warrant.ErrInventory, err)
	}
	if err := lockVolume(ctx, tx, permit.Tenant(), u.ID); err != nil {
		return err
	}
	now := keep.Everything().String()
	err = tx.QueryRow(ctx, `SELECT rule FROM keep_rules WHERE volume = $1 ORDER BY number DESC LIMIT 1`, u.ID).Scan(&now)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if now != from {
		return fmt.Errorf("%w: the keep rule is %q, and the statement is about %q", warrant.ErrInventory, now, from)
	}
	_, err = tx.Exec(ctx, `INSERT INTO keep_rules (volume, number, rule, set_at, set_by)
		SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM keep_rules WHERE volume = $1`, u.ID, to, sqldb.Micros(p.now()), permit.Request())
	return err
}

// shortenUndo sets a volume's own undo window, never below the charter's or the tenant's.
func (p *Primary) shortenUndo(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, permit warrant.Permit, st statement.Statement) error {
	u, _, _, err := shortening(st)
	if err != nil {
		return err
	}
	from, okFrom := st.Duration("from")
	to, okTo := st.Duration("to")
	if !okFrom || !okTo {
		return fmt.Errorf("%w: from and to", ErrUnsupported)
	}
	var tenants int64
	if err := tx.Lock(ctx, `SELECT undo_us FROM tenants WHERE tenant = $1`, permit.Tenant()).Scan(&tenants); err != nil {
		return inventory(err, "tenant "+permit.Tenant())
	}
	if err := lockVolume(ctx, tx, permit.Tenant(), u.ID); err != nil {
		return err
	}
	own, err := ownUndo(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	least := max(c.Undo, time.Duration(tenants)*time.Microsecond)
	if now := max(least, own); now != from || to < least {
		return fmt.Errorf("%w: the undo window is %s and at least %s, and the statement is about %s to %s", warrant.ErrInventory, now, least, from, to)
	}
	_, err = tx.Exec(ctx, `INSERT INTO undo_windows (volume, number, undo_us, set_at, set_by)
		SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM undo_windows WHERE volume = $1`, u.ID, to.Microseconds(), sqldb.Micros(p.now()), permit.Request())
	return err
}

func shortening(st statement.Statement) (u statement.Subject, from, to string, err error) {
	u, ok := st.Subject("volume")
	from, okFrom := st.Fact("from")
	to, okTo := st.Fact("to")
	if !ok || !okFrom || !okTo {
		return u, "", "", fmt.Errorf("%w: %s without a volume, from or to", ErrUnsupported, st.Action)
	}
	return u, from, to, nil
}

// lockVolume takes the lock under which commits and settings of a volume of the tenant are made.
func lockVolume(ctx context.Context, tx *sqldb.Tx, tenant, volume string) error {
	var id string
	return inventory(tx.Lock(ctx, `SELECT id FROM volumes WHERE id = $1 AND tenant = $2`, volume, tenant).Scan(&id), "volume "+volume)
}

// inventory says of a row that is not there that the statement names what the site does not have.
func inventory(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: no %s here", warrant.ErrInventory, what)
	}
	return err
}

// ownUndo is the undo window that a volume has of its own; zero when it has none.
func ownUndo(ctx context.Context, tx *sqldb.Tx, volume string) (time.Duration, error) {
	var us int64
	err := tx.QueryRow(ctx, `SELECT undo_us FROM undo_windows WHERE volume = $1 ORDER BY number DESC LIMIT 1`, volume).Scan(&us)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return time.Duration(us) * time.Microsecond, err
}

// closeTenant records that a quorum has closed a tenant: only then may its keys go.
func (p *Primary) closeTenant(ctx context.Context, tx *sqldb.Tx, permit warrant.Permit, st statement.Statement) error {
	u, ok := st.Subject("tenant")
	if !ok || u.ID != permit.Tenant() || u.ID == "" {
		return fmt.Errorf("%w: no tenant", ErrUnsupported)
	}
	_, err := tx.Exec(ctx, `INSERT INTO gate_closed (tenant, request, at) VALUES ($1, $2, $3) ON CONFLICT (tenant) DO NOTHING`,
		u.ID, permit.Request(), sqldb.Micros(p.now()))
	return err
}

// detachSite records that another site's copies count for nothing here any more: no proven copy elsewhere, no holder to
// wait for. The primary is never detached, and a site does not detach itself.
func (p *Primary) detachSite(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, permit warrant.Permit, st statement.Statement) error {
	u, ok := st.Subject("site")
	if !ok {
		return fmt.Errorf("%w: no site", ErrUnsupported)
	}
	line, ok := c.Site(u.ID)
	if !ok || line.Role == charter.Primary || u.ID == p.c.Name {
		return fmt.Errorf("%w: %s is no other site that could be detached", warrant.ErrInventory, u.ID)
	}
	_, err := tx.Exec(ctx, `INSERT INTO gate_detached (site, request, at) VALUES ($1, $2, $3) ON CONFLICT (site) DO NOTHING`,
		u.ID, permit.Request(), sqldb.Micros(p.now()))
	return err
}

// Elsewhere implements Site.
func (p *Primary) Elsewhere(ctx context.Context, site string) (copies, bytes uint64, err error) {
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		var n, sum int64
		err := tx.QueryRow(ctx, `SELECT COUNT(*), CAST(COALESCE(SUM(l.bytes), 0) AS BIGINT) FROM gate_copies g LEFT JOIN seals l ON l.snapshot = g.snapshot
			WHERE g.site = $1 AND g.state NOT IN ('tombstoned', 'erased') AND g.site NOT IN (SELECT site FROM gate_detached)`, site).Scan(&n, &sum)
		copies, bytes = uint64(n), uint64(sum)
		return err
	})
	return copies, bytes, err
}
