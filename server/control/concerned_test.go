package control_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/quorum"
	"holdfast/quorum/charter"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// A cancel is a deny by another name: who is to be removed, or froze, cancels
// neither their removal nor the thaw.
func TestT55_NobodyCancelsTheirOwnRemovalOrThaw(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	villain := w.Approvers[4]
	novice := w.Support(t, "approver")
	w.Pass(controltest.Quarantine)
	removal := w.propose(0, func(c *charter.Charter) { c.Approvers = append(without(c.Approvers, villain.ID), line(c, novice)) })
	_, err := w.CancelRequest(ctx, villain.Who(), removal.ID, "not me")
	w.refused(err, wire.TypeNotEligible)
	w.is(removal.ID, "open")
	var freeze wire.Freeze
	villain.OK(func(who control.Caller) (err error) {
		freeze, err = w.Freeze(ctx, who, wire.PlaceFreeze{Everywhere: true, Reason: "mine"})
		return err
	})
	lift, err := w.Approvers[0].Ask(wire.AskRequest{Action: "lift-freeze", Subject: freeze.ID})
	w.ok(err)
	_, err = w.CancelRequest(ctx, villain.Who(), lift.ID, "not mine")
	w.refused(err, wire.TypeNotEligible)
	w.approve(lift.ID, 1, 2)
	w.until(lift.ID, "applied", 40*time.Second)
	// Who asked for it may think better of it.
	own := w.propose(4, func(c *charter.Charter) { c.Approvers = append(without(c.Approvers, villain.ID), line(c, novice)) })
	_, err = w.CancelRequest(ctx, villain.Who(), own.ID, "I stay")
	w.ok(err)
}

// Who is suspended, or of the staff and not in the charter, stops nothing alone.
func TestT55_OnlyApproversInForceStop(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	doomed := w.history(1)
	puppet := w.Support(t, "approver")
	r := w.ask(doomed...)
	w.Approvers[0].OK(func(who control.Caller) error {
		return w.SuspendApprover(ctx, who, w.Approvers[4].ID, "he stops everything")
	})
	for name, h := range map[string]*controltest.Human{"suspended": w.Approvers[4], "not in the charter": puppet} {
		_, err := w.CancelRequest(ctx, h.Who(), r.ID, "no")
		if err == nil || control.AsError(err).Type != wire.TypeNotEligible {
			t.Errorf("%s cancels: %v", name, err)
		}
		_, err = w.PlaceHold(ctx, h.Who(), wire.PlaceHold{Tenant: w.owner.Tenant, Reason: "no"})
		if err == nil || control.AsError(err).Type != wire.TypeNotEligible {
			t.Errorf("%s holds: %v", name, err)
		}
		_, err = w.Freeze(ctx, h.Who(), wire.PlaceFreeze{Tenant: w.owner.Tenant, Reason: "no"})
		if err == nil || control.AsError(err).Type != wire.TypeNotEligible {
			t.Errorf("%s freezes: %v", name, err)
		}
	}
	w.is(r.ID, "open")
	if holds, err := w.Holds(ctx, w.owner.Who()); err != nil || len(holds) != 0 {
		t.Error(holds, err)
	}
	w.unharmed(doomed...)
}

// A member who stops the own tenant again and again fills nothing up: a freeze
// of everything, and another's hold, still come through.
func TestT55_StopsOfOneMemberKeepNobodyFromStopping(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	doomed := w.history(1)
	r := w.ask(doomed...)
	viewer := w.owner.Colleague("viewer")
	who := viewer.Who()
	for range quorum.MaxStops {
		if _, err := w.Freeze(ctx, who, wire.PlaceFreeze{Reason: "again"}); err != nil {
			w.refused(err, wire.TypeThrottled)
			break
		}
	}
	for range quorum.MaxStops {
		if _, err := w.PlaceHold(ctx, who, wire.PlaceHold{Reason: "again"}); err != nil {
			w.refused(err, wire.TypeThrottled)
			break
		}
	}
	_, err := w.Freeze(ctx, w.owner.Who(), wire.PlaceFreeze{Reason: "the owner's"})
	w.ok(err)
	_, err = w.PlaceHold(ctx, w.owner.Who(), wire.PlaceHold{Volume: w.volume.ID, Reason: "the owner's"})
	w.ok(err)
	w.Approvers[1].OK(func(who control.Caller) error {
		_, err := w.Freeze(ctx, who, wire.PlaceFreeze{Everywhere: true, Reason: "an attack"})
		return err
	})
	if f, err := w.Freezes(ctx, w.Company(t).Who()); err != nil || len(f) != 1 {
		t.Fatal("no freeze of everything", f, err)
	}
	w.is(r.ID, "open")
	w.unharmed(doomed...)
}

// Neither the operator of the host nor one of the staff takes over an account
// that a tenant's owner has invited.
func TestT12_NobodyTakesOverAnInvitedMember(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	var inv wire.Invitation
	w.owner.OK(func(who control.Caller) (err error) {
		inv, err = w.InviteMember(ctx, who, wire.Invite{Name: "Second", Email: "second@example.org", Role: "owner"})
		return err
	})
	_, err := w.ReissueEnrolment(ctx, w.Operator(t), inv.Person.ID)
	w.refused(err, wire.TypeDenied)
	err = w.Approvers[0].Do(func(who control.Caller) error { _, err := w.ReissueEnrolment(ctx, who, inv.Person.ID); return err })
	w.refused(err, wire.TypeDenied)
	open := func(secret string) error {
		_, err := w.BeginInvitation(ctx, control.Caller{Face: w.owner.Face, Address: "192.0.2.9"}, wire.BeginInvitation{Secret: secret, Kind: "totp"})
		return err
	}
	w.ok(open(inv.Secret))
	// The owner invites again; the first secret is void then.
	var again wire.Invitation
	w.owner.OK(func(who control.Caller) (err error) {
		again, err = w.InviteMember(ctx, who, wire.Invite{Name: "Second", Email: "Second@example.org", Role: "owner"})
		return err
	})
	w.ok(open(again.Secret))
	w.refused(open(inv.Secret), wire.TypeBadCredentials)
	other := w.Company(t)
	err = other.Do(func(who control.Caller) error {
		_, err := w.InviteMember(ctx, who, wire.Invite{Name: "Second", Email: "second@example.org", Role: "owner"})
		return err
	})
	if err == nil {
		t.Fatal("another tenant's owner invites the same person again")
	}
	w.ok(open(again.Secret))
	// The first owner of a tenant in which nobody is yet may be asked again.
	made, err := w.CreateTenant(ctx, w.Operator(t), wire.CreateTenant{Name: "Empty", OwnerName: "First", OwnerEmail: "first@example.org"})
	w.ok(err)
	_, err = w.ReissueEnrolment(ctx, w.Operator(t), made.Invitation.Person.ID)
	w.ok(err)
}

// The secret in the data directory founds, and opens nothing of a tenant's.
func TestT11_TheOperatorOfTheHostReadsNoTenant(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	doomed := w.history(1)
	r := w.ask(doomed...)
	_, err := w.PlaceHold(ctx, w.owner.Who(), wire.PlaceHold{Reason: "a secret reason"})
	w.ok(err)
	who := w.Operator(t)
	for name, call := range map[string]func() error{
		"Request":   func() error { _, err := w.Request(ctx, who, r.ID); return err },
		"Requests":  func() error { _, err := w.Requests(ctx, who, ""); return err },
		"Statement": func() error { _, err := w.Statement(ctx, who, r.ID); return err },
		"Warrant":   func() error { _, err := w.Warrant(ctx, who, r.ID); return err },
		"Holds":     func() error { _, err := w.Holds(ctx, who); return err },
		"Freezes":   func() error { _, err := w.Freezes(ctx, who); return err },
		"Snapshot":  func() error { _, err := w.Snapshot(ctx, who, doomed[0].ID); return err },
	} {
		if err := call(); err == nil {
			t.Errorf("the operator of the host reads %s", name)
		}
	}
}

// What only the owner may ask for, only the owner confirms.
func TestI4_OnlyTheOwnerConfirmsAWeakening(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	operator := w.owner.Colleague("operator")
	w.Pass(controltest.Quarantine)
	var d wire.Request
	w.owner.OK(func(who control.Caller) (err error) {
		d, err = w.Draft(ctx, who, wire.AskRequest{Action: "close-tenant", Reason: "thinking about it"})
		return err
	})
	err := operator.Do(func(who control.Caller) error { _, err := w.ConfirmRequest(ctx, who, d.ID); return err })
	w.refused(err, wire.TypeDenied)
	w.is(d.ID, "draft")
	w.owner.OK(func(who control.Caller) error { _, err := w.ConfirmRequest(ctx, who, d.ID); return err })
}

// A hold that approvers place on what does not exist is refused, and not
// acknowledged: it would protect nothing.
func TestI5_AHoldOnNothingIsRefused(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	other := w.Company(t)
	for _, volume := range []string{w.volume.Name, "vol_00000000000000000000000000", fmt.Sprint("x", w.volume.ID)} {
		_, err := w.PlaceHold(ctx, w.Approvers[0].Who(), wire.PlaceHold{Tenant: w.owner.Tenant, Volume: volume, Reason: "x"})
		if volume == w.volume.Name {
			w.ok(err)
			continue
		}
		w.refused(err, wire.TypeNotFound)
	}
	_, err := w.PlaceHold(ctx, w.Approvers[0].Who(), wire.PlaceHold{Tenant: other.Tenant, Volume: w.volume.ID, Reason: "x"})
	w.refused(err, wire.TypeNotFound)
	holds, err := w.Holds(ctx, w.owner.Who())
	if err != nil || len(holds) != 1 || holds[0].Volume != w.volume.ID {
		t.Fatal(holds, err)
	}
}

// Whoever asks again and again to delete a snapshot is refused every time, and
// does not fill the log, which is kept for ever.
func TestT40_RefusalsDoNotFillTheLog(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	before := w.logSize()
	who := w.owner.Who()
	for range 100 {
		err := w.DeleteSnapshot(t.Context(), who, doomed[0].ID)
		if typ := control.AsError(err).Type; err == nil || typ != wire.TypeGateRequired && typ != wire.TypeThrottled {
			t.Fatal(err)
		}
	}
	if n := w.logSize() - before; n < 1 || n > 40 {
		t.Errorf("%d leaves of one client", n)
	}
	w.unharmed(doomed...)
	who.Address = "198.51.100.7" // another client is told how to ask
	w.refused(w.DeleteSnapshot(t.Context(), who, doomed[0].ID), wire.TypeGateRequired)
}

// Who hands the ticket to enrol again over does not come in with it: it is worth
// nothing without the account's password.
func TestT12_ATicketAloneOpensNoSession(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	member := w.owner.Colleague("owner")
	w.Pass(controltest.Quarantine)
	r, err := w.owner.Ask(wire.AskRequest{Action: "reset-factor", Subject: member.ID})
	w.ok(err)
	w.approve(r.ID, 0, 1)
	w.until(r.ID, "applied", controltest.Cooling+10*time.Second)
	var inv wire.Invitation
	w.Approvers[0].OK(func(who control.Caller) (err error) {
		inv, err = w.ReissueEnrolment(ctx, who, member.ID)
		return err
	})
	thief := *member
	stranger := control.Caller{Face: member.Face, Address: "192.0.2.200"}
	begun, err := w.BeginInvitation(ctx, stranger, wire.BeginInvitation{Secret: inv.Secret, Kind: "passkey"})
	w.ok(err)
	answer := thief.Create(*begun.Passkey)
	opened, err := w.AcceptInvitation(ctx, stranger, wire.AcceptInvitation{Secret: inv.Secret, Passkey: &answer})
	w.ok(err)
	if opened.Secret != "" {
		t.Fatal("a session without the password")
	}
	w.Clock.Advance(time.Second)
	thief.Password = "not the password of the account"
	w.refused(thief.SignInPassword(), wire.TypeBadCredentials)
	member.SignInAgain() // who knows it comes in with the new passkey
}
