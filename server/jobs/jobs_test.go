package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"holdfast/server/jobs"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func runner(t *testing.T, observe jobs.Observer, list ...jobs.Job) *jobs.Runner {
	t.Helper()
	r, err := jobs.New(quiet(), observe, list...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// start runs r in the bubble and returns what stops it and waits.
func start(r *jobs.Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	return func() { cancel(); <-done }
}

func TestAJobRunsAtOnceAndThenInItsPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		stop := start(runner(t, nil, jobs.Job{Name: "a", Every: time.Second, Work: func(context.Context) error { n.Add(1); return nil }}))
		synctest.Wait()
		if n.Load() != 1 {
			t.Fatalf("ran %d times at the start", n.Load())
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		if got := n.Load(); got < 88 || got > 115 {
			t.Errorf("ran %d times in 100 periods", got)
		}
		stop()
		after := n.Load()
		time.Sleep(10 * time.Second)
		if n.Load() != after {
			t.Error("ran after Run returned")
		}
	})
}

func TestAPanicIsContainedAndBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad, good, seen atomic.Int64
		r := runner(t, func(name string, _ time.Duration, err error) {
			var p *jobs.PanicError
			if name == "bad" && errors.As(err, &p) {
				seen.Add(1)
			}
		},
			jobs.Job{Name: "bad", Every: time.Second, Work: func(context.Context) error { bad.Add(1); panic("boom") }},
			jobs.Job{Name: "good", Every: time.Second, Work: func(context.Context) error { good.Add(1); return nil }})
		stop := start(r)
		defer stop()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if good.Load() < 500 {
			t.Errorf("the good job ran %d times only", good.Load())
		}
		if got := bad.Load(); got < 10 || got > 25 { // 1+2+4+…+60, then once a minute
			t.Errorf("the failing job ran %d times in ten minutes", got)
		}
		if seen.Load() != bad.Load() {
			t.Errorf("%d of %d panics were reported", seen.Load(), bad.Load())
		}
	})
}

func TestKickRunsAtOnceAndAfterABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		fail := true
		r := runner(t, nil, jobs.Job{Name: "a", Every: time.Hour, Work: func(context.Context) error {
			n.Add(1)
			if fail {
				return errors.New("no")
			}
			return nil
		}})
		stop := start(r)
		defer stop()
		synctest.Wait()
		fail = false
		r.Kick("a")
		r.Kick("nobody")
		synctest.Wait()
		if n.Load() != 2 {
			t.Fatalf("ran %d times, want 2", n.Load())
		}
		r.Kick()
		synctest.Wait()
		if n.Load() != 3 {
			t.Fatalf("ran %d times, want 3", n.Load())
		}
	})
}

func TestARunIsBoundedAndNeverDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, runs atomic.Int64
		r := runner(t, nil, jobs.Job{Name: "slow", Every: 20 * time.Millisecond, Timeout: time.Second, Work: func(ctx context.Context) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			runs.Add(1)
			<-ctx.Done()
			return nil
		}})
		stop := start(r)
		defer stop()
		for range 50 {
			r.Kick("slow")
			time.Sleep(100 * time.Millisecond)
		}
		if most.Load() != 1 || runs.Load() < 4 {
			t.Errorf("%d at once, %d runs", most.Load(), runs.Load())
		}
	})
}

func TestRefusals(t *testing.T) {
	work := func(context.Context) error { return nil }
	for name, list := range map[string][]jobs.Job{
		"no name": {{Every: time.Second, Work: work}},
		"no work": {{Name: "a", Every: time.Second}},
		"no rest": {{Name: "a", Work: work}},
		"twice":   {{Name: "a", Every: time.Second, Work: work}, {Name: "a", Every: time.Second, Work: work}},
		"many":    make([]jobs.Job, jobs.MaxJobs+1),
	} {
		if _, err := jobs.New(quiet(), nil, list...); !errors.Is(err, jobs.ErrJobs) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
