package api

import (
	"context"
	"net/http"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// opened is the answer of a power that gives a session a secret: the secret
// goes into the face's cookie and nowhere else.
type opened struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      wire.Session
}

func (a *API) opened(o control.Opened, err error) (*opened, error) {
	if err != nil {
		return nil, err
	}
	return &opened{SetCookie: sessionCookie(a.face, o.Secret, o.Expires), Body: o.Session}, nil
}

type closed struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

// body is an input that is a JSON body only.
type body[T any] struct{ Body T }

// ByID is an input that is an id in the path. It is exported because reflection
// sets an embedded field only where its type is.
type ByID struct {
	ID string `path:"id" maxLength:"64"`
}

// done is the answer of a power that has nothing to say.
type done struct {
	Done bool `json:"done"`
}

func (a *API) accountRoutes() {
	a.sessionRoutes()
	a.factorRoutes()
	a.peopleRoutes()
}

func (a *API) sessionRoutes() {
	open(a, route(http.MethodPost, "/v1/session", "account", "Sign in with a password"),
		func(ctx context.Context, who control.Caller, in *body[wire.SignIn]) (*opened, error) {
			return a.opened(a.control.SignIn(ctx, who, in.Body))
		})
	raise := func(op string, summary string, power func(context.Context, control.Caller, string) (control.Opened, error)) {
		open(a, route(http.MethodPost, op, "account", summary), func(ctx context.Context, _ control.Caller, in *body[wire.Code]) (*opened, error) {
			who, err := a.caller(ctx)
			if err != nil {
				return nil, err
			}
			return a.opened(power(ctx, who, in.Body.Code))
		})
	}
	raise("/v1/session/totp", "Show a TOTP code as second factor", a.control.VerifyTOTP)
	raise("/v1/session/recovery", "Show a recovery code as second factor", a.control.VerifyRecovery)
	handle(a, route(http.MethodPost, "/v1/session/passkey/begin", "account", "Begin showing a passkey as second factor"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.PasskeyOptions, error) {
			return a.control.BeginPasskey(ctx, who)
		})
	open(a, route(http.MethodPost, "/v1/session/passkey/finish", "account", "Show a passkey as second factor"),
		func(ctx context.Context, _ control.Caller, in *body[wire.PasskeyAnswer]) (*opened, error) {
			who, err := a.caller(ctx)
			if err != nil {
				return nil, err
			}
			return a.opened(a.control.FinishPasskey(ctx, who, in.Body))
		})
	handle(a, route(http.MethodGet, "/v1/session", "account", "Who am I, and how strongly"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Session, error) {
			return a.control.Session(ctx, who)
		})
	open(a, route(http.MethodDelete, "/v1/session", "account", "Sign out"),
		func(ctx context.Context, _ control.Caller, _ *none) (*closed, error) {
			who, err := a.caller(ctx)
			if err != nil {
				return nil, err
			}
			if err := a.control.SignOut(ctx, who); err != nil {
				return nil, err
			}
			return &closed{SetCookie: sessionCookie(a.face, "", who.Session.CreatedAt)}, nil
		})
	handle(a, route(http.MethodGet, "/v1/sessions", "account", "List own sessions"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Session, error) {
			return a.control.OwnSessions(ctx, who)
		})
	handle(a, route(http.MethodDelete, "/v1/sessions/{id}", "account", "End one of the own sessions"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.RevokeSession(ctx, who, in.ID)
		})
	handle(a, route(http.MethodPost, "/v1/step-up/passkey", "account", "Begin proving presence for one digest by a passkey"),
		func(ctx context.Context, who control.Caller, in *body[wire.StepUpBegin]) (wire.PasskeyOptions, error) {
			return a.control.BeginStepUp(ctx, who, in.Body)
		})
	open(a, route(http.MethodPost, "/v1/step-up", "account", "Prove presence for one digest"),
		func(ctx context.Context, _ control.Caller, in *body[wire.StepUp]) (*opened, error) {
			who, err := a.caller(ctx)
			if err != nil {
				return nil, err
			}
			return a.opened(a.control.StepUp(ctx, who, in.Body))
		})
	open(a, route(http.MethodPost, "/v1/invitations/begin", "account", "Ask for what makes the first factor of an invited account"),
		func(ctx context.Context, who control.Caller, in *body[wire.BeginInvitation]) (*answer[wire.BegunInvitation], error) {
			out, err := a.control.BeginInvitation(ctx, who, in.Body)
			return &answer[wire.BegunInvitation]{out}, err
		})
	open(a, route(http.MethodPost, "/v1/invitations/accept", "account", "Set password and first factor of an invited account"),
		func(ctx context.Context, who control.Caller, in *body[wire.AcceptInvitation]) (*opened, error) {
			return a.opened(a.control.AcceptInvitation(ctx, who, in.Body))
		})
	open(a, route(http.MethodPost, "/v1/password", "account", "Change the own password; all other sessions end"),
		func(ctx context.Context, _ control.Caller, in *body[wire.ChangePassword]) (*opened, error) {
			who, err := a.caller(ctx)
			if err != nil {
				return nil, err
			}
			return a.opened(a.control.ChangePassword(ctx, who, in.Body))
		})
}

func (a *API) factorRoutes() {
	handle(a, route(http.MethodGet, "/v1/factors", "account", "List own second factors"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Factor, error) {
			return a.control.Factors(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/factors/totp", "account", "Begin enrolling a TOTP generator"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.TOTPEnrolment, error) {
			return a.control.BeginTOTP(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/factors/totp/confirm", "account", "Enrol the TOTP generator by a code of it"),
		func(ctx context.Context, who control.Caller, in *body[wire.Code]) (wire.Factor, error) {
			return a.control.ConfirmTOTP(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/factors/passkey/begin", "account", "Begin enrolling a passkey"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.PasskeyOptions, error) {
			return a.control.BeginPasskeyEnrolment(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/factors/passkey/finish", "account", "Enrol the passkey"),
		func(ctx context.Context, who control.Caller, in *body[wire.PasskeyAnswer]) (wire.Factor, error) {
			return a.control.FinishPasskeyEnrolment(ctx, who, in.Body)
		})
	handle(a, route(http.MethodDelete, "/v1/factors/{id}", "account", "Remove one of several own factors"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.RemoveFactor(ctx, who, in.ID)
		})
	handle(a, route(http.MethodGet, "/v1/notices", "account", "What the caller was told, newest first"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Notice, error) {
			return a.control.Notices(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/notices/{id}/read", "account", "Note that a notice was seen"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.MarkNoticeRead(ctx, who, in.ID)
		})
	handle(a, route(http.MethodPost, "/v1/recovery-codes", "account", "Make new recovery codes; the old ones are void"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.RecoveryCodes, error) {
			return a.control.RenewRecoveryCodes(ctx, who)
		})
}

func (a *API) peopleRoutes() {
	handle(a, route(http.MethodPost, "/v1/tenants", "people", "Make a tenant and invite its owner (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *body[wire.CreateTenant]) (wire.CreatedTenant, error) {
			return a.control.CreateTenant(ctx, who, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/tenants", "people", "List tenants (staff)"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Tenant, error) {
			return a.control.Tenants(ctx, who)
		})
	handle(a, route(http.MethodGet, "/v1/tenant", "people", "The own tenant"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Tenant, error) {
			return a.control.OwnTenant(ctx, who)
		})
	handle(a, route(http.MethodGet, "/v1/members", "people", "List the tenant's people"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Person, error) {
			return a.control.Members(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/members", "people", "Invite a member"),
		func(ctx context.Context, who control.Caller, in *body[wire.Invite]) (wire.Invitation, error) {
			return a.control.InviteMember(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/members/{id}/role", "people", "Give a member another role"),
		func(ctx context.Context, who control.Caller, in *struct {
			ByID
			Body wire.SetRole
		}) (wire.Person, error) {
			return a.control.SetRole(ctx, who, in.ID, in.Body.Role)
		})
	handle(a, route(http.MethodDelete, "/v1/members/{id}", "people", "Close a member's account"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.RemoveMember(ctx, who, in.ID)
		})
	handle(a, route(http.MethodGet, "/v1/staff", "people", "List support people"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Person, error) {
			return a.control.Staff(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/staff", "people", "Invite a support person (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *body[wire.Invite]) (wire.Invitation, error) {
			return a.control.InviteStaff(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/clock/trust", "gate", "Say that the clocks are right again after a jump (the host's operator)"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Resumed, error) {
			n, err := a.control.TrustClocks(ctx, who)
			return wire.Resumed{Requests: n}, err
		})
	handle(a, route(http.MethodPost, "/v1/people/{id}/enrolment", "people", "A fresh ticket after a decided reset (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *ByID) (wire.Invitation, error) {
			return a.control.ReissueEnrolment(ctx, who, in.ID)
		})
	handle(a, route(http.MethodGet, "/v1/tokens", "people", "List API tokens"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Token, error) {
			return a.control.Tokens(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/tokens", "people", "Make an API token; its secret is shown once"),
		func(ctx context.Context, who control.Caller, in *body[wire.MintToken]) (wire.Token, error) {
			return a.control.MintToken(ctx, who, in.Body)
		})
	handle(a, route(http.MethodDelete, "/v1/tokens/{id}", "people", "Revoke an API token"),
		func(ctx context.Context, who control.Caller, in *ByID) (done, error) {
			return done{true}, a.control.RevokeToken(ctx, who, in.ID)
		})
}
