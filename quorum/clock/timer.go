package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrTimer means that an encoded timer is malformed or of another version.
var ErrTimer = errors.New("malformed timer")

// Verdict says what a tick did. The zero value is invalid.
type Verdict uint8

const (
	// Credited means that the time since the last tick was counted, at most MaxCredit of it unless the process was down.
	Credited Verdict = iota + 1
	// Uncredited means that nothing was counted: the first tick, a freeze, a suspension, too few outside clocks, or
	// downtime for which nobody vouches.
	Uncredited
	// Jump means that clocks contradict each other. The timer is suspended until Resume; the caller raises an alarm.
	Jump
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case Credited:
		return "credited"
	case Uncredited:
		return "uncredited"
	case Jump:
		return "jump"
	}
	return "invalid"
}

// Rule is what the charter and the stops in force say about a tick.
type Rule struct {
	// Clocks is how many outside clocks must agree: the charter's `clocks` line.
	Clocks int
	// Frozen is true while a freeze, a hold or any other stop applies. Tick at the moment a stop begins or ends.
	Frozen bool
}

// Timer is a durable accrued duration. Store it with Encode after every tick. The zero Timer is never done.
type Timer struct {
	// Need is how much must accrue, above zero and at most MaxNeed.
	Need time.Duration `json:"need"`
	// Accrued is what has been credited so far. It never shrinks.
	Accrued time.Duration `json:"accrued"`
	// Last is the reading of the last tick; its BootID is empty before the first.
	Last Reading `json:"last"`
	// High is the latest wall time that outside clocks vouched for. Only what lies beyond it is ever credited, so that
	// a wall clock swinging inside the tolerance gains nothing.
	High time.Time `json:"high"`
	// Frozen says that a stop applied at the last tick; the interval after it is not credited either.
	Frozen bool `json:"frozen"`
	// Suspended says that a jump was seen and that Resume has not been called since.
	Suspended bool `json:"suspended"`
}

// NewTimer returns a timer that needs d. A duration that is not in (0, MaxNeed] makes a timer that is never done.
func NewTimer(d time.Duration) Timer { return Timer{Need: d} }

// Done reports whether the timer has matured: all accrued and no suspension.
func (t Timer) Done() bool {
	return t.Need > 0 && t.Need <= MaxNeed && t.Last.BootID != "" && !t.Suspended && t.Accrued >= t.Need
}

// Remaining is what is still to accrue, never negative.
func (t Timer) Remaining() time.Duration { return max(0, t.Need-t.Accrued) }

// Resume ends a suspension when the clocks of r agree as the rule demands, and counts on from r. It reports false and
// changes nothing when they do not. Who may call it is the caller's rule; it never credits.
func (t Timer) Resume(r Reading, rule Rule) (Timer, bool) {
	agree, _ := outside(r)
	if r.BootID == "" || agree < rule.Clocks {
		return t, false
	}
	t.Suspended = false
	return t.anchor(r, rule, true), true
}

// Tick brings the timer to reading r and says what it did. It is pure.
func (t Timer) Tick(r Reading, rule Rule) (Timer, Verdict) {
	if r.BootID == "" || r.Wall.IsZero() || rule.Clocks < 0 {
		return t, Uncredited
	}
	agree, differ := outside(r)
	vouched := agree >= rule.Clocks
	if !vouched && differ > 0 {
		return t.jump(r, rule)
	}
	if t.Last.BootID == "" {
		return t.anchor(r, rule, vouched), Uncredited
	}
	if stale(t.Last, r) {
		t.Frozen = t.Frozen || rule.Frozen
		return t, Uncredited
	}
	credit, verdict := elapsed(t.Last, r, rule)
	if verdict == Jump {
		return t.jump(r, rule)
	}
	if !vouched || t.Suspended || t.Frozen || rule.Frozen {
		verdict = Uncredited
	}
	if verdict == Credited {
		t.Accrued += max(0, min(credit, r.Wall.Sub(t.High), MaxNeed-t.Accrued))
	}
	return t.anchor(r, rule, vouched), verdict
}

// stale reports whether r was read a little before last, which another goroutine or node brought first. That is no
// contradiction: clocks of one boot that both say the same earlier moment agree.
func stale(last, r Reading) bool {
	boot := r.Boot - last.Boot
	return r.BootID == last.BootID && boot < 0 && -boot <= MaxCredit && (r.Wall.Sub(last.Wall)-boot).Abs() <= Tolerance
}

// elapsed is the time between two readings that this machine's clocks can account for.
func elapsed(last, r Reading, rule Rule) (time.Duration, Verdict) {
	wall := r.Wall.Sub(last.Wall)
	if r.BootID == last.BootID {
		boot := r.Boot - last.Boot
		if boot < 0 || (wall-boot).Abs() > Tolerance {
			return 0, Jump
		}
		credit := min(boot, wall)
		if r.Process == last.Process {
			credit = min(credit, MaxCredit) // a longer gap in one run is a paused machine
		}
		return credit, Credited
	}
	// Another boot: nothing on this machine measured the downtime, only those outside clocks that saw both its ends.
	if wall < -Tolerance {
		return 0, Jump
	}
	credit, vouch := wall, 0
	for _, o := range distinct(r) {
		for _, before := range distinct(last) {
			if o.Name != before.Name || !near(o.Wall, r.Wall) || !near(before.Wall, last.Wall) {
				continue
			}
			credit = min(credit, o.Wall.Sub(before.Wall))
			vouch++
		}
	}
	if vouch < max(1, rule.Clocks) {
		return 0, Uncredited
	}
	return credit, Credited
}

func (t Timer) jump(r Reading, rule Rule) (Timer, Verdict) {
	t.Suspended = true
	return t.anchor(r, rule, false), Jump
}

func (t Timer) anchor(r Reading, rule Rule, vouched bool) Timer {
	// High moves only with a wall clock that was vouched for: else a jump forward and back would block the timer.
	if vouched && !t.Suspended && r.Wall.After(t.High) {
		t.High = r.Wall
	}
	t.Last, t.Frozen = r, rule.Frozen
	t.Last.Outside = distinct(r)
	return t
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() <= Tolerance }

// distinct keeps the first answer of each named outside clock.
func distinct(r Reading) []Outside {
	var out []Outside
	seen := map[string]bool{}
	for _, o := range r.Outside {
		if o.Name == "" || seen[o.Name] || len(out) == MaxOutside {
			continue
		}
		seen[o.Name] = true
		out = append(out, o)
	}
	return out
}

// outside counts the outside clocks that agree with the wall clock, and those that do not.
func outside(r Reading) (agree, differ int) {
	for _, o := range distinct(r) {
		if near(o.Wall, r.Wall) {
			agree++
		} else {
			differ++
		}
	}
	return agree, differ
}

// Agrees reports whether at least n outside clocks agree with the wall clock of r.
func (r Reading) Agrees(n int) bool {
	agree, _ := outside(r)
	return n >= 0 && agree >= n
}

const timerV1 = "timer1 "

// Encode spells the timer for durable storage: "timer1 " and JSON.
func (t Timer) Encode() string {
	b, err := json.Marshal(t)
	if err != nil {
		return "" // only a time outside years 0 to 9999; DecodeTimer refuses the empty text
	}
	return timerV1 + string(b)
}

// DecodeTimer reads what Encode spelled. Other versions, unknown fields and impossible values are refused (ErrTimer).
func DecodeTimer(s string) (Timer, error) {
	body, ok := strings.CutPrefix(s, timerV1)
	if !ok || len(s) > MaxEncoded {
		return Timer{}, ErrTimer
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	var t Timer
	if err := d.Decode(&t); err != nil {
		return Timer{}, fmt.Errorf("%w: %w", ErrTimer, err)
	}
	if d.More() || t.Need <= 0 || t.Need > MaxNeed || t.Accrued < 0 || t.Accrued > MaxNeed || len(t.Last.Outside) > MaxOutside {
		return Timer{}, ErrTimer
	}
	return t, nil
}
