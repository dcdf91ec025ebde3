package sweep_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

// What an estimate of many snapshots says of each is what an estimate of it and those before it says, and what only
// several of them need together is freed with the last of these.
func TestAnEstimateOfManyIsThatOfEachAndThoseBefore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		e := newEnv(t, db)
		var digests []sweep.Doomed
		const undo = day
		for i := range 5 {
			e.put(t, "always", "stays the same")
			e.put(t, "changes", random(fmt.Sprint("content ", i), 5000))
			digests = append(digests, doomed(e.snap(t)))
		}
		digests = append(digests, doomed(e.snap(t))) // of the same catalogue page as the one before
		e.Clock.Advance(30 * day)
		if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
			t.Fatal(err)
		}
		all, whole, err := e.sweep.Estimate(ctx, tenant, undo, digests)
		if err != nil || !whole || len(all) != len(digests) {
			t.Fatal(all, whole, err)
		}
		for i := range digests {
			some, whole, err := e.sweep.Estimate(ctx, tenant, undo, digests[:i+1])
			if err != nil || !whole || some[i] != all[i] {
				t.Errorf("%d: %v %v %v, of all %v", i, some, whole, err, all)
			}
			alone, _, err := e.sweep.Estimate(ctx, tenant, undo, digests[i:i+1])
			if err != nil || i > 0 && all[i]-all[i-1] < alone[0] {
				t.Errorf("%d: alone %v, with those before %v, %v", i, alone, all, err)
			}
		}
		before, _, _ := e.sweep.Estimate(ctx, tenant, undo, digests[4:5])
		last, _, err := e.sweep.Estimate(ctx, tenant, undo, digests[5:])
		if err != nil || all[4]-all[3] != before[0] || all[5]-all[4] <= last[0] {
			t.Errorf("the page of the last two is not freed with the last: %v, alone %v %v, %v", all, before, last, err)
		}
		if twice, _, err := e.sweep.Estimate(ctx, tenant, undo, append(digests[:1:1], sweep.Doomed{Snapshot: digests[0].Snapshot, Digest: [32]byte{1}})); err == nil {
			t.Errorf("a digest that is not there: %v", twice)
		}
	}, sqlstore.Migrations())
}

func doomed(s snapshots.Snapshot) sweep.Doomed {
	return sweep.Doomed{Snapshot: s.ID, Digest: s.Seal.Digest}
}

// What was changed or deleted before the undo window and only doomed copies keep is freed with the last of these; what the
// window or another snapshot keeps is not.
func TestAnEstimateCountsWhatOnlyTheCopiesKeep(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		e := newEnv(t, db)
		const size, stored = 300_000, 70_000 // what random makes can be compressed to a little more than this
		frees := func(s ...snapshots.Snapshot) (out []int) {
			t.Helper()
			var copies []sweep.Doomed
			for _, s := range s {
				copies = append(copies, doomed(s))
			}
			some, whole, err := e.sweep.Estimate(ctx, tenant, day, copies)
			if err != nil || !whole {
				t.Fatal(some, whole, err)
			}
			for _, n := range some {
				out = append(out, int(n/stored))
			}
			return out
		}
		is := func(got []int, want ...int) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("frees %v files, want %v", got, want)
			}
		}
		e.put(t, "lives", random("lives", size))
		e.put(t, "one", random("one", size))
		first := e.snap(t)
		e.put(t, "two", random("two", size))
		second := e.snap(t)
		e.put(t, "one", "now small")
		e.put(t, "two", "now small too")
		third := e.snap(t)
		is(frees(first, second, third), 0, 0, 0) // the window keeps all of it
		e.Clock.Advance(30 * day)
		for range 2 {
			is(frees(first), 0)
			is(frees(second), 1) // "two", but "one" is the first's too
			is(frees(first, second), 0, 2)
			is(frees(second, first), 1, 2)
			is(frees(first, second, third), 0, 2, 2)
			if _, err := e.sweep.Reclaim(ctx, tenant); err != nil { // of what snapshots keep it takes nothing
				t.Fatal(err)
			}
		}
	}, sqlstore.Migrations())
}
