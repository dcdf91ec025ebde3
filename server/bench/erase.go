package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// erase has the n oldest snapshots deleted through the gate, and measures what the
// service works on it: the time of its jobs that execute and reclaim, between the
// moment when cooling is over and the moment when the space is returned. Votes,
// cooling and grace, and that the jobs start once a second or a minute, are the
// gate's and not in it.
func (r *holdfastRepo) erase(ctx context.Context, n int) (u usage, err error) {
	q, err := r.house.decide(ctx, r.snapshots[:n])
	if err != nil {
		return u, fmt.Errorf("%w: %w", errGate, err)
	}
	before, err := r.jobs(ctx)
	if err != nil {
		return u, err
	}
	all, err := r.stored()
	if err != nil {
		return u, err
	}
	u, err = r.server.during(func() (usage, error) {
		return usage{}, r.until(ctx, maxErase, "was erased", func() (bool, error) {
			got, err := r.owner.Request(ctx, q.ID)
			if err != nil {
				return false, err
			}
			switch got.State {
			case "open", "cooling", "executing", "tombstoned":
				return false, nil
			case "erased":
				return true, nil
			}
			return false, fmt.Errorf("%w: the request is %s", errGate, got.State)
		})
	})
	if err != nil {
		return u, err
	}
	// What the undo window and half-finished uploads still held is returned by a later
	// turn of reclaim: nothing more is coming once a whole turn brought nothing.
	last, since := all, time.Now()
	if err := r.until(ctx, maxErase, "returned the space", func() (bool, error) {
		now, err := r.stored()
		if now < last {
			last, since = now, time.Now()
		}
		return time.Since(since) > reclaimTurn, err
	}); err != nil {
		return u, err
	}
	spent, err := r.jobs(ctx)
	if err != nil {
		return u, err
	}
	r.snapshots = r.snapshots[n:]
	u.Wall = spent - before
	return u, nil
}

// jobs is how long the jobs that erase have run so far.
func (r *holdfastRepo) jobs(ctx context.Context) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.console+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 8*mib))
	_ = resp.Body.Close() // it was read to its end
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("metrics: %s %w", resp.Status, err)
	}
	return jobSeconds(string(text), "execute", "reclaim")
}

// jobSeconds adds up holdfast_job_seconds of some jobs in a page of metrics.
func jobSeconds(text string, jobs ...string) (time.Duration, error) {
	var sum float64
	found := false
	for line := range strings.Lines(text) {
		labels, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(labels, "holdfast_job_seconds_sum{") {
			continue
		}
		for _, j := range jobs {
			if strings.Contains(labels, `"`+j+`"`) {
				v, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return 0, err
				}
				sum, found = sum+v, true
			}
		}
	}
	if !found {
		return 0, fmt.Errorf("the metrics say nothing of the jobs %v", jobs)
	}
	return time.Duration(sum * float64(time.Second)), nil
}
