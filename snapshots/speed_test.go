package snapshots_test

import (
	"archive/tar"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/snapshotstest"
)

// The data path beside the sum of what it is made of: chunking, HMAC-SHA-256 ids, compression, AES-256-GCM, SHA-256 of
// frames, and writing them with fsync, each on all processors in the same run. The metric "of-ceiling" is the rate of the
// whole path over that of the sum, "of-work" the processor time of the sum over that of the whole path: on a machine that has
// other things to do, only the latter means much.

// ceiling is what the primitives alone need for a content.
type ceiling struct {
	cpu    time.Duration // all of them one after the other, each on every processor
	work   time.Duration // processor time of all of it
	disk   time.Duration // writing the stored bytes, fsync after every 32 MiB
	stored int64
}

// all is what a new stream cannot be faster than: the processors' part and the disk's go on beside each other.
func (c ceiling) all() time.Duration { return max(c.cpu, c.disk) }

// measure runs the primitives over a content in memory. compress may be nil.
func measure(tb testing.TB, body []byte, compress func(dst, src []byte) []byte, dir string) ceiling {
	tb.Helper()
	key := bytes.Repeat([]byte{9}, 32)
	table, err := chunk.NewTable(key, chunk.ProfileFiles)
	if err != nil {
		tb.Fatal(err)
	}
	ident, err := chunk.NewIdentifier(key)
	if err != nil {
		tb.Fatal(err)
	}
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	var c ceiling
	// The chunker is one a stream and so on one processor, while the others do the rest.
	start, before := time.Now(), processorTime()
	var pieces [][]byte
	ch := chunk.NewChunker(table, bytes.NewReader(body))
	for at := 0; ; {
		p, err := ch.Next()
		if err != nil {
			break
		}
		pieces = append(pieces, body[at:at+int(p.Len())])
		at += int(p.Len())
	}
	ch.Close()
	c.cpu += time.Since(start) / time.Duration(runtime.GOMAXPROCS(0))
	start = time.Now()
	frames := make([][]byte, len(pieces))
	var next, stored atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			small, out := make([]byte, 0, 3<<20), make([]byte, 0, 3<<20)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(pieces) {
					return
				}
				_ = ident.ID(chunk.KindData, pieces[i])
				plain := pieces[i]
				if compress != nil {
					plain = compress(small[:0], plain)
				}
				sealed := aead.Seal(out[:0], make([]byte, 12), plain, nil)
				_ = sha256.Sum256(sealed)
				stored.Add(int64(len(sealed)))
				frames[i] = pieces[i][:min(len(sealed), len(pieces[i]))]
			}
		})
	}
	wg.Wait()
	c.cpu += time.Since(start)
	c.stored = stored.Load()
	f, err := os.Create(filepath.Join(dir, fmt.Sprint("ceiling-", time.Now().UnixNano())))
	if err != nil {
		tb.Fatal(err)
	}
	start = time.Now()
	n := 0
	for _, b := range frames {
		if _, err := f.Write(b); err != nil {
			tb.Fatal(err)
		}
		if n += len(b); n >= 32<<20 {
			n = 0
			if err := f.Sync(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := f.Sync(); err != nil {
		tb.Fatal(err)
	}
	c.disk, c.work = time.Since(start), processorTime()-before
	f.Close()
	os.Remove(f.Name())
	return c
}

// processorTime is what the process has used, user and system.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func zstdFastest() func(dst, src []byte) []byte {
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	return func(dst, src []byte) []byte { return e.EncodeAll(src, dst) }
}

func s2Fast(dst, src []byte) []byte { return s2.Encode(dst[:cap(dst)], src) }

func median(d []float64) float64 { slices.Sort(d); return d[len(d)/2] }

// BenchmarkPrimitives is the ceiling by itself.
func BenchmarkPrimitives(b *testing.B) {
	for _, c := range []struct {
		name     string
		content  func(uint64, int) []byte
		compress func(dst, src []byte) []byte
	}{{"noise", noise, nil}, {"prose/zstd", prose, zstdFastest()}, {"prose/s2", prose, s2Fast}} {
		b.Run(c.name, func(b *testing.B) {
			body := c.content(1, benchStream)
			b.SetBytes(benchStream)
			var last ceiling
			for b.Loop() {
				last = measure(b, body, c.compress, b.TempDir())
			}
			b.ReportMetric(benchStream/last.cpu.Seconds()/1e6, "cpu-MB/s")
			b.ReportMetric(float64(last.stored)/last.disk.Seconds()/1e6, "disk-MB/s")
			b.ReportMetric(benchStream/float64(last.stored), "ratio")
		})
	}
}

// BenchmarkIngestStream puts streams beside the ceiling of each.
func BenchmarkIngestStream(b *testing.B) {
	for _, c := range []struct {
		name     string
		content  func(uint64, int) []byte
		compress func(dst, src []byte) []byte
	}{{"noise", noise, nil}, {"prose", prose, zstdFastest()}} {
		b.Run(c.name, func(b *testing.B) {
			e := benchEnv(b, sqldbtest.SQLiteDSN(b))
			v := e.Volume(b, "v", snapshots.Files)
			put := func(body []byte) (took, work time.Duration) {
				start, before := time.Now(), processorTime()
				r := snapshots.PutRequest{Tenant: snapshotstest.Tenant, Volume: v.ID, Path: "s"}
				if _, err := e.Put(b.Context(), r, bytes.NewReader(body)); err != nil {
					b.Fatal(err)
				}
				return time.Since(start), processorTime() - before
			}
			seed := uint64(0)
			b.Run("new", func(b *testing.B) {
				var ratios, works, rates []float64
				b.SetBytes(benchStream)
				for b.Loop() {
					b.StopTimer()
					seed++
					body := c.content(seed, benchStream)
					limit := measure(b, body, c.compress, b.TempDir())
					b.StartTimer()
					took, work := put(body)
					ratios = append(ratios, limit.all().Seconds()/took.Seconds())
					works = append(works, limit.work.Seconds()/work.Seconds())
					rates = append(rates, benchStream/took.Seconds()/1e6)
				}
				b.ReportMetric(median(ratios), "of-ceiling")
				b.ReportMetric(median(works), "of-work")
				b.ReportMetric(median(rates), "median-MB/s")
			})
			same := c.content(0, benchStream)
			put(same)
			b.Run("unchanged", func(b *testing.B) {
				b.SetBytes(benchStream)
				var ratios, works, rates []float64
				for b.Loop() {
					b.StopTimer()
					limit, least := measureIDs(b, same)
					b.StartTimer()
					took, work := put(same)
					ratios = append(ratios, limit.Seconds()/took.Seconds())
					works = append(works, least.Seconds()/work.Seconds())
					rates = append(rates, benchStream/took.Seconds()/1e6)
				}
				b.ReportMetric(median(ratios), "of-ceiling")
				b.ReportMetric(median(works), "of-work")
				b.ReportMetric(median(rates), "median-MB/s")
			})
			b.Run("restore", func(b *testing.B) {
				b.SetBytes(benchStream)
				var rates, works []float64
				for b.Loop() {
					start, before := time.Now(), processorTime()
					if err := restore(b, e, v.ID); err != nil {
						b.Fatal(err)
					}
					rates = append(rates, benchStream/time.Since(start).Seconds()/1e6)
					works = append(works, float64((processorTime()-before).Nanoseconds())/benchStream)
				}
				b.ReportMetric(median(works), "work-ns/B")
				b.ReportMetric(median(rates), "median-MB/s")
			})
		})
	}
}

// BenchmarkIngestTree puts an archive of 30,000 small files, new and again unchanged, beside the ceiling of its bytes and
// beside what the database alone takes for so many rows.
func BenchmarkIngestTree(b *testing.B) {
	const files, size = 30000, 4096
	archive := func(seed uint64) []byte {
		text := prose(seed, files*size)
		var out bytes.Buffer
		w := tar.NewWriter(&out)
		for i := range files {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("dir-%03d/file-%05d", i%300, i), Mode: 0o644, Size: size, Format: tar.FormatPAX}
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
	e := benchEnv(b, sqldbtest.SQLiteDSN(b))
	v := e.Volume(b, "v", snapshots.Files)
	put := func(b *testing.B, body []byte) (took, work time.Duration) {
		start, before := time.Now(), processorTime()
		s, err := e.PutTar(b.Context(), snapshots.PutTarRequest{Tenant: snapshotstest.Tenant, Volume: v.ID}, bytes.NewReader(body))
		if err != nil || s.Files != files || s.Refused != 0 {
			b.Fatal(s, err)
		}
		return time.Since(start), processorTime() - before
	}
	for _, state := range []string{"new", "unchanged"} {
		seed := uint64(0)
		b.Run(state, func(b *testing.B) {
			var rates, works []float64
			b.SetBytes(files * size)
			for b.Loop() {
				b.StopTimer()
				if state == "new" || seed == 0 {
					seed++
				}
				body := archive(seed)
				b.StartTimer()
				took, work := put(b, body)
				rates = append(rates, files/took.Seconds())
				works = append(works, float64(work.Microseconds())/files)
			}
			b.ReportMetric(median(rates), "files/s")
			b.ReportMetric(median(works), "work-us/file")
		})
	}
}

// measureIDs is what chunking and ids alone take: the ceiling of what is known.
func measureIDs(tb testing.TB, body []byte) (took, work time.Duration) {
	key := bytes.Repeat([]byte{9}, 32)
	table, err := chunk.NewTable(key, chunk.ProfileFiles)
	if err != nil {
		tb.Fatal(err)
	}
	ident, _ := chunk.NewIdentifier(key)
	start, before := time.Now(), processorTime()
	ch := chunk.NewChunker(table, bytes.NewReader(body))
	defer ch.Close()
	for {
		if _, err := ch.Next(); err != nil {
			break
		}
	}
	took = time.Since(start) / time.Duration(runtime.GOMAXPROCS(0))
	start = time.Now()
	var wg sync.WaitGroup
	part := len(body) / runtime.GOMAXPROCS(0)
	for i := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for at := i * part; at < (i+1)*part; at += 512 << 10 {
				ident.ID(chunk.KindData, body[at:min(at+512<<10, (i+1)*part)])
			}
		})
	}
	wg.Wait()
	return took + time.Since(start), processorTime() - before
}
