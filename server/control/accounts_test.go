package control_test

import (
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/authz/password"
	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// everyPower calls every exported power with a caller and with plausible words in
// place of its other arguments, and gives each answer to check.
func (w *world) everyPower(who control.Caller, word string, check func(name string, err error)) {
	w.t.Helper()
	c := reflect.ValueOf(w.Control)
	for i := range c.NumMethod() {
		m := c.Type().Method(i)
		f := m.Type
		if f.NumIn() < 3 || f.In(2) != reflect.TypeFor[control.Caller]() || f.Out(f.NumOut()-1) != reflect.TypeFor[error]() {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(w.t.Context()), reflect.ValueOf(who)}
		for j := 3; j < f.NumIn(); j++ {
			args = append(args, plausible(f.In(j), word))
		}
		out := c.Method(i).Call(args)
		err, _ := out[len(out)-1].Interface().(error)
		check(m.Name, err)
	}
}

func plausible(t reflect.Type, word string) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		v.SetString(word)
	case reflect.Interface:
		if r := reflect.ValueOf(strings.NewReader("x")); r.Type().Implements(t) {
			v.Set(r)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() && t.Field(i).Type.Kind() == reflect.String {
				v.Field(i).SetString(word)
			}
		}
	}
	return v
}

// The password stolen, the second factor not: no power reads or writes anything.
func TestT01_APasswordAloneHasNoPower(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	// What a password is for: to show the second factor, and to leave.
	free := []string{"Session", "SignOut", "BeginPasskey", "SignIn", "BeginInvitation", "AcceptInvitation", "FinishPasskey", "VerifyTOTP", "VerifyRecovery", "BeginKeySignIn", "FinishKeySignIn"}
	for _, victim := range []*controltest.Human{w.owner, w.Approvers[0]} {
		for _, word := range []string{r.ID, w.volume.ID, w.kept.ID, victim.ID} {
			thief := *victim
			w.ok(thief.SignInPassword())
			before, powers := w.logSize(), 0
			w.everyPower(thief.Who(), word, func(name string, err error) {
				powers++
				if slices.Contains(free, name) {
					return
				}
				if err == nil || control.AsError(err).Status/100 != 4 {
					t.Errorf("%s with a password alone: %v", name, err)
				}
			})
			if powers < 50 {
				t.Fatal("powers:", powers)
			}
			// Only refusals may have been logged.
			list, err := w.LogEntries(t.Context(), w.Approvers[1].Who(), "")
			w.ok(err)
			for _, e := range list.Entries {
				if e.Index >= before && e.Kind != string(audit.KindRefusal) {
					t.Error("logged:", e.Kind)
				}
			}
		}
	}
	w.is(r.ID, "open")
	w.owner.SignInAgain()
	w.unharmed(doomed...)
}

// A token with every scope is no person.
func TestT09_ATokenIsNoPerson(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	ctx := t.Context()
	var scopes []string
	for _, s := range apitoken.AllScopes() {
		scopes = append(scopes, s.String())
	}
	var minted wire.Token
	ask := wire.MintToken{Name: "all", Scopes: scopes, ExpiresAt: w.Clock.Now().Add(time.Hour)}
	err := w.owner.Do(func(who control.Caller) (err error) {
		minted, err = w.MintToken(ctx, who, ask)
		return err
	})
	w.ok(err)
	who, err := w.Authenticate(ctx, control.Credentials{Face: w.owner.Face, Bearer: minted.Secret, Address: "192.0.2.9"})
	w.ok(err)
	r := w.ask(doomed...)
	d, err := w.Draft(ctx, who, deletion(doomed...)) // it may draft
	w.ok(err)
	person := func(name string, err error) {
		t.Helper()
		if err == nil || control.AsError(err).Type != wire.TypeTokenNotAPerson && control.AsError(err).Type != wire.TypeGateRequired {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = w.ConfirmRequest(ctx, who, d.ID)
	person("confirm", err)
	_, err = w.BeginVote(ctx, who, r.ID, "approve")
	person("begin vote", err)
	_, err = w.CastVote(ctx, who, r.ID, wire.CastVote{Decision: "approve", Code: "123456"})
	person("vote", err)
	_, err = w.CancelRequest(ctx, who, r.ID, "x")
	person("cancel", err)
	_, err = w.UndoRequest(ctx, who, r.ID, "x")
	person("undo", err)
	_, err = w.MintToken(ctx, who, ask)
	person("mint", err)
	person("revoke", w.RevokeToken(ctx, who, minted.ID))
	_, err = w.BeginTOTP(ctx, who)
	person("begin totp", err)
	_, err = w.ConfirmTOTP(ctx, who, wire.Code{Code: "123456"})
	person("totp", err)
	_, err = w.FinishPasskeyEnrolment(ctx, who, wire.PasskeyAnswer{})
	person("passkey", err)
	_, err = w.RenewRecoveryCodes(ctx, who)
	person("recovery", err)
	_, err = w.InviteMember(ctx, who, wire.Invite{Name: "x", Email: "x@example.org", Role: "owner"})
	person("invite", err)
	_, err = w.StepUp(ctx, who, wire.StepUp{Digest: d.Digest, Code: "123456"})
	person("step-up", err)
	_, err = w.Draft(ctx, who, wire.AskRequest{Action: "close-tenant", Reason: "x"})
	person("draft of a weakening", err)
	person("delete", w.DeleteSnapshot(ctx, who, w.kept.ID))
	_, err = w.ProposeGenesis(ctx, who, wire.ProposeGenesis{})
	person("genesis", err)
	_, err = w.SignCharter(ctx, who, "", wire.PasskeyAnswer{})
	person("sign", err)
	person("suspend", w.SuspendApprover(ctx, who, w.Approvers[0].ID, "x"))
	// Whatever else is tried, nothing gated comes of it.
	w.everyPower(who, w.Approvers[0].ID, func(string, error) {})
	w.Pass(controltest.Cooling)
	if s := w.is(r.ID, "open"); len(s.Votes) != 0 {
		t.Fatal(s.Votes)
	}
	w.unharmed(doomed...)
}

var ids = regexp.MustCompile(`[a-z]{3}_[0-9a-z]{26}`)

// Every power of the gate answers another tenant's id as none.
func TestT11_EveryPowerOfTheGate(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	ctx := t.Context()
	r := w.ask(doomed...)
	d, err := w.Draft(ctx, w.owner.Who(), deletion(doomed...))
	w.ok(err)
	hold, err := w.PlaceHold(ctx, w.owner.Who(), wire.PlaceHold{Reason: "x"})
	w.ok(err)
	freeze, err := w.Freeze(ctx, w.owner.Who(), wire.PlaceFreeze{Reason: "x"})
	w.ok(err)
	colleague := w.owner.Colleague("operator")
	other := w.Company(t)
	w.Pass(controltest.Quarantine + time.Second)
	other.SignInAgain()
	who := other.Who()
	powers := map[string]struct {
		theirs string
		call   func(id string) error
	}{
		"Request":        {r.ID, func(id string) error { _, err := w.Request(ctx, who, id); return err }},
		"draft":          {d.ID, func(id string) error { _, err := w.Request(ctx, who, id); return err }},
		"Statement":      {r.ID, func(id string) error { _, err := w.Statement(ctx, who, id); return err }},
		"StatementBody":  {r.ID, func(id string) error { _, err := w.StatementBody(ctx, who, id, 0, 10); return err }},
		"ConfirmRequest": {d.ID, func(id string) error { _, err := w.ConfirmRequest(ctx, who, id); return err }},
		"CancelRequest":  {r.ID, func(id string) error { _, err := w.CancelRequest(ctx, who, id, "x"); return err }},
		"UndoRequest":    {r.ID, func(id string) error { _, err := w.UndoRequest(ctx, who, id, "x"); return err }},
		"Warrant":        {r.ID, func(id string) error { _, err := w.Warrant(ctx, who, id); return err }},
		"Ceremony":       {r.ID, func(id string) error { _, err := w.Ceremony(ctx, who, id); return err }},
		"BeginVote":      {r.ID, func(id string) error { _, err := w.BeginVote(ctx, who, id, "approve"); return err }},
		"CastVote": {r.ID, func(id string) error {
			_, err := w.CastVote(ctx, who, id, wire.CastVote{Decision: "deny", Reason: "x", Code: "123456"})
			return err
		}},
		"hold volume": {w.volume.ID, func(id string) error {
			_, err := w.PlaceHold(ctx, who, wire.PlaceHold{Volume: id, Reason: "x"})
			return err
		}},
		"hold snapshot": {w.kept.ID, func(id string) error {
			_, err := w.PlaceHold(ctx, who, wire.PlaceHold{Snapshot: id, Reason: "x"})
			return err
		}},
		"hold tenant": {w.owner.Tenant, func(id string) error {
			_, err := w.PlaceHold(ctx, who, wire.PlaceHold{Tenant: id, Reason: "x"})
			return err
		}},
		"freeze": {w.owner.Tenant, func(id string) error {
			_, err := w.Freeze(ctx, who, wire.PlaceFreeze{Tenant: id, Reason: "x"})
			return err
		}},
		"SetRole":      {colleague.ID, func(id string) error { _, err := w.SetRole(ctx, who, id, "viewer"); return err }},
		"RemoveMember": {colleague.ID, func(id string) error { return w.RemoveMember(ctx, who, id) }},
		"ask copies": {w.kept.ID, func(id string) error {
			_, err := w.Draft(ctx, who, deletion(wire.Snapshot{ID: id}))
			return err
		}},
		"ask for tenant": {w.owner.Tenant, func(id string) error {
			_, err := w.Draft(ctx, who, wire.AskRequest{Action: "delete-copies", Tenant: id, Reason: "x"})
			return err
		}},
		"ask release": {hold.ID, func(id string) error {
			_, err := w.Draft(ctx, who, wire.AskRequest{Action: "release-hold", Subject: id, Reason: "x"})
			return err
		}},
		"ask thaw": {freeze.ID, func(id string) error {
			_, err := w.Draft(ctx, who, wire.AskRequest{Action: "lift-freeze", Subject: id, Reason: "x"})
			return err
		}},
		"ask reset": {colleague.ID, func(id string) error {
			_, err := w.Draft(ctx, who, wire.AskRequest{Action: "reset-factor", Subject: id, Reason: "x"})
			return err
		}},
	}
	for name, p := range powers {
		theirs, none := p.call(p.theirs), p.call(p.theirs[:4]+"00000000000000000000000000")
		if theirs == nil || none == nil {
			t.Errorf("%s: %v; none: %v", name, theirs, none)
			continue
		}
		a, b := control.AsError(theirs).Problem(), control.AsError(none).Problem()
		a.Detail, b.Detail = ids.ReplaceAllString(a.Detail, "ID"), ids.ReplaceAllString(b.Detail, "ID")
		if a != b || a.Status != 404 {
			t.Errorf("%s: %v; none: %v", name, a, b)
		}
	}
	for _, list := range []func() (int, error){
		func() (int, error) { l, err := w.Requests(ctx, who, ""); return len(l), err },
		func() (int, error) { l, err := w.Holds(ctx, who); return len(l), err },
		func() (int, error) { l, err := w.Freezes(ctx, who); return len(l), err },
	} {
		if n, err := list(); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
	w.is(r.ID, "open")
	w.unharmed(doomed...)
}

// Guessing codes is throttled, and the owner's passkey still works.
func TestT05_GuessingCodesIsThrottled(t *testing.T) {
	w := sqliteWorld(t, nil)
	thief := *w.owner
	w.ok(thief.SignInPassword())
	throttled := 0
	for range 40 {
		_, err := w.VerifyTOTP(t.Context(), thief.Who(), "000000")
		switch control.AsError(err).Type {
		case wire.TypeThrottled:
			throttled++
		case wire.TypeBadCredentials:
		default:
			t.Fatal(err)
		}
	}
	if throttled < 30 {
		t.Fatal("throttled:", throttled)
	}
	// From elsewhere too: the account is what is guessed at.
	thief.Credentials.Address = "198.51.100.7"
	_, err := w.VerifyTOTP(t.Context(), thief.Who(), w.owner.Code())
	w.refused(err, wire.TypeThrottled)
	w.owner.SignInAgain()
	_, err = w.Volumes(t.Context(), w.owner.Who())
	w.ok(err)
}

// Who hammers an account locks out its password, from everywhere, and never its
// owner's passkey. A passkey of a closed account, or on the other face, opens nothing.
func TestT05_ALockedAccountOpensByItsPasskey(t *testing.T) {
	w := sqliteWorld(t, nil)
	thief := *w.owner
	thief.Password = "not the password at all"
	for range 40 {
		if err := thief.SignInPassword(); err == nil {
			t.Fatal("signed in")
		}
	}
	w.refused(w.owner.SignInPassword(), wire.TypeThrottled)
	w.ok(w.owner.SignInKey())
	_, err := w.Volumes(t.Context(), w.owner.Who())
	w.ok(err)

	o, err := w.BeginKeySignIn(t.Context(), control.Caller{Face: authz.FaceConsole, Address: "192.0.2.9"})
	w.ok(err)
	_, err = w.FinishKeySignIn(t.Context(), control.Caller{Face: authz.FaceConsole, Address: "192.0.2.9"}, w.owner.Answer(o))
	w.refused(err, wire.TypeBadCredentials)
}

// A clone of a passkey does not sign in, and its owner is told (T06).
func TestT06_AClonedPasskeyDoesNotSignIn(t *testing.T) {
	w := sqliteWorld(t, nil)
	w.ok(w.owner.SignInKey())
	w.ok(w.owner.Key.SetCounter(w.owner.Key.Credentials()[0].ID, 0))
	w.refused(w.owner.SignInKey(), wire.TypeBadCredentials)
	w.leaf(w.owner.ID, audit.KindCredentialReplayed, 1)
}

// A recovery code works once, and confirms nothing. Factors are reset by quorum.
func TestT12_FactorsAreResetByQuorumOnly(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	ctx := t.Context()
	member := w.owner.Colleague("operator")
	w.Pass(controltest.Quarantine)
	var codes wire.RecoveryCodes
	member.SignInAgain()
	member.OK(func(who control.Caller) (err error) { codes, err = w.RenewRecoveryCodes(ctx, who); return err })
	w.ok(member.SignInPassword())
	opened, err := w.VerifyRecovery(ctx, member.Who(), codes.Codes[0])
	w.ok(err)
	member.Credentials.Session = opened.Secret
	_, err = w.Draft(ctx, member.Who(), deletion(doomed...))
	if err == nil {
		d, _ := w.Requests(ctx, member.Who(), "")
		if len(d) != 0 {
			t.Fatal(d)
		}
	}
	_, err = w.InviteMember(ctx, member.Who(), wire.Invite{Name: "x", Email: "x@example.org", Role: "viewer"})
	if err == nil {
		t.Fatal("a recovery code invites")
	}
	w.ok(member.SignInPassword())
	_, err = w.VerifyRecovery(ctx, member.Who(), codes.Codes[0])
	w.refused(err, wire.TypeBadCredentials)
	// Nobody alone gives a new way in: neither the operator, nor an approver, nor the owner.
	_, err = w.ReissueEnrolment(ctx, w.Operator(t), member.ID)
	w.refused(err, wire.TypeGateRequired)
	w.refused(w.Approvers[0].Do(func(who control.Caller) error { _, err := w.ReissueEnrolment(ctx, who, member.ID); return err }), wire.TypeGateRequired)
	r, err := w.owner.Ask(wire.AskRequest{Action: "reset-factor", Subject: member.ID})
	w.ok(err)
	w.approve(r.ID, 0, 1)
	w.Pass(3 * time.Second)
	member.SignInAgain()
	w.until(r.ID, "applied", controltest.Cooling+10*time.Second)
	_, err = w.Authenticate(ctx, member.Credentials)
	w.refused(err, wire.TypeNotAuthenticated)
	w.leaf(member.ID, audit.KindFactorReset, 1)
	inv, err := w.ReissueEnrolment(ctx, w.Operator(t), member.ID)
	w.ok(err)
	w.Clock.Advance(time.Second)
	member.Accept(inv)
	if f, err := w.Factors(ctx, member.Who()); err != nil || len(f) != 2 || !f[0].UsableFrom.After(f[0].EnrolledAt) {
		t.Fatal(f, err)
	}
	w.owner.SignInAgain()
	w.unharmed(doomed...)
}

// A stolen session cannot make itself another way in; a new factor waits, and the
// owner is told.
func TestT13_AStolenSessionEnrolsNothing(t *testing.T) {
	w := sqliteWorld(t, nil)
	ctx := t.Context()
	doomed := w.history(1)
	thief := *w.owner
	begun, err := w.BeginTOTP(ctx, thief.Who())
	w.ok(err)
	_, err = w.ConfirmTOTP(ctx, thief.Who(), wire.Code{Code: "123456", Ceremony: begun.Ceremony})
	w.refused(err, wire.TypeStepUpRequired)
	_, err = w.FinishPasskeyEnrolment(ctx, thief.Who(), wire.PasskeyAnswer{})
	w.refused(err, wire.TypeStepUpRequired)
	for _, power := range []func(who control.Caller) error{
		func(who control.Caller) error { _, err := w.RenewRecoveryCodes(ctx, who); return err },
		func(who control.Caller) error {
			_, err := w.ChangePassword(ctx, who, wire.ChangePassword{Old: w.owner.Password, New: "another long phrase 9"})
			return err
		},
		func(who control.Caller) error {
			_, err := w.InviteMember(ctx, who, wire.Invite{Name: "x", Email: "spare@example.org", Role: "owner"})
			return err
		},
		func(who control.Caller) error {
			_, err := w.MintToken(ctx, who, wire.MintToken{Name: "spare", Scopes: []string{"volume:read"}, ExpiresAt: w.Clock.Now().Add(time.Hour)})
			return err
		},
	} {
		w.refused(power(thief.Who()), wire.TypeStepUpRequired)
	}
	before, err := w.Factors(ctx, w.owner.Who())
	w.ok(err)
	w.owner.EnrolTOTP() // with the real factor
	after, err := w.Factors(ctx, w.owner.Who())
	w.ok(err)
	if len(before) != 2 || len(after) != 3 || after[2].UsableFrom.Sub(after[2].EnrolledAt) < controltest.Quarantine {
		t.Fatal(before, after)
	}
	notices, err := w.Notices(ctx, w.owner.Who())
	w.ok(err)
	if !slices.ContainsFunc(notices, func(n wire.Notice) bool { return strings.Contains(n.What, "factor") }) {
		t.Fatal("nobody told the owner:", notices)
	}
	w.unharmed(doomed...)
}

// Whether an address has an account shows neither in the answer nor in the work.
func TestT14_UnknownAddressesCostTheSame(t *testing.T) {
	var hasher *password.Hasher
	e := controltest.New(t, controltest.WithDeps(func(d *control.Deps) {
		var err error
		if hasher, err = password.New(1); err != nil {
			t.Fatal(err)
		}
		d.Passwords = hasher
	}))
	h := e.Company(t)
	staff := e.Support(t, "approver")
	try := func(email string) (wire.Problem, uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := e.SignIn(t.Context(), control.Caller{Face: h.Face, Address: "203.0.113.9"}, wire.SignIn{Email: email, Password: "wrong but long enough"})
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Fatal("signed in")
		}
		return *problem(err), after.TotalAlloc - before.TotalAlloc
	}
	_, _ = try(h.Email)
	known, work := try(h.Email)
	if known.Type != wire.TypeBadCredentials || work < 4<<20 {
		t.Fatal(known, work)
	}
	for name, email := range map[string]string{"unknown": "nobody@example.org", "of the other face": staff.Email, "malformed": "not an address"} {
		got, cost := try(email)
		if got != known || cost < work*9/10 || cost > work*11/10 {
			t.Errorf("%s: %v, %d bytes of work, not %d", name, got, cost, work)
		}
	}
}

func problem(err error) *wire.Problem {
	p := control.AsError(err).Problem()
	return &p
}
