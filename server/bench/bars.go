package main

import (
	"fmt"
	"time"
)

// bar is one demand on Holdfast and what became of it.
type bar struct {
	What     string `json:"what"`
	Need     string `json:"at_least"`
	Measured string `json:"measured"`
	// Have and Want are the figures compared; of both, more is better.
	Have float64 `json:"have,omitempty"`
	Want float64 `json:"want,omitempty"`
	// Held is nil where something was not measured.
	Held *bool `json:"held"`
}

// judge makes the bars out of results.
type judge struct {
	r        *results
	peers    []string
	ceilings *ceilings
	extra    extras
	cores    int
	bars     []bar
}

const notMeasured = "not measured"

func (j *judge) add(what, need, measured string, have, want float64, ok bool) {
	b := bar{What: what, Need: need, Measured: measured, Have: have, Want: want}
	if ok {
		held := have >= want
		b.Held = &held
	} else if measured == "" {
		b.Measured = notMeasured
	}
	j.bars = append(j.bars, b)
}

// times demands that program is so many times as fast as other; "best" is the
// fastest peer with a server.
func (j *judge) times(what, data, step, program, other string, want float64) {
	need := fmt.Sprintf("%g × %s", want, other)
	m, ok := j.r.median(data, step, program)
	o, there := j.r.median(data, step, other)
	if other == "best" {
		need = fmt.Sprintf("%g × the best peer", want)
		o, other, there = j.r.best(data, step, j.peers)
	}
	if !ok || !there || m.Wall <= 0 {
		j.add(what, need, "", 0, want, false)
		return
	}
	have := o.Wall.Seconds() / m.Wall.Seconds()
	net := j.r.net(point{data, step, other}, o.Wall).Seconds() / j.r.net(point{data, step, program}, m.Wall).Seconds()
	text := fmt.Sprintf("%.2f × %s (%s and %s; without start-ups %.2f ×", have, other, seconds(m.Wall), seconds(o.Wall), net)
	if m.CPU > 0 && step != stepErase { // erasing waits, and its processor time is that of the waiting, too
		text += fmt.Sprintf(", processor time %.2f ×", o.CPU.Seconds()/m.CPU.Seconds())
	}
	text += ")"
	if step == stepErase {
		text += fmt.Sprintf("; %.1f and %.1f MiB returned", float64(-m.Grown)/float64(mib), float64(-o.Grown)/float64(mib))
		if 10*-m.Grown < 9*-o.Grown {
			have, text = 0, text+", which is too little to count" // to be quick with half of it is no merit
		}
	}
	j.add(what, need, text, have, want, true)
}

// share demands a share of a ceiling.
func (j *judge) share(what, data, step, program, ceiling string, want float64) {
	need := fmt.Sprintf("%.0f %% of %s", 100*want, ceiling)
	m, ok := j.r.median(data, step, program)
	c := j.ceilings.get(ceiling)
	if !ok || c <= 0 {
		j.add(what, need, "", 0, want, false)
		return
	}
	have := rate(m.Bytes, m.Wall) / c
	text := fmt.Sprintf("%.0f %% (%.0f of %.0f MiB/s)", 100*have, rate(m.Bytes, m.Wall), c)
	if ceiling == ceilNew && m.CPU > 0 {
		// What other processes take away shows in the time, and hardly in this.
		text += fmt.Sprintf("; %.0f %% of the processor time is the primitives'", 100*float64(j.cores)*rate(m.Bytes, m.CPU)/c)
	}
	j.add(what, need, text, have, want, true)
}

// most demands that a figure is no more than a multiple of another's.
func (j *judge) most(what, data, step string, of func(sample) int64, program, other string, most float64, need string) {
	m, ok := j.r.median(data, step, program)
	o, there := j.r.median(data, step, other)
	if !ok || !there || of(m) <= 0 || of(o) <= 0 {
		j.add(what, need, "", 0, 1, false)
		return
	}
	share := float64(of(m)) / float64(of(o))
	j.add(what, need, fmt.Sprintf("%.2f × %s's (%.1f and %.1f MiB)", share, other, float64(of(m))/float64(mib), float64(of(o))/float64(mib)), most/share, 1, true)
}

func (j *judge) all() []bar {
	const own = "holdfast"
	stored, grown := func(s sample) int64 { return s.Stored }, func(s sample) int64 { return s.Grown }
	j.times("new tree", "tree", stepNew, own, "restic", 2)
	j.times("new tree", "tree", stepNew, own, "best", 1.5)
	j.most("new stream: bytes stored", "stream", stepNew, stored, own, "restic", 1.08, "at most 1.08 × restic's")
	j.times("new stream", "stream", stepNew, own, "restic", 2.2)
	j.times("new stream", "stream", stepNew, own, "best", 1.7)
	j.share("new stream", "stream", stepNew, own, ceilNew, 0.85)
	// The fast mode's peer is restic as it is.
	j.times("new stream, fast mode (s2)", "stream", stepNew, fastName, "restic", 3.3)
	j.times("unchanged stream", "stream", stepUnchanged, own, "best", 2.5)
	j.times("1 % changed stream", "stream", stepChanged, own, "best", 2.1)
	j.times("unchanged tree", "tree", stepUnchanged, own, "best", 1)
	if m, ok := j.r.median("tree", stepUnchanged, own); ok {
		j.add("unchanged tree", "at most 1 s", seconds(m.Wall), 1/m.Wall.Seconds(), 1, true)
	} else {
		j.add("unchanged tree", "at most 1 s", "", 0, 1, false)
	}
	j.times("restore of a stream, verified", "stream", stepRestore, own, "restic", 2.3)
	j.times("restore of a tree, verified", "tree", stepRestore, own, "restic", 1.5)
	j.share("restore of a tree, verified", "tree", stepRestore, own, ceilCopy, 1)
	j.most("growth after 1 % of a disk image's pages changed", "image", stepChanged, grown, own, "restic", 1.0/3, "at most a third of restic's")
	j.memory()
	j.times("erase half of the snapshots, space returned", "stream", stepErase, own, "borg", 1)
	j.times("erase half of the snapshots, space returned", "stream", stepErase, own, "restic", 2)
	j.many()
	return j.bars
}

func (j *judge) memory() {
	const what = "peak memory with one stream"
	limit := float64(memoryBar) / float64(mib)
	need := fmt.Sprintf("at most %.0f MiB each", limit)
	if len(j.extra.Memory) == 0 {
		j.add(what, need, "", 0, 1, false)
		return
	}
	for _, m := range j.extra.Memory {
		j.add(what+" of "+sizeText(m.Bytes), need, fmt.Sprintf("push: client %.0f, server %.0f; restore: client %.0f, server %.0f MiB",
			m.PushClient, m.PushServer, m.RestoreClient, m.RestoreServer), limit/m.most(), 1, true)
	}
	if first, last := j.extra.Memory[0], j.extra.Memory[len(j.extra.Memory)-1]; last.Bytes > first.Bytes {
		j.add("peak memory of "+sizeText(last.Bytes)+" and of "+sizeText(first.Bytes), "the same, within a fifth",
			fmt.Sprintf("%.0f and %.0f MiB", last.most(), first.most()), 1.2*first.most()/last.most(), 1, true)
	}
}

func (j *judge) many() {
	what := fmt.Sprintf("%d uploads and restores at once", concurrent)
	m := j.extra.Many
	if m == nil {
		j.add(what, "not below one stream's throughput", "", 0, 1, false)
		j.add(what, "API p99 below 50 ms", "", 0, 1, false)
		return
	}
	j.add(what, "not below one stream's throughput", fmt.Sprintf("%.0f MiB/s together, %.0f one after the other", m.Together, m.Alone), m.Together/m.Alone, 1, true)
	j.add(what, "API p99 below 50 ms", fmt.Sprintf("%.1f ms of %d answers (%.1f ms when quiet)", m.P99, m.Answers, m.QuietP99), 50/max(m.P99, .001), 1, true)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
