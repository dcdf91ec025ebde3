package snapshots_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// A snapshot from before very many files lists what it shows, page by page, without looking at all of the files that came
// later: a row far among them of which the snapshot's tree knows nothing is never met.
func TestASnapshotFromBeforeManyFilesIsListedWithoutThem(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx := context.Background()
		v := e.Volume(t, "large", snapshots.Files)
		paths := []string{"a.txt", "d1/one", "d1/two", "d5/x/y", "d9/last", "z.txt"}
		for _, p := range paths {
			put(t, e, v.ID, p, p)
		}
		s, err := e.TakeSnapshot(ctx, tenant, v.ID, "test", "")
		must(t, err)
		_, err = e.Seal(ctx, tenant, s.ID)
		must(t, err)
		const files = 24_000
		var rows []snapshots.Entry
		for i := range files {
			rows = append(rows, snapshots.Entry{Path: fmt.Sprintf("d%d/%06d", i%8+1, i), Type: snapshots.TypeFile})
		}
		unknown := snapshots.Entry{Path: "d3/020002x", Type: snapshots.TypeFile}
		must(t, e.DB.Write(ctx, func(tx *sqldb.Tx) error {
			if err := e.Store.InsertVersions(ctx, tx, v.ID, s.Seq+1, rows); err != nil {
				return err
			}
			if err := e.Store.InsertVersions(ctx, tx, v.ID, s.Seq, []snapshots.Entry{unknown}); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE volumes SET live_files = live_files + $1 WHERE id = $2`, files, v.ID)
			return err
		}))
		list := func(prefix, delimiter string, limit int) (got []string) {
			for cursor := ""; ; {
				p, err := e.List(ctx, snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Moment: snapshots.Moment{Snapshot: s.ID}, Prefix: prefix, Delimiter: delimiter, Cursor: cursor, Limit: limit})
				must(t, err)
				for _, x := range p.Entries {
					got = append(got, x.Path)
				}
				got = append(got, p.Prefixes...)
				if cursor = p.Next; cursor == "" {
					slices.Sort(got)
					return got
				}
			}
		}
		for _, limit := range []int{1, 2, 3, 200, 1000} {
			for _, c := range []struct {
				prefix, delimiter string
				want              []string
			}{
				{"", "", paths},
				{"", "/", []string{"a.txt", "d1/", "d5/", "d9/", "z.txt"}},
				{"d1/", "/", []string{"d1/one", "d1/two"}},
				{"d5/", "/", []string{"d5/x/"}},
				{"d3/", "/", nil},
				{"d9", "", []string{"d9/last"}},
			} {
				if got := list(c.prefix, c.delimiter, limit); !slices.Equal(got, c.want) {
					t.Errorf("%q by %q, %d a page: %q", c.prefix, c.delimiter, limit, got)
				}
			}
		}
	})
}
