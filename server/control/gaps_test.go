package control_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// An undo that comes too early, or too late, names the state and spends no code.
func TestUndoOutOfTimeNamesTheState(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	refused := func(state string) {
		t.Helper()
		_, err := w.UndoRequest(t.Context(), w.owner.Who(), r.ID, "too early")
		w.refused(err, wire.TypeConflict) // and not: use your second factor
		if detail := control.AsError(err).Detail; !strings.Contains(detail, state) {
			t.Fatalf("%q does not name %s", detail, state)
		}
	}
	refused("open")
	w.approve(r.ID, 0, 1)
	refused("cooling")
	w.until(r.ID, "erased", 4*time.Minute)
	refused("erased")
}

// What a site has announced goes on with the next checkpoint, not with the next turn of the job.
func TestAnnouncedAndHiddenInOneTurn(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	w.approve(r.ID, 0, 1)
	w.until(r.ID, "tombstoned", controltest.Cooling+3*time.Second)
}

// A leaked token that may draft fills its own share only.
func TestDraftsAreBoundedForEachDrafter(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	who := w.owner.Who()
	colleague := w.owner.Colleague("operator")
	other, err := w.Draft(t.Context(), colleague.Who(), deletion(doomed...))
	w.ok(err)
	var drafts []wire.Request
	for range quorum.MaxDraftsPerDrafter + 2 {
		d, err := w.Draft(t.Context(), who, deletion(doomed...))
		w.ok(err)
		drafts = append(drafts, d)
		w.Clock.Advance(time.Millisecond)
	}
	kept := map[string]bool{other.ID: true}
	for i, d := range drafts {
		kept[d.ID] = i >= 2
	}
	for id, want := range kept {
		if _, err := w.Request(t.Context(), who, id); (err == nil) != want {
			t.Errorf("%s is kept: %v; it must be: %v", id, err, want)
		}
	}
}

// T10: a ticket is not in force any more when what minted it is gone.
func TestT10_TicketsDieWithWhatMintedThem(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		ctx := t.Context()
		tenant := e.Tenant(t)
		owner := e.Member(t, tenant, authz.RoleOwner)
		operator := e.Member(t, tenant, authz.RoleOperator)
		v, err := e.CreateVolume(ctx, owner.Caller, wire.CreateVolume{Name: "v", Kind: "files"})
		if err != nil {
			t.Fatal(err)
		}
		e.Clock.Advance(2 * time.Second)
		token := e.Token(t, owner, nil, apitoken.VolumeRead)
		minted := map[string]string{}
		for name, l := range map[string]controltest.Login{"token": token, "operator": operator, "owner": owner} {
			ticket, err := e.MintTicket(t, l, v.ID, "get")
			if err != nil {
				t.Fatal(name, err)
			}
			minted[name] = ticket.Ticket
		}
		good := func(name string) bool {
			t.Helper()
			_, err := e.AuthenticateData(ctx, control.Credentials{Bearer: minted[name], Face: authz.FacePortal})
			if err != nil && control.AsError(err).Type != wire.TypeNotAuthenticated {
				t.Fatal(name, err)
			}
			return err == nil
		}
		for name := range minted {
			if !good(name) {
				t.Fatal(name, "is refused from the start")
			}
		}
		if err := e.RevokeToken(ctx, owner.Caller, token.Caller.Principal.Token.String()); err != nil {
			t.Fatal(err)
		}
		if good("token") || !good("owner") || !good("operator") {
			t.Fatal("a revoked token's ticket is in force, or another's is not")
		}
	})
}

// Who hands out a ticket to enrol anew stands in the log.
func TestAnEnrolmentTicketIsLogged(t *testing.T) {
	w := sqliteWorld(t, nil)
	invited, err := w.InviteStaff(t.Context(), w.Operator(t), wire.Invite{Name: "New", Email: "new@example.org", Role: "auditor"})
	w.ok(err)
	again, err := w.ReissueEnrolment(t.Context(), w.Operator(t), invited.Person.ID)
	w.ok(err)
	if again.Secret == invited.Secret {
		t.Fatal("the same ticket")
	}
	w.leaf(invited.Person.ID, audit.KindEnrolmentIssued, 1)
}

// T22: thresholds that let one person act, or nobody, are refused by name, at the ceremony and at a change; nothing that
// was refused is in force (T23: nor one that forks, skips, or was signed by people of its own).
func TestT22_T23_ChartersThatAreRefused(t *testing.T) {
	w := sqliteWorld(t, nil)
	before, err := w.Charter(t.Context(), w.owner.Who())
	w.ok(err)
	a := w.Approvers[0]
	good := w.amended(func(c *charter.Charter) { c.Undo += time.Hour }).Charter
	line := func(old, now string) string {
		t.Helper()
		out := strings.Replace(good, old, now, 1)
		if out == good {
			t.Fatalf("no %q in\n%s", old, good)
		}
		return out
	}
	for name, text := range map[string]string{
		"threshold 0": line("approvals 2", "approvals 0"), "threshold 1": line("approvals 2", "approvals 1"),
		"negative": line("approvals 2", "approvals -2"), "above the roster": line("approvals 2", "approvals 6"),
		"missing": line("approvals 2", ""), "the same": before.Text, "not a charter": "purpose demo\n", "empty": "",
		"skipped":           w.amended(func(c *charter.Charter) { c.Number++ }).Charter,
		"rolled back":       w.amended(func(c *charter.Charter) { c.Number, c.Previous = 1, [32]byte{} }).Charter,
		"forked":            w.amended(func(c *charter.Charter) { c.Previous[0] ^= 1 }).Charter,
		"unreachable (T29)": line("approvals 2", "approvals 5"),
	} {
		_, err := w.Draft(t.Context(), a.Who(), wire.AskRequest{Action: "change-charter", Charter: text, Reason: "x"})
		if err == nil || control.AsError(err).Type != wire.TypeCharterRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	now, err := w.Charter(t.Context(), w.owner.Who())
	if err != nil || now.Hash != before.Hash {
		t.Fatal("another charter is in force", err)
	}
	m, err := w.Primary.Marks(t.Context())
	if err != nil || m.Charter.Number != 1 {
		t.Fatal(m, err)
	}
	// The ceremony refuses the same, and witnesses that nobody here could be.
	e := controltest.New(t, controltest.Gated())
	for _, lines := range []map[string]string{{"approvals": "0"}, {"approvals": "1"}, {"approvals": "-1"}, {"approvals": "9"}, {"witnesses": "1"}} {
		_, err := e.ProposeGenesis(t.Context(), e.Operator(t), wire.ProposeGenesis{Purpose: "demo", Lines: lines})
		w.refused(err, wire.TypeCharterRefused)
	}
}

// T23: what a next charter changes is shown to who decides, and afterwards to everybody.
func TestT23_AChartersChangesAreShown(t *testing.T) {
	w := sqliteWorld(t, nil)
	r := w.propose(0, func(c *charter.Charter) { c.Undo += time.Hour })
	if len(r.Changes) != 1 || r.Changes[0].Weakens || r.Changes[0].What != "undo" {
		t.Fatalf("%+v", r.Changes)
	}
	w.approve(r.ID, 1, 2)
	w.until(r.ID, "applied", time.Minute)
	ch, err := w.Charter(t.Context(), w.owner.Who())
	if err != nil || ch.Number != 2 || len(ch.Changes) != 1 {
		t.Fatalf("%+v %v", ch.Changes, err)
	}
}

// T29: junk requests of one tenant bury nobody else's, and a roster change that makes quorum unreachable is refused.
func TestT29_JunkBuriesNothing(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	real := w.ask(doomed...)
	other := w.Company(t)
	w.Pass(2 * controltest.Quarantine)
	var refused error
	for range 30 {
		if _, refused = other.Ask(wire.AskRequest{Action: "close-tenant", Reason: "junk"}); refused != nil {
			break
		}
	}
	list, err := w.Requests(t.Context(), w.Approvers[0].Who(), "open")
	w.ok(err)
	at := -1
	for i, r := range list {
		if r.ID == real.ID {
			at = i
		}
	}
	if at < 0 || at > 1 {
		t.Fatalf("the real request is number %d of %d (%v)", at, len(list), refused)
	}
	w.unharmed(doomed...)
}
