package snapshots_test

import (
	"strings"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// T47: what a dead process of the same owner has left is ended at the start of the next one; leases of others stay.
func TestT47_LeasesOfAFormerLifeEnd(t *testing.T) {
	each(t, func(t *testing.T, former *snapshotstest.Env) {
		ctx := t.Context()
		v := former.Volume(t, "v", snapshots.Files)
		put(t, former, v.ID, "f", "acknowledged")
		owners := func() (out []string) {
			t.Helper()
			if err := former.DB.Read(ctx, func(tx *sqldb.Tx) error {
				out = nil
				rows, err := tx.Query(ctx, `SELECT owner FROM leases ORDER BY owner`)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var s string
					if err := rows.Scan(&s); err != nil {
						return err
					}
					out = append(out, s)
				}
				return rows.Err()
			}); err != nil {
				t.Fatal(err)
			}
			return out
		}
		if err := former.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO leases (id, tenant, owner, purpose, taken_at, renewed_at) SELECT 'lse_foreign', tenant, 'another', purpose, taken_at, renewed_at
				FROM leases LIMIT 1`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		before := len(owners())
		next := former.Another(t)
		n, err := next.EndFormerLives(ctx)
		if err != nil || int(n) != before-1 {
			t.Fatalf("%d of %d ended: %v", n, before, err)
		}
		if got := strings.Join(owners(), " "); got != "another test" {
			t.Fatal(got)
		}
		if _, err := next.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "g"}, strings.NewReader("goes on")); err != nil {
			t.Fatal(err)
		}
		if got := get(t, former, v.ID, "f", snapshots.Moment{}); got != "acknowledged" {
			t.Fatal(got)
		}
	})
}
