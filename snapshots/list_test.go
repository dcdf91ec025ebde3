package snapshots_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// Pages with a delimiter, of any size and put together again, are what grouping all paths by hand gives.
func TestPagesWithDelimiterAreTheGroupedPaths(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		turn := 0
		rapid.Check(t, func(t *rapid.T) {
			turn++
			paths := rapid.SliceOfNDistinct(rapid.StringMatching(`([ab]/){0,2}[a-d]{1,3}`), 0, 80, rapid.ID[string]).Draw(t, "paths")
			prefix := rapid.SampledFrom([]string{"", "a", "a/", "b/a/"}).Draw(t, "prefix")
			limit := rapid.SampledFrom([]int{1, 2, 3, 7, 40}).Draw(t, "limit")
			vol, err := e.CreateVolume(context.Background(), snapshots.NewVolume{Tenant: tenant, Name: "v" + strings.Repeat("x", turn%100) + string(rune('a'+turn/100)), Kind: snapshots.Files, By: "test"})
			if err != nil {
				t.Fatal(err)
			}
			v := vol.ID
			var rows []snapshots.Entry
			for _, p := range paths {
				rows = append(rows, snapshots.Entry{Path: p, Type: snapshots.TypeFile})
			}
			if err := e.DB.Write(context.Background(), func(tx *sqldb.Tx) error {
				return e.Store.InsertVersions(context.Background(), tx, v, vol.Head, rows)
			}); err != nil {
				t.Fatal(err)
			}
			var want []string
			slices.Sort(paths)
			for _, p := range paths {
				name, ok := strings.CutPrefix(p, prefix)
				if !ok {
					continue
				}
				if dir, _, below := strings.Cut(name, "/"); below {
					p = prefix + dir + "/"
				}
				if !slices.Contains(want, p) {
					want = append(want, p)
				}
			}
			var got []string
			for cursor := ""; ; {
				p, err := e.List(context.Background(), snapshots.ListRequest{Tenant: tenant, Volume: v, Prefix: prefix, Delimiter: "/", Cursor: cursor, Limit: limit})
				if err != nil {
					t.Fatal(err)
				}
				if n := len(p.Entries) + len(p.Prefixes); n > limit || p.Next != "" && n != limit {
					t.Fatalf("a page of %d of %d", n, limit)
				}
				page := slices.Clone(p.Prefixes)
				for _, x := range p.Entries {
					page = append(page, x.Path)
				}
				slices.Sort(page)
				got = append(got, page...)
				if cursor = p.Next; cursor == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
		})
	})
}
