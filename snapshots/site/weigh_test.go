package site_test

import (
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/site"
)

// What a rule weighs says of each copy its size, whether or not it is proven, and that one whose newest proof failed is
// not proven, however many succeeded before.
func TestWhatIsWeighedHasItsSizeAndItsNewestProof(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.put("more", "makes it larger than those before")
		proven := e.snap()
		e.put("still more", "and this one larger still")
		failed := e.snap()
		e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
			return e.Store.InsertProof(ctx, tx, snapshots.Proof{Snapshot: failed.ID, Site: e.Name(), At: e.Clock.Now().Add(time.Hour), Detail: "does not open"})
		}))
		e.Clock.Advance(time.Second)
		sealed, err := e.TakeSnapshot(ctx, tenant, e.vol.ID, "test", "")
		e.must(err)
		seal, err := e.Seal(ctx, tenant, sealed.ID)
		e.must(err)
		e.Clock.Advance(time.Second)
		_, err = e.TakeSnapshot(ctx, tenant, e.vol.ID, "test", "not sealed: no copy yet")
		e.must(err)

		list, err := e.Weigh(ctx, tenant, e.vol.ID.String(), "keep all", "keep last 1")
		e.must(err)
		if len(list) != 2 || len(list[0]) != len(list[1]) || len(list[0]) < 3 {
			t.Fatalf("%d rules, %d snapshots", len(list), len(list[0]))
		}
		want := []site.Point{
			{Snapshot: sealed.ID.String(), TakenAt: sealed.TakenAt, Bytes: uint64(seal.Bytes)},
			{Snapshot: failed.ID.String(), TakenAt: failed.TakenAt, Bytes: uint64(failed.Seal.Bytes)},
			{Snapshot: proven.ID.String(), TakenAt: proven.TakenAt, Bytes: uint64(proven.Seal.Bytes), Proven: true},
		}
		for i, w := range want {
			for _, rule := range list {
				if got := *rule[i].Point; got != w || rule[i].Counts {
					t.Errorf("%d: %+v counts %v, want %+v", i, got, rule[i].Counts, w)
				}
			}
		}
		e.pass(40 * day)
		list, err = e.Weigh(ctx, tenant, e.vol.ID.String(), "keep last 1")
		e.must(err)
		for i, counts := range []bool{false, false, true} {
			if got := list[0][i]; got.Counts != counts || got.Chosen {
				t.Errorf("%d: %+v", i, got)
			}
		}
		if last := list[0][len(list[0])-1]; !last.Chosen || !last.Proven {
			t.Errorf("the oldest is kept: %+v %+v", last, last.Point)
		}
	})
}
