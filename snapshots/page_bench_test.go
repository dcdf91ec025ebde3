package snapshots_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// BenchmarkPagesOfALargeVolume reads what the pages of a volume with a million files and ten thousand snapshots read.
func BenchmarkPagesOfALargeVolume(b *testing.B) {
	ctx := context.Background()
	e := snapshotstest.New(b, sqldbtest.Open(b, sqldbtest.SQLiteDSN(b), sqlstore.Migrations()), nil)
	v := e.Volume(b, "large", snapshots.Files)
	const files = 1_000_000
	for at := 0; at < files; at += 20_000 {
		var rows []snapshots.Entry
		for i := at; i < at+20_000; i++ {
			rows = append(rows, snapshots.Entry{Path: fmt.Sprintf("d%03d/e%02d/%07d.txt", i/10_000, i/500%20, i), Type: snapshots.TypeFile, Size: 1})
		}
		must(b, e.DB.Write(ctx, func(tx *sqldb.Tx) error { return e.Store.InsertVersions(ctx, tx, v.ID, v.Head, rows) }))
	}
	before := e.Clock.Now()
	e.Clock.Advance(time.Second)
	must(b, e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "d050/", Prefix: true}))
	first := e.Clock.Now()
	var s snapshots.Snapshot
	for range 10_000 {
		e.Clock.Advance(time.Minute)
		var err error
		s, err = e.TakeSnapshot(ctx, tenant, v.ID, "bench", "")
		must(b, err)
	}
	for name, read := range map[string]func() error{
		"folder": func() error {
			_, err := e.List(ctx, snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Delimiter: "/", Limit: 100})
			return err
		},
		"files": func() error {
			_, err := e.List(ctx, snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Prefix: "d070/e05/", Delimiter: "/", Limit: 100})
			return err
		},
		"snapshot": func() error {
			_, err := e.List(ctx, snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Moment: snapshots.Moment{Snapshot: s.ID}, Delimiter: "/", Limit: 100})
			return err
		},
		"compare": func() error {
			_, err := e.Compare(ctx, snapshots.CompareRequest{Tenant: tenant, From: v.ID, Was: snapshots.Moment{Time: before}, To: v.ID, Limit: 100})
			return err
		},
		"removed":  func() error { _, _, err := e.Removed(ctx, tenant, v.ID, snapshots.RemovedCursor{}); return err },
		"timeline": func() error { _, err := e.Timeline(ctx, tenant, v.ID, first, 6*time.Hour, 124); return err },
		"recent":   func() error { _, err := e.Snapshots(ctx, tenant, v.ID, snapshots.SnapshotID{}, 50); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				must(b, read())
			}
		})
	}
}
