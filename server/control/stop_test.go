package control_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// deaf is a control plane that lets no stop through to its site.
type deaf struct{ control.Gate }

func (deaf) Stop(context.Context, []byte) (site.Receipt, error) {
	return site.Receipt{}, errors.New("dropped")
}

// Cancels, denies and holds reach the site by its own reading of the log.
func TestT53_StopsReachTheSiteByAnotherRoute(t *testing.T) {
	stops := map[string]func(w *world, r wire.Request) error{
		"cancel": func(w *world, r wire.Request) error {
			_, err := w.CancelRequest(w.t.Context(), w.owner.Who(), r.ID, "no")
			return err
		},
		"deny": func(w *world, r wire.Request) error { _, err := w.Approvers[2].Vote(r.ID, "deny"); return err },
		"hold": func(w *world, r wire.Request) error {
			_, err := w.PlaceHold(w.t.Context(), w.owner.Who(), wire.PlaceHold{Reason: "no"})
			return err
		},
		"freeze": func(w *world, r wire.Request) error {
			_, err := w.Freeze(w.t.Context(), w.owner.Who(), wire.PlaceFreeze{Reason: "no"})
			return err
		},
	}
	for name, stop := range stops {
		t.Run(name, func(t *testing.T) {
			e := controltest.New(t, controltest.GatedBy(func(g control.Gate) control.Gate { return deaf{g} }))
			w := newWorld(t, e, nil)
			doomed := w.history(1)
			r := w.ask(doomed...)
			w.approve(r.ID, 0, 1)
			w.Pass(3 * time.Second)
			w.ok(stop(w, r))
			// The control plane, being the attacker's, would go on: it asks the site itself.
			for range 30 {
				w.Pass(time.Second)
				w.ok(w.SignCheckpoint(t.Context()))
				_, _ = w.Primary.Advance(t.Context(), r.ID)
			}
			if got := w.atSite(r.ID); got.State != "stopped" && (got.State != "cooling" || got.Waiting != name && !got.CoolingEndedAt.IsZero()) {
				t.Fatalf("%+v", got)
			}
			w.unharmed(doomed...)
		})
	}
}

// One malicious approver or member cannot stop everything for ever.
func TestT55_NobodyBlocksForEver(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	ctx := t.Context()
	// A member stops their own tenant only.
	other := w.Company(t)
	w.refused(other.Do(func(who control.Caller) error {
		_, err := w.Freeze(ctx, who, wire.PlaceFreeze{Everywhere: true, Reason: "x"})
		return err
	}), wire.TypeDenied)
	_, err := w.Freeze(ctx, other.Who(), wire.PlaceFreeze{Reason: "x"})
	w.ok(err)
	r := w.ask(doomed...)
	w.approve(r.ID, 0, 1)
	w.until(r.ID, "tombstoned", 30*time.Second)
	w.owner.OK(func(who control.Caller) error { _, err := w.UndoRequest(ctx, who, r.ID, "x"); return err })
	// An approver suspends another one, and with that himself.
	bad, good := w.Approvers[4], w.Approvers[3]
	w.refused(bad.Do(func(who control.Caller) error { return w.SuspendApprover(ctx, who, bad.ID, "me") }), wire.TypeDenied)
	bad.OK(func(who control.Caller) error { return w.SuspendApprover(ctx, who, good.ID, "spite") })
	pending := w.ask(doomed...)
	for _, h := range []*controltest.Human{bad, good} {
		_, err = h.Vote(pending.ID, "approve")
		w.refused(err, wire.TypeNotEligible)
	}
	err = bad.Do(func(who control.Caller) error { return w.SuspendApprover(ctx, who, w.Approvers[0].ID, "more") })
	if err == nil {
		t.Fatal("a suspended approver suspends on")
	}
	list, err := w.Suspensions(ctx, w.Approvers[0].Who())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	end, err := w.Approvers[0].Ask(wire.AskRequest{Action: "end-suspension", Subject: list[0].ID})
	w.ok(err)
	_, err = bad.Vote(end.ID, "deny")
	if err == nil {
		t.Fatal("who suspended denies the end of it")
	}
	w.approve(end.ID, 1, 2)
	w.until(end.ID, "applied", 40*time.Second)
	if list, err = w.Suspensions(ctx, w.Approvers[0].Who()); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	_, err = good.Vote(pending.ID, "approve")
	w.ok(err)
	// He cannot block his own removal.
	novice := w.Support(t, "approver")
	w.Pass(controltest.Quarantine)
	change := w.propose(0, func(c *charter.Charter) { c.Approvers = append(without(c.Approvers, bad.ID), line(c, novice)) })
	_, err = novice.SignNext(change.ID)
	w.ok(err)
	_, err = bad.Vote(change.ID, "deny")
	w.refused(err, wire.TypeNotEligible)
	w.approve(change.ID, 1, 2)
	w.Pass(3 * time.Second)
	_, err = bad.CancelRequest(ctx, bad.Who(), change.ID, "no")
	if err == nil {
		t.Fatal("cancelled his own removal")
	}
	w.until(change.ID, "applied", 40*time.Second)
	w.unharmed(doomed...)
}

// The public log says nothing of who the customers are.
func TestT59_ThePublicLogNamesNobody(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	w.approve(r.ID, 0, 1)
	w.Pass(2 * controltest.Cooling)
	var all strings.Builder
	w.ok(w.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		entries, err := quorumsql.LogEntries(t.Context(), tx, 0, quorumsql.MaxLogPage)
		for _, e := range entries {
			all.Write(e.Leaf)
		}
		if len(entries) < 30 {
			t.Fatal(len(entries))
		}
		return err
	}))
	public := all.String()
	for _, secret := range []string{w.owner.Tenant, w.owner.ID, w.owner.Name, w.owner.Email, w.volume.ID, doomed[0].ID, r.ID, "docs", "not needed", "Company", w.Approvers[0].ID} {
		if strings.Contains(public, secret) {
			t.Errorf("the log names %q", secret)
		}
	}
	if !strings.Contains(public, string(audit.KindRequestVoted)) {
		t.Error("the log does not say what kind of thing happened")
	}
}

// A tenant is closed by a quorum; its copies stay.
func TestT31_ClosingATenantLeavesItsCopies(t *testing.T) {
	w := sqliteWorld(t, nil)
	w.history(1)
	viewer := w.owner.Colleague("viewer")
	_, err := viewer.Ask(wire.AskRequest{Action: "close-tenant"})
	w.refused(err, wire.TypeDenied)
	w.owner.SignInAgain()
	r, err := w.owner.Ask(wire.AskRequest{Action: "close-tenant"})
	w.ok(err)
	w.approve(r.ID, 0, 1)
	w.until(r.ID, "applied", 40*time.Second)
	w.leaf(r.ID, audit.KindTenantClosed, 1)
	_, err = w.Authenticate(t.Context(), w.owner.Credentials)
	w.refused(err, wire.TypeNotAuthenticated)
	w.Pass(undo + time.Minute)
	_, err = w.Primary.Reclaim(t.Context(), w.owner.Tenant)
	w.ok(err)
	copies, err := w.Primary.Inventory(t.Context(), w.owner.Tenant, "", 100)
	w.ok(err)
	if len(copies) != 2 {
		t.Fatal(copies)
	}
	for _, k := range copies {
		if k.State != "held" && k.State != "proven" {
			t.Fatal(k)
		}
	}
	if n, err := w.ProveSnapshots(t.Context(), 0, 10); err != nil || n != 2 {
		t.Fatal("proven:", n, err)
	}
}

// A stolen session deletes everything it can: it is allowed, and nothing is lost.
func TestT02_AStolenSessionDeletesEverything(t *testing.T) {
	w := sqliteWorld(t, map[string]string{"undo": "1h"})
	doomed := w.history(1)
	w.put(w.volume.ID, "fresh", "written a minute before")
	w.Pass(time.Minute)
	before := w.Clock.Now()
	w.Pass(2 * time.Second)
	removed, err := w.DeleteFile(t.Context(), w.owner.Who(), control.Upload{Volume: w.volume.ID}, true)
	w.ok(err)
	if removed.Files != 3 {
		t.Fatal(removed)
	}
	w.refused(w.DeleteSnapshot(t.Context(), w.owner.Who(), w.kept.ID), wire.TypeGateRequired)
	w.Pass(30 * time.Second)
	_, err = w.Primary.Reclaim(t.Context(), w.owner.Tenant)
	w.ok(err)
	_, err = w.Restore(t.Context(), w.owner.Who(), w.volume.ID, wire.Restore{At: &before})
	w.ok(err)
	for path, body := range map[string]string{"fresh": "written a minute before", "kept": keptText, "doomed": "now another"} {
		if got, err := w.read(control.From{Volume: w.volume.ID}, path); err != nil || got != body {
			t.Fatal(path, got, err)
		}
	}
	w.unharmed(doomed...)
}

// Redis gone: nobody signs in, sessions are over, tokens back up and restore.
func TestT46_RedisGone(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	ctx := t.Context()
	var minted wire.Token
	w.owner.OK(func(who control.Caller) (err error) {
		minted, err = w.MintToken(ctx, who, wire.MintToken{Name: "backup", Scopes: []string{"volume:read", "volume:write", "snapshot:create", "snapshot:read"}, ExpiresAt: w.Clock.Now().Add(time.Hour)})
		return err
	})
	r := w.ask(doomed...)
	w.approve(r.ID, 0)
	o, err := w.Approvers[1].BeginVote(ctx, w.Approvers[1].Who(), r.ID, "approve")
	w.ok(err)
	answer := w.Approvers[1].Answer(o.PasskeyOptions)
	voter := w.Approvers[1].Who()
	w.Redis.SetError("gone")
	w.refused(w.owner.SignInPassword(), wire.TypeUnavailable)
	_, err = w.Authenticate(ctx, w.owner.Credentials)
	w.refused(err, wire.TypeUnavailable)
	_, err = w.CastVote(ctx, voter, r.ID, wire.CastVote{Decision: "approve", Passkey: &answer})
	w.refused(err, wire.TypeUnavailable)
	token, err := w.Authenticate(ctx, control.Credentials{Face: w.owner.Face, Bearer: minted.Secret, Address: "192.0.2.9"})
	w.ok(err)
	_, err = w.PutFile(ctx, token, control.Upload{Volume: w.volume.ID, Path: "night"}, strings.NewReader("backup"))
	w.ok(err)
	f, err := w.OpenFile(ctx, token, control.From{Snapshot: w.kept.ID}, "kept")
	w.ok(err)
	f.Close()
	w.Pass(2 * controltest.Cooling)
	w.Redis.SetError("")
	w.Redis.FlushAll()
	_, err = w.Authenticate(ctx, w.owner.Credentials)
	w.refused(err, wire.TypeNotAuthenticated)
	w.owner.SignInAgain()
	for _, a := range w.Approvers[:2] {
		a.SignInAgain()
	}
	_, err = w.CastVote(ctx, w.Approvers[1].Who(), r.ID, wire.CastVote{Decision: "approve", Passkey: &answer})
	w.refused(err, wire.TypeBadCredentials)
	if s := w.is(r.ID, "open"); len(s.Votes) != 1 {
		t.Fatal(s.Votes)
	}
	w.unharmed(doomed...)
}
