package control_test

import (
	"sync"
	"testing"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// Without a second factor used for exactly the statement nothing is requested.
func TestT03_NoStepUpNoRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		doomed := w.history(1)
		d, err := w.Draft(t.Context(), w.owner.Who(), deletion(doomed...))
		w.ok(err)
		before := w.logSize()
		for range 3 {
			_, err = w.ConfirmRequest(t.Context(), w.owner.Who(), d.ID)
			w.refused(err, wire.TypeStepUpRequired)
			e := control.AsError(err)
			if e.Status != 401 || e.StepUp == nil || e.StepUp.Digest != d.Digest || e.StepUp.MaxAgeSeconds != 300 || e.StepUp.Text != d.Statement {
				t.Fatalf("%+v", e)
			}
		}
		if w.logSize() != before {
			t.Fatal("something was recorded as requested")
		}
		list, err := w.Requests(t.Context(), w.owner.Who(), "")
		if err != nil || len(list) != 0 {
			t.Fatal(list, err)
		}
		_, err = w.Approvers[0].Vote(d.ID, "approve")
		w.refused(err, wire.TypeNotFound)
		w.leaf(d.ID, audit.KindRequestOpened, 0)
		w.unharmed(doomed...)
	})
}

// A step-up is for one text: another draft, the same draft rendered anew, and a
// second use are all refused.
func TestT07_AStepUpIsForOneStatementOnce(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(2)
	ctx := t.Context()
	a, err := w.Draft(ctx, w.owner.Who(), deletion(doomed[0]))
	w.ok(err)
	b, err := w.Draft(ctx, w.owner.Who(), deletion(doomed[1]))
	w.ok(err)
	w.ok(w.owner.Prove(a.Digest))
	_, err = w.ConfirmRequest(ctx, w.owner.Who(), b.ID)
	w.refused(err, wire.TypeStepUpRequired)
	_, err = w.UndoRequest(ctx, w.owner.Who(), a.ID, "x")
	if err == nil {
		t.Fatal("undone")
	}
	// Too late for its text: it is rendered again with the facts of the moment.
	w.Pass(4*time.Minute + time.Second)
	_, err = w.ConfirmRequest(ctx, w.owner.Who(), a.ID)
	w.refused(err, wire.TypeStepUpRequired)
	if control.AsError(err).StepUp.Digest == a.Digest {
		t.Fatal("an old statement is confirmed")
	}
	r, err := w.owner.Ask(deletion(doomed[0]))
	w.ok(err)
	_, err = w.ConfirmRequest(ctx, w.owner.Who(), r.ID)
	w.refused(err, wire.TypeNotFound)
	w.is(r.ID, "open")
	w.unharmed(doomed...)
}

// One approver counts once, whatever they do at once.
func TestT16_AHundredVotesOfOneApproverCountOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		doomed := w.history(1)
		r := w.ask(doomed...)
		a := w.Approvers[0]
		const n = 20
		answers := make([]wire.CastVote, n)
		for i := range answers {
			o, err := a.BeginVote(t.Context(), a.Who(), r.ID, "approve")
			w.ok(err)
			answer := a.Answer(o.PasskeyOptions)
			answers[i] = wire.CastVote{Decision: "approve", Passkey: &answer}
		}
		code, who := a.Code(), a.Who()
		errs := make([]error, 100)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				in := answers[i%n]
				if i%5 == 4 {
					in = wire.CastVote{Decision: "approve", Code: code}
				}
				_, errs[i] = w.CastVote(t.Context(), who, r.ID, in)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			}
		}
		if s := w.is(r.ID, "open"); won != 1 || s.Need.Got != 1 || len(s.Votes) != 1 {
			t.Fatalf("%d votes won; %+v", won, s.Votes)
		}
		w.leaf(r.ID, audit.KindRequestVoted, 1)
		_, err := a.Vote(r.ID, "approve")
		if control.AsError(err).Type != wire.TypeConflict && control.AsError(err).Type != wire.TypeThrottled {
			t.Fatal(err)
		}
		w.unharmed(doomed...)
	})
}

// Of racing final events exactly one outcome comes about, and it is in the log.
func TestT17_OneOutcomeOfARace(t *testing.T) {
	rivals := map[string]func(w *world, r wire.Request) error{
		"approve": func(w *world, r wire.Request) error { _, err := w.Approvers[2].Vote(r.ID, "approve"); return err },
		"deny":    func(w *world, r wire.Request) error { _, err := w.Approvers[3].Vote(r.ID, "deny"); return err },
		"cancel": func(w *world, r wire.Request) error {
			_, err := w.CancelRequest(w.t.Context(), w.owner.Who(), r.ID, "no")
			return err
		},
		"freeze": func(w *world, r wire.Request) error {
			_, err := w.Freeze(w.t.Context(), w.owner.Who(), wire.PlaceFreeze{Reason: "no"})
			return err
		},
	}
	for name, rival := range rivals {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				doomed := w.history(1)
				for round := range 4 {
					r := w.ask(doomed...)
					w.approve(r.ID, 0)
					start, errs := make(chan struct{}), make(chan error, 2)
					race := func(f func(w *world, r wire.Request) error) {
						<-start
						errs <- f(w, r)
					}
					go race(func(w *world, r wire.Request) error { _, err := w.Approvers[1].Vote(r.ID, "approve"); return err })
					go race(rival)
					close(start)
					a, b := <-errs, <-errs
					s := w.state(r.ID)
					cooling := len(w.Leaves(t, r.ID, audit.KindRequestCooling))
					ended := len(w.Leaves(t, r.ID, audit.KindRequestDenied)) + len(w.Leaves(t, r.ID, audit.KindRequestCancelled))
					switch name {
					case "approve":
						if s.State != "cooling" || cooling != 1 || s.Need.Got < 2 {
							t.Fatalf("round %d: %s %d %v %v", round, s.State, cooling, a, b)
						}
						_, err := w.CancelRequest(t.Context(), w.owner.Who(), r.ID, "next round")
						w.ok(err)
					case "freeze":
						if s.State != "cooling" || cooling != 1 || len(s.Blocked) == 0 || a != nil || b != nil {
							t.Fatalf("round %d: %s %d %v %v %v", round, s.State, cooling, s.Blocked, a, b)
						}
						w.Pass(2 * controltest.Cooling)
						w.is(r.ID, "cooling")
						w.unharmed(doomed...)
						return
					default:
						// The stop wins whenever it comes; the approve may have come first.
						if want := map[string]string{"deny": "denied", "cancel": "cancelled"}[name]; s.State != want || ended != 1 || cooling > 1 {
							t.Fatalf("round %d: %s %d %d %v %v", round, s.State, ended, cooling, a, b)
						}
					}
					w.Pass(controltest.Cooling + 5*time.Second)
					if got := w.state(r.ID).State; got == "tombstoned" || got == "executing" {
						t.Fatal(got)
					}
					w.unharmed(doomed...)
				}
			})
		})
	}
}

// The expiry and a late final approve: silence means no, for ever (T28).
func TestT17_T28_SilenceMeansNo(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	w.approve(r.ID, 0)
	o, err := w.Approvers[1].BeginVote(t.Context(), w.Approvers[1].Who(), r.ID, "approve")
	w.ok(err)
	late := w.Approvers[1].Answer(o.PasskeyOptions)
	w.Clock.Advance(r.VoteUntil.Sub(w.Clock.Now()) + time.Second)
	for _, a := range w.Approvers {
		a.SignInAgain()
	}
	w.owner.SignInAgain()
	_, err = w.CastVote(t.Context(), w.Approvers[1].Who(), r.ID, wire.CastVote{Decision: "approve", Passkey: &late})
	if err == nil {
		t.Fatal("a late approve counts")
	}
	_, err = w.Approvers[2].Vote(r.ID, "approve")
	w.refused(err, wire.TypeConflict)
	w.Pass(3 * time.Second)
	w.is(r.ID, "expired")
	w.leaf(r.ID, audit.KindRequestExpired, 1)
	for _, decision := range []string{"approve", "deny"} {
		_, err = w.Approvers[2].Vote(r.ID, decision)
		w.refused(err, wire.TypeConflict)
	}
	w.Pass(controltest.Cooling + controltest.Grace)
	w.is(r.ID, "expired")
	w.leaf(r.ID, audit.KindRequestCooling, 0)
	w.unharmed(doomed...)
}

// Whoever asked does not vote: an approver who opened a request for a tenant.
func TestT15_TheRequesterDoesNotVote(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	a := w.Approvers[0]
	ask := deletion(doomed...)
	ask.Tenant = w.owner.Tenant
	r, err := a.Ask(ask)
	w.ok(err)
	if r.Need.Approvals != 3 || len(r.Need.Surcharges) == 0 {
		t.Fatalf("staff asked: %+v", r.Need)
	}
	_, err = a.Vote(r.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	_, err = a.VoteCode(r.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	w.leaf(r.ID, audit.KindRefusal, 2)
	if r = w.approve(r.ID, 1, 2); r.State != "open" {
		t.Fatal(r.State)
	}
	w.unharmed(doomed...)
}

// A vote's assertion works once, for one decision on one request, from one page.
func TestT06_T21_AnAssertionCannotBeMoved(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(2)
	ctx := t.Context()
	a := w.Approvers[0]
	r, other := w.ask(doomed[0]), w.ask(doomed[1])
	begin := func(request, decision string) wire.PasskeyOptions {
		t.Helper()
		o, err := a.BeginVote(ctx, a.Who(), request, decision)
		w.ok(err)
		return o.PasskeyOptions
	}
	cast := func(who *controltest.Human, request, decision string, answer wire.PasskeyAnswer) error {
		_, err := w.CastVote(ctx, who.Who(), request, wire.CastVote{Decision: decision, Reason: "x", Passkey: &answer})
		return err
	}
	answer := a.Answer(begin(r.ID, "approve"))
	w.refused(cast(a, other.ID, "approve", answer), wire.TypeBadCredentials)
	answer = a.Answer(begin(r.ID, "deny"))
	w.refused(cast(a, r.ID, "approve", answer), wire.TypeBadCredentials)
	answer = a.Answer(begin(r.ID, "approve"))
	w.refused(cast(w.Approvers[1], r.ID, "approve", answer), wire.TypeBadCredentials)
	// The challenge of one ceremony answered under another's name.
	mine, theirs := begin(r.ID, "approve"), begin(other.ID, "approve")
	answer = a.Answer(theirs)
	answer.Ceremony = mine.Ceremony
	w.refused(cast(a, r.ID, "approve", answer), wire.TypeBadCredentials)
	for name, behaviour := range map[string]softkey.Behaviour{
		"without user verification": {NoUserVerification: true}, "without presence": {NoUserPresence: true},
		"another RP": {RPID: "evil.example"}, "framed": {CrossOrigin: true},
	} {
		a.Key.Behave(behaviour)
		if err := cast(a, r.ID, "approve", a.Answer(begin(r.ID, "approve"))); err == nil || control.AsError(err).Type != wire.TypeBadCredentials {
			t.Fatal(name, err)
		}
		a.Key.Behave(softkey.Behaviour{})
		w.Clock.Advance(time.Minute)
	}
	for _, origin := range []string{"https://evil.example", controltest.PortalURL, "http://console.example.org"} {
		a.Origin = origin
		w.refused(cast(a, r.ID, "approve", a.Answer(begin(r.ID, "approve"))), wire.TypeBadCredentials)
	}
	a.Origin = controltest.ConsoleURL
	credential := a.Key.Credentials()[0].ID
	w.ok(a.Key.SetCounter(credential, 1))
	w.refused(cast(a, r.ID, "approve", a.Answer(begin(r.ID, "approve"))), wire.TypeBadCredentials)
	w.leaf(a.ID, audit.KindCredentialReplayed, 1) // a rewound counter alarms
	w.ok(a.Key.SetCounter(credential, 1000))
	for _, request := range []string{r.ID, other.ID} {
		if s := w.is(request, "open"); len(s.Votes) != 0 {
			t.Fatal(s.Votes)
		}
	}
	answer = a.Answer(begin(r.ID, "approve"))
	w.ok(cast(a, r.ID, "approve", answer))
	w.refused(cast(a, r.ID, "approve", answer), wire.TypeBadCredentials)
	w.is(other.ID, "open")
	w.unharmed(doomed...)
}

// A one-time code is worth one vote: replayed, on another request, or by another
// person it is worth nothing.
func TestT04_ACodeIsWorthOneVote(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(2)
	r, other := w.ask(doomed[0]), w.ask(doomed[1])
	a := w.Approvers[0]
	code := a.Code()
	vote := func(h *controltest.Human, request string) error {
		_, err := w.CastVote(t.Context(), h.Who(), request, wire.CastVote{Decision: "approve", Code: code})
		return err
	}
	w.ok(vote(a, r.ID))
	w.refused(vote(a, other.ID), wire.TypeBadCredentials)
	w.refused(vote(w.Approvers[1], other.ID), wire.TypeBadCredentials)
	w.Redis.FlushAll()
	w.Restart(t)
	a.SignInAgain()
	w.owner.SignInAgain()
	w.refused(vote(a, other.ID), wire.TypeBadCredentials)
	w.Clock.Advance(29 * time.Second) // inside the skew
	w.refused(vote(a, other.ID), wire.TypeBadCredentials)
	w.refused(func() error { _, err := w.VerifyTOTP(t.Context(), a.Who(), code); return err }(), wire.TypeBadCredentials)
	if s := w.is(other.ID, "open"); len(s.Votes) != 0 {
		t.Fatal(s.Votes)
	}
	if len(w.Leaves(t, a.ID, audit.KindCredentialReplayed)) == 0 {
		t.Fatal("a replay is not in the log")
	}
	w.unharmed(doomed...)
}
