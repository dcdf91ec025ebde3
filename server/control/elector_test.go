package control_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/quorum/charter"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// renewed gives somebody a new passkey on a new device; the old one is removed once the new one is out of quarantine.
func (w *world) renewed(h *controltest.Human) {
	w.t.Helper()
	ctx := w.t.Context()
	old, fresh := h.Key, softkey.New()
	o, err := w.BeginPasskeyEnrolment(ctx, h.Who())
	w.ok(err)
	h.Key = fresh
	answer := h.Create(o)
	h.Key = old
	h.OK(func(who control.Caller) error { _, err := w.FinishPasskeyEnrolment(ctx, who, answer); return err })
	list, err := w.Factors(ctx, h.Who())
	w.ok(err)
	w.Pass(controltest.Quarantine + time.Second)
	h.Key = fresh
	h.SignInAgain()
	for _, f := range list {
		if f.Kind == "passkey" && f.Vote != nil && f.Vote.Standing == "votes" {
			h.OK(func(who control.Caller) error { return w.RemoveFactor(ctx, who, f.ID) })
		}
	}
}

// standing is what the brief of a request says of somebody.
func (w *world) standing(request string, h *controltest.Human) wire.Elector {
	w.t.Helper()
	b, err := w.Brief(w.t.Context(), w.Approvers[0].Who(), request)
	w.ok(err)
	for _, e := range b.Electors {
		if e.Approver.ID == h.ID {
			return e
		}
	}
	w.t.Fatalf("no word of %s in %+v", h.Name, b.Electors)
	return wire.Elector{}
}

// vote is what one of somebody's factors is worth, by kind: the newest.
func (w *world) vote(h *controltest.Human, kind string) (out wire.FactorVote) {
	w.t.Helper()
	list, err := w.Factors(w.t.Context(), h.Who())
	w.ok(err)
	var newest time.Time
	for _, f := range list {
		if f.Kind == kind && !f.EnrolledAt.Before(newest) && f.Vote != nil {
			newest, out = f.EnrolledAt, *f.Vote
		}
	}
	return out
}

// An approver whose passkeys are not those of the charter is told so, on every request and on their own factors; a new
// passkey that a later charter names approves nothing that was asked before, and nothing in its quarantine. The control
// plane takes no such approval: it would void the whole warrant at the site.
func TestT19_AnApproversNewPasskey(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	doomed := w.history(2)
	a := w.Approvers[2]
	if v := w.vote(a, "passkey"); v.Standing != "votes" || len(v.Actions) < 5 || v.Charter != 1 || v.From == nil {
		t.Errorf("the charter's own key: %+v", v)
	}
	if v := w.vote(a, "totp"); v.Standing != "votes" || len(v.Actions) != 1 || v.Actions[0] != "delete-copies" {
		t.Errorf("an app: %+v", v)
	}
	if v := w.vote(w.Support(t, "approver"), "passkey"); v.Standing != "no-approver" || len(v.Actions) != 0 {
		t.Errorf("of somebody whom the charter does not name: %+v", v)
	}
	for _, h := range []*controltest.Human{w.owner, w.Support(t, "auditor")} {
		if v := w.vote(h, "passkey"); v.Standing != "" {
			t.Errorf("%s never votes: %+v", h.Name, v)
		}
	}
	w.renewed(a)
	if v := w.vote(a, "passkey"); v.Standing != "not-named" || len(v.Actions) != 0 || v.From != nil {
		t.Errorf("a key that no charter names: %+v", v)
	}
	deletion := w.ask(doomed[0])
	if e := w.standing(deletion.ID, a); e.Standing != "may" || e.Missing != "key" || !strings.Contains(e.Why, "with a one-time code") {
		t.Errorf("a deletion, with a one-time code: %+v", e)
	}
	_, err := a.Vote(deletion.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	change := w.propose(0, func(c *charter.Charter) {
		for i := range c.Approvers {
			if c.Approvers[i].ID == a.ID {
				c.Approvers[i].Keys = line(c, a).Keys
			}
		}
	})
	e := w.standing(change.ID, a)
	if e.Standing != "may-deny" || e.Missing != "key" || !strings.Contains(e.Why, "only passkeys count") {
		t.Errorf("a charter, which takes passkeys alone: %+v", e)
	}
	_, err = a.VoteCode(change.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	w.approve(change.ID, 1, 3)
	_, err = a.SignNext(change.ID)
	w.ok(err)
	w.until(change.ID, "applied", 60*time.Second)

	if v := w.vote(a, "passkey"); v.Standing != "quarantine" || v.Charter != 2 || v.From == nil || !v.From.After(w.Clock.Now()) {
		t.Errorf("in its quarantine: %+v", v)
	}
	w.Pass(time.Second) // a request of the very moment is not younger
	younger := w.ask(doomed[1])
	if e := w.standing(younger.ID, a); !strings.Contains(e.Why, "with a one-time code") || e.Missing != "" {
		t.Errorf("a younger deletion: %+v", e)
	}
	thaw := w.thaw()
	if e := w.standing(thaw.ID, a); e.Standing != "may-deny" || !strings.Contains(e.Why, "in quarantine until") || e.Missing != "" {
		t.Errorf("in the quarantine: %+v", e)
	}
	_, err = a.Vote(thaw.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	w.Pass(controltest.Quarantine + time.Second)
	_, err = a.Vote(deletion.ID, "approve") // it was asked before the charter named the key
	w.refused(err, wire.TypeNotEligible)
	if v := w.vote(a, "passkey"); v.Standing != "votes" {
		t.Errorf("after its quarantine: %+v", v)
	}
	if e := w.standing(thaw.ID, a); e.Standing != "may" || e.Why != "" {
		t.Errorf("after the quarantine: %+v", e)
	}
	_, err = a.Vote(thaw.ID, "approve")
	w.ok(err)
	w.approve(thaw.ID, 1)
	w.until(thaw.ID, "applied", 60*time.Second)
	_, err = w.Brief(ctx, a.Who(), deletion.ID)
	w.ok(err)
}

// thaw freezes the tenant and asks for the end of it.
func (w *world) thaw() wire.Request {
	w.t.Helper()
	var f wire.Freeze
	w.owner.OK(func(who control.Caller) (err error) {
		f, err = w.Freeze(w.t.Context(), who, wire.PlaceFreeze{Reason: "a test"})
		return err
	})
	r, err := w.owner.Ask(wire.AskRequest{Action: "lift-freeze", Subject: f.ID})
	w.ok(err)
	return r
}
