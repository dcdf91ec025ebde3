package pull_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"holdfast/server/client"
	"holdfast/server/client/pull"
)

// How much the benchmarks move. The figures of docs/performance.md are of the bench, with its peers.
const (
	benchStream = 256 << 20
	benchFiles  = 4000
	benchFile   = 43 << 10 // on average
)

// source is n bytes: incompressible, or like text that compresses to about a third.
func source(n int64, text bool, seed uint64) io.Reader {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	if !text {
		return io.LimitReader(r, n)
	}
	return io.LimitReader(&words{r: r}, n)
}

type words struct {
	r *rand.ChaCha8
	b bytes.Buffer
}

func (w *words) Read(p []byte) (int, error) {
	for w.b.Len() < len(p) {
		x := w.r.Uint64()
		fmt.Fprintf(&w.b, "%x of the %d th row: %s, ", x&0xffffff, x>>24&0xff, []string{"delivered", "returned", "lost", "found"}[x>>60&3])
	}
	return w.b.Read(p)
}

func benchBytes(b *testing.B, f func(b *testing.B, text bool)) {
	for _, text := range []bool{false, true} {
		b.Run(map[bool]string{false: "noise", true: "text"}[text], func(b *testing.B) { f(b, text) })
	}
}

// plainCopy is how fast the same bytes go from a handler into a file, MiB a second.
func plainCopy(b *testing.B, body []byte) float64 {
	b.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, bytes.NewReader(body)) }))
	defer s.Close()
	best := 0.0
	for range 3 {
		name := filepath.Join(b.TempDir(), "copy")
		start := time.Now()
		resp, err := http.Get(s.URL)
		if err != nil {
			b.Fatal(err)
		}
		f, err := os.Create(name)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(f, resp.Body); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		best = max(best, float64(len(body))/(1<<20)/time.Since(start).Seconds())
		os.Remove(name)
	}
	return best
}

// processor is how many seconds of it the process has used: what the machine's other work does not change.
func processor(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func BenchmarkStream(b *testing.B) {
	benchBytes(b, func(b *testing.B, text bool) {
		r := newRig(b)
		body, err := io.ReadAll(source(benchStream, text, 1))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.c.PutStream(b.Context(), r.stream.ID, bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
		copied := plainCopy(b, body)
		m := r.open(client.Source{Volume: r.stream.ID})
		for what, do := range map[string]func(name string) (pull.Summary, error){
			"file": func(name string) (pull.Summary, error) { return m.File(b.Context(), name, pull.Options{}) },
			"pipe": func(string) (pull.Summary, error) { return m.Copy(b.Context(), io.Discard, pull.Options{}) },
		} {
			b.Run(what, func(b *testing.B) {
				b.SetBytes(benchStream)
				used := processor(b)
				for b.Loop() {
					name := filepath.Join(b.TempDir(), "back")
					if sum, err := do(name); err != nil || sum.Verified != benchStream {
						b.Fatal(sum, err)
					}
					b.StopTimer()
					os.Remove(name)
					b.StartTimer()
				}
				b.ReportMetric(float64(benchStream)/(1<<20)*float64(b.N)/b.Elapsed().Seconds()/copied, "x-copy")
				b.ReportMetric(copied, "copy-MiB/s")
				b.ReportMetric((processor(b)-used)/float64(b.N)*(1<<30)/benchStream, "cpu-s/GiB")
			})
		}
	})
}

func BenchmarkTree(b *testing.B) {
	benchBytes(b, func(b *testing.B, text bool) {
		r := newRig(b)
		dir := b.TempDir()
		total := int64(0)
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range benchFiles {
			n := int64(rnd.ExpFloat64() * benchFile)
			body, err := io.ReadAll(source(n, text, uint64(i)))
			if err != nil {
				b.Fatal(err)
			}
			write(b, filepath.Join(dir, fmt.Sprintf("d%03d/e%d/file-%05d", i/30, i%3, i)), body)
			total += n
		}
		r.push(dir)
		copied := 1e9
		for i := range 3 {
			to := filepath.Join(b.TempDir(), "cp")
			start := time.Now()
			if out, err := exec.CommandContext(b.Context(), "cp", "-a", dir, to).CombinedOutput(); err != nil {
				b.Fatal(string(out), err)
			}
			copied = min(copied, time.Since(start).Seconds())
			_ = i
			os.RemoveAll(to)
		}
		b.SetBytes(total)
		b.ResetTimer()
		used := processor(b)
		for b.Loop() {
			to := filepath.Join(b.TempDir(), "back")
			r.tree(to, pull.Options{Owner: os.Geteuid() == 0})
			b.StopTimer()
			os.RemoveAll(to)
			b.StartTimer()
		}
		b.ReportMetric(copied*float64(b.N)/b.Elapsed().Seconds(), "x-cp-a")
		b.ReportMetric((processor(b)-used)/float64(b.N)/benchFiles*1e6, "cpu-us/file")
		b.ReportMetric(float64(benchFiles)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
	})
}
