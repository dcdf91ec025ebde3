package warrant_test

import (
	"testing"
	"time"

	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
)

func verified(t *testing.T, edit ...func(*statement.Statement)) (*warranttest.World, warrant.Verified) {
	t.Helper()
	w := warranttest.New(at)
	v, err := warrant.Verify(*w.Warrant(w.Statement(edit...), "per_a1", "per_a3", "per_a5"), w.Charters(), warrant.LogView{})
	if err != nil {
		t.Fatal(err)
	}
	return w, v
}

// refused says that a site whose facts differ by one edit gets no permit, and that without the edit it does.
func refused(t *testing.T, w *warranttest.World, v warrant.Verified, site string, target error, edit func(*warrant.SiteFacts)) {
	t.Helper()
	f := w.Facts(v, site)
	if _, err := warrant.Authorise(v, f, warranttest.Reading(w.Due())); err != nil {
		t.Fatal("before the edit:", err)
	}
	edit(&f)
	p, err := warrant.Authorise(v, f, warranttest.Reading(w.Due()))
	want(t, err, target)
	if p.Valid() {
		t.Fatal("a refusal carries a permit")
	}
}

func TestI6_SilenceDenies(t *testing.T) {
	w, v := verified(t)
	for _, c := range []struct {
		target error
		edit   func(*warrant.SiteFacts)
	}{
		{warrant.ErrFacts, func(f *warrant.SiteFacts) { f.Complete = false }},
		{warrant.ErrFacts, func(f *warrant.SiteFacts) { f.Site = "nowhere" }},
		{warrant.ErrFacts, func(f *warrant.SiteFacts) { f.Stage = 0 }},
		{warrant.ErrFacts, func(f *warrant.SiteFacts) { f.Stage = warrant.StageApply }},
		{warrant.ErrFacts, func(f *warrant.SiteFacts) { f.Stops = []warrant.VerifiedStop{{}} }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.Cooling = clock.Timer{} }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.Cooling.Accrued-- }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.Cooling.Need, f.Cooling.Accrued = time.Hour, time.Hour }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.CoolingEnded = time.Time{} }},
		{warrant.ErrWitnesses, func(f *warrant.SiteFacts) { f.CoolingEnded = w.Due() }}, // no checkpoint since
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.Replayed-- }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.Intent = -1 }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.HoldersPast = false }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.OtherErased = w.Due().Add(-time.Minute) }},
		{warrant.ErrSpent, func(f *warrant.SiteFacts) { f.Spent = true }},
		{warrant.ErrInventory, func(f *warrant.SiteFacts) { f.Inventory = nil }},
		{warrant.ErrNotDue, func(f *warrant.SiteFacts) { f.Stage = warrant.StageErase }}, // never tombstoned
	} {
		refused(t, w, v, "primary", c.target, c.edit)
	}
}

func TestT43_DisagreeingClocksRefuse(t *testing.T) {
	w, v := verified(t)
	refused(t, w, v, "primary", warrant.ErrClock, func(f *warrant.SiteFacts) { f.Suspect = true })
	refused(t, w, v, "primary", warrant.ErrClock, func(f *warrant.SiteFacts) { f.Cooling.Suspended = true })
	r := warranttest.Reading(w.Due())
	r.Outside[0].Wall = r.Wall.Add(time.Minute)
	_, err := warrant.Authorise(v, w.Facts(v, "primary"), r)
	want(t, err, warrant.ErrClock)
	r.Outside = nil
	_, err = warrant.Authorise(v, w.Facts(v, "primary"), r)
	want(t, err, warrant.ErrClock)
	_, err = warrant.Authorise(v, w.Facts(v, "primary"), warranttest.Reading(at.Add(31*day)))
	want(t, err, warrant.ErrLate)
}

func TestT27_HoldAndFreezeAtTheSite(t *testing.T) {
	w, v := verified(t)
	refused(t, w, v, "primary", warrant.ErrFrozen, func(f *warrant.SiteFacts) { f.Frozen = true })
	refused(t, w, v, "primary", warrant.ErrHeld, func(f *warrant.SiteFacts) { f.TenantHeld = true })
	refused(t, w, v, "primary", warrant.ErrHeld, func(f *warrant.SiteFacts) { f.Held = []string{"vol_1"} })
	refused(t, w, v, "primary", warrant.ErrHeld, func(f *warrant.SiteFacts) { f.Inventory[0].Held = true })
}

func TestT25_CapsAreCumulative(t *testing.T) {
	w, v := verified(t)
	refused(t, w, v, "primary", warrant.ErrCaps, func(f *warrant.SiteFacts) { f.Destroyed.Copies = 20_000 })
	refused(t, w, v, "primary", warrant.ErrCaps, func(f *warrant.SiteFacts) { f.Destroyed.Copies, f.Pending.Copies = 10_000, 10_000 })
	refused(t, w, v, "primary", warrant.ErrCaps, func(f *warrant.SiteFacts) { f.Pending.Bytes = 1 << 51 })
	refused(t, w, v, "primary", warrant.ErrCaps, func(f *warrant.SiteFacts) { f.Pending.Bytes = 1<<64 - 1 })
}

func TestT26_T52_LastPointsThatPeopleDidNotReadAbout(t *testing.T) {
	w, v := verified(t)
	for _, spoil := range []func(p *warrant.RestorePoint){
		func(p *warrant.RestorePoint) { p.Proven = false },
		func(p *warrant.RestorePoint) { p.Sealed = false },
		func(p *warrant.RestorePoint) { p.Suspect = true },
		func(p *warrant.RestorePoint) { p.Volume = "vol_2" },
		func(p *warrant.RestorePoint) { p.TakenAt = w.Due().Add(-13 * day) }, // inside the undo window of 14 days
	} {
		refused(t, w, v, "primary", warrant.ErrLastCopy, func(f *warrant.SiteFacts) { spoil(&f.Points[0]) })
	}
	w, v = verified(t, func(s *statement.Statement) {
		s.Copies[0].Last, s.Copies[1].Last = statement.NotLast, statement.NotLast
	})
	f := w.Facts(v, "primary")
	_, err := warrant.Authorise(v, f, warranttest.Reading(w.Due()))
	want(t, err, warrant.ErrLastCopy)
	f.Inventory[0].ProvenElsewhere = true
	if _, err := warrant.Authorise(v, f, warranttest.Reading(w.Due())); err != nil {
		t.Fatal(err)
	}
}

func TestT30_IndependentSiteNeedsAFreshRelease(t *testing.T) {
	w, v := verified(t)
	refused(t, w, v, "berlin", warrant.ErrRelease, func(f *warrant.SiteFacts) { f.Release = nil })
	refused(t, w, v, "berlin", warrant.ErrRelease, func(f *warrant.SiteFacts) { f.ReleaseNonce = warranttest.Nonce() })
	refused(t, w, v, "berlin", warrant.ErrRelease, func(f *warrant.SiteFacts) { f.Release.Person = "per_a6" })
	refused(t, w, v, "berlin", warrant.ErrRelease, func(f *warrant.SiteFacts) {
		f.Release.Passkey = w.Key("per_a1", chartertest.RP).Release(f.ReleaseNonce, v.Digest()) // the control plane's page
	})

	// Votes from the console alone never satisfy berlin, whatever the console showed.
	text := w.Statement()
	x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
	for i, a := range []string{"per_a1", "per_a3", "per_a5"} {
		w.Vote(x, a, warrant.Approve, w.Key(a, chartertest.RP).Vote(warrant.Approve, text.Digest()), at.Add(time.Duration(i+1)*time.Hour))
	}
	w.Seal(x, at.Add(day))
	want(t, verify(w, x), warrant.ErrQuorum)
}

func TestT53_StopsByAnyRouteAndT55_OwnCause(t *testing.T) {
	w, v := verified(t)
	ctx := warrant.StopContext{Charter: w.F.Charter, Now: w.Due(), Member: func(p string, _ []byte) (warrant.PublicKey, string, bool) {
		return w.Member.Key(false), "ten_1", p == "per_m1"
	}}
	base := warrant.Stop{ID: "sto_1", Kind: warrant.StopCancel, Request: "req_1", Statement: v.Digest(), Tenant: "ten_1", Person: "per_m1", At: at.Add(day), Reason: "no"}
	stop, err := warrant.VerifyStop(w.Member.Stop(base), ctx)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, w, v, "primary", warrant.ErrStopped, func(f *warrant.SiteFacts) { f.Stops = []warrant.VerifiedStop{stop} })

	deny := base
	deny.Kind, deny.Person = warrant.StopDeny, "per_a6"
	signed := w.Key("per_a6", chartertest.RP).Stop(deny)
	if stop, err = warrant.VerifyStop(signed, ctx); err != nil {
		t.Fatal(err)
	}
	refused(t, w, v, "primary", warrant.ErrStopped, func(f *warrant.SiteFacts) { f.Stops = []warrant.VerifiedStop{stop} })
	ctx.Suspended = []string{"per_a6"}
	_, err = warrant.VerifyStop(signed, ctx)
	want(t, err, warrant.ErrNotAdmitted)
	ctx.Suspended = nil

	turned := signed
	turned.Kind = warrant.StopRestore
	_, err = warrant.VerifyStop(turned, ctx)
	want(t, err, warrant.ErrDigest)
	foreign := base
	foreign.Tenant = "ten_2"
	_, err = warrant.VerifyStop(w.Member.Stop(foreign), ctx)
	want(t, err, warrant.ErrNotAdmitted)
	everywhere := warrant.Stop{ID: "sto_2", Kind: warrant.StopFreeze, Tenant: warrant.Everywhere, Person: "per_m1", At: at}
	if _, err = warrant.VerifyStop(w.Member.Stop(everywhere), ctx); err == nil {
		t.Fatal("a member froze everybody")
	}
	keyboard := base
	_, err = warrant.VerifyStop(keyboard, ctx)
	want(t, err, warrant.ErrSignature)
	ctx.Keyboard = true
	if _, err = warrant.VerifyStop(keyboard, ctx); err != nil {
		t.Fatal(err)
	}
}

func TestEraseRepeatsEveryCheck(t *testing.T) {
	w, v := verified(t)
	f := w.Facts(v, "primary")
	f.Stage, f.Spent, f.Inventory[0].Tombstoned, f.GraceEnded = warrant.StageErase, true, true, w.Due().Add(-time.Hour)
	now := warranttest.Reading(w.Due())
	p, err := warrant.Authorise(v, f, now)
	if err != nil || p.Stage() != warrant.StageErase {
		t.Fatal(p.Stage(), err)
	}
	g := f
	g.Grace = clock.Timer{}
	_, err = warrant.Authorise(v, g, now)
	want(t, err, warrant.ErrNotDue)
	g = f
	g.TenantHeld = true
	_, err = warrant.Authorise(v, g, now)
	want(t, err, warrant.ErrHeld)
	g = f
	g.Spent = false
	_, err = warrant.Authorise(v, g, now)
	want(t, err, warrant.ErrNotDue)
}
