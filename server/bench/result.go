package main

import (
	"cmp"
	"slices"
	"time"
)

// sample is one run of a step.
type sample struct {
	usage
	// Bytes is the size of the data; Stored that of the repository afterwards,
	// and Grown what this step added to it.
	Bytes, Stored, Grown int64
}

// point names a step of a program on some data.
type point struct{ Data, Step, Program string }

// results are all samples, in the order in which their steps first ran.
type results struct {
	order   []point
	samples map[point][]sample
	startup map[string][]sample
}

func newResults() *results {
	return &results{samples: map[point][]sample{}, startup: map[string][]sample{}}
}

func (r *results) add(k point, s sample) {
	if r.samples[k] == nil {
		r.order = append(r.order, k)
	}
	r.samples[k] = append(r.samples[k], s)
}

// median is each figure's median on its own; peaks are the greatest that were seen.
func median(all []sample) (m sample, ok bool) {
	if len(all) == 0 {
		return m, false
	}
	m.Wall = middle(all, func(s sample) time.Duration { return s.Wall })
	m.CPU = middle(all, func(s sample) time.Duration { return s.CPU })
	m.Others = middle(all, func(s sample) time.Duration { return s.others() })
	m.Bytes = middle(all, func(s sample) int64 { return s.Bytes })
	m.Stored = middle(all, func(s sample) int64 { return s.Stored })
	m.Grown = middle(all, func(s sample) int64 { return s.Grown })
	for _, s := range all {
		m.Client, m.Server = max(m.Client, s.Client), max(m.Server, s.Server)
	}
	return m, true
}

func middle[T ~int64](all []sample, of func(sample) T) T {
	values := make([]T, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

func (r *results) median(data, step, program string) (sample, bool) {
	return median(r.samples[point{data, step, program}])
}

// net is a step's time without the program's start-up.
func (r *results) net(k point, wall time.Duration) time.Duration {
	if s, ok := median(r.startup[k.Program]); ok && s.Wall < wall {
		return wall - s.Wall
	}
	return wall
}

func rate(bytes int64, wall time.Duration) float64 {
	if wall <= 0 {
		return 0
	}
	return float64(bytes) / float64(mib) / wall.Seconds()
}

// row is one line of the table.
type row struct {
	Data    string  `json:"data"`
	Step    string  `json:"step"`
	Program string  `json:"program"`
	Runs    int     `json:"runs"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	// Least and Most are the fastest and the slowest run.
	Least float64 `json:"least_seconds"`
	Most  float64 `json:"most_seconds"`
	MiBs  float64 `json:"mib_s"`
	// Net is MiBs without the program's start-up.
	Net float64 `json:"mib_s_without_startup"`
	CPU float64 `json:"cpu_seconds"`
	// Others is the processor time that the rest of the machine took meanwhile.
	Others     float64 `json:"others_cpu_seconds"`
	ClientPeak float64 `json:"client_peak_mib"`
	ServerPeak float64 `json:"server_peak_mib"`
	Stored     int64   `json:"stored_bytes"`
	Grown      int64   `json:"grown_bytes"`
	// VsBest is how many times as fast as the fastest peer with a server this is,
	// VsCeiling the share of the ceiling; 0 where there is nothing to compare with.
	VsBest      float64 `json:"vs_best_peer"`
	VsCeiling   float64 `json:"vs_ceiling"`
	CeilingName string  `json:"ceiling,omitempty"`
}

// rows makes the table. peers are the names of those that count as best.
func (r *results) rows(peers []string, ceilings *ceilings) []row {
	var out []row
	for _, k := range r.order {
		all := r.samples[k]
		m, _ := median(all)
		x := row{Data: k.Data, Step: k.Step, Program: k.Program, Runs: len(all), Bytes: m.Bytes, Seconds: m.Wall.Seconds(),
			MiBs: rate(m.Bytes, m.Wall), Net: rate(m.Bytes, r.net(k, m.Wall)), CPU: m.CPU.Seconds(), Others: m.Others.Seconds(),
			ClientPeak: float64(m.Client) / float64(mib), ServerPeak: float64(m.Server) / float64(mib), Stored: m.Stored, Grown: m.Grown}
		least := slices.MinFunc(all, func(a, b sample) int { return cmp.Compare(a.Wall, b.Wall) })
		most := slices.MaxFunc(all, func(a, b sample) int { return cmp.Compare(a.Wall, b.Wall) })
		x.Least, x.Most = least.Wall.Seconds(), most.Wall.Seconds()
		if best, _, ok := r.best(k.Data, k.Step, peers); ok && m.Wall > 0 {
			x.VsBest = best.Wall.Seconds() / m.Wall.Seconds()
		}
		if name, c := ceilings.of(k); c > 0 {
			x.CeilingName, x.VsCeiling = name, x.MiBs/c
		}
		out = append(out, x)
	}
	return out
}

// best is the fastest of the peers at a step.
func (r *results) best(data, step string, peers []string) (fastest sample, name string, ok bool) {
	for _, p := range peers {
		if m, there := r.median(data, step, p); there && (!ok || m.Wall < fastest.Wall) {
			fastest, name, ok = m, p, true
		}
	}
	return fastest, name, ok
}
