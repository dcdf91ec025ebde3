package control

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of what control itself keeps, the set "control": which
// deeds of the primary site stand in the log.
var Migrations = sqldb.MigrationSet{Name: "control", FS: migrations}

// The leaves of the data path. Volumes and snapshots live in the site's database
// and the log in the control database, and no transaction spans both. So the
// site's row comes first, being the deed itself; then its leaf, exactly once, by
// enter. Who dies in between leaves a deed without a leaf, which is found again
// without anybody's memory: a taken snapshot is unsealed, and sealing enters what
// is missing first (SealSnapshots); a seal is owed by a row that was written
// before it (owe); and RepairLog compares everything that the site has with what
// the log has, at every start and then from time to time.

// enter appends the leaf of a deed unless it is there. deed is unique within the
// kind.
func (c *Control) enter(ctx context.Context, deed string, e entry) error {
	return c.write(ctx, func(tx *sqldb.Tx) error { return c.enterIn(ctx, tx, deed, e) })
}

// enterIn is enter in a transaction that has taken its other locks.
func (c *Control) enterIn(ctx context.Context, tx *sqldb.Tx, deed string, e entry) error {
	if err := insertOwed(ctx, tx, e.kind, deed, e.tenant); err != nil {
		return err
	}
	var index int64
	if err := tx.Lock(ctx, `SELECT leaf_index FROM data_leaves WHERE kind = $1 AND deed = $2`, string(e.kind), deed).Scan(&index); err != nil {
		return fmt.Errorf("control: owed leaf: %w", err)
	}
	if index >= 0 {
		return nil
	}
	index, err := c.record(ctx, tx, c.now(), e)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE data_leaves SET leaf_index = $1 WHERE kind = $2 AND deed = $3`, index, string(e.kind), deed)
	return err
}

// owe remembers, before a deed, that its leaf will be due.
func (c *Control) owe(ctx context.Context, kind audit.Kind, deed, tenant string) error {
	return c.write(ctx, func(tx *sqldb.Tx) error { return insertOwed(ctx, tx, kind, deed, tenant) })
}

func insertOwed(ctx context.Context, tx *sqldb.Tx, kind audit.Kind, deed, tenant string) error {
	_, err := tx.Exec(ctx, `INSERT INTO data_leaves (kind, deed, tenant, leaf_index) VALUES ($1, $2, $3, -1)
		ON CONFLICT (kind, deed) DO NOTHING`, string(kind), deed, tenant)
	return err
}

// owed lists deeds of a kind whose leaf is due, with their tenants.
func (c *Control) owed(ctx context.Context, kind audit.Kind, limit int) (deeds, tenants []string, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		deeds, tenants = nil, nil
		rows, err := tx.Query(ctx, `SELECT deed, tenant FROM data_leaves WHERE kind = $1 AND leaf_index < 0 ORDER BY deed LIMIT $2`, string(kind), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var deed, tenant string
			if err := rows.Scan(&deed, &tenant); err != nil {
				return err
			}
			deeds, tenants = append(deeds, deed), append(tenants, tenant)
		}
		return rows.Err()
	})
	return deeds, tenants, err
}

// entered answers which of the deeds have their leaf.
func (c *Control) entered(ctx context.Context, kind audit.Kind, deeds ...string) (map[string]bool, error) {
	found := map[string]bool{}
	if len(deeds) == 0 {
		return found, nil
	}
	marks, args := make([]string, len(deeds)), []any{string(kind)}
	for i, d := range deeds {
		marks[i], args = fmt.Sprintf("$%d", i+2), append(args, d)
	}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT deed FROM data_leaves WHERE kind = $1 AND leaf_index >= 0 AND deed IN (`+strings.Join(marks, ", ")+`)`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var d string
			if err := rows.Scan(&d); err != nil {
				return err
			}
			found[d] = true
		}
		return rows.Err()
	})
	return found, err
}

// deedAt names a deed that can happen to one thing several times.
func deedAt(subject string, t time.Time) string {
	return fmt.Sprintf("%s@%d", subject, sqldb.Micros(t))
}
