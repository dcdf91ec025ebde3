package controltest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/passkey/softkey"
	"holdfast/authz/totp"
	"holdfast/server/control"
	"holdfast/server/wire"
)

// Human is somebody who came in by the real powers: invited, with a password, a
// passkey and a TOTP generator. Every call authenticates afresh, as a request
// does; a step-up rotates the session's secret, and a Human follows.
type Human struct {
	*Env
	t        testing.TB
	ID       string
	Name     string
	Email    string
	Password string
	Tenant   string // empty for staff
	Key      *softkey.Device
	Secret   totp.Secret
	Face     authz.Face
	// Origin is the page on which the passkey is used.
	Origin string
	// Credentials are what the next call carries.
	Credentials control.Credentials
	// TOTPOnly makes step-ups use one-time codes.
	TOTPOnly bool

	step int64 // of the last code
}

// operator is the host's operator.
func (e *Env) operator(t testing.TB) control.Caller {
	t.Helper()
	return e.login(t, control.Credentials{Face: authz.FacePortal, Bearer: Operator, Address: "127.0.0.1"}).Caller
}

// Operator authenticates the host's operator.
func (e *Env) Operator(t testing.TB) control.Caller { return e.operator(t) }

// Company makes a tenant and its first owner.
func (e *Env) Company(t testing.TB) *Human {
	t.Helper()
	e.names++
	h := e.human(t, authz.FacePortal)
	made, err := e.CreateTenant(t.Context(), e.operator(t), wire.CreateTenant{Name: fmt.Sprintf("Company %d", e.names), OwnerName: h.Name, OwnerEmail: h.Email})
	must(t, err)
	h.Tenant = made.Tenant.ID
	h.Accept(made.Invitation)
	return h
}

// Colleague invites another member into the tenant of h.
func (h *Human) Colleague(role string) *Human {
	h.t.Helper()
	other := h.human(h.t, authz.FacePortal)
	other.Tenant = h.Tenant
	var inv wire.Invitation
	h.OK(func(who control.Caller) (err error) {
		inv, err = h.InviteMember(h.t.Context(), who, wire.Invite{Name: other.Name, Email: other.Email, Role: role})
		return err
	})
	other.Accept(inv)
	return other
}

// Support invites one of the staff: approver or auditor.
func (e *Env) Support(t testing.TB, role string) *Human {
	t.Helper()
	h := e.human(t, authz.FaceConsole)
	inv, err := e.InviteStaff(t.Context(), e.operator(t), wire.Invite{Name: h.Name, Email: h.Email, Role: role})
	must(t, err)
	h.Accept(inv)
	return h
}

func (e *Env) human(t testing.TB, face authz.Face) *Human {
	t.Helper()
	e.names++
	h := &Human{Env: e, t: t, Name: fmt.Sprintf("Human %d", e.names), Email: fmt.Sprintf("human%d@example.org", e.names),
		Password: fmt.Sprintf("a long and unlikely phrase %d", e.names), Key: softkey.New(), Face: face, Origin: PortalURL}
	if face == authz.FaceConsole {
		h.Origin = ConsoleURL
	}
	h.Credentials = control.Credentials{Face: face, Address: fmt.Sprintf("192.0.2.%d", e.names%250+1), Agent: "test"}
	return h
}

// anonymous is h before signing in.
func (h *Human) anonymous() control.Caller {
	return control.Caller{Face: h.Face, Address: h.Credentials.Address, Agent: "test"}
}

// Accept answers an invitation or an enrolment ticket: a passkey, then a TOTP generator, with a password where one is wanted.
func (h *Human) Accept(inv wire.Invitation) {
	h.t.Helper()
	ctx := h.t.Context()
	h.ID = inv.Person.ID
	begun, err := h.BeginInvitation(ctx, h.anonymous(), wire.BeginInvitation{Secret: inv.Secret, Kind: "passkey"})
	must(h.t, err)
	answer := h.Create(*begun.Passkey)
	in := wire.AcceptInvitation{Secret: inv.Secret, Passkey: &answer}
	if begun.Password {
		in.Password = h.Password
	}
	opened, err := h.AcceptInvitation(ctx, h.anonymous(), in)
	must(h.t, err)
	h.Credentials.Session = opened.Secret
	h.Clock.Advance(time.Second)
	if !begun.Password { // a ticket opens no session by itself
		h.SignInAgain()
	}
	h.EnrolTOTP()
}

// EnrolTOTP adds a TOTP generator, with the passkey as proof.
func (h *Human) EnrolTOTP() {
	h.t.Helper()
	begun, err := h.BeginTOTP(h.t.Context(), h.Who())
	must(h.t, err)
	h.Secret, err = totp.ParseSecret(begun.Secret)
	must(h.t, err)
	// The code is burned by the call that succeeds: a step-up comes first.
	h.step = 0
	code := h.Code()
	h.OK(func(who control.Caller) error {
		_, err := h.ConfirmTOTP(h.t.Context(), who, wire.Code{Code: code, Ceremony: begun.Ceremony, Name: "app"})
		return err
	})
}

// Who authenticates h.
func (h *Human) Who() control.Caller {
	h.t.Helper()
	return h.login(h.t, h.Credentials).Caller
}

// Code is a one-time code that was not used yet; the clock moves on for it.
func (h *Human) Code() string {
	h.t.Helper()
	for totp.Step(h.Clock.Now()) <= h.step {
		h.Pass(5 * time.Second)
	}
	h.step = totp.Step(h.Clock.Now())
	code, err := totp.Code(h.Secret, h.Clock.Now())
	must(h.t, err)
	return code
}

// Create answers the options of an enrolment with the passkey.
func (h *Human) Create(o wire.PasskeyOptions) wire.PasskeyAnswer {
	h.t.Helper()
	options, err := json.Marshal(o.PublicKey)
	must(h.t, err)
	credential, err := h.Key.Create(h.Origin, options)
	must(h.t, err)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Name: "key", Credential: json.RawMessage(credential)}
}

// Answer answers options with the passkey.
func (h *Human) Answer(o wire.PasskeyOptions) wire.PasskeyAnswer {
	h.t.Helper()
	options, err := json.Marshal(o.PublicKey)
	must(h.t, err)
	credential, err := h.Key.Get(h.Origin, options)
	must(h.t, err)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Credential: json.RawMessage(credential)}
}

// Prove uses a factor for a digest.
func (h *Human) Prove(digest string) error {
	h.t.Helper()
	ctx := h.t.Context()
	in := wire.StepUp{Digest: digest}
	if h.TOTPOnly {
		in.Code = h.Code()
	} else {
		o, err := h.BeginStepUp(ctx, h.Who(), wire.StepUpBegin{Digest: digest})
		if err != nil {
			return err
		}
		a := h.Answer(o)
		in.Passkey = &a
	}
	opened, err := h.StepUp(ctx, h.Who(), in)
	if err == nil {
		h.Credentials.Session = opened.Secret
	}
	return err
}

// Do uses a power, and where it asks for a step-up proves presence and uses it
// again.
func (h *Human) Do(f func(who control.Caller) error) error {
	h.t.Helper()
	err := f(h.Who())
	var e *control.Error
	if errors.As(err, &e) && e.StepUp != nil {
		if err := h.Prove(e.StepUp.Digest); err != nil {
			return err
		}
		err = f(h.Who())
	}
	return err
}

// OK is Do for what has to work.
func (h *Human) OK(f func(who control.Caller) error) {
	h.t.Helper()
	if err := h.Do(f); err != nil {
		h.t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
}

// SignInPassword opens a session by password alone.
func (h *Human) SignInPassword() error {
	h.t.Helper()
	opened, err := h.SignIn(h.t.Context(), h.anonymous(), wire.SignIn{Email: h.Email, Password: h.Password})
	if err == nil {
		h.Credentials.Session = opened.Secret
	}
	return err
}

// SignInAgain opens a session by password and passkey.
func (h *Human) SignInAgain() {
	h.t.Helper()
	must(h.t, h.SignInPassword())
	o, err := h.BeginPasskey(h.t.Context(), h.Who())
	must(h.t, err)
	opened, err := h.FinishPasskey(h.t.Context(), h.Who(), h.Answer(o))
	must(h.t, err)
	h.Credentials.Session = opened.Secret
}

// SignInKey opens a session by the passkey alone.
func (h *Human) SignInKey() error {
	h.t.Helper()
	o, err := h.BeginKeySignIn(h.t.Context(), h.anonymous())
	if err != nil {
		return err
	}
	opened, err := h.FinishKeySignIn(h.t.Context(), h.anonymous(), h.Answer(o))
	if err == nil {
		h.Credentials.Session = opened.Secret
	}
	return err
}

// Vote casts a vote with the passkey.
func (h *Human) Vote(request, decision string) (wire.Request, error) {
	h.t.Helper()
	var o wire.VoteOptions
	if err := h.Do(func(who control.Caller) (err error) {
		o, err = h.BeginVote(h.t.Context(), who, request, decision)
		return err
	}); err != nil {
		return wire.Request{}, err
	}
	a := h.Answer(o.PasskeyOptions)
	return h.CastVote(h.t.Context(), h.Who(), request, wire.CastVote{Decision: decision, Reason: "test", Passkey: &a})
}

// VoteCode casts a vote with a one-time code.
func (h *Human) VoteCode(request, decision string) (out wire.Request, err error) {
	h.t.Helper()
	code := h.Code()
	err = h.Do(func(who control.Caller) error {
		out, err = h.CastVote(h.t.Context(), who, request, wire.CastVote{Decision: decision, Reason: "test", Code: code})
		return err
	})
	return out, err
}

// Ask drafts a request and confirms it.
func (h *Human) Ask(ask wire.AskRequest) (out wire.Request, err error) {
	h.t.Helper()
	if ask.Reason == "" {
		ask.Reason = "a test"
	}
	var d wire.Request
	if err := h.Do(func(who control.Caller) (err error) {
		d, err = h.Draft(h.t.Context(), who, ask)
		return err
	}); err != nil {
		return d, err
	}
	err = h.Do(func(who control.Caller) (err error) {
		out, err = h.ConfirmRequest(h.t.Context(), who, d.ID)
		return err
	})
	return out, err
}
