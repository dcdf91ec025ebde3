package sqlstore_test

import (
	"context"
	"math"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/sqlstore"
)

// A search finds by kind, tenant, subject, mention and time, alone and together, goes on where a page ended, and gives
// every entry once.
func TestFindLog(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		appendN(t, db, 0, 20)
		read(t, db, func(tx *sqldb.Tx) error {
			all, err := sqlstore.LogEntries(ctx, tx, 0, 100)
			must(t, err)
			find := func(f sqlstore.LogFilter, n int) (out []int64) {
				t.Helper()
				for before := int64(math.MaxInt64); ; {
					found, next, err := sqlstore.FindLog(ctx, tx, f, before, n)
					must(t, err)
					for _, e := range found {
						if len(out) > 0 && e.Index >= out[len(out)-1] {
							t.Fatalf("%d after %d", e.Index, out[len(out)-1])
						}
						out = append(out, e.Index)
					}
					if next < 0 {
						return out
					}
					if next >= before {
						t.Fatal("no progress")
					}
					before = next
				}
			}
			some := all[7]
			for name, f := range map[string]sqlstore.LogFilter{
				"all": {}, "kind": {Kind: some.Kind}, "tenant": {Tenant: some.Tenant}, "subject": {Mentions: []string{some.Subject}},
				"body": {Mentions: []string{string(some.Body)}}, "both": {Kind: some.Kind, Tenant: some.Tenant, Mentions: []string{some.Subject}},
				"time": {Since: some.At, Until: all[12].At}, "since": {Since: some.At}, "none": {Tenant: "ten_nobody"},
				"future": {Since: all[19].At.Add(time.Hour)}, "past": {Until: all[0].At},
			} {
				want := 0
				for _, e := range all {
					in := (f.Kind == "" || e.Kind == f.Kind) && (f.Tenant == "" || e.Tenant == f.Tenant) &&
						(f.Since.IsZero() || !e.At.Before(f.Since)) && (f.Until.IsZero() || e.At.Before(f.Until))
					for _, m := range f.Mentions {
						in = in && (e.Subject == m || string(e.Body) == m)
					}
					if in {
						want++
					}
				}
				for _, n := range []int{1, 3, 50} {
					if got := find(f, n); len(got) != want {
						t.Errorf("%s, %d a page: %v, want %d", name, n, got, want)
					}
				}
			}
			return nil
		})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
