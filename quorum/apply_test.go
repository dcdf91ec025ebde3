package quorum_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/quorum"
	"holdfast/quorum/clock/clocktest"
	"holdfast/quorum/quorumtest"
	"holdfast/quorum/statement"
)

var at = quorumtest.At

func must(t *testing.T, s quorum.State, events ...quorum.Event) quorum.State {
	t.Helper()
	for _, e := range events {
		n, err := quorum.Apply(s, e)
		if err != nil {
			t.Fatalf("%s in %s: %v", e.Kind(), s.Phase, err)
		}
		s = n
	}
	return s
}

func refuse(t *testing.T, s quorum.State, e quorum.Event, target error) {
	t.Helper()
	n, err := quorum.Apply(s, e)
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
	if !reflect.DeepEqual(n, s) {
		t.Fatal("a refusal changed the state")
	}
}

func vote(p string, d quorum.Decision, after time.Duration) quorum.VoteCast {
	return quorumtest.Vote("req_1", p, d, at.Add(after))
}

func cooling(t *testing.T, edit ...func(*quorum.Opened)) quorum.State {
	t.Helper()
	s := must(t, quorum.State{}, quorumtest.Opened("req_1", edit...), vote("per_a1", quorum.Approve, time.Minute), vote("per_a3", quorum.Approve, 2*time.Minute))
	if s.Phase != quorum.Cooling {
		t.Fatal(s.Phase)
	}
	return s
}

func matured(t *testing.T, s quorum.State, c *clocktest.Fake) quorum.State {
	t.Helper()
	for range 10 {
		c.Advance(5 * time.Second)
		s = must(t, s, quorum.Ticked{Reading: c.Reading()})
	}
	return s
}

func TestLifeOfADeletion(t *testing.T) {
	c := quorumtest.Clock()
	s := matured(t, cooling(t), c)
	d := s.Digest
	s = must(t, s, quorum.ExecutionBegan{Site: "primary", Digest: d, At: c.Now()}, quorum.ExecutionBegan{Site: "primary", Digest: d, At: c.Now()},
		quorum.ExecutionBegan{Site: "berlin", Digest: d, At: c.Now()}, quorum.SiteTombstoned{Site: "berlin", Digest: d, At: c.Now()})
	if s.Phase != quorum.Executing {
		t.Fatal(s.Phase)
	}
	refuse(t, s, quorum.SiteErased{Site: "primary", Digest: d, At: c.Now()}, quorum.ErrPhase)
	s = must(t, s, quorum.SiteTombstoned{Site: "primary", Digest: d, At: c.Now()})
	if s.Phase != quorum.Tombstoned {
		t.Fatal(s.Phase)
	}
	r := must(t, s, quorum.FreezeSet{Stop: "sto_1", At: c.Now()}, quorum.CopiesRestored{Person: "per_m2", At: c.Now()})
	if r.Phase != quorum.Restored {
		t.Fatal(r.Phase)
	}
	s = must(t, s, quorum.SiteErased{Site: "primary", Digest: d, At: c.Now()}, quorum.SiteErased{Site: "berlin", Digest: d, At: c.Now()},
		quorum.SiteErased{Site: "berlin", Digest: d, At: c.Now()})
	if s.Phase != quorum.Erased {
		t.Fatal(s.Phase)
	}
	refuse(t, s, quorum.CopiesRestored{Person: "per_m2", At: c.Now()}, quorum.ErrEnded)
}

func TestI2_T15_T16_OnlyDistinctPeopleCount(t *testing.T) {
	s := must(t, quorum.State{}, quorumtest.Opened("req_1", func(o *quorum.Opened) { o.Requester, o.Drafter = "per_a4", "per_a2" }), vote("per_a1", quorum.Approve, time.Minute))
	refuse(t, s, vote("per_a4", quorum.Approve, time.Minute), quorum.ErrRequesterVotes)
	refuse(t, s, vote("per_a2", quorum.Approve, time.Minute), quorum.ErrRequesterVotes)
	refuse(t, s, vote("per_a5", quorum.Approve, time.Minute), quorum.ErrRequesterVotes)
	refuse(t, s, vote("per_zz", quorum.Approve, time.Minute), quorum.ErrNotApprover)
	again := vote("per_a1", quorum.Approve, time.Minute)
	again.Key = "another key"
	refuse(t, s, again, quorum.ErrAlreadyVoted)
	shared := vote("per_a3", quorum.Approve, time.Minute)
	shared.Key = "key of per_a1"
	refuse(t, s, shared, quorum.ErrKeyShared)
}

func TestT17_OnlyOneOutcome(t *testing.T) {
	s := cooling(t)
	denied := must(t, s, vote("per_a1", quorum.Deny, 3*time.Minute)) // who approved may still stop (I5)
	if denied.Phase != quorum.Denied {
		t.Fatal(denied.Phase)
	}
	for _, e := range []quorum.Event{vote("per_a4", quorum.Approve, 4*time.Minute), quorum.CancelCast{Person: "per_m1", At: at.Add(time.Hour)},
		quorum.ExpiryReached{At: at.Add(3 * time.Hour)}, quorum.ExecutionBegan{Site: "primary", Digest: s.Digest, At: at.Add(time.Hour)}} {
		refuse(t, denied, e, quorum.ErrEnded)
	}
}

func TestT18_QuorumLostAndFoundWaitsInFull(t *testing.T) {
	c := quorumtest.Clock()
	s := matured(t, cooling(t), c)
	o := quorumtest.Opened("req_1")
	o.Roster[2].Suspended = true // per_a3
	s = must(t, s, quorum.RulesTightened{Requirement: o.Requirement, Roster: o.Roster, At: c.Now()})
	began := quorum.ExecutionBegan{Site: "primary", Digest: s.Digest, At: c.Now()}
	refuse(t, s, began, quorum.ErrQuorum)
	s = must(t, s, vote("per_a4", quorum.Approve, 10*time.Minute))
	refuse(t, s, began, quorum.ErrNotDue)
	must(t, matured(t, s, c), began)
}

func TestT19_NewApproverMayDenyButNotApprove(t *testing.T) {
	s := must(t, quorum.State{}, quorumtest.Opened("req_1"))
	refuse(t, s, vote("per_a6", quorum.Approve, 30*time.Minute), quorum.ErrQuarantine)
	if s = must(t, s, vote("per_a6", quorum.Deny, 30*time.Minute)); s.Phase != quorum.Denied {
		t.Fatal(s.Phase)
	}
	s = must(t, quorum.State{}, quorumtest.Opened("req_1"))
	roster := append(quorumtest.Roster(), quorum.Approver{Person: "per_new", Team: "gold", Admitted: at.Add(-90 * 24 * time.Hour)})
	s = must(t, s, quorum.RulesTightened{Requirement: s.Requirement, Roster: roster, At: at})
	refuse(t, s, vote("per_new", quorum.Approve, time.Minute), quorum.ErrNotApprover) // a backdated newcomer is in one charter only
}

func TestT20_T21_AnotherDigestIsNoVote(t *testing.T) {
	s := must(t, quorum.State{}, quorumtest.Opened("req_1"))
	refuse(t, s, quorumtest.Vote("req_2", "per_a1", quorum.Approve, at.Add(time.Minute)), quorum.ErrDigest)
}

func TestT22_Thresholds(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 7, 1 << 30} {
		refuse(t, quorum.State{}, quorumtest.Opened("req_1", func(o *quorum.Opened) { o.Requirement.Approvals = n }), quorum.ErrRequirement)
	}
	refuse(t, quorum.State{}, quorumtest.Opened("req_1", func(o *quorum.Opened) { o.Requirement = quorum.Requirement{} }), quorum.ErrRequirement)
}

func TestT24_RulesOnlyBecomeStricter(t *testing.T) {
	s := must(t, quorum.State{}, quorumtest.Opened("req_1", func(o *quorum.Opened) { o.Requirement.Approvals = 3 }))
	weak := quorum.Requirement{Approvals: 2, Cooling: time.Second}
	s = must(t, s, quorum.RulesTightened{Requirement: weak, Roster: quorumtest.Roster(), At: at})
	if s.Requirement.Approvals != 3 || s.Requirement.Cooling != quorumtest.Cooling || s.Requirement.TOTP {
		t.Fatalf("%+v", s.Requirement)
	}
}

func TestT27_HoldAndFreezeStopTheClock(t *testing.T) {
	for _, stop := range []struct {
		begin, end quorum.Event
		err        error
	}{
		{quorum.FreezeSet{Stop: "sto_1", At: at}, quorum.FreezeLifted{Stop: "sto_1", At: at}, quorum.ErrFrozen},
		{quorum.HoldPlaced{Hold: "hol_1", At: at}, quorum.HoldReleased{Hold: "hol_1", At: at}, quorum.ErrHeld},
	} {
		c := quorumtest.Clock()
		s := matured(t, must(t, cooling(t), stop.begin), c)
		began := quorum.ExecutionBegan{Site: "primary", Digest: s.Digest, At: c.Now()}
		refuse(t, s, began, stop.err)
		s = must(t, s, stop.end)
		refuse(t, s, began, quorum.ErrNotDue)
		s = matured(t, s, c)
		refuse(t, must(t, s, stop.begin), began, stop.err)
		must(t, s, began)
	}
}

func TestT28_ExpiredIsDeniedForEver(t *testing.T) {
	s := must(t, quorum.State{}, quorumtest.Opened("req_1"), vote("per_a1", quorum.Approve, time.Minute))
	refuse(t, s, vote("per_a3", quorum.Approve, time.Hour+time.Second), quorum.ErrLate)
	refuse(t, s, quorum.ExpiryReached{At: at.Add(time.Hour)}, quorum.ErrNotDue)
	s = must(t, s, quorum.ExpiryReached{At: at.Add(time.Hour + time.Second)})
	refuse(t, s, vote("per_a3", quorum.Approve, time.Minute), quorum.ErrEnded)
}

func TestT43_JumpSuspendsUntilTrusted(t *testing.T) {
	c := quorumtest.Clock()
	s := must(t, cooling(t), quorum.Ticked{Reading: c.Reading()})
	c.JumpWall(time.Hour)
	s = must(t, s, quorum.Ticked{Reading: c.Reading()})
	if !errors.Is(s.Stopped(), quorum.ErrFrozen) {
		t.Fatal("a jump goes unnoticed")
	}
	refuse(t, s, quorum.FreezeLifted{Stop: quorum.JumpStop, At: c.Now()}, quorum.ErrEvent)
	refuse(t, s, quorum.ClockTrusted{Reading: c.Reading(), At: c.Now()}, quorum.ErrFrozen) // they still disagree
	c.JumpWall(-time.Hour)
	s = must(t, s, quorum.ClockTrusted{Reading: c.Reading(), At: c.Now()})
	if s.Stopped() != nil {
		t.Fatal(s.Stopped())
	}
}

func TestT55_NobodyBlocksTheirOwnRemovalOrThaw(t *testing.T) {
	for _, a := range []statement.Action{statement.ChangeCharter, statement.LiftFreeze, statement.EndSuspension} {
		c := quorumtest.Clock()
		s := cooling(t, func(o *quorum.Opened) { o.Action, o.Subjects, o.Sites = a, []string{"per_a2"}, []string{"primary"} })
		refuse(t, s, vote("per_a2", quorum.Deny, 3*time.Minute), quorum.ErrOwnCause)
		s = matured(t, must(t, s, quorum.FreezeSet{Stop: "sto_by_a2", At: at}), c)
		s = must(t, s, quorum.ExecutionBegan{Site: "primary", Digest: s.Digest, At: c.Now()}, quorum.ActionApplied{Digest: s.Digest, At: c.Now()})
		if s.Phase != quorum.Applied {
			t.Fatal(s.Phase)
		}
	}
}

// The model: random events in random order; whatever happens, what the invariants say is true of every state.
func TestI2_I5_I6_Model(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := quorumtest.Clock()
		s, err := quorum.Apply(quorum.State{}, quorumtest.Opened("req_1"))
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 60).Draw(rt, "moves") {
			e := quorumtest.Move(rt, s, c)
			n, err := quorum.Apply(s, e)
			again, err2 := quorum.Apply(s, e)
			if !reflect.DeepEqual(n, again) || (err == nil) != (err2 == nil) {
				rt.Fatal("Apply is not deterministic")
			}
			if msg := quorumtest.Invariants(s, n, e, err); msg != "" {
				rt.Fatalf("%s after %s (%v) from %s to %s", msg, e.Kind(), err, s.Phase, n.Phase)
			}
			s = n
		}
	})
}
