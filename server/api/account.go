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
}

func (a *API) sessionRoutes() {
	open(a, route(http.MethodPost, "/v1/session", "account", "Sign in with a password"),
		func(ctx context.Context, who control.Caller, in *body[wire.SignIn]) (*opened, error) {
			return a.opened(a.control.SignIn(ctx, who, in.Body))
		})
	raise := func(op string, summary string, power func(context.Context, control.Caller, string) (control.Opened, error)) {
		handleRaw(a, route(http.MethodPost, op, "account", summary), func(ctx context.Context, who control.Caller, in *body[wire.Code]) (*opened, error) {
			return a.opened(power(ctx, who, in.Body.Code))
		})
	}
	raise("/v1/session/totp", "Show a TOTP code as second factor", a.control.VerifyTOTP)
	raise("/v1/session/recovery", "Show a recovery code as second factor", a.control.VerifyRecovery)
	handle(a, route(http.MethodPost, "/v1/session/passkey/begin", "account", "Begin showing a passkey as second factor"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.PasskeyOptions, error) {
			return a.control.BeginPasskey(ctx, who)
		})
	handleRaw(a, route(http.MethodPost, "/v1/session/passkey/finish", "account", "Show a passkey as second factor"),
		func(ctx context.Context, who control.Caller, in *body[wire.PasskeyAnswer]) (*opened, error) {
			return a.opened(a.control.FinishPasskey(ctx, who, in.Body))
		})
	open(a, route(http.MethodPost, "/v1/session/key/begin", "account", "Begin signing in with a passkey alone"),
		func(ctx context.Context, who control.Caller, _ *none) (*answer[wire.PasskeyOptions], error) {
			out, err := a.control.BeginKeySignIn(ctx, who)
			return &answer[wire.PasskeyOptions]{out}, err
		})
	open(a, route(http.MethodPost, "/v1/session/key/finish", "account", "Sign in with a passkey alone"),
		func(ctx context.Context, who control.Caller, in *body[wire.PasskeyAnswer]) (*opened, error) {
			return a.opened(a.control.FinishKeySignIn(ctx, who, in.Body))
		})
	handle(a, route(http.MethodGet, "/v1/session", "account", "Who am I, and how strongly"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Session, error) {
			return a.control.Session(ctx, who)
		})
	handleRaw(a, route(http.MethodDelete, "/v1/session", "account", "Sign out"),
		func(ctx context.Context, who control.Caller, _ *none) (*closed, error) {
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
	handleRaw(a, route(http.MethodPost, "/v1/step-up", "account", "Prove presence for one digest"),
		func(ctx context.Context, who control.Caller, in *body[wire.StepUp]) (*opened, error) {
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
	handleRaw(a, route(http.MethodPost, "/v1/password", "account", "Change the own password; all other sessions end"),
		func(ctx context.Context, who control.Caller, in *body[wire.ChangePassword]) (*opened, error) {
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
