package rebuild_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/rebuild"
	"holdfast/snapshots/scrub"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// benchEnv holds 128 MiB of noise in 2,000 files, and a sealed snapshot of them.
func benchEnv(b *testing.B, dir string) *env {
	blobs, err := blobfs.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { blobs.Close() })
	e := &env{dir: dir}
	e.Env = snapshotstest.New(b, sqldbtest.Open(b, sqldbtest.SQLiteDSN(b), sqlstore.Migrations()), blobs)
	v := e.Volume(b, "v", snapshots.Files)
	for i := range 2000 {
		if _, err := e.Put(context.Background(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: fmt.Sprintf("d%d/f%d", i%40, i)},
			strings.NewReader(noise(uint64(i), 64<<10))); err != nil {
			b.Fatal(err)
		}
	}
	s, err := e.TakeSnapshot(context.Background(), tenant, v.ID, "b", "")
	if err == nil {
		_, err = e.Seal(context.Background(), tenant, s.ID)
	}
	if err != nil {
		b.Fatal(err)
	}
	return e
}

func runRebuild(b *testing.B, e *env, db *sqldb.DB) (rebuild.Report, error) {
	r, err := rebuild.Run(b.Context(), e.config(db, e.Recovery))
	if err == nil && !r.Whole() {
		b.Fatalf("%+v", r)
	}
	return r, err
}

// BenchmarkScrub reads the same again, unthrottled.
func BenchmarkScrub(b *testing.B) {
	e := benchEnv(b, b.TempDir())
	s, err := scrub.New(scrub.Config{DB: e.DB, Store: sqlstore.New(), Blobs: e.Blobs, Site: snapshotstest.Site, Keys: e.OpenKeys, Rate: scrub.MaxRate, Now: e.Clock.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(128 << 20)
	defer perCPU(b, 128)()
	for b.Loop() {
		if _, err := s.Run(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

// perCPU reports how many MiB a second of processor time does: on a busy machine the clock on the wall says little.
func perCPU(b *testing.B, mib int) func() {
	used := func() float64 {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
	}
	before := used()
	return func() { b.ReportMetric(float64(mib*b.N)/(used()-before), "MiB/cpu-s") }
}

// BenchmarkRebuild makes the database of 128 MiB in 2,000 files again.
func BenchmarkRebuild(b *testing.B) {
	dir := b.TempDir()
	e := benchEnv(b, dir)
	b.SetBytes(128 << 20)
	defer perCPU(b, 128)()
	for b.Loop() {
		db := sqldbtest.Open(b, sqldbtest.SQLiteDSN(b), sqlstore.Migrations())
		if _, err := runRebuild(b, e, db); err != nil {
			b.Fatal(err)
		}
	}
}
