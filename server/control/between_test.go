package control_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// A hold or a freeze between quorum and execution: execution waits, and goes on
// when a quorum has released it.
func TestT27_AHoldBetweenQuorumAndExecution(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		doomed := w.history(1)
		r := w.ask(doomed...)
		w.approve(r.ID, 0, 1)
		w.Pass(3 * time.Second)
		viewer := w.owner.Colleague("viewer") // anyone concerned
		w.is(r.ID, "cooling")
		var hold wire.Hold
		viewer.OK(func(who control.Caller) (err error) {
			hold, err = w.PlaceHold(t.Context(), who, wire.PlaceHold{Volume: w.volume.ID, Reason: "wait"})
			return err
		})
		w.leaf(hold.ID, audit.KindHoldPlaced, 1)
		w.Pass(3 * controltest.Cooling)
		if s := w.is(r.ID, "cooling"); len(s.Blocked) == 0 {
			t.Fatal("nothing says why")
		}
		w.unharmed(doomed...)
		// The holder's word does not release it, a quorum's does.
		release, err := w.owner.Ask(wire.AskRequest{Action: "release-hold", Subject: hold.ID})
		w.ok(err)
		_, err = w.Approvers[2].VoteCode(release.ID, "approve")
		w.refused(err, wire.TypeNotEligible) // codes serve deletions only
		w.approve(release.ID, 2, 3)
		w.until(release.ID, "applied", controltest.Cooling+10*time.Second)
		w.leaf(release.ID, audit.KindHoldReleased, 1)
		w.until(r.ID, "tombstoned", controltest.Cooling+10*time.Second)
		// And one in the grace period stops the erasure.
		viewer.OK(func(who control.Caller) (err error) {
			hold, err = w.PlaceHold(t.Context(), who, wire.PlaceHold{Reason: "all of it"})
			return err
		})
		w.Pass(3 * controltest.Grace)
		w.is(r.ID, "tombstoned")
		viewer.OK(func(who control.Caller) error {
			_, err := w.UndoRequest(t.Context(), who, r.ID, "found it")
			return err
		})
		w.is(r.ID, "restored")
		w.unharmed(doomed...)
	})
}

func TestT27_AFreezeBetweenQuorumAndExecution(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	w.approve(r.ID, 0, 1)
	var freeze wire.Freeze
	w.Approvers[4].OK(func(who control.Caller) (err error) {
		freeze, err = w.Freeze(t.Context(), who, wire.PlaceFreeze{Everywhere: true, Reason: "something is wrong"})
		return err
	})
	w.Pass(3 * controltest.Cooling)
	w.is(r.ID, "cooling")
	w.unharmed(doomed...)
	later := w.ask(doomed...)
	w.approve(later.ID, 2, 3)
	w.Pass(3 * controltest.Cooling)
	w.is(later.ID, "cooling")
	w.unharmed(doomed...)
	lift, err := w.Approvers[0].Ask(wire.AskRequest{Action: "lift-freeze", Subject: freeze.ID})
	w.ok(err)
	// Who froze cannot deny the thaw (T55).
	_, err = w.Approvers[4].Vote(lift.ID, "deny")
	w.refused(err, wire.TypeNotEligible)
	w.approve(lift.ID, 1, 2)
	w.until(lift.ID, "applied", 40*time.Second)
	list, err := w.Freezes(t.Context(), w.owner.Who())
	if err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	w.until(r.ID, "tombstoned", 40*time.Second)
}

// The caps of the charter are of a rolling day, over all requests and restarts.
func TestT25_TheCapsAreCumulative(t *testing.T) {
	w := sqliteWorld(t, map[string]string{"request-copies": "2", "day-copies": "3"})
	doomed := w.history(5)
	_, err := w.owner.Ask(deletion(doomed[:3]...))
	w.refused(err, wire.TypeCapExceeded)
	a, b, c := w.ask(doomed[0]), w.ask(doomed[1], doomed[2]), w.ask(doomed[3])
	for _, r := range []wire.Request{a, b, c} {
		w.approve(r.ID, 0, 1)
	}
	w.Pass(controltest.Cooling + 5*time.Second)
	w.Restart(t)
	w.Pass(3 * time.Second)
	gone := 0
	for _, r := range []wire.Request{a, b, c} {
		switch s := w.state(r.ID); s.State {
		case "tombstoned":
			gone += s.Impact.Copies
		case "executing", "cooling":
		default:
			t.Fatal(s.State)
		}
	}
	if gone == 0 || gone > 3 {
		t.Fatalf("%d copies went in a day of 3", gone)
	}
	waiting := 0
	for _, r := range []wire.Request{a, b, c} {
		if got := w.atSite(r.ID); got.State == "cooling" && got.CoolingLeft == 0 {
			waiting++
		}
	}
	if waiting != 1 {
		t.Fatal(waiting, w.Errors)
	}
	w.restores(w.kept, "kept", keptText)
	w.restores(doomed[4], "doomed", strings.Repeat("e", 3004))
}

// Two requests, each for one of the last two restore points of a volume: the
// second would leave nothing, and nobody read that it would.
func TestT26_TheLastTwoRestorePoints(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	a := w.ask(doomed[0])
	b := w.ask(w.kept)
	if len(a.Need.Surcharges)+len(b.Need.Surcharges) != 0 {
		t.Fatal(a.Need, b.Need)
	}
	w.approve(a.ID, 0, 1)
	w.approve(b.ID, 0, 1)
	w.Pass(controltest.Cooling + controltest.Grace + 20*time.Second)
	states := map[string]int{w.state(a.ID).State: 1}
	states[w.state(b.ID).State]++
	if states["erased"] != 1 || states["executing"]+states["cooling"] != 1 {
		t.Fatal(states)
	}
	if w.state(a.ID).State == "erased" {
		w.restores(w.kept, "kept", keptText)
	} else {
		w.restores(doomed[0], "doomed", strings.Repeat("a", 3000))
	}
}

// An empty snapshot does not make the good ones dispensable.
func TestT52_JunkIsNoRestorePoint(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(0)
	_ = doomed
	_, err := w.DeleteFile(t.Context(), w.owner.Who(), control.Upload{Volume: w.volume.ID}, true)
	w.ok(err)
	w.snapshot(w.volume.ID) // empty, and younger than the undo window
	r := w.ask(w.kept)
	if r.Need.Approvals != 3 || len(r.Need.Surcharges) == 0 || r.Impact.Volumes[0].NewestLeft != nil {
		t.Fatalf("%+v %+v", r.Need, r.Impact)
	}
	w.approve(r.ID, 0, 1)
	w.Pass(controltest.Cooling + 10*time.Second)
	w.is(r.ID, "open")
	w.restores(w.kept, "kept", keptText)
}

// An approver is removed by a charter change after voting, before execution: the
// vote no longer counts.
func TestT18_ARemovedApproversVoteCountsNoMore(t *testing.T) {
	w := sqliteWorld(t, map[string]string{"cooling": "60s"})
	doomed := w.history(1)
	novice := w.Support(t, "approver")
	w.Pass(controltest.Quarantine)
	change := w.propose(1, func(c *charter.Charter) {
		c.Approvers = append(without(c.Approvers, w.Approvers[0].ID), line(c, novice))
	})
	w.approve(change.ID, 2, 3)
	_, err := novice.SignNext(change.ID)
	w.ok(err)
	w.Pass(20 * time.Second)
	r := w.ask(doomed...)
	w.approve(r.ID, 0, 1)
	w.until(change.ID, "applied", 60*time.Second)
	s := w.is(r.ID, "cooling")
	if s.Need.Got != 1 || len(s.Blocked) == 0 {
		t.Fatalf("%+v %v", s.Need, s.Blocked)
	}
	w.Pass(70 * time.Second)
	w.is(r.ID, "cooling")
	w.unharmed(doomed...)
	_, err = w.Approvers[0].Vote(r.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	if m, err := w.Primary.Marks(t.Context()); err != nil || m.Charter.Number != 2 {
		t.Fatal(m, err)
	}
	// Others may vote in that place; the delay then begins again.
	w.approve(r.ID, 2)
	w.Pass(50 * time.Second)
	w.is(r.ID, "cooling")
	w.unharmed(doomed...)
	w.until(r.ID, "tombstoned", 30*time.Second)
}

// propose drafts and confirms a change of the charter by approver i.
func (w *world) propose(i int, change func(*charter.Charter)) wire.Request {
	w.t.Helper()
	r, err := w.Approvers[i].Ask(w.amended(change))
	w.ok(err)
	return r
}

func (w *world) amended(change func(*charter.Charter)) wire.AskRequest {
	w.t.Helper()
	now, err := w.Charter(w.t.Context(), w.Approvers[0].Who())
	w.ok(err)
	c, err := charter.Parse([]byte(now.Text))
	w.ok(err)
	c.Number++
	c.Previous = charter.Hash([]byte(now.Text))
	c.CreatedAt = w.Clock.Now().UTC().Truncate(time.Second)
	change(c)
	text, err := c.Normalise().Render()
	w.ok(err)
	return wire.AskRequest{Action: "change-charter", Charter: string(text), Reason: "a change"}
}

// line names somebody with their key.
func line(c *charter.Charter, h *controltest.Human) charter.Approver {
	key, at := h.Key.Credentials()[0], c.CreatedAt
	return charter.Approver{ID: h.ID, Name: h.Name, Team: "b", AdmittedAt: at, Keys: []charter.Key{
		{CredentialID: key.ID, RP: controltest.RPID, PublicKey: key.PublicKey, Hardware: true, AAGUID: key.AAGUID, AdmittedAt: at}}}
}

func without(list []charter.Approver, person string) (out []charter.Approver) {
	for _, a := range list {
		if a.ID != person {
			out = append(out, a)
		}
	}
	return out
}

// A new approver signs in with the change, waits in quarantine, and never votes
// on what is older.
func TestT19_ANewApproverComesIn(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(2)
	novice := w.Support(t, "approver")
	w.Pass(time.Second)
	_, err := novice.Vote(w.ask(doomed[1]).ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	_, err = w.Approvers[0].Ask(w.amended(func(c *charter.Charter) {
		a := line(c, novice)
		a.AdmittedAt, a.Keys[0].AdmittedAt = c.CreatedAt.Add(-time.Hour), c.CreatedAt.Add(-time.Hour)
		c.Approvers = append(c.Approvers, a)
	}))
	w.refused(err, wire.TypeCharterRefused)
	change := w.propose(0, func(c *charter.Charter) { c.Approvers = append(c.Approvers, line(c, novice)) })
	state, err := w.Ceremony(t.Context(), w.Approvers[0].Who(), change.ID)
	w.ok(err)
	if len(state.Missing) != 1 || state.Missing[0].ID != novice.ID {
		t.Fatalf("%+v", state)
	}
	w.approve(change.ID, 1, 2)
	w.Pass(controltest.Cooling + 5*time.Second)
	if s := w.is(change.ID, "cooling"); len(s.Blocked) != 1 {
		t.Fatal("in force without the signature of the key that it adds", s.Blocked)
	}
	_, err = novice.SignNext(change.ID)
	w.ok(err)
	older := w.ask(doomed[0])
	w.until(change.ID, "applied", 30*time.Second)
	_, err = novice.Vote(older.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	younger := w.ask(doomed[1])
	_, err = novice.Vote(younger.ID, "approve") // inside the quarantine, whatever the charter backdates
	w.refused(err, wire.TypeNotEligible)
	w.Pass(controltest.Quarantine + time.Second)
	_, err = novice.Vote(older.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	fresh := w.ask(doomed[1])
	_, err = novice.Vote(fresh.ID, "approve")
	w.ok(err)
	w.approve(fresh.ID, 0)
	w.until(fresh.ID, "tombstoned", 30*time.Second)
	// A new one may stop what is older.
	_, err = w.CancelRequest(t.Context(), novice.Who(), older.ID, "not this one")
	w.ok(err)
	w.is(older.ID, "cancelled")
	w.restores(doomed[0], "doomed", strings.Repeat("a", 3000))
}
