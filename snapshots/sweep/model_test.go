package sweep_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

var errEOF = io.EOF

// Whatever is put, deleted, snapshotted, erased and reclaimed: every remaining snapshot and every undo moment restores
// byte for byte, and what the index let go in an erasure is nowhere on the disk.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		db := sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())
		e := newEnv(t, db)
		ctx := context.Background()
		model := snapshotstest.NewModel()
		kept := map[snapshots.SnapshotID]map[string]string{}
		var live []snapshots.Snapshot
		request := 0
		steps := rapid.IntRange(3, 14).Draw(rt, "steps")
		for range steps {
			switch rapid.SampledFrom([]string{"put", "put", "del", "snap", "erase", "reclaim", "age"}).Draw(rt, "op") {
			case "put":
				path := rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(rt, "path")
				data := random(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "seed"), rapid.SampledFrom([]int{0, 10, 3000, 90_000}).Draw(rt, "size"))
				e.put(t, path, data)
				model.Now[path] = data
				model.Commit(e.Clock.Now())
			case "del":
				path := rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(rt, "path")
				e.del(t, path)
				delete(model.Now, path)
				model.Commit(e.Clock.Now())
			case "snap":
				s := e.snap(t)
				kept[s.ID] = map[string]string{}
				for k, v := range model.Now {
					kept[s.ID][k] = v
				}
				live = append(live, s)
			case "erase":
				if len(live) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(live)-1).Draw(rt, "which")
				s := live[i]
				live = append(live[:i:i], live[i+1:]...)
				delete(kept, s.ID)
				request++
				before := e.frames(t)
				e.tombstone(t, fmt.Sprintf("req_%d", request), s)
				if _, err := e.sweep.Erase(ctx, e.permit(t, fmt.Sprintf("req_%d", request), warrant.StageErase, s)); err != nil {
					t.Fatal(err)
				}
				after := e.frames(t)
				for h, b := range before {
					if _, ok := after[h]; !ok && e.onDisk(t, b) {
						t.Fatal("bytes of an erased copy are on the disk")
					}
				}
			case "reclaim":
				if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
					t.Fatal(err)
				}
			case "age":
				e.Clock.Advance(time.Duration(rapid.IntRange(1, 20).Draw(rt, "days")) * day)
			}
		}
		same := func(what string, want map[string]string, m snapshots.Moment) {
			for _, path := range []string{"a", "b", "c/d"} {
				got, err := e.content(t, path, m)
				data, ok := want[path]
				if ok != (err == nil) || got != data {
					t.Fatalf("%s: %s: there %v, error %v", what, path, ok, err)
				}
			}
		}
		same("now", model.Now, snapshots.Moment{})
		for id, want := range kept {
			same("snapshot", want, snapshots.Moment{Snapshot: id})
			if p, err := e.prove(id); err != nil || !p.OK {
				t.Fatal(p, err)
			}
		}
		for _, at := range model.Times() {
			if at.After(e.Clock.Now().Add(-14 * day)) {
				same("undo moment", model.At(at), snapshots.Moment{Time: at})
			}
		}
		checkRefs(t, e)
		checkPacks(t, e)
	})
}

// checkRefs: no frame of the index is without edges but those that wait for the sweep, and no count is of a frame that is
// not there.
func checkRefs(t *testing.T, e *env) {
	t.Helper()
	if err := e.DB.Read(context.Background(), func(tx *sqldb.Tx) error {
		var n int64
		err := tx.QueryRow(context.Background(), `SELECT COUNT(*) FROM refs r WHERE NOT EXISTS (
			SELECT 1 FROM chunks c WHERE c.tenant = r.tenant AND c.id = r.id AND c.frame_hash = r.frame_hash)`).Scan(&n)
		if err == nil && n != 0 {
			err = fmt.Errorf("%d counts of frames that are not there", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
