package sweep_test

import (
	"context"
	"fmt"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots/sqlstore"
)

// What an estimate of many snapshots says of each is what an estimate of it and those before it says, and what only
// several of them need together is freed with the last of these.
func TestAnEstimateOfManyIsThatOfEachAndThoseBefore(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		e := newEnv(t, db)
		var digests [][32]byte
		for i := range 5 {
			e.put(t, "always", "stays the same")
			e.put(t, "changes", random(fmt.Sprint("content ", i), 5000))
			digests = append(digests, e.snap(t).Seal.Digest)
		}
		digests = append(digests, e.snap(t).Seal.Digest) // of the same catalogue page as the one before
		e.Clock.Advance(30 * day)
		if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
			t.Fatal(err)
		}
		all, whole, err := e.sweep.Estimate(ctx, tenant, digests)
		if err != nil || !whole || len(all) != len(digests) {
			t.Fatal(all, whole, err)
		}
		for i := range digests {
			some, whole, err := e.sweep.Estimate(ctx, tenant, digests[:i+1])
			if err != nil || !whole || some[i] != all[i] {
				t.Errorf("%d: %v %v %v, of all %v", i, some, whole, err, all)
			}
			alone, _, err := e.sweep.Estimate(ctx, tenant, digests[i:i+1])
			if err != nil || i > 0 && all[i]-all[i-1] < alone[0] {
				t.Errorf("%d: alone %v, with those before %v, %v", i, alone, all, err)
			}
		}
		before, _, _ := e.sweep.Estimate(ctx, tenant, digests[4:5])
		last, _, err := e.sweep.Estimate(ctx, tenant, digests[5:])
		if err != nil || all[4]-all[3] != before[0] || all[5]-all[4] <= last[0] {
			t.Errorf("the page of the last two is not freed with the last: %v, alone %v %v, %v", all, before, last, err)
		}
		if twice, _, err := e.sweep.Estimate(ctx, tenant, append(digests[:1:1], [32]byte{1})); err == nil {
			t.Errorf("a digest that is not there: %v", twice)
		}
	}, sqlstore.Migrations())
}
