// Package clocktest owns a clock whose hands a test moves. It must never be imported outside tests.
package clocktest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"holdfast/quorum/clock"
)

// Fake is a clock.Clock that moves only when told. True time moves with Advance and Reboot alone; JumpWall moves only
// what this machine believes. Safe for concurrent use.
type Fake struct {
	mu      sync.Mutex
	truth   time.Time
	skew    time.Duration
	boot    time.Duration
	boots   int
	runs    int
	outside map[string]time.Duration
	names   []string
	err     error
}

var _ clock.Clock = (*Fake)(nil)

// New returns a fake clock that stands at `at`, with the named outside clocks agreeing.
func New(at time.Time, outside ...string) *Fake {
	f := &Fake{truth: at.Round(0).UTC(), boots: 1, runs: 1, boot: time.Minute, outside: map[string]time.Duration{}}
	for _, n := range outside {
		f.names = append(f.names, n)
		f.outside[n] = 0
	}
	return f
}

// Read implements clock.Clock.
func (f *Fake) Read(context.Context) (clock.Reading, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return clock.Reading{}, f.err
	}
	r := clock.Reading{
		Wall: f.truth.Add(f.skew), Boot: f.boot,
		BootID: fmt.Sprintf("boot-%d", f.boots), Process: fmt.Sprintf("run-%d", f.runs),
	}
	for _, n := range f.names {
		if d, up := f.outside[n]; up {
			r.Outside = append(r.Outside, clock.Outside{Name: n, Wall: f.truth.Add(d)})
		}
	}
	return r, nil
}

// Reading is Read without context and error, for pure tests.
func (f *Fake) Reading() clock.Reading {
	r, err := f.Read(context.Background())
	if err != nil {
		panic(err)
	}
	return r
}

// Now implements clock.Clock: the machine's wall clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.truth.Add(f.skew)
}

// True is the true time.
func (f *Fake) True() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.truth
}

// Advance lets d pass truly, on all clocks.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.truth, f.boot = f.truth.Add(d), f.boot+d
}

// JumpWall moves this machine's wall clock alone.
func (f *Fake) JumpWall(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skew += d
}

// JumpBoot moves this machine's boot clock alone, as a hypervisor could.
func (f *Fake) JumpBoot(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.boot += d
}

// JumpOutside moves one outside clock alone.
func (f *Fake) JumpOutside(name string, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, up := f.outside[name]; up {
		f.outside[name] += d
	}
}

// Silence makes an outside clock stop answering.
func (f *Fake) Silence(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.outside, name)
}

// Restore makes an outside clock answer truly again.
func (f *Fake) Restore(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.names {
		if n == name {
			f.outside[n] = 0
			return
		}
	}
	f.names = append(f.names, name)
	f.outside[name] = 0
}

// Restart is a restart of the process after d of downtime, in the same boot.
func (f *Fake) Restart(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.truth, f.boot = f.truth.Add(d), f.boot+d
	f.runs++
}

// Reboot is a restart of the machine after d of downtime: another boot id, and the boot clock starts again.
func (f *Fake) Reboot(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.truth, f.boot = f.truth.Add(d), time.Second
	f.boots++
	f.runs++
}

// Fail makes Read fail with err; nil makes it work again.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}
