package control_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

func (w *world) retention() wire.Retention {
	w.t.Helper()
	r, err := w.Retention(w.t.Context(), w.owner.Who(), w.volume.ID)
	w.ok(err)
	return r
}

func (w *world) keepRule(rule string) error {
	_, err := w.SetRetention(w.t.Context(), w.owner.Who(), w.volume.ID, wire.SetRetention{Rule: rule})
	return err
}

// decided asks for a gated action about the world's volume and lets approvers and time do the rest.
func (w *world) decided(ask wire.AskRequest, state string) wire.Request {
	w.t.Helper()
	r, err := w.owner.Ask(ask)
	w.ok(err)
	need := r.Need.Approvals
	for i := range need {
		w.approve(r.ID, i)
	}
	w.until(r.ID, state, 3*time.Minute)
	return r
}

func (w *world) shorten(to string) wire.AskRequest {
	return wire.AskRequest{Action: "shorten-retention", Subject: w.volume.Name, Facts: map[string]string{"to": to}}
}

// I4, T32: a keep rule is lengthened at once and shortened by a quorum alone. A rule by itself deletes nothing.
func TestI4_T32_ShorteningRetentionIsGated(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		doomed := w.history(3)
		if r := w.retention(); r.Rule != "keep all" || r.RuleNumber != 0 || r.UndoSeconds != int64(undo/time.Second) {
			t.Fatalf("%+v", r)
		}
		w.refused(w.keepRule("keep last 1"), wire.TypeGateRequired)
		w.refused(w.keepRule("keep last 0"), wire.TypeInvalid)
		w.leaf(w.volume.ID, audit.KindRefusal, 1)
		operator := w.owner.Colleague("operator")
		_, err := w.SetRetention(t.Context(), operator.Who(), w.volume.ID, wire.SetRetention{Rule: "keep all"})
		w.refused(err, wire.TypeDenied)
		_, err = operator.Ask(w.shorten("keep last 1"))
		w.refused(err, wire.TypeDenied)
		w.owner.SignInAgain()
		_, err = w.owner.Ask(w.shorten("keep all"))
		w.refused(err, wire.TypeInvalid) // nothing is shortened by it

		r := w.decided(w.shorten("keep last 1"), "applied")
		if k := w.retention(); k.Rule != "keep last 1" || k.RuleNumber != 1 || k.RuleBy != r.ID {
			t.Fatalf("%+v", k)
		}
		w.leaf(w.volume.ID, audit.KindKeepRuleSet, 1)
		w.leaf(r.ID, audit.KindRetentionChanged, 1)
		w.Pass(undo + time.Minute)
		_, err = w.Primary.Reclaim(t.Context(), w.owner.Tenant)
		w.ok(err)
		w.unharmed(doomed...)

		w.refused(w.keepRule("keep daily 7"), wire.TypeGateRequired)
		w.ok(w.keepRule("keep last 2, daily 7"))
		w.leaf(w.volume.ID, audit.KindKeepRuleSet, 2)
		n, err := w.RepairLog(t.Context())
		if err != nil || n != 0 {
			t.Fatal(n, err)
		}
	})
}

// I4, T32: an undo window is lengthened at once, shortened by a quorum, and never below the charter's.
func TestI4_T32_ShorteningTheUndoWindowIsGated(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		set := func(window string) error {
			_, err := w.SetRetention(t.Context(), w.owner.Who(), w.volume.ID, wire.SetRetention{Undo: window})
			return err
		}
		w.refused(set("1s"), wire.TypeGateRequired)
		w.refused(set("soon"), wire.TypeInvalid)
		w.ok(set("1h"))
		w.refused(set("30m"), wire.TypeGateRequired)
		w.leaf(w.volume.ID, audit.KindUndoChanged, 1)
		w.put(w.volume.ID, "f", "before")
		w.Pass(time.Second)
		at := w.Clock.Now()
		w.Pass(time.Second)
		w.put(w.volume.ID, "f", "after")
		w.Pass(10 * time.Minute)
		_, err := w.Primary.Reclaim(t.Context(), w.owner.Tenant)
		w.ok(err)
		if got, err := w.read(control.From{Volume: w.volume.ID, At: at}, "f"); err != nil || got != "before" {
			t.Fatal(got, err)
		}
		w.owner.SignInAgain()
		ask := func(to string) wire.AskRequest {
			return wire.AskRequest{Action: "shorten-undo", Subject: w.volume.ID, Facts: map[string]string{"to": to}}
		}
		for _, bad := range []string{"4s", "1h", "2h", ""} {
			_, err := w.owner.Ask(ask(bad))
			w.refused(err, wire.TypeInvalid)
		}
		r := w.decided(ask("10s"), "applied")
		if k := w.retention(); k.OwnUndoSeconds != 10 || k.UndoBy != r.ID {
			t.Fatalf("%+v", k)
		}
		w.leaf(w.volume.ID, audit.KindUndoChanged, 2)
		_, err = w.Primary.Reclaim(t.Context(), w.owner.Tenant)
		w.ok(err)
		if got, err := w.read(control.From{Volume: w.volume.ID, At: at}, "f"); err == nil {
			t.Fatal("still there:", got)
		}
		if got, err := w.read(control.From{Volume: w.volume.ID}, "f"); err != nil || got != "after" {
			t.Fatal(got, err)
		}
	})
}

// A by-rule deletion names what the rule does not keep, and goes the whole way; a rule that was lengthened after the
// statement, by one person, keeps every copy (T32, T58).
func TestT32_T58_ByRuleDeletion(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		doomed := w.history(3)
		byRule := wire.AskRequest{Action: "delete-copies", ByRule: w.volume.Name}
		_, err := w.owner.Ask(byRule)
		w.refused(err, wire.TypeConflict) // there is no rule
		w.decided(w.shorten("keep last 2"), "applied")
		w.owner.SignInAgain()
		both := byRule
		both.Copies = []wire.CopyRef{{Snapshot: doomed[0].ID}}
		_, err = w.owner.Ask(both)
		w.refused(err, wire.TypeInvalid)

		r, err := w.owner.Ask(byRule)
		w.ok(err)
		if r.Impact.Copies != 2 || !strings.Contains(r.Statement, "by-rule") || !strings.Contains(r.Statement, "keep last 2") {
			t.Fatalf("%+v\n%s", r.Impact, r.Statement)
		}
		w.approve(r.ID, 0, 1)
		w.ok(w.keepRule("keep last 3"))
		w.Pass(controltest.Cooling + 20*time.Second)
		if s := w.is(r.ID, "executing"); len(s.Blocked) == 0 {
			t.Fatal("nobody is told why")
		}
		w.unharmed(doomed...)
		w.owner.SignInAgain()
		_, err = w.CancelRequest(t.Context(), w.owner.Who(), r.ID, "the rule has changed")
		w.ok(err)

		done := w.decided(byRule, "tombstoned")
		if done.Impact.Copies != 1 {
			t.Fatalf("%+v", done.Impact)
		}
		w.until(done.ID, "erased", 4*time.Minute)
		w.restores(w.kept, "kept", keptText)
		for i := 1; i < 3; i++ {
			w.restores(doomed[i], "doomed", strings.Repeat(string(rune('a'+i)), 3000+i))
		}
		if _, err := w.read(control.From{Snapshot: doomed[0].ID}, "doomed"); err == nil {
			t.Fatal("the copy is still there")
		}
	})
}

// I4, T35: a key is destroyed only of a closed tenant without copies, and by the gate; detaching a site is refused with
// one site, and both say why.
func TestI4_T35_DestroyingAKeyIsGated(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.history(1)
		destroy := wire.AskRequest{Action: "destroy-key", Tenant: w.owner.Tenant, Subject: "1"}
		_, err := w.owner.Ask(destroy)
		w.refused(err, wire.TypeConflict) // the tenant is open
		a := w.Approvers[0]
		_, err = a.Ask(wire.AskRequest{Action: "detach-site", Subject: controltest.Site})
		w.refused(err, wire.TypeConflict)
		_, err = a.Ask(wire.AskRequest{Action: "detach-site", Subject: "nowhere"})
		w.refused(err, wire.TypeNotFound)

		w.owner.SignInAgain()
		copies := deletion()
		list, err := w.Primary.Inventory(t.Context(), w.owner.Tenant, "", 10)
		w.ok(err)
		for _, k := range list {
			copies.Copies = append(copies.Copies, wire.CopyRef{Snapshot: k.Snapshot})
		}
		r, err := w.owner.Ask(copies)
		w.ok(err)
		closing, err := w.owner.Ask(wire.AskRequest{Action: "close-tenant"})
		w.ok(err)
		w.approve(closing.ID, 0, 1)
		w.until(closing.ID, "applied", time.Minute)
		_, err = a.Ask(destroy)
		w.refused(err, wire.TypeConflict) // copies need it
		w.approve(r.ID, 1, 2, 3)
		w.until(r.ID, "erased", 6*time.Minute)

		_, err = a.Ask(wire.AskRequest{Action: "destroy-key", Tenant: w.owner.Tenant, Subject: "7"})
		w.refused(err, wire.TypeNotFound)
		a.SignInAgain()
		r, err = a.Ask(destroy)
		w.ok(err)
		_, err = a.Vote(r.ID, "approve")
		w.refused(err, wire.TypeNotEligible)
		for _, i := range []int{1, 2, 3} {
			w.Approvers[i].SignInAgain()
			w.approve(r.ID, i)
		}
		w.until(r.ID, "tombstoned", time.Minute)
		w.until(r.ID, "erased", 4*time.Minute)
		w.leaf(r.ID, audit.KindKeyDestroyed, 1)
		w.leaf(r.ID, audit.KindRequestErased, 2) // the site says it, and the control plane
		if sets, err := w.Engine.KeySets(t.Context(), w.owner.Tenant); err != nil || len(sets) != 0 {
			t.Fatal(sets, err)
		}
	})
}

// What a rule would make of the snapshots is said before anybody sets it, by the very evaluation that a by-rule statement
// names its copies with; and it changes nothing.
func TestT32_ARuleIsWeighedBeforeItIsSet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.history(3)
		weigh := func(rule, show string, from int64, limit int) wire.KeepPreview {
			t.Helper()
			p, err := w.WeighRetention(t.Context(), w.owner.Who(), w.volume.ID, rule, show, from, limit)
			w.ok(err)
			return p
		}
		p := weigh("keep last 1", "", 0, 0)
		if p.Now.Rule != "keep all" || p.Now.Unkept != 0 || p.Next == nil || p.Next.Unkept == 0 || p.Next.Kept != 1 || p.Effect != "request" || p.Matching != int64(len(p.Snapshots)) {
			t.Fatalf("%+v", p)
		}
		if weigh("keep all", "", 0, 0).Effect != "same" || w.retention().RuleNumber != 0 {
			t.Error("trying a rule set it")
		}
		unkept := weigh("keep last 1", "unkept", 0, 1)
		if len(unkept.Snapshots) != 1 || unkept.Matching != p.Next.Unkept || *unkept.Snapshots[0].NextKept || !unkept.Snapshots[0].Kept {
			t.Errorf("%+v", unkept)
		}
		if unkept.Matching > 1 && (unkept.NextFrom != 1 || weigh("keep last 1", "unkept", 1, 1).Snapshots[0].Snapshot == unkept.Snapshots[0].Snapshot) {
			t.Error("the second page is the first")
		}
		w.decided(w.shorten("keep last 1"), "applied")
		p = weigh("", "unkept", 0, 0)
		impact, err := w.PreviewRequest(t.Context(), w.owner.Who(), wire.AskRequest{Action: "delete-copies", ByRule: w.volume.ID, Reason: "preview"})
		w.ok(err)
		if p.Next != nil || p.Effect != "" || p.Now.Unkept != int64(impact.Copies) || p.Matching != p.Now.Unkept {
			t.Errorf("%+v against %+v", p, impact)
		}
		if weigh("keep last 2", "", 0, 0).Effect != "at-once" {
			t.Error("a longer rule would be a request")
		}
		for _, bad := range []string{"keep last 0", "keep nothing"} {
			_, err := w.WeighRetention(t.Context(), w.owner.Who(), w.volume.ID, bad, "", 0, 0)
			w.refused(err, wire.TypeInvalid)
		}
	})
}
