package quorum

import (
	"fmt"
	"slices"
	"time"

	"holdfast/quorum/clock"
)

// Apply is the state machine: the state after a verified event, or the state as it was and an error. It is total,
// deterministic and pure. Unknown events, phases and enum values are errors.
func Apply(s State, e Event) (State, error) {
	n := s.clone()
	var err error
	switch e := e.(type) {
	case Opened:
		err = n.open(e)
	case nil:
		err = ErrEvent
	default:
		switch {
		case s.Phase == 0 || int(s.Phase) >= len(phaseNames):
			err = &PhaseError{s.Phase, e.Kind()}
		case s.Phase.Ended():
			err = n.afterEnd(e)
		case e.Kind() != KindTicked && e.Time().Before(s.OpenedAt): // a clock set back is the timer's to judge
			err = fmt.Errorf("%w: before opening", ErrEvent)
		default:
			err = n.apply(e)
		}
	}
	if err != nil {
		return s, err
	}
	if _, tick := e.(Ticked); !tick {
		if n.Events++; n.Events > MaxEvents {
			return s, fmt.Errorf("%w: more than %d events", ErrEvent, MaxEvents)
		}
	}
	return n, nil
}

// Fold applies events in order from nothing.
func Fold(events []Event) (State, error) {
	var s State
	for i, e := range events {
		n, err := Apply(s, e)
		if err != nil {
			return s, fmt.Errorf("event %d: %w", i, err)
		}
		s = n
	}
	return s, nil
}

func (s *State) apply(e Event) error {
	switch e := e.(type) {
	case VoteCast:
		return s.vote(e)
	case RulesTightened:
		return s.tighten(e)
	case CancelCast:
		return s.cancel(e)
	case ExpiryReached:
		return s.expire(e)
	case FreezeSet:
		return add(&s.Freezes, e.Stop)
	case FreezeLifted:
		return remove(&s.Freezes, e.Stop)
	case HoldPlaced:
		if len(s.Holds) >= MaxStops {
			return nil // it is held as often as it can be, and no member keeps another's hold from being placed
		}
		return add(&s.Holds, e.Hold)
	case HoldReleased:
		return remove(&s.Holds, e.Hold)
	case Ticked:
		return s.tick(e)
	case TimerMatured:
		return s.mature(e)
	case ClockTrusted:
		return s.trust(e)
	case ExecutionBegan:
		return s.begin(e)
	case SiteTombstoned:
		return s.hidden(e)
	case SiteErased:
		return s.gone(e)
	case ActionApplied:
		return s.applied(e)
	case CopiesRestored:
		return s.restore(e)
	}
	return fmt.Errorf("%w: %T", ErrEvent, e)
}

// afterEnd admits only the repetition of a receipt that the state has already: idempotent retries get the same answer.
func (s *State) afterEnd(e Event) error {
	refused := &PhaseError{s.Phase, e.Kind()}
	switch e := e.(type) {
	case SiteErased:
		if s.Phase == Erased && s.Sites[e.Site] == SiteGone && e.Digest == s.Digest {
			return nil
		}
	case ActionApplied:
		if s.Phase == Applied && e.Digest == s.Digest {
			return nil
		}
	}
	return refused
}

func (s *State) open(e Opened) error {
	if s.Phase != 0 {
		return &PhaseError{s.Phase, KindOpened}
	}
	switch {
	case !name(e.Request) || !name(e.Requester) || !name(e.Drafter) || len(e.Tenant) > MaxName || !e.Action.Valid():
		return fmt.Errorf("%w: opened", ErrEvent)
	case e.Digest == [32]byte{}:
		return fmt.Errorf("%w: no digest", ErrEvent)
	case e.At.IsZero() || !e.VoteUntil.After(e.At) || e.ExecuteUntil.Before(e.VoteUntil) ||
		e.VoteUntil.Sub(e.At) > MaxVoteWindow || e.ExecuteUntil.Sub(e.At) > MaxExecuteWindow:
		return fmt.Errorf("%w: times", ErrEvent)
	case len(e.Sites) == 0 || len(e.Sites) > MaxSites || len(e.Excluded) > MaxRoster || len(e.Subjects) > MaxRoster:
		return fmt.Errorf("%w: bounds", ErrEvent)
	case Hides(e.Action) && e.Requirement.Grace <= 0:
		return fmt.Errorf("%w: no grace", ErrRequirement)
	}
	if err := e.Requirement.Validate(); err != nil {
		return err
	}
	if err := checkRoster(e.Roster); err != nil {
		return err
	}
	*s = State{
		Request: e.Request, Tenant: e.Tenant, Action: e.Action, Digest: e.Digest,
		Requester: e.Requester, Drafter: e.Drafter, Excluded: slices.Clone(e.Excluded), Subjects: slices.Clone(e.Subjects),
		Phase: Open, Requirement: e.Requirement, OpenedAt: e.At, ChangedAt: e.At,
		VoteUntil: e.VoteUntil, ExecuteUntil: e.ExecuteUntil,
		Roster: slices.Clone(e.Roster), Keys: map[string]string{}, Sites: map[string]SitePhase{},
	}
	for _, a := range e.Roster {
		s.Founders = append(s.Founders, a.Person)
	}
	for _, site := range e.Sites {
		if _, twice := s.Sites[site]; twice || !name(site) {
			return fmt.Errorf("%w: site", ErrEvent)
		}
		s.Sites[site] = 0
	}
	// A request that nobody could ever complete is refused at once (I6).
	if s.reachable() < e.Requirement.Approvals {
		return fmt.Errorf("%w: %d approvals of %d who may vote", ErrRequirement, e.Requirement.Approvals, s.reachable())
	}
	return nil
}

func (s *State) reachable() int {
	n := 0
	for _, a := range s.Roster {
		if s.mayApprove(a, s.VoteUntil) == nil {
			n++
		}
	}
	return n
}

func (s *State) vote(e VoteCast) error {
	switch {
	case e.Decision != Approve && e.Decision != Deny, e.Method != Passkey && e.Method != TOTP, !name(e.Person), !name(e.Key):
		return fmt.Errorf("%w: vote", ErrEvent)
	case e.Method == TOTP && (e.Hardware || e.Independent):
		return fmt.Errorf("%w: a one-time code is neither hardware nor independent", ErrEvent)
	case e.Digest != s.Digest:
		return ErrDigest
	}
	a, ok := s.approver(e.Person)
	if !ok || a.Suspended {
		return ErrNotApprover
	}
	if s.sameParty(e.Person) {
		return ErrRequesterVotes
	}
	if owner, known := s.Keys[e.Key]; known && owner != e.Person {
		return ErrKeyShared
	}
	if slices.ContainsFunc(s.Votes, func(v Vote) bool { return v.Person == e.Person && v.Decision == e.Decision }) {
		return ErrAlreadyVoted
	}
	if s.touched() || (s.Phase != Open && s.Phase != Cooling && s.Phase != Executing) {
		return &PhaseError{s.Phase, KindVoteCast}
	}
	if e.Decision == Deny {
		if slices.Contains(s.Subjects, e.Person) {
			return ErrOwnCause
		}
		if s.Phase == Open && e.At.After(s.VoteUntil) {
			return ErrLate
		}
		s.keep(e)
		s.end(Denied, e.Person, e.At)
		return nil
	}
	switch {
	case e.At.After(s.VoteUntil):
		return ErrLate
	case s.Phase == Executing:
		return &PhaseError{s.Phase, KindVoteCast}
	}
	if slices.ContainsFunc(s.Votes, func(v Vote) bool { return v.Person == e.Person }) {
		return ErrAlreadyVoted // who could not deny their own cause does not approve it either
	}
	if err := s.mayApprove(a, e.At); err != nil {
		return err
	}
	if err := s.admits(e.Method); err != nil {
		return err
	}
	before := s.Met()
	s.keep(e)
	if s.Met() && (s.Phase == Open || !before) {
		// The delay is the one after the quorum: a quorum that was lost and found again waits in full.
		s.Timer = clock.NewTimer(s.Requirement.Cooling)
		s.move(Cooling, e.At)
	}
	return nil
}

func (s *State) keep(e VoteCast) {
	s.Votes = append(s.Votes, Vote{Person: e.Person, Decision: e.Decision, Method: e.Method, Key: e.Key,
		Hardware: e.Hardware, Independent: e.Independent, At: e.At})
	s.Keys[e.Key] = e.Person
}

func (s *State) tighten(e RulesTightened) error {
	if err := e.Requirement.Validate(); err != nil {
		return err
	}
	if err := checkRoster(e.Roster); err != nil {
		return err
	}
	before := s.Met()
	s.Requirement = s.Requirement.Stricter(e.Requirement)
	old := s.Roster
	s.Roster = nil
	for _, a := range e.Roster {
		if !slices.Contains(s.Founders, a.Person) {
			continue
		}
		for _, o := range old {
			if o.Person == a.Person && o.Admitted.After(a.Admitted) {
				a.Admitted = o.Admitted
			}
		}
		s.Roster = append(s.Roster, a)
	}
	if s.touched() {
		return nil // what is hidden already waits for its grace; whoever cares restores it
	}
	switch {
	case s.Phase == Open && s.Met():
		// Reinstated approvers may complete a quorum; the delay begins now.
		s.Timer = clock.NewTimer(s.Requirement.Cooling)
		s.move(Cooling, e.At)
	case s.Phase != Open && (!before || !s.Met()):
		s.Timer = clock.NewTimer(s.Requirement.Cooling)
	case s.Phase != Open && s.Timer.Need < s.Requirement.Cooling:
		s.Timer.Need = s.Requirement.Cooling
	}
	return nil
}

func (s *State) cancel(e CancelCast) error {
	if !name(e.Person) {
		return fmt.Errorf("%w: cancel", ErrEvent)
	}
	if s.touched() { // hidden copies come back by a restore, which the same people may ask for
		return &PhaseError{s.Phase, KindCancelled}
	}
	if e.Person != s.Requester && slices.Contains(s.Subjects, e.Person) {
		return ErrOwnCause // a cancel is a deny by another name
	}
	s.end(Cancelled, e.Person, e.At)
	return nil
}

func (s *State) expire(e ExpiryReached) error {
	switch {
	case s.touched():
		return &PhaseError{s.Phase, KindExpired}
	case s.Phase == Open && e.At.After(s.VoteUntil), e.At.After(s.ExecuteUntil):
		s.end(Expired, "", e.At)
		return nil
	}
	return ErrNotDue
}

func (s *State) tick(e Ticked) error {
	if s.Phase == Open {
		return &PhaseError{s.Phase, KindTicked}
	}
	t, verdict := s.Timer.Tick(e.Reading, s.Rule())
	s.Timer = t
	if verdict == clock.Jump && !slices.Contains(s.Freezes, JumpStop) {
		return add(&s.Freezes, JumpStop)
	}
	return nil
}

func (s *State) mature(e TimerMatured) error {
	t, err := clock.DecodeTimer(e.Timer)
	if err != nil || !t.Done() || t.Need != s.Timer.Need {
		return fmt.Errorf("%w: timer", ErrEvent)
	}
	if s.Phase == Open || !s.Met() && !s.touched() {
		return &PhaseError{s.Phase, KindMatured}
	}
	if err := s.Stopped(); err != nil {
		return err
	}
	s.Timer = t
	return nil
}

func (s *State) trust(e ClockTrusted) error {
	if !slices.Contains(s.Freezes, JumpStop) && !s.Timer.Suspended {
		return ErrPhase
	}
	if s.Timer.Suspended {
		t, ok := s.Timer.Resume(e.Reading, clock.Rule{Clocks: s.Requirement.Clocks})
		if !ok {
			return ErrFrozen
		}
		s.Timer = t
	}
	s.Freezes = slices.DeleteFunc(s.Freezes, func(f string) bool { return f == JumpStop })
	return nil
}

func (s *State) begin(e ExecutionBegan) error {
	p, ok := s.Sites[e.Site]
	switch {
	case !ok:
		return ErrSite
	case e.Digest != s.Digest:
		return ErrDigest
	case p >= SiteBegan:
		return nil // a retry resumes; the site itself checks everything again
	}
	if err := s.Ready(e.At); err != nil {
		return err
	}
	s.Sites[e.Site] = SiteBegan
	if s.Phase == Cooling {
		s.move(Executing, e.At)
	}
	return nil
}

func (s *State) hidden(e SiteTombstoned) error {
	p, ok := s.Sites[e.Site]
	switch {
	case !ok:
		return ErrSite
	case e.Digest != s.Digest:
		return ErrDigest
	case !Hides(s.Action) || p < SiteBegan:
		return &PhaseError{s.Phase, KindTombstoned}
	case p >= SiteHidden:
		return nil
	}
	s.Sites[e.Site] = SiteHidden
	if s.Phase == Executing && s.allSites(SiteHidden) {
		s.Timer = clock.NewTimer(s.Requirement.Grace)
		s.move(Tombstoned, e.At)
	}
	return nil
}

func (s *State) gone(e SiteErased) error {
	p, ok := s.Sites[e.Site]
	switch {
	case !ok:
		return ErrSite
	case e.Digest != s.Digest:
		return ErrDigest
	case p < SiteHidden:
		return &PhaseError{s.Phase, KindErased}
	}
	s.Sites[e.Site] = SiteGone
	if s.Phase == Tombstoned && s.allSites(SiteGone) {
		s.end(Erased, "", e.At)
	}
	return nil
}

func (s *State) applied(e ActionApplied) error {
	switch {
	case e.Digest != s.Digest:
		return ErrDigest
	case s.Phase != Executing || Hides(s.Action):
		return &PhaseError{s.Phase, KindApplied}
	}
	s.end(Applied, "", e.At)
	return nil
}

func (s *State) restore(e CopiesRestored) error {
	switch {
	case !name(e.Person):
		return fmt.Errorf("%w: restore", ErrEvent)
	case !s.touched():
		return &PhaseError{s.Phase, KindRestored}
	}
	s.end(Restored, e.Person, e.At)
	return nil
}

func (s *State) move(p Phase, at time.Time) {
	if s.Phase != p {
		s.Phase, s.ChangedAt = p, at
	}
}

func (s *State) end(p Phase, by string, at time.Time) {
	s.move(p, at)
	s.EndedBy = by
}

func checkRoster(r []Approver) error {
	if len(r) > MaxRoster {
		return fmt.Errorf("%w: roster of %d", ErrEvent, len(r))
	}
	seen := map[string]bool{}
	for _, a := range r {
		if !name(a.Person) || !name(a.Team) || seen[a.Person] {
			return fmt.Errorf("%w: roster", ErrEvent)
		}
		seen[a.Person] = true
	}
	return nil
}

func name(s string) bool { return s != "" && len(s) <= MaxName }

// add and remove are idempotent: the same stop may come by several routes.
func add(set *[]string, v string) error {
	switch {
	case !name(v):
		return fmt.Errorf("%w: stop", ErrEvent)
	case slices.Contains(*set, v):
		return nil
	case len(*set) >= MaxStops:
		return fmt.Errorf("%w: more than %d stops", ErrEvent, MaxStops)
	}
	*set = append(*set, v)
	return nil
}

func remove(set *[]string, v string) error {
	if v == JumpStop {
		return fmt.Errorf("%w: a jump ends with ClockTrusted", ErrEvent)
	}
	i := slices.Index(*set, v)
	if i < 0 {
		return fmt.Errorf("%w: no such stop in force", ErrPhase)
	}
	*set = slices.Delete(*set, i, i+1)
	return nil
}
