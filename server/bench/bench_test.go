package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSizesReadBackAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, maxSize).Draw(t, "n")
		got, err := parseSize(sizeText(n))
		if err != nil || got != n {
			t.Fatalf("%d is written %q and read as %d, %v", n, sizeText(n), got, err)
		}
	})
	for _, bad := range []string{"", "1", "GiB", "-1MiB", "1gb", "1.5GiB", "99999999GiB", "1 GiB"} {
		if n, err := parseSize(bad); !errors.Is(err, errUsage) {
			t.Errorf("%q is read as %d, %v", bad, n, err)
		}
	}
}

func TestOptionsAreBounded(t *testing.T) {
	for _, bad := range [][]string{{"--size", "1MiB"}, {"--size", "65GiB"}, {"--runs", "0"}, {"--runs", "26"}, {"--only", "trees"}, {"x"}, {"--no"}} {
		if _, err := parseOptions(bad, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	o, err := parseOptions([]string{"--only", "tree, tree,memory", "--peers", "", "--size", "64MiB"}, io.Discard)
	if err != nil || len(o.only) != 2 || !o.does("memory") || o.does("stream") || len(o.peers) != 0 || o.size != 64*mib {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestProcIsReadWhateverAProcessIsCalled(t *testing.T) {
	const rest = "S 1 2 2 0 -1 4194560 100 0 0 0 70 30 5 7 20 0 5 0 100"
	for _, name := range []string{"(holdfast)", "(a) b (c)", "() 1 2 3)"} {
		got, err := statCPU("42 " + name + " " + rest)
		if err != nil || got != 1120*time.Millisecond {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1 2", "42 (x) " + strings.Replace(rest, " 70 ", " x ", 1)} {
		if d, err := statCPU(bad); err == nil {
			t.Errorf("%q is read as %s", bad, d)
		}
	}
	if n, err := statusPeak([]byte("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n")); n != 2*mib || err != nil {
		t.Errorf("peak %d, %v", n, err)
	}
	if n, err := statusPeak([]byte("VmHWM:\t 1 MB\n")); err == nil {
		t.Errorf("another unit is read as %d", n)
	}
	if n, err := peakOf(os.Getpid()); err != nil || n < mib {
		t.Errorf("this process has a peak of %d, %v", n, err)
	}
}

func TestJobSecondsAddsOnlyTheSumsOfItsJobs(t *testing.T) {
	const page = `# HELP x
holdfast_job_seconds_sum{job="execute",outcome="ok"} 1.5
holdfast_job_seconds_sum{job="execute",outcome="error"} 0.25
holdfast_job_seconds_sum{job="reclaim",outcome="ok"} 2
holdfast_job_seconds_sum{job="seal",outcome="ok"} 64
holdfast_job_seconds_count{job="execute",outcome="ok"} 128
`
	if got, err := jobSeconds(page, "execute", "reclaim"); err != nil || got != 3750*time.Millisecond {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := jobSeconds(page, "sweep"); err == nil {
		t.Errorf("a job that is not there took %s", got)
	}
}

func some(wall ...time.Duration) (out []sample) {
	for _, w := range wall {
		out = append(out, sample{usage: usage{Wall: w, CPU: w, Client: int64(w), Server: 1}, Bytes: 100 * mib, Stored: 50 * mib, Grown: 3 * mib})
	}
	return out
}

func TestMedians(t *testing.T) {
	m, ok := median(some(5*time.Second, time.Second, 2*time.Second))
	if !ok || m.Wall != 2*time.Second || m.Client != int64(5*time.Second) {
		t.Errorf("%+v", m)
	}
	if _, ok := median(nil); ok {
		t.Error("nothing has a median")
	}
	if got := sum(100, 50); got < 33.3 || got > 33.4 {
		t.Errorf("two primitives in a row: %f", got)
	}
	if got := sum(100, 0); got != 0 {
		t.Errorf("an unknown primitive: %f", got)
	}
}

func sampleReport() *report {
	r := newResults()
	put := func(data, step, program string, wall ...time.Duration) {
		for _, s := range some(wall...) {
			r.add(point{data, step, program}, s)
		}
	}
	put("stream", stepNew, "holdfast", 2*time.Second, time.Second, 3*time.Second)
	put("stream", stepNew, "restic", 4*time.Second, 5*time.Second, 3*time.Second)
	put("stream", stepNew, "borg", 6*time.Second)
	put("stream", stepNew, "restic-local", time.Second)
	put("stream", stepErase, "holdfast", time.Second)
	put("stream", stepErase, "restic", 4*time.Second)
	put("stream", stepErase, "borg", 2*time.Second)
	for program, grown := range map[string]int64{"holdfast": -90, "restic": -101, "borg": -95} {
		r.samples[point{"stream", stepErase, program}][0].Grown = grown * mib
	}
	put("tree", stepUnchanged, "holdfast", 1100*time.Millisecond)
	put("tree", stepUnchanged, "borg", 1300*time.Millisecond)
	r.startup["restic"] = some(time.Second)
	c := &ceilings{}
	c.add(ceilNew, 100, "a | b")
	peers := []string{"restic", "borg"}
	extra := extras{Memory: []memory{{Bytes: gib, PushServer: 200}, {Bytes: 32 * gib, PushServer: 230}}, Many: &many{Alone: 100, Together: 99, P99: 49}}
	out := &report{Size: gib, Rows: r.rows(peers, c), Ceilings: c.all, extras: extra, Peers: []peer{{Name: "kopia", Missing: "kopia is not on PATH"}}}
	out.Bars = (&judge{r: r, peers: peers, ceilings: c, extra: extra, cores: 2}).all()
	return out
}

func TestRatiosAreAgainstTheBestPeerWithAServer(t *testing.T) {
	got := sampleReport().Rows[0]
	if got.Program != "holdfast" || got.VsBest != 2 || got.MiBs != 50 || got.VsCeiling != .5 || got.Runs != 3 || got.Least != 1 || got.Most != 3 {
		t.Errorf("%+v", got)
	}
	if got := sampleReport().Rows[1]; got.Program != "restic" || got.MiBs != 25 || got.Net != 100.0/3 {
		t.Errorf("without its start-up: %+v", got)
	}
}

func TestBarsAreHeldOrNotAndNeverGuessed(t *testing.T) {
	held := map[string]string{}
	for _, b := range sampleReport().Bars {
		held[b.What+", "+b.Need] = verdict(b)
	}
	for bar, want := range map[string]string{
		"new stream, 2.2 × restic":                                                      "no",
		"new stream, 1.7 × the best peer":                                               "yes",
		"new stream, 85 % of primitives, new":                                           "no",
		"new stream: bytes stored, at most 1.08 × restic's":                             "yes",
		"new stream, fast mode (s2), 3.3 × restic":                                      "–",
		"unchanged tree, 1 × the best peer":                                             "yes",
		"unchanged tree, at most 1 s":                                                   "no",
		"new tree, 2 × restic":                                                          "–",
		"peak memory with one stream of 32GiB, at most 256 MiB each":                    "yes",
		"peak memory of 32GiB and of 1GiB, the same, within a fifth":                    "yes",
		"32 uploads and restores at once, not below one stream's throughput":            "no",
		"32 uploads and restores at once, API p99 below 50 ms":                          "yes",
		"erase half of the snapshots, space returned, 1 × borg":                         "yes",
		"erase half of the snapshots, space returned, 2 × restic":                       "no",
		"growth after 1 % of a disk image's pages changed, at most a third of restic's": "–",
	} {
		if held[bar] != want {
			t.Errorf("%s: held %q, not %q", bar, held[bar], want)
		}
	}
}

func TestReportsSayTheSame(t *testing.T) {
	r := sampleReport()
	var text, markdown, doc, plot bytes.Buffer
	if err := errors.Join(r.writeText(&text), r.writeMarkdown(&markdown), r.writeJSON(&doc), writePlot(&plot, r.Rows, "a < b")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MISSING: kopia is not on PATH", "2.00 (1.00–3.00)", "50 % of primitives, new"} {
		if !strings.Contains(text.String(), want) || !strings.Contains(markdown.String(), want) {
			t.Errorf("%q is not in\n%s\n%s", want, &text, &markdown)
		}
	}
	columns := 0
	for line := range strings.Lines(markdown.String()) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns != 0 && n != columns {
			t.Errorf("a row of %d columns in a table of %d: %s", n, columns, line)
		}
		columns = n
	}
	var again report
	if err := json.Unmarshal(doc.Bytes(), &again); err != nil || len(again.Rows) != len(r.Rows) || again.Many.Together != 99 {
		t.Errorf("%v: %s", err, &doc)
	}
	saved, shown := filepath.Join(t.TempDir(), "run.json"), bytes.Buffer{}
	if err := createWith(saved, r.writeJSON); err != nil {
		t.Fatal(err)
	}
	if err := start(t.Context(), []string{"--from", saved, "--markdown"}, &shown); err != nil || shown.String() != markdown.String() {
		t.Errorf("an earlier run is shown otherwise: %v\n%s", err, &shown)
	}
	d := xml.NewDecoder(&plot)
	rects := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "rect" {
			rects++
		}
	}
	if rects != 1+len(r.Rows)-3 { // erasing has no throughput
		t.Errorf("%d rectangles for %d rows", rects, len(r.Rows))
	}
}
