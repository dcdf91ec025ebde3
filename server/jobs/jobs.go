// Package jobs owns what a service does by itself: when each piece of work runs,
// how often a failing one is tried again, and that none of them can take the
// process down.
//
// It must never decide anything: every piece of work is a use case of
// server/control, which locks, checks and logs as for any caller. So a job may
// run late, twice, or on two nodes at once, and nothing happens that was not
// due. Silence of this package denies (I6): no job, no deletion.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Job is one piece of work that is repeated.
type Job struct {
	// Name is for logs and Kick; unique within a Runner.
	Name string
	// Every is the pause between the end of one run and the start of the next.
	// A tenth of it, at random, is added or taken away, so that nodes which
	// started together do not stay together.
	Every time.Duration
	// Timeout bounds one run. Default: DefaultTimeout.
	Timeout time.Duration
	// Most bounds the pause after failures. Default: MaxBackoff.
	Most time.Duration
	// Work is what is done. An error is logged and the job waits longer, up to
	// Most, until it succeeds again.
	Work func(context.Context) error
}

// Observer is told of every run that ended; err is nil for success.
type Observer func(name string, took time.Duration, err error)

// ErrJobs means that a list of jobs cannot be run.
var ErrJobs = errors.New("jobs: invalid")

// PanicError is the error of a run that panicked.
type PanicError struct{ Value any }

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Runner runs jobs, each in a goroutine of its own and never twice at once.
type Runner struct {
	jobs    []Job
	log     *slog.Logger
	observe Observer
	kick    map[string]chan struct{}
}

// New makes a Runner of at most MaxJobs jobs. observe may be nil. ErrJobs.
func New(log *slog.Logger, observe Observer, jobs ...Job) (*Runner, error) {
	if log == nil || len(jobs) > MaxJobs {
		return nil, fmt.Errorf("%w: no logger, or more than %d jobs", ErrJobs, MaxJobs)
	}
	if observe == nil {
		observe = func(string, time.Duration, error) {}
	}
	r := &Runner{log: log, observe: observe, kick: map[string]chan struct{}{}}
	for _, j := range jobs {
		if j.Name == "" || j.Work == nil || j.Every < MinEvery || r.kick[j.Name] != nil {
			return nil, fmt.Errorf("%w: job %q", ErrJobs, j.Name)
		}
		if j.Timeout <= 0 {
			j.Timeout = DefaultTimeout
		}
		if j.Most <= 0 {
			j.Most = MaxBackoff
		}
		r.jobs = append(r.jobs, j)
		r.kick[j.Name] = make(chan struct{}, 1)
	}
	return r, nil
}

// Kick has jobs run at once instead of at their next turn; without names, all of
// them. A job that is running runs once more afterwards. Unknown names and a
// Runner that does not run are no error: the work is done when it is due.
func (r *Runner) Kick(names ...string) {
	if len(names) == 0 {
		for _, j := range r.jobs {
			names = append(names, j.Name)
		}
	}
	for _, name := range names {
		select {
		case r.kick[name] <- struct{}{}:
		default: // one is waiting already, or there is no such job
		}
	}
}

// Run runs all jobs, each for the first time at once, until ctx ends; it returns
// when the last of them has come back.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, j := range r.jobs {
		wg.Go(func() { r.repeat(ctx, j) })
	}
	wg.Wait()
}

func (r *Runner) repeat(ctx context.Context, j Job) {
	failures := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.kick[j.Name]:
		}
		if ctx.Err() != nil {
			return
		}
		if err := r.once(ctx, j); err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			failures++
		}
		timer.Reset(pause(j.Every, j.Most, failures))
	}
}

// once is one run: bounded, and with its panics contained.
func (r *Runner) once(ctx context.Context, j Job) (err error) {
	ctx, cancel := context.WithTimeout(ctx, j.Timeout)
	defer cancel()
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p}
			r.log.ErrorContext(ctx, "job panicked", "job", j.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		r.observe(j.Name, time.Since(start), err)
	}()
	err = j.Work(ctx)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		r.log.ErrorContext(ctx, "job failed; it will be tried again", "job", j.Name, "error", err)
	}
	return err
}

// pause is how long to wait after a run: Every, doubled for every failure in a
// row, with a tenth of jitter.
func pause(every, most time.Duration, failures int) time.Duration {
	d := every
	for range min(failures, 16) {
		if d *= 2; d >= most {
			d = max(most, every)
			break
		}
	}
	spread := d / 10
	return d - spread + rand.N(2*spread+1)
}
