package snapshots_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// What two moments differ in, put together from pages of any size, is what
// comparing two maps by hand gives; and what was deleted and is not there now is
// listed newest first.
func TestCompareAndRemovedAgreeWithAModel(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		turn := 0
		rapid.Check(t, func(t *rapid.T) {
			turn++
			ctx := context.Background()
			e.Clock.Advance(time.Second)
			vol, err := e.CreateVolume(ctx, snapshots.NewVolume{Tenant: tenant, Name: fmt.Sprintf("c%d", turn), Kind: snapshots.Files, By: "test"})
			if err != nil {
				t.Fatal(err)
			}
			names := rapid.SampledFrom([]string{"a", "a/x", "a/y", "ab", "b/x", "b/y/z", "c"})
			state, history := map[string]string{}, []map[string]string{{}}
			moments := []time.Time{vol.CreatedAt}
			gone := map[string]int{} // path to the step at which it went
			for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
				e.Clock.Advance(time.Second)
				path := names.Draw(t, "path")
				if _, ok := state[path]; ok && rapid.Bool().Draw(t, "delete") {
					if err := e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: vol.ID, Path: path}); err != nil {
						t.Fatal(err)
					}
					delete(state, path)
					gone[path] = step
				} else {
					content := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "content")
					if _, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: vol.ID, Path: path}, strings.NewReader(content)); err != nil {
						t.Fatal(err)
					}
					state[path] = content
					delete(gone, path)
				}
				copied := map[string]string{}
				for k, v := range state {
					copied[k] = v
				}
				history, moments = append(history, copied), append(moments, e.Clock.Now())
			}
			i := rapid.IntRange(0, len(history)-1).Draw(t, "was")
			j := rapid.IntRange(0, len(history)).Draw(t, "is")
			is := snapshots.Moment{}
			after := state
			if j < len(history) {
				is.Time, after = moments[j], history[j]
			}
			prefix := rapid.SampledFrom([]string{"", "a", "a/", "b/"}).Draw(t, "prefix")
			var want []string
			for p, content := range history[i] {
				if now, ok := after[p]; strings.HasPrefix(p, prefix) && !ok {
					want = append(want, p+" deleted")
				} else if strings.HasPrefix(p, prefix) && now != content {
					want = append(want, p+" changed")
				}
			}
			for p := range after {
				if _, ok := history[i][p]; strings.HasPrefix(p, prefix) && !ok {
					want = append(want, p+" added")
				}
			}
			var got []string
			for cursor, calls := "", 0; ; calls++ {
				out, err := e.Compare(ctx, snapshots.CompareRequest{Tenant: tenant, From: vol.ID, Was: snapshots.Moment{Time: moments[i]}, To: vol.ID, Is: is,
					Prefix: prefix, Cursor: cursor, Limit: rapid.IntRange(1, 3).Draw(t, "limit")})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range out.Changes {
					kind := "changed"
					if c.Was == nil {
						kind = "added"
					} else if c.Is == nil {
						kind = "deleted"
					}
					got = append(got, c.Path()+" "+kind)
				}
				if cursor = out.Next; cursor == "" || calls > 50 {
					break
				}
			}
			if !slices.IsSorted(got) && len(got) > 1 && !slices.IsSortedFunc(got, func(a, b string) int { return strings.Compare(strings.Fields(a)[0], strings.Fields(b)[0]) }) {
				t.Errorf("out of order: %q", got)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("from %v to %v below %q: %q, want %q", history[i], after, prefix, got, want)
			}
			removed, next, err := e.Removed(ctx, tenant, vol.ID, snapshots.RemovedCursor{})
			if err != nil || next != nil {
				t.Fatal(next, err)
			}
			var order []int
			for _, r := range removed {
				step, ok := gone[r.Path]
				if !ok {
					t.Errorf("%q was not deleted, or is back", r.Path)
				}
				order = append(order, step)
				if _, err := e.Head(ctx, tenant, vol.ID, r.Path, snapshots.Moment{Time: r.Before}); err != nil {
					t.Errorf("%q was not there at the moment before: %v", r.Path, err)
				}
			}
			if len(removed) < len(gone) {
				t.Errorf("%d removals, want %d", len(removed), len(gone))
			}
			if !slices.IsSortedFunc(order, func(a, b int) int { return b - a }) {
				t.Errorf("not newest first: %v", order)
			}
		})
	})
}

// A comparison of a large volume goes on from call to call, and is the same as
// that of two volumes.
func TestCompareGoesOnInALargeVolume(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx := t.Context()
		var vols [2]snapshots.Volume
		for k := range vols {
			vols[k] = e.Volume(t, fmt.Sprintf("large%d", k), snapshots.Files)
			var rows []snapshots.Entry
			for i := range 7000 {
				rows = append(rows, snapshots.Entry{Path: fmt.Sprintf("d/%06d", i), Type: snapshots.TypeFile, Size: int64(i)})
			}
			must(t, e.DB.Write(ctx, func(tx *sqldb.Tx) error { return e.Store.InsertVersions(ctx, tx, vols[k].ID, vols[k].Head, rows) }))
		}
		before := e.Clock.Now()
		e.Clock.Advance(time.Second)
		must(t, e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: vols[0].ID, Path: "d/006500"}))
		_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: vols[0].ID, Path: "e"}, strings.NewReader("new"))
		must(t, err)
		for _, from := range []snapshots.VolumeID{vols[0].ID, vols[1].ID} {
			var got []string
			for cursor, calls := "", 0; calls == 0 || cursor != "" && calls < 100; calls++ {
				out, err := e.Compare(ctx, snapshots.CompareRequest{Tenant: tenant, From: from, Was: snapshots.Moment{Time: before}, To: vols[0].ID, Cursor: cursor})
				must(t, err)
				for _, c := range out.Changes {
					got = append(got, c.Path())
				}
				cursor = out.Next
			}
			if !slices.Equal(got, []string{"d/006500", "e"}) {
				t.Errorf("from %s: %q", from, got)
			}
		}
		_, err = e.Compare(ctx, snapshots.CompareRequest{Tenant: "ten_other", From: vols[0].ID, Was: snapshots.Moment{Time: before}, To: vols[0].ID})
		if err == nil {
			t.Error("another tenant compares")
		}
	})
}

// A timeline counts each snapshot once, in its span, and a restore of what is
// missing overwrites nothing.
func TestTimelineCountsAndMissingRestores(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx := t.Context()
		v := e.Volume(t, "times", snapshots.Files)
		put := func(path, content string) {
			_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: path}, strings.NewReader(content))
			must(t, err)
		}
		put("a", "one")
		put("b", "one")
		begin := e.Clock.Now()
		var first snapshots.Snapshot
		for i, wait := range []time.Duration{0, time.Minute, time.Hour} {
			e.Clock.Advance(wait)
			s, err := e.TakeSnapshot(ctx, tenant, v.ID, "test", "")
			must(t, err)
			if i == 0 {
				first = s
				_, err = e.Seal(ctx, tenant, s.ID)
				must(t, err)
			}
		}
		found, err := e.Timeline(ctx, tenant, v.ID, begin, 30*time.Minute, 3)
		must(t, err)
		counts := map[string]int64{}
		for _, b := range found {
			counts[fmt.Sprintf("%d %s", b.Number, b.Site)] = b.Count
		}
		want := map[string]int64{"0 " + snapshotstest.Site: 1, "0 ": 1, "2 ": 1}
		if fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", counts, want)
		}
		put("a", "two")
		must(t, e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "b"}))
		sum, err := e.Restore(ctx, snapshots.RestoreRequest{Tenant: tenant, From: v.ID, To: v.ID, Moment: snapshots.Moment{Snapshot: first.ID}, Missing: true})
		must(t, err)
		if sum.Restored != 1 || sum.Unchanged != 1 || sum.Deleted != 0 {
			t.Errorf("%+v", sum)
		}
		a, err := e.Head(ctx, tenant, v.ID, "a", snapshots.Moment{})
		must(t, err)
		old, err := e.Head(ctx, tenant, v.ID, "a", snapshots.Moment{Snapshot: first.ID})
		must(t, err)
		if a.ETag == old.ETag {
			t.Error("a restore of what is missing overwrote")
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
