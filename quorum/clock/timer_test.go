package clock_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/quorum/clock"
	"holdfast/quorum/clock/clocktest"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var rule = clock.Rule{Clocks: 1}

// begin returns a clock with outside clocks a and b, and a timer that has ticked once.
func begin(need time.Duration) (*clocktest.Fake, clock.Timer) {
	f := clocktest.New(start, "a", "b")
	t, _ := clock.NewTimer(need).Tick(f.Reading(), rule)
	return f, t
}

func TestTimerMatures(t *testing.T) {
	f, tm := begin(time.Minute)
	for i := range 12 {
		if tm.Done() {
			t.Fatalf("done after %d s", 5*i)
		}
		f.Advance(5 * time.Second)
		var v clock.Verdict
		if tm, v = tm.Tick(f.Reading(), rule); v != clock.Credited {
			t.Fatal(v)
		}
	}
	if !tm.Done() || tm.Accrued != time.Minute || tm.Remaining() != 0 {
		t.Fatalf("%+v", tm)
	}
	if (clock.Timer{}).Done() || clock.NewTimer(0).Done() {
		t.Fatal("a zero timer is done")
	}
}

func TestT43_JumpsMatureNothing(t *testing.T) {
	for name, jump := range map[string]func(*clocktest.Fake){
		"wall forward":         func(f *clocktest.Fake) { f.JumpWall(24 * time.Hour) },
		"wall back":            func(f *clocktest.Fake) { f.JumpWall(-24 * time.Hour) },
		"boot clock forward":   func(f *clocktest.Fake) { f.JumpBoot(24 * time.Hour) },
		"image restored":       func(f *clocktest.Fake) { f.JumpBoot(-30 * time.Second) },
		"both forward":         func(f *clocktest.Fake) { f.JumpBoot(24 * time.Hour); f.JumpWall(24 * time.Hour) },
		"database's clock":     func(f *clocktest.Fake) { f.JumpOutside("a", time.Hour); f.JumpOutside("b", time.Hour) },
		"reboot, then forward": func(f *clocktest.Fake) { f.Reboot(time.Second); f.JumpWall(24 * time.Hour) },
		"reboot, then back":    func(f *clocktest.Fake) { f.Reboot(time.Second); f.JumpWall(-24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			f, tm := begin(time.Minute)
			f.Advance(time.Second)
			jump(f)
			tm, v := tm.Tick(f.Reading(), rule)
			if v != clock.Jump || tm.Accrued != 0 || !tm.Suspended {
				t.Fatalf("%v, %+v", v, tm)
			}
			for range 100 {
				f.Advance(5 * time.Second)
				if tm, _ = tm.Tick(f.Reading(), rule); tm.Accrued != 0 || tm.Done() {
					t.Fatalf("suspended timer counts: %+v", tm)
				}
			}
		})
	}
}

func TestT43_ResumeNeedsAgreement(t *testing.T) {
	f, tm := begin(time.Minute)
	f.JumpWall(time.Hour)
	tm, _ = tm.Tick(f.Reading(), rule)
	if _, ok := tm.Resume(f.Reading(), rule); ok {
		t.Fatal("resumed by a wrong clock")
	}
	f.JumpWall(-time.Hour)
	tm, ok := tm.Resume(f.Reading(), rule)
	if !ok || tm.Accrued != 0 {
		t.Fatalf("%v %+v", ok, tm)
	}
	f.Advance(5 * time.Second)
	if tm, v := tm.Tick(f.Reading(), rule); v != clock.Credited || tm.Accrued != 5*time.Second {
		t.Fatalf("%v %+v", v, tm)
	}
}

func TestT43_PauseRestartReboot(t *testing.T) {
	for name, c := range map[string]struct {
		happen func(*clocktest.Fake)
		want   time.Duration
	}{
		"paused in one run":           {func(f *clocktest.Fake) { f.Advance(time.Hour) }, clock.MaxCredit},
		"restart in the same boot":    {func(f *clocktest.Fake) { f.Restart(time.Hour) }, time.Hour},
		"reboot, outside vouches":     {func(f *clocktest.Fake) { f.Reboot(time.Hour) }, time.Hour},
		"reboot, nobody vouches":      {func(f *clocktest.Fake) { f.Silence("a"); f.Silence("b"); f.Reboot(time.Hour) }, 0},
		"reboot, another vouches":     {func(f *clocktest.Fake) { f.Silence("a"); f.Silence("b"); f.Restore("c"); f.Reboot(time.Hour) }, 0},
		"too few outside clocks":      {func(f *clocktest.Fake) { f.Silence("a"); f.Silence("b"); f.Advance(5 * time.Second) }, 0},
		"one outside clock is enough": {func(f *clocktest.Fake) { f.Silence("a"); f.Advance(5 * time.Second) }, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f, tm := begin(24 * time.Hour)
			c.happen(f)
			if tm, _ = tm.Tick(f.Reading(), rule); tm.Accrued != c.want {
				t.Fatalf("credited %s, want %s", tm.Accrued, c.want)
			}
		})
	}
}

func TestT27_FreezeStopsAccrual(t *testing.T) {
	f, tm := begin(time.Minute)
	frozen := clock.Rule{Clocks: 1, Frozen: true}
	for _, r := range []clock.Rule{frozen, frozen, rule} { // also the interval in which the freeze ended
		f.Advance(5 * time.Second)
		if tm, _ = tm.Tick(f.Reading(), r); tm.Accrued != 0 {
			t.Fatalf("%+v", tm)
		}
	}
	f.Advance(5 * time.Second)
	if tm, _ = tm.Tick(f.Reading(), rule); tm.Accrued != 5*time.Second {
		t.Fatalf("%+v", tm)
	}
}

// TestT43_NeverMoreThanTrueTime tries any schedule of ticks, pauses, restarts, reboots and jumps of the machine's own
// clocks, with resumption at every chance: what accrues never exceeds the true time by more than both ends' tolerance.
func TestT43_NeverMoreThanTrueTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, tm := begin(clock.MaxNeed)
		began := f.True()
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			d := time.Duration(rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "d"))
			small := time.Duration(rapid.Int64Range(int64(-3*time.Second), int64(3*time.Second)).Draw(t, "small"))
			switch rapid.IntRange(0, 8).Draw(t, "what") {
			case 0, 1:
				f.Advance(d)
			case 2:
				f.Restart(d)
			case 3:
				f.Reboot(d)
			case 4:
				f.JumpWall(small)
			case 5:
				f.JumpBoot(small)
			case 6:
				f.JumpWall(time.Duration(rapid.Int64Range(int64(-time.Hour), int64(time.Hour)).Draw(t, "jump")))
			case 7:
				f.Silence("b")
			case 8:
				f.Restore("b")
			}
			if rapid.Bool().Draw(t, "resume") {
				tm, _ = tm.Resume(f.Reading(), rule)
			}
			before := tm.Accrued
			var v clock.Verdict
			tm, v = tm.Tick(f.Reading(), rule)
			if tm.Accrued < before || v != clock.Credited && tm.Accrued != before {
				t.Fatalf("%v changed %s to %s", v, before, tm.Accrued)
			}
			if most := f.True().Sub(began) + 2*clock.Tolerance; tm.Accrued > most {
				t.Fatalf("accrued %s of %s", tm.Accrued, most)
			}
			again, err := clock.DecodeTimer(tm.Encode())
			if err != nil || again.Encode() != tm.Encode() || again.Accrued != tm.Accrued || !reflect.DeepEqual(again.Last.Outside, tm.Last.Outside) {
				t.Fatalf("round trip: %v\n%+v\n%+v", err, again, tm)
			}
		}
	})
}

func TestI6_MalformedTimersAreRefused(t *testing.T) {
	_, tm := begin(time.Minute)
	good := tm.Encode()
	for _, bad := range []string{"", "timer2 {}", "timer1 {}", good + "{}", good + " x", `timer1 {"need":1,"colour":2}`, `timer1 {"need":60,"accrued":-1}`, good[7:]} {
		if _, err := clock.DecodeTimer(bad); !errors.Is(err, clock.ErrTimer) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

type source struct {
	name string
	skew time.Duration
	err  error
}

func (s source) Name() string { return s.name }
func (s source) Now(context.Context) (time.Time, error) {
	return time.Now().Add(s.skew), s.err
}

func TestSystem(t *testing.T) {
	s, err := clock.NewSystem(source{name: "db"}, source{name: "ntp", skew: time.Hour}, source{name: "gone", err: context.Canceled})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.BootID == "" || r.Process == "" || r.Boot <= 0 || len(r.Outside) != 2 || !r.Agrees(1) || r.Agrees(2) {
		t.Fatalf("%+v", r)
	}
	tm, _ := clock.NewTimer(time.Hour).Tick(r, rule)
	r2, err := s.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if tm, v := tm.Tick(r2, rule); v != clock.Credited || tm.Accrued > time.Second {
		t.Fatalf("%v %+v", v, tm)
	}
}

func FuzzDecodeTimer(f *testing.F) {
	_, tm := begin(time.Minute)
	f.Add(tm.Encode())
	f.Add(clock.NewTimer(time.Second).Encode())
	f.Fuzz(func(t *testing.T, s string) {
		tm, err := clock.DecodeTimer(s)
		if err != nil {
			return
		}
		again, err := clock.DecodeTimer(tm.Encode())
		if err != nil || again.Encode() != tm.Encode() {
			t.Fatalf("accepted timer does not survive: %v", err)
		}
	})
}

// TestT43_SwingingInsideTheToleranceGainsNothing: a hypervisor that swings both clocks by less than the tolerance, again
// and again, while no true time passes.
// T47: two goroutines read the clocks, and the one that read first comes second. Nothing is credited twice, and nothing
// is suspended; a stop that comes with it still stops.
func TestT43_ReadingsThatOvertakeEachOtherAreNoJump(t *testing.T) {
	f, tm := begin(time.Minute)
	early := f.Reading()
	f.Advance(3 * time.Second)
	tm, v := tm.Tick(f.Reading(), rule)
	if v != clock.Credited || tm.Accrued != 3*time.Second {
		t.Fatal(v, tm.Accrued)
	}
	after, v := tm.Tick(early, rule)
	if v != clock.Uncredited || after.Suspended || after.Accrued != tm.Accrued || after.Last.Boot != tm.Last.Boot {
		t.Fatalf("%s: %+v", v, after)
	}
	f.Advance(time.Second)
	if after, v = after.Tick(f.Reading(), rule); v != clock.Credited || after.Accrued != 4*time.Second {
		t.Fatal(v, after.Accrued)
	}
	stopped, _ := tm.Tick(early, clock.Rule{Clocks: rule.Clocks, Frozen: true})
	if stopped, v = stopped.Tick(f.Reading(), rule); v != clock.Uncredited || stopped.Accrued != tm.Accrued {
		t.Fatal(v, stopped.Accrued)
	}
	old := early
	old.Boot -= time.Minute // longer ago than readings overtake each other: an image was restored
	old.Wall = old.Wall.Add(-time.Minute)
	if _, v := tm.Tick(old, clock.Rule{}); v != clock.Jump {
		t.Fatal(v)
	}
}

func TestT43_SwingingInsideTheToleranceGainsNothing(t *testing.T) {
	f, tm := begin(time.Hour)
	for range 500 {
		f.JumpWall(1500 * time.Millisecond)
		f.JumpBoot(1500 * time.Millisecond)
		tm, _ = tm.Tick(f.Reading(), rule)
		f.JumpWall(-1500 * time.Millisecond)
		f.JumpBoot(400 * time.Millisecond)
		tm, _ = tm.Tick(f.Reading(), rule)
	}
	if tm.Suspended || tm.Accrued > clock.Tolerance {
		t.Fatalf("%s accrued in no time at all (suspended %v)", tm.Accrued, tm.Suspended)
	}
}
