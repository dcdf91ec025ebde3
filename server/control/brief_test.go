package control_test

import (
	"strings"
	"testing"

	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

func says(list []string, words string) bool {
	for _, s := range list {
		if strings.Contains(s, words) {
			return true
		}
	}
	return false
}

// What stands beside a request names who asked and how, what happened to the accounts, what would remain, and of every
// approver whether they may vote and why not.
func TestBriefSaysWhoAskedAndWhoMayVote(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		doomed := w.history(2)
		r := w.ask(doomed[0])
		late := w.Support(t, "approver")
		w.Approvers[0].OK(func(who control.Caller) error { return w.SuspendApprover(ctx, who, w.Approvers[1].ID, "odd votes") })
		w.approve(r.ID, 2)
		b, err := w.Brief(ctx, w.Approvers[3].Who(), r.ID)
		w.ok(err)
		if b.Asked.By.ID != w.owner.ID || b.Asked.Factor == "" || b.Asked.Address == "" || b.Asked.Role != "owner" || b.Asked.MemberSince == nil {
			t.Errorf("asked: %+v", b.Asked)
		}
		if !says(b.Signals, "The account that asked was made") {
			t.Errorf("signals: %q", b.Signals)
		}
		want := map[string]string{w.Approvers[0].ID: "may-not", w.Approvers[1].ID: "may-not", w.Approvers[2].ID: "approved", w.Approvers[3].ID: "may", late.ID: "may-not"}
		got := map[string]wire.Elector{}
		for _, e := range b.Electors {
			got[e.Approver.ID] = e
		}
		for id, standing := range want {
			if e := got[id]; e.Standing != standing || standing == "may-not" && e.Why == "" {
				t.Errorf("%s is %+v, want %s", id, e, standing)
			}
		}
		if len(b.Remains) != 1 || b.Remains[0].Going != 1 || b.Remains[0].Remaining != 2 || len(b.Remains[0].Points) != 3 {
			t.Errorf("remains: %+v", b.Remains)
		}
		changed := false
		for _, x := range b.Changes {
			changed = changed || x.Person.ID == w.owner.ID && x.What == "factor-enrolled"
		}
		if !changed {
			t.Errorf("changes: %+v", b.Changes)
		}
		// Members see no brief, of their own tenant neither; nor does anybody see another tenant's accounts (T11).
		_, err = w.Brief(ctx, w.owner.Who(), r.ID)
		w.refused(err, wire.TypeDenied)
		_, err = w.AccountChanges(ctx, w.owner.Colleague("operator").Who(), w.owner.Tenant)
		w.refused(err, wire.TypeDenied)
		_, err = w.AccountChanges(ctx, w.owner.Who(), "")
		w.refused(err, wire.TypeDenied)
		other := w.Company(t)
		if _, err := w.AccountChanges(ctx, other.Who(), w.owner.Tenant); err == nil {
			t.Error("another tenant's owner reads the history of accounts")
		}
		_, err = w.Brief(ctx, other.Who(), r.ID)
		w.refused(err, wire.TypeNotFound)
	})
}

// A next charter that is composed changes what was asked and nothing else, and can be proposed as it is.
func TestComposedCharterCanBeProposed(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	novice := w.Support(t, "approver")
	w.Pass(controltest.Quarantine)
	who := w.Approvers[0].Who()
	c, err := w.ComposeCharter(ctx, who, wire.ComposeCharter{
		Lines: map[string]string{"cooling": "20s"}, Add: []wire.GenesisApprover{{Person: novice.ID, Team: "a"}}, Remove: []string{w.Approvers[4].ID},
	})
	w.ok(err)
	var what []string
	for _, x := range c.Changes {
		what = append(what, x.What)
	}
	for _, want := range []string{"site primary cooling", "approver " + novice.ID, "approver " + w.Approvers[4].ID} {
		if !says(what, want) {
			t.Errorf("no change of %q in %q", want, what)
		}
	}
	if says(what, "grace") || says(what, w.Approvers[3].ID) {
		t.Errorf("more changed than asked: %q", what)
	}
	r, err := w.Approvers[0].Ask(wire.AskRequest{Action: "change-charter", Charter: c.Text, Reason: "a longer delay"})
	w.ok(err)
	if r.State != "open" || len(r.Changes) != len(c.Changes) {
		t.Errorf("%s with %d changes, composed were %d", r.State, len(r.Changes), len(c.Changes))
	}
	_, err = w.ComposeCharter(ctx, who, wire.ComposeCharter{Lines: map[string]string{"approvals": "1"}})
	w.refused(err, wire.TypeCharterRefused)
	_, err = w.ComposeCharter(ctx, w.owner.Who(), wire.ComposeCharter{})
	w.refused(err, wire.TypeDenied)
	list, err := w.Control.Approvers(ctx, who)
	w.ok(err)
	if len(list) != 5 || len(list[0].Keys) != 1 || !list[0].UsableFrom.After(list[0].AdmittedAt) {
		t.Errorf("approvers: %+v", list)
	}
	sites, err := w.Sites(ctx, who)
	w.ok(err)
	if len(sites) != 1 || !sites[0].Here || sites[0].Clock == nil {
		t.Errorf("sites: %+v", sites)
	}
}
