package snapshots_test

import (
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/key"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// A recovery recipient that comes later opens every key set that is there, the older ones too, and nothing that was
// wrapped before stops opening (T35).
func TestT35_RewrapReachesEveryKeySet(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		e := snapshotstest.New(t, db, nil)
		if err := e.RotateKey(t.Context(), snapshotstest.Tenant); err != nil {
			t.Fatal(err)
		}
		later, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		e.Clock.Advance(time.Minute)
		for i, want := range []bool{true, false} {
			at, err := e.Rewrap(t.Context(), snapshotstest.Tenant, []string{later.Recipient().String()})
			if err != nil || at.IsZero() == want {
				t.Fatal(i, at, err)
			}
		}
		var keys []snapshots.TenantKey
		if err := db.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
			keys, err = sqlstore.New().Keys(t.Context(), tx, snapshotstest.Tenant)
			return err
		}); err != nil || len(keys) != 2 {
			t.Fatal(keys, err)
		}
		for _, k := range keys {
			w, err := key.ParseWraps(k.Wraps)
			if err != nil {
				t.Fatal(err)
			}
			for name, who := range map[string]age.Identity{"site": e.Identity, "recovery": e.Recovery, "later": later} {
				set, err := w.Open(who)
				if err != nil || key.CheckCommitment(set, k.Commitment) != nil {
					t.Errorf("key %d, %s: %v", k.Number, name, err)
				}
			}
		}
		if _, err := e.Another(t).OpenKeys(t.Context(), snapshotstest.Tenant); err != nil {
			t.Fatal(err)
		}
	}, sqlstore.Migrations())
}
