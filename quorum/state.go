package quorum

import (
	"maps"
	"slices"
	"time"

	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
)

// JumpStop is the freeze that a jump of the clock sets by itself.
const JumpStop = "clock-jump"

// Vote is a vote as the state keeps it.
type Vote struct {
	Person      string
	Decision    Decision
	Method      Method
	Key         string
	Hardware    bool
	Independent bool
	At          time.Time
}

// SitePhase is how far a site has come. The zero value means that it has not begun.
type SitePhase uint8

// The steps of a site.
const (
	SiteBegan SitePhase = iota + 1
	SiteHidden
	SiteGone
)

// State is a request folded from its events. Its zero value is a request that does not exist; only Apply makes others.
// A State is a value: Apply never changes the one that it is given.
type State struct {
	Request      string
	Tenant       string
	Action       statement.Action
	Digest       [32]byte
	Requester    string
	Drafter      string
	Excluded     []string
	Subjects     []string
	Phase        Phase
	Requirement  Requirement
	OpenedAt     time.Time
	VoteUntil    time.Time
	ExecuteUntil time.Time
	// ChangedAt is when Phase last changed.
	ChangedAt time.Time
	// Roster is who may vote now; Founders who could at opening. Nobody else ever votes here.
	Roster   []Approver
	Founders []string
	Votes    []Vote
	// Keys remembers whose key proved a vote.
	Keys map[string]string
	// Freezes and Holds are those in force over the request.
	Freezes, Holds []string
	// Timer is the one in force: cooling-off in Cooling and Executing, grace in Tombstoned.
	Timer clock.Timer
	// Sites is how far each site has come.
	Sites map[string]SitePhase
	// EndedBy is the person who denied, cancelled or restored; empty otherwise.
	EndedBy string
	// Events counts what was applied, ticks aside.
	Events int
}

// Tally counts the approvals that count now: of people in the roster, not suspended, outside quarantine, by a factor that
// the requirement admits, one a person.
func (s State) Tally() Tally {
	var t Tally
	people, teams := map[string]bool{}, map[string]bool{}
	for _, v := range s.Votes {
		a, ok := s.approver(v.Person)
		if v.Decision != Approve || !ok || people[v.Person] || s.mayApprove(a, v.At) != nil || s.admits(v.Method) != nil {
			continue
		}
		people[v.Person] = true
		if !teams[a.Team] {
			teams[a.Team] = true
			t.Teams++
		}
		t.Approvals++
		if v.Hardware {
			t.Hardware++
		}
		if v.Independent {
			t.Independent++
		}
	}
	return t
}

// Met says whether the votes that count now reach the requirement.
func (s State) Met() bool { return s.Tally().Meets(s.Requirement) }

// Stopped says whether a freeze, a hold or a clock's jump stops the request now.
func (s State) Stopped() error {
	if slices.Contains(s.Freezes, JumpStop) || s.Timer.Suspended {
		return ErrFrozen
	}
	if len(s.Freezes) > 0 && !RunsDuringFreeze(s.Action) {
		return ErrFrozen
	}
	if len(s.Holds) > 0 && Destroys(s.Action) {
		return ErrHeld
	}
	return nil
}

// Rule is how the timer in force is to be ticked now.
func (s State) Rule() clock.Rule {
	return clock.Rule{Clocks: s.Requirement.Clocks, Frozen: s.Stopped() != nil || !s.Met()}
}

// Ready says whether execution may begin at a time: votes that count, no stop, the delay accrued, not too late. It is the
// control plane's view; every site checks everything again.
func (s State) Ready(at time.Time) error {
	switch {
	case s.Phase != Cooling && s.Phase != Executing:
		return &PhaseError{s.Phase, KindExecuted}
	case !at.Before(s.ExecuteUntil):
		return ErrLate
	case !s.Met():
		return ErrQuorum
	}
	if err := s.Stopped(); err != nil {
		return err
	}
	if !s.Timer.Done() || s.Timer.Need < s.Requirement.Cooling {
		return ErrNotDue
	}
	return nil
}

// Hides says whether an action hides its targets first and has a grace period.
func Hides(a statement.Action) bool { return a == statement.DeleteCopies || a == statement.DestroyKey }

// Destroys says whether an action destroys, so that a hold stops it.
func Destroys(a statement.Action) bool {
	switch a {
	case statement.ChangeCharter, statement.ReleaseHold, statement.LiftFreeze, statement.ResetFactor, statement.EndSuspension:
		return false
	}
	return true
}

// RunsDuringFreeze says whether an action goes on during a freeze: what could end the freeze or remove who set it.
func RunsDuringFreeze(a statement.Action) bool {
	switch a {
	case statement.ChangeCharter, statement.LiftFreeze, statement.EndSuspension:
		return true
	}
	return false
}

func (s State) approver(person string) (Approver, bool) {
	i := slices.IndexFunc(s.Roster, func(a Approver) bool { return a.Person == person })
	if i < 0 {
		return Approver{}, false
	}
	return s.Roster[i], true
}

// sameParty says whether the person is the requester, the drafter or of their accounts.
func (s State) sameParty(person string) bool {
	return person == s.Requester || person == s.Drafter || slices.Contains(s.Excluded, person)
}

// mayApprove holds the charter's rule: in before the request was opened, and past the quarantine when voting.
func (s State) mayApprove(a Approver, at time.Time) error {
	switch {
	case a.Suspended:
		return ErrNotApprover
	case s.sameParty(a.Person):
		return ErrRequesterVotes
	case a.Admitted.IsZero() || !a.Admitted.Before(s.OpenedAt) || at.Before(a.Admitted.Add(s.Requirement.Quarantine)):
		return ErrQuarantine
	}
	return nil
}

// admits says whether an approval by this factor counts.
func (s State) admits(m Method) error {
	switch {
	case m == Passkey:
		return nil
	case m == TOTP && s.Requirement.TOTP && s.Action == statement.DeleteCopies:
		return nil
	}
	return ErrMethod
}

// Refusal says why a decision of a person, by a passkey that the charter names, would be refused at a time; nil if it
// would be taken. It judges no proof.
func (s State) Refusal(person string, d Decision, at time.Time) error {
	tried := s.clone()
	return tried.vote(VoteCast{Person: person, Decision: d, Digest: s.Digest, Method: Passkey, Key: "refusal:" + person, At: at})
}

// touched says whether any site has hidden or destroyed something.
func (s State) touched() bool {
	for _, p := range s.Sites {
		if p >= SiteHidden {
			return true
		}
	}
	return false
}

func (s State) allSites(at SitePhase) bool {
	for _, p := range s.Sites {
		if p < at {
			return false
		}
	}
	return len(s.Sites) > 0
}

func (s State) clone() State {
	s.Excluded, s.Subjects = slices.Clone(s.Excluded), slices.Clone(s.Subjects)
	s.Roster, s.Founders, s.Votes = slices.Clone(s.Roster), slices.Clone(s.Founders), slices.Clone(s.Votes)
	s.Keys, s.Sites = maps.Clone(s.Keys), maps.Clone(s.Sites)
	s.Freezes, s.Holds = slices.Clone(s.Freezes), slices.Clone(s.Holds)
	s.Timer.Last.Outside = slices.Clone(s.Timer.Last.Outside)
	return s
}
