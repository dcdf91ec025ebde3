package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

func start(ctx context.Context, args []string, out io.Writer) error {
	if where := os.Getenv(sinkVariable); where != "" && len(args) == 1 {
		return sink(where, args[0])
	}
	o, err := parseOptions(args, os.Stderr)
	if err != nil {
		return err
	}
	var r *report
	if len(o.from) > 0 {
		r, err = load(o.from)
	} else {
		r, err = runAll(ctx, o)
	}
	if err != nil {
		return err
	}
	// The document first: whatever fails below, the figures are there.
	if o.out != "" {
		if err := createWith(o.out, r.writeJSON); err != nil {
			return err
		}
	}
	if o.plot != "" {
		title := "Throughput, " + sizeText(r.Size) + ", " + strconv.Itoa(r.Machine.Cores) + " cores (dashed: the ceiling)"
		if err := createWith(o.plot, func(w io.Writer) error { return writePlot(w, r.Rows, title) }); err != nil {
			return err
		}
	}
	write := r.writeText
	switch {
	case o.json:
		write = r.writeJSON
	case o.markdown:
		write = r.writeMarkdown
	}
	if err := write(out); err != nil {
		return err
	}
	if len(r.Failed) > 0 {
		return fmt.Errorf("%d things could not be measured: the report says which", len(r.Failed))
	}
	return nil
}

// runAll prepares the data, runs the sections and removes everything again.
func runAll(ctx context.Context, o options) (_ *report, err error) {
	s, err := newScratch(o.temp)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(s.dir)) }()
	b := &bench{o: o, scratch: s, results: newResults(), ceilings: &ceilings{}}
	part := measuring{At: time.Now().UTC().Format("2006-01-02 15:04 MST"), Sections: o.only, Runs: o.runs, LoadAtStart: loadAverage()}
	r := &report{Size: o.size, Machine: thisMachine()}
	if b.corpus, err = newCorpus(ctx); err != nil {
		return nil, err
	}
	if b.peers, b.about, err = installed(ctx, o.peers); err != nil {
		return nil, err
	}
	if b.holdfast, err = buildHoldfast(ctx, s, o.binary); err != nil {
		return nil, err
	}
	if r.Subject, err = b.holdfast.subject(ctx); err != nil {
		return nil, err
	}
	if !o.cold {
		m, failed := backMemory(memAvailable() / backedSpare * (backedSpare - 1))
		if failed != nil {
			return nil, failed
		}
		defer func() { err = errors.Join(err, m.drop()) }()
		part.Backed, part.FirstUse = m.bytes, m.firstUse
	}
	if err := b.sections(ctx, r); err != nil {
		return nil, err
	}
	part.LoadAtEnd = loadAverage()
	r.Parts = []measuring{part}
	r.Peers = append([]peer{{Name: "holdfast", Version: "this tree", Form: "holdfast push, restore and cat, and holdfast serve over loopback HTTP; every fsync"}}, b.about...)
	r.Ceilings, r.extras, r.Failed = b.ceilings.all, b.extra, b.failed
	r.Starts = b.results.startup
	for _, k := range b.results.order {
		r.Raw = append(r.Raw, raw{k, b.results.samples[k]})
	}
	r.judge()
	return r, nil
}

func thisMachine() machine {
	kb, _ := strconv.ParseFloat(strings.TrimSuffix(after(readText("/proc/meminfo"), "MemTotal:"), " kB"), 64) // 0 says that it is not known
	return machine{
		Processor: after(readText("/proc/cpuinfo"), "model name"), Cores: runtime.NumCPU(), MemoryGiB: kb / float64(mib),
		Kernel: strings.TrimSpace(readText("/proc/sys/kernel/osrelease")), Go: runtime.Version(),
	}
}
