package snapshots_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/blob/fs"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// The figures of docs/performance.md. Blobs are in a directory, with every fsync that the service makes; SQLite is as
// the service opens it, PostgreSQL as sqldbtest or .ci/with-postgres runs it (without fsync).

func benchEngines(b *testing.B, f func(b *testing.B, open func() *snapshotstest.Env)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			dsn := sqldbtest.SQLiteDSN
			if engine == "postgres" {
				dsn = sqldbtest.PostgresDSN
			}
			f(b, func() *snapshotstest.Env { return benchEnv(b, dsn(b)) })
		})
	}
}

func benchEnv(b *testing.B, dsn string) *snapshotstest.Env {
	b.Helper()
	blobs, err := fs.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	return snapshotstest.New(b, sqldbtest.Open(b, dsn, sqlstore.Migrations()), blobs)
}

// big is a volume of n files with a history, made by rows alone.
type big struct {
	snapshots.Volume
	prefix string
	n      int
	before snapshots.SnapshotID // when there was but one file
	taken  snapshots.SnapshotID // when all n files were in their first version
	at     time.Time            // the same moment as a time
}

// path is where the i-th file stands: a thousand a directory.
func (v big) path(i int) string {
	return fmt.Sprintf("%sdir-%06d/file-%04d", v.prefix, i/1000, i%1000)
}

// fill makes a volume of n files below the prefix; every second one was overwritten once, after the snapshot. The
// engine makes the commits, the snapshots and one file; the database makes the other rows like that file's.
func fill(b *testing.B, e *snapshotstest.Env, name, prefix string, n int) big {
	b.Helper()
	ctx := b.Context()
	v := big{Volume: e.Volume(b, name, snapshots.Files), prefix: prefix, n: n}
	put := func() snapshots.Version {
		r := snapshots.PutRequest{Tenant: snapshotstest.Tenant, Volume: v.ID, Path: "~pattern", Meta: snapshots.Meta{Mode: 0o644, UID: 1000, GID: 1000, User: "user", Group: "user", MTime: 1}}
		if _, err := e.Put(ctx, r, io.LimitReader(rand.NewChaCha8([32]byte{byte(e.Clock.Now().Second())}), 4096)); err != nil {
			b.Fatal(err)
		}
		e.Clock.Advance(time.Second)
		x, err := e.Head(ctx, snapshotstest.Tenant, v.ID, r.Path, snapshots.Moment{})
		if err != nil {
			b.Fatal(err)
		}
		return x
	}
	take := func() snapshots.Snapshot {
		s, err := e.TakeSnapshot(ctx, snapshotstest.Tenant, v.ID, "bench", "")
		if err != nil {
			b.Fatal(err)
		}
		e.Clock.Advance(time.Second)
		return s
	}
	put()
	v.before = take().ID
	first := put()
	s := take()
	v.taken, v.at = s.ID, s.At
	second := put()
	if err := e.DB.Write(ctx, func(tx *sqldb.Tx) error {
		from, path := `(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1) SELECT i FROM n) AS n`,
			`CAST(printf('%sdir-%06d/file-%04d', $2, i / 1000, i % 1000) AS BLOB)`
		if tx.Engine() == sqldb.Postgres {
			from, path = `generate_series(0, $1::bigint - 1) AS n(i)`,
				`convert_to($2::text || 'dir-' || lpad((i / 1000)::text, 6, '0') || '/file-' || lpad((i % 1000)::text, 4, '0'), 'UTF8')`
		}
		// The second versions first: they are alive and so the only ones of their paths.
		rows := `INSERT INTO versions (volume, path, born, died, type, meta, size, etag, recipe)
			SELECT v.volume, ` + path + `, v.born, CASE WHEN v.born = $5 AND i % 2 = 0 THEN $6 ELSE 9223372036854775807 END, v.type, v.meta, v.size, v.etag, v.recipe
			FROM ` + from + ` CROSS JOIN versions v WHERE v.volume = $3 AND v.path = $4 AND (v.born = $5 OR v.born = $6 AND i % 2 = 0) ORDER BY i, v.born`
		if _, err := tx.Exec(ctx, rows, n, prefix, v.ID, []byte("~pattern"), first.Born, second.Born); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `ANALYZE`) // which the service's databases have had, by autovacuum or PRAGMA optimize
		return err
	}); err != nil {
		b.Fatal(err)
	}
	if x, err := e.Head(ctx, snapshotstest.Tenant, v.ID, v.path(n-1), snapshots.Moment{}); err != nil || x.Size != first.Size {
		b.Fatal(x, err)
	}
	return v
}

// deep is a prefix of some 200 bytes in 16 components.
var deep = strings.Repeat("a-component/", 16)

// BenchmarkVolume measures what must not depend on how many files a volume has: taking a snapshot, and listing a page
// of 200 entries in the middle. Each size has a database of its own.
func BenchmarkVolume(b *testing.B) {
	sizes := []int{1000, 1000000}
	benchEngines(b, func(b *testing.B, open func() *snapshotstest.Env) {
		envs, flat, below := make([]*snapshotstest.Env, len(sizes)), make([]big, len(sizes)), make([]big, len(sizes))
		for i, n := range sizes {
			envs[i] = open()
			flat[i], below[i] = fill(b, envs[i], "flat", "", n), fill(b, envs[i], "deep", deep, n)
		}
		unix.Sync() // what the filling has left for the disk to do
		b.Run("snapshot", func(b *testing.B) { benchSnapshots(b, envs, flat) })
		for i := range sizes {
			benchPages(b, envs[i], flat[i], below[i])
		}
	})
}

// benchSnapshots takes one snapshot of each volume in turn, so that whatever else the machine does meets all of them.
func benchSnapshots(b *testing.B, envs []*snapshotstest.Env, volumes []big) {
	took := make([][]time.Duration, len(volumes))
	for b.Loop() {
		for i, v := range volumes {
			start := time.Now()
			if _, err := envs[i].TakeSnapshot(b.Context(), snapshotstest.Tenant, v.ID, "bench", ""); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	for i, v := range volumes {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Nanoseconds()), fmt.Sprintf("median-ns/%d-files", v.n))
	}
}

func benchPages(b *testing.B, e *snapshotstest.Env, flat, below big) {
	directories := min(flat.n/1000, 200)
	now := snapshots.Moment{}
	for _, p := range []struct {
		name              string
		v                 big
		moment            snapshots.Moment
		delimiter         string
		entries, prefixes int
	}{
		{"live", flat, now, "", 200, 0},
		{"past", flat, snapshots.Moment{Time: flat.at}, "", 200, 0},
		{"snapshot", flat, snapshots.Moment{Snapshot: flat.taken}, "", 200, 0},
		{"deep-live", below, now, "", 200, 0},
		{"deep-snapshot", below, snapshots.Moment{Snapshot: below.taken}, "", 200, 0},
		{"directories-live", below, now, "/", 0, directories},
		{"directories-snapshot", below, snapshots.Moment{Snapshot: below.taken}, "/", 0, directories},
		// Of what there is now nothing was there then: the page skips all of it.
		{"before-all", flat, snapshots.Moment{Snapshot: flat.before}, "", 1, 0},
	} {
		b.Run(fmt.Sprint("page/", p.v.n, "/", p.name), func(b *testing.B) {
			r := snapshots.ListRequest{Tenant: snapshotstest.Tenant, Volume: p.v.ID, Moment: p.moment, Prefix: p.v.prefix, Delimiter: p.delimiter, Limit: 200}
			if p.entries == 200 { // the cursor of a page that ended in the middle
				one := r
				one.Prefix, one.Limit = strings.TrimSuffix(p.v.path(p.v.n/2), "00"), 1
				page, err := e.List(b.Context(), one)
				if err != nil || page.Next == "" {
					b.Fatal(page, err)
				}
				r.Cursor = page.Next
			}
			for b.Loop() {
				page, err := e.List(b.Context(), r)
				if err != nil || len(page.Entries) != p.entries || len(page.Prefixes) != p.prefixes {
					b.Fatal(len(page.Entries), len(page.Prefixes), err)
				}
			}
		})
	}
}

// prose is compressible (about as source code and documents are) and never the same twice.
func prose(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	words := make([]string, 4096)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for k := range w {
			w[k] = 'a' + byte(r.IntN(26))
		}
		words[i] = string(w) + " "
	}
	out := make([]byte, 0, size+16)
	for len(out) < size {
		// The product of two draws prefers the first words, as languages do.
		out = append(out, words[r.IntN(64)*r.IntN(65)]...)
	}
	return out[:size]
}

func noise(seed uint64, size int) []byte {
	out := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 5}).Read(out)
	return out
}

const benchStream = 128 << 20

// BenchmarkStream puts streams of 128 MiB that are new, puts one again unchanged, and reads it back.
func BenchmarkStream(b *testing.B) {
	for name, content := range map[string]func(uint64, int) []byte{"noise": noise, "prose": prose} {
		b.Run(name, func(b *testing.B) {
			e := benchEnv(b, sqldbtest.SQLiteDSN(b))
			v := e.Volume(b, "v", snapshots.Files)
			put := func(body []byte) {
				r := snapshots.PutRequest{Tenant: snapshotstest.Tenant, Volume: v.ID, Path: "s"}
				if _, err := e.Put(b.Context(), r, bytes.NewReader(body)); err != nil {
					b.Fatal(err)
				}
			}
			seed := uint64(0)
			b.Run("new", func(b *testing.B) {
				b.SetBytes(benchStream)
				for b.Loop() {
					b.StopTimer()
					seed++
					body := content(seed, benchStream)
					b.StartTimer()
					put(body)
				}
			})
			same := content(0, benchStream)
			put(same)
			b.Run("unchanged", func(b *testing.B) {
				b.SetBytes(benchStream)
				for b.Loop() {
					put(same)
				}
			})
			b.Run("restore", func(b *testing.B) {
				b.SetBytes(benchStream)
				for b.Loop() {
					if err := restore(b, e, v.ID); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func restore(b *testing.B, e *snapshotstest.Env, v snapshots.VolumeID) error {
	o, err := e.Open(b.Context(), snapshotstest.Tenant, v, "s", snapshots.Moment{})
	if err != nil {
		return err
	}
	r, err := o.Range(b.Context(), 0, -1)
	if err != nil {
		return errors.Join(err, o.Close())
	}
	n, err := io.Copy(io.Discard, r)
	if err == nil && n != benchStream {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, r.Close(), o.Close())
}

// BenchmarkTar puts archives of 10,000 files of 4 KiB, new and again unchanged, and exports them.
func BenchmarkTar(b *testing.B) {
	const files, size = 10000, 4096
	archive := func(seed uint64) []byte {
		text := prose(seed, files*size)
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for i := range files {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("dir-%03d/file-%05d", i%100, i), Mode: 0o644, Size: size, Format: tar.FormatPAX}
			if err := w.WriteHeader(h); err != nil {
				b.Fatal(err)
			}
			if _, err := w.Write(text[i*size : (i+1)*size]); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		return out.Bytes()
	}
	benchEngines(b, func(b *testing.B, open func() *snapshotstest.Env) {
		e := open()
		v := e.Volume(b, "v", snapshots.Files)
		put := func(body []byte) {
			s, err := e.PutTar(b.Context(), snapshots.PutTarRequest{Tenant: snapshotstest.Tenant, Volume: v.ID}, bytes.NewReader(body))
			if err != nil || s.Files != files || s.Refused != 0 {
				b.Fatal(s, err)
			}
		}
		rate := func(b *testing.B) { b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s") }
		seed := uint64(0)
		b.Run("new", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				seed++
				body := archive(seed)
				b.StartTimer()
				put(body)
			}
			rate(b)
		})
		same := archive(0)
		put(same)
		b.Run("unchanged", func(b *testing.B) {
			for b.Loop() {
				put(same)
			}
			rate(b)
		})
		b.Run("export", func(b *testing.B) {
			for b.Loop() {
				if err := e.Export(b.Context(), snapshots.ExportRequest{Tenant: snapshotstest.Tenant, Volume: v.ID}, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
			rate(b)
		})
	})
}
