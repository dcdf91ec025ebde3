package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// many is what became of 32 uploads and restores at once.
type many struct {
	Uploads  int   `json:"uploads"`
	Restores int   `json:"restores"`
	Bytes    int64 `json:"bytes"`
	// Alone is the throughput of the same work, one stream after the other.
	Alone float64 `json:"one_stream_mib_s"`
	// Together is that of all at once.
	Together float64 `json:"together_mib_s"`
	// The answers of the API meanwhile: a list of volumes, one question at a time.
	Answers int     `json:"api_answers"`
	P50     float64 `json:"api_p50_ms"`
	P99     float64 `json:"api_p99_ms"`
	// QuietP99 is the same while nothing else goes on.
	QuietP99   float64 `json:"api_p99_quiet_ms"`
	ServerPeak float64 `json:"server_peak_mib"`
}

// together uploads and restores pieces of data that do not deduplicate, each by a
// process of its own: first one after the other, then all at once.
func (b *bench) together(ctx context.Context) (err error) {
	dir, err := b.scratch.sub("many")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.scratch.drop(dir)) }()
	if err := os.MkdirAll(filepath.Join(dir, "home"), 0o700); err != nil {
		return err
	}
	r, err := b.holdfast.serve(ctx, dir)
	if err != nil {
		return err
	}
	defer r.close()
	half := concurrent / 2
	size := max(b.o.size/concurrent, mib)
	var files []string
	for i := range 3 * half {
		path := filepath.Join(dir, fmt.Sprintf("piece-%d", i))
		if err := createWith(path, func(w io.Writer) error {
			return errors.Join(b.corpus.dump(w, 9<<32+uint64(i), size/2), b.corpus.code(w, 9<<32+uint64(i), size/4), noise(w, 9<<32+uint64(i), size-size/2-size/4))
		}); err != nil {
			return err
		}
		files = append(files, path)
	}
	for i := range files {
		if _, err := r.owner.CreateVolume(ctx, wire.CreateVolume{Name: fmt.Sprintf("v%d", i), Kind: "stream", Profile: "files"}); err != nil {
			return err
		}
	}
	// On two cores 32 clients would take the processor from the service, which they do
	// not on machines of their own: so they step back for it.
	polite := func(args ...string) []string { return append([]string{"nice", "-n", "19", b.holdfast.binary}, args...) }
	push := func(i int) (usage, error) {
		in, err := os.Open(files[i])
		if err != nil {
			return usage{}, err
		}
		u, err := run(ctx, command{args: polite("push", "-", fmt.Sprintf("v%d", i)), env: r.env, stdin: in})
		return u, errors.Join(err, in.Close())
	}
	pull := func(i int) (usage, error) {
		return run(ctx, command{args: polite("cat", fmt.Sprintf("v%d", i)), env: r.env})
	}
	for i := range half { // what the restores bring back
		if _, err := push(i); err != nil {
			return err
		}
	}
	m := &many{Uploads: half, Restores: half, Bytes: 2 * int64(half) * size}
	quiet := make(chan struct{})
	time.AfterFunc(2*time.Second, func() { close(quiet) })
	latencies, err := ask(ctx, r.agent, quiet)
	if err != nil {
		return err
	}
	m.QuietP99 = percentile(latencies, 99)
	syscall.Sync()
	start := time.Now()
	for i := range half {
		if _, err := push(half + i); err != nil {
			return err
		}
		if _, err := pull(i); err != nil {
			return err
		}
	}
	m.Alone = rate(m.Bytes, time.Since(start))
	syscall.Sync()
	u, err := r.server.during(func() (usage, error) {
		stop := make(chan struct{})
		asked := make(chan error, 1)
		go func() {
			var err error
			latencies, err = ask(ctx, r.agent, stop)
			asked <- err
		}()
		ended := make(chan error, concurrent)
		start := time.Now()
		for i := range half {
			go func() { _, err := push(2*half + i); ended <- err }()
			go func() { _, err := pull(i); ended <- err }()
		}
		var err error
		for range concurrent {
			err = errors.Join(err, <-ended)
		}
		m.Together = rate(m.Bytes, time.Since(start))
		close(stop)
		return usage{}, errors.Join(err, <-asked)
	})
	if err != nil {
		return err
	}
	m.ServerPeak = float64(u.Server) / float64(mib)
	m.Answers, m.P50, m.P99 = len(latencies), percentile(latencies, 50), percentile(latencies, 99)
	b.extra.Many = m
	b.say("%d at once: %.1f MiB/s, one after the other %.1f; API p50 %.1f ms, p99 %.1f ms (quiet %.1f)", concurrent, m.Together, m.Alone, m.P50, m.P99, m.QuietP99)
	return nil
}

// ask asks the API for the volumes until stop, a hundred times a second at most.
func ask(ctx context.Context, c *client.Client, stop <-chan struct{}) (latencies []time.Duration, err error) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return latencies, nil
		case <-t.C:
		}
		start := time.Now()
		if _, err := c.Volumes(ctx); err != nil {
			return latencies, fmt.Errorf("the API: %w", err)
		}
		latencies = append(latencies, time.Since(start))
	}
}

// percentile is in milliseconds.
func percentile(all []time.Duration, p int) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return float64(sorted[min(len(sorted)*p/100, len(sorted)-1)].Microseconds()) / 1000
}
