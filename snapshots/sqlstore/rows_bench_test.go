package sqlstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/stream"
)

// BenchmarkRowsOfSmallFiles does what a push of many small files does to the index, and tells the processor time of each:
// a question whether the chunk is known, its row, its edge and the file's version, 480 files a transaction. One
// round is 30,720 files, a GiB of the tree of the bench.
func BenchmarkRowsOfSmallFiles(b *testing.B) {
	const files, group = 30720, 480
	var spent, asked float64
	for range b.N {
		b.StopTimer()
		ctx := b.Context()
		db, err := sqldb.Open(ctx, "sqlite:"+filepath.Join(b.TempDir(), "site.db"), sqlstore.Migrations())
		if err != nil {
			b.Fatal(err)
		}
		s, tenant := sqlstore.New(), "ten_01k81krg0yade3v24mc4rxn9c9"
		var v snapshots.VolumeID
		var pack snapshots.PackID
		if err := errors.Join(v.UnmarshalText([]byte("vol_01m81krg0yade3v24mc4rxn9c9")), pack.UnmarshalText([]byte("pck_01m81krg0yade3v24mc4rxn9c9"))); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for at := 0; at < files; at += group {
			frames, entries, paths := make([]snapshots.Frame, group), make([]snapshots.Entry, group), make([]string, group)
			edges, ids := map[snapshots.ChunkKey]int64{}, make([]chunk.ID, group)
			for i := range group {
				l := &frames[i].Location
				l.Child.Kind, l.Child.Length, l.Child.Key = chunk.KindData, 4000, 1
				_, _ = rand.Read(l.Child.ID[:])
				_, _ = rand.Read(l.Child.Hash[:])
				l.Pack, l.Pos, l.PlainLen = pack, int64(at+i)*4100, 9000
				ids[i] = l.Child.ID
				edges[snapshots.ChunkKey{ID: l.Child.ID, Hash: l.Child.Hash}] = 1
				paths[i] = fmt.Sprintf("src/package%03d/directory/file_number_%05d.go", (at+i)/40, at+i)
				entries[i] = snapshots.Entry{Path: paths[i], Type: snapshots.TypeFile, Size: 9000, Meta: snapshots.Meta{Mode: 0o644, User: "root", Group: "root", MTime: 1700000000000000000 + int64(at+i)},
					Recipe: stream.Recipe{{Child: l.Child, Len: 9000}}}
			}
			before := processor()
			for i := 0; i < group; i += 64 {
				if err := db.Read(ctx, func(tx *sqldb.Tx) error {
					_, err := s.FindChunks(ctx, tx, tenant, ids[i:min(i+64, group)])
					return err
				}); err != nil {
					b.Fatal(err)
				}
			}
			asked += processor() - before
			if err := db.Write(ctx, func(tx *sqldb.Tx) error {
				return rows(ctx, s, tx, tenant, v, int64(at+1), frames, edges, paths, entries)
			}); err != nil {
				b.Fatal(err)
			}
			spent += processor() - before
		}
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(spent/float64(b.N*files)*1e6, "cpu-µs/file")
	b.ReportMetric(asked/float64(b.N*files)*1e6, "asking-µs/file")
}

func rows(ctx context.Context, s *sqlstore.Store, tx *sqldb.Tx, tenant string, v snapshots.VolumeID, seq int64, frames []snapshots.Frame, edges map[snapshots.ChunkKey]int64,
	paths []string, entries []snapshots.Entry) error {
	err := s.InsertNewFrames(ctx, tx, tenant, frames)
	if err == nil {
		err = s.AddFirstRefs(ctx, tx, tenant, edges)
	}
	if err == nil {
		_, _, err = s.EndVersions(ctx, tx, v, seq, paths)
	}
	if err == nil {
		err = s.InsertVersions(ctx, tx, v, seq, entries)
	}
	return err
}

// processor is the seconds that this process has used.
func processor() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}
