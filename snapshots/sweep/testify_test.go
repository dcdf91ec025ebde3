package sweep_test

import (
	"testing"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/rebuild"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// I10, T33: an erasure stands in a pack, so that a database made from packs alone neither brings the copy back nor has
// the snapshot sealed a second time; what other snapshots show stays.
func TestI10_AnErasureStandsInAPack(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.put(t, "a", "one")
		first := e.snap(t)
		e.put(t, "a", "two")
		second := e.snap(t)
		e.tombstone(t, "req_1", first)
		if _, err := e.sweep.Erase(t.Context(), e.permit(t, "req_1", warrant.StageErase, first)); err != nil {
			t.Fatal(err)
		}
		db := sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())
		r, err := rebuild.Run(t.Context(), rebuild.Config{DB: db, Store: sqlstore.New(), Blobs: e.Blobs, Site: snapshotstest.Site,
			Identities: []age.Identity{e.Recovery}, Quota: 1 << 40, Now: e.Clock.Now})
		if err != nil || !r.Whole() || r.Tenants[0].Erased != 1 || r.Tenants[0].Unsealed != 0 {
			t.Fatalf("%+v %v", r, err)
		}
		if err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
			for s, want := range map[snapshots.SnapshotID]snapshots.CopyState{first.ID: snapshots.Erased, second.ID: snapshots.Held} {
				c, err := e.Store.Copy(t.Context(), tx, s, snapshotstest.Site)
				if err != nil || c.State != want {
					t.Fatalf("%+v %v, want %s", c, err, want)
				}
			}
			snap, err := e.Store.Snapshot(t.Context(), tx, tenant, first.ID)
			if err != nil || snap.Seal == nil || snap.Seal.Digest != first.Seal.Digest {
				t.Fatal("the seal of what was erased is forgotten", err)
			}
			open, err := e.Store.Unsealed(t.Context(), tx, 10)
			if err != nil || len(open) != 0 {
				t.Fatal("would be sealed again", open, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}
