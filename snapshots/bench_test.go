package snapshots_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// filled makes a volume of n empty files by rows alone.
func filled(b *testing.B, n int) (*snapshotstest.Env, snapshots.Volume) {
	b.Helper()
	e := snapshotstest.New(b, sqldbtest.Open(b, sqldbtest.SQLiteDSN(b), sqlstore.Migrations()), nil)
	v := e.Volume(b, "v", snapshots.Files)
	if err := e.DB.Write(b.Context(), func(tx *sqldb.Tx) error {
		rows := make([]snapshots.Entry, 0, 10000)
		for i := range n {
			rows = append(rows, snapshots.Entry{Path: fmt.Sprintf("dir-%03d/file-%07d", i%997, i), Type: snapshots.TypeFile, Meta: snapshots.Meta{Mode: 0o644}})
			if len(rows) == cap(rows) || i == n-1 {
				if err := e.Store.InsertVersions(b.Context(), tx, v.ID, 1, rows); err != nil {
					return err
				}
				rows = rows[:0]
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	return e, v
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{1000, 1000000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, v := filled(b, n)
			for b.Loop() {
				if _, err := e.TakeSnapshot(b.Context(), tenant, v.ID, "bench", ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkListPage(b *testing.B) {
	for _, n := range []int{1000, 1000000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, v := filled(b, n)
			for b.Loop() {
				p, err := e.List(b.Context(), snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Prefix: "dir-5", Limit: 200})
				if err != nil || len(p.Entries) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIngestStream(b *testing.B) {
	e, v := filled(b, 1)
	const size = 256 << 20
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		r := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), 5})
		if _, err := e.Put(b.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "s"}, io.LimitReader(r, size)); err != nil {
			b.Fatal(err)
		}
	}
}
