package client

import (
	"context"
	"net/http"

	"holdfast/server/wire"
)

// SignIn begins a session with a password.
func (c *Client) SignIn(ctx context.Context, email, password string) (s wire.Session, err error) {
	return s, c.once(ctx, http.MethodPost, "/v1/session", wire.SignIn{Email: email, Password: password}, &s)
}

// VerifyTOTP raises the session with a TOTP code.
func (c *Client) VerifyTOTP(ctx context.Context, code string) (s wire.Session, err error) {
	return s, c.once(ctx, http.MethodPost, "/v1/session/totp", wire.Code{Code: code}, &s)
}

// VerifyRecovery raises the session with a recovery code, which is then spent.
func (c *Client) VerifyRecovery(ctx context.Context, code string) (s wire.Session, err error) {
	return s, c.once(ctx, http.MethodPost, "/v1/session/recovery", wire.Code{Code: code}, &s)
}

// BeginPasskey returns the options for raising the session with a passkey.
func (c *Client) BeginPasskey(ctx context.Context) (o wire.PasskeyOptions, err error) {
	return o, c.once(ctx, http.MethodPost, "/v1/session/passkey/begin", nil, &o)
}

// FinishPasskey raises the session with the passkey's answer.
func (c *Client) FinishPasskey(ctx context.Context, a wire.PasskeyAnswer) (s wire.Session, err error) {
	return s, c.once(ctx, http.MethodPost, "/v1/session/passkey/finish", a, &s)
}

// BeginKeySignIn returns the options for signing in with a passkey alone.
func (c *Client) BeginKeySignIn(ctx context.Context) (o wire.PasskeyOptions, err error) {
	return o, c.once(ctx, http.MethodPost, "/v1/session/key/begin", nil, &o)
}

// FinishKeySignIn begins a session with the passkey's answer.
func (c *Client) FinishKeySignIn(ctx context.Context, a wire.PasskeyAnswer) (s wire.Session, err error) {
	return s, c.once(ctx, http.MethodPost, "/v1/session/key/finish", a, &s)
}

// Session says who the caller is.
func (c *Client) Session(ctx context.Context) (s wire.Session, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/session", nil, &s)
}

// SignOut ends the session.
func (c *Client) SignOut(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/v1/session", nil, nil)
}

// Sessions lists the caller's sessions.
func (c *Client) Sessions(ctx context.Context) (s []wire.Session, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/sessions", nil, &s)
}

// RevokeSession ends one of the caller's sessions.
func (c *Client) RevokeSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/sessions/"+escape(id), nil, nil)
}

// BeginInvitation returns what makes the first factor of an invited account.
func (c *Client) BeginInvitation(ctx context.Context, secret, kind string) (b wire.BegunInvitation, err error) {
	return b, c.once(ctx, http.MethodPost, "/v1/invitations/begin", wire.BeginInvitation{Secret: secret, Kind: kind}, &b)
}

// AcceptInvitation sets password and first factor of an invited account and begins its session.
func (c *Client) AcceptInvitation(ctx context.Context, a wire.AcceptInvitation) (s wire.Session, err error) {
	return s, c.once(ctx, http.MethodPost, "/v1/invitations/accept", a, &s)
}

// ChangePassword changes the caller's own password.
func (c *Client) ChangePassword(ctx context.Context, old, new string) error {
	return c.call(ctx, http.MethodPost, "/v1/password", wire.ChangePassword{Old: old, New: new}, nil)
}

// Factors lists the caller's factors.
func (c *Client) Factors(ctx context.Context) (f []wire.Factor, err error) {
	return f, c.call(ctx, http.MethodGet, "/v1/factors", nil, &f)
}

// BeginTOTP makes a TOTP secret, which ConfirmTOTP makes a factor.
func (c *Client) BeginTOTP(ctx context.Context) (e wire.TOTPEnrolment, err error) {
	return e, c.call(ctx, http.MethodPost, "/v1/factors/totp", nil, &e)
}

// ConfirmTOTP enrols the secret of BeginTOTP: code is one of the new secret's.
func (c *Client) ConfirmTOTP(ctx context.Context, code wire.Code) (f wire.Factor, err error) {
	return f, c.call(ctx, http.MethodPost, "/v1/factors/totp/confirm", code, &f)
}

// BeginPasskeyEnrolment returns the options for making a passkey.
func (c *Client) BeginPasskeyEnrolment(ctx context.Context) (o wire.PasskeyOptions, err error) {
	return o, c.call(ctx, http.MethodPost, "/v1/factors/passkey/begin", nil, &o)
}

// FinishPasskeyEnrolment enrols the passkey that was made.
func (c *Client) FinishPasskeyEnrolment(ctx context.Context, a wire.PasskeyAnswer) (f wire.Factor, err error) {
	return f, c.call(ctx, http.MethodPost, "/v1/factors/passkey/finish", a, &f)
}

// RemoveFactor takes one of the caller's own factors away.
func (c *Client) RemoveFactor(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/factors/"+escape(id), nil, nil)
}

// RenewRecoveryCodes makes new recovery codes; the old ones are void.
func (c *Client) RenewRecoveryCodes(ctx context.Context) (r wire.RecoveryCodes, err error) {
	return r, c.call(ctx, http.MethodPost, "/v1/recovery-codes", nil, &r)
}

// CreateTenant makes a tenant; the caller is the host's operator.
func (c *Client) CreateTenant(ctx context.Context, t wire.CreateTenant) (out wire.CreatedTenant, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/tenants", t, &out)
}

// Tenants lists all tenants, for staff.
func (c *Client) Tenants(ctx context.Context) (t []wire.Tenant, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/tenants", nil, &t)
}

// Tenant describes the caller's tenant.
func (c *Client) Tenant(ctx context.Context) (t wire.Tenant, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/tenant", nil, &t)
}

// Members lists the people of the caller's tenant.
func (c *Client) Members(ctx context.Context) (p []wire.Person, err error) {
	return p, c.call(ctx, http.MethodGet, "/v1/members", nil, &p)
}

// InviteMember asks a person into the caller's tenant.
func (c *Client) InviteMember(ctx context.Context, in wire.Invite) (i wire.Invitation, err error) {
	return i, c.call(ctx, http.MethodPost, "/v1/members", in, &i)
}

// SetRole gives a member another role.
func (c *Client) SetRole(ctx context.Context, person, role string) (p wire.Person, err error) {
	return p, c.call(ctx, http.MethodPost, "/v1/members/"+escape(person)+"/role", wire.SetRole{Role: role}, &p)
}

// RemoveMember closes a member's account.
func (c *Client) RemoveMember(ctx context.Context, person string) error {
	return c.call(ctx, http.MethodDelete, "/v1/members/"+escape(person), nil, nil)
}

// InviteStaff asks a support person in; the caller is the host's operator.
func (c *Client) InviteStaff(ctx context.Context, in wire.Invite) (i wire.Invitation, err error) {
	return i, c.call(ctx, http.MethodPost, "/v1/staff", in, &i)
}

// Staff lists the support people.
func (c *Client) Staff(ctx context.Context) (p []wire.Person, err error) {
	return p, c.call(ctx, http.MethodGet, "/v1/staff", nil, &p)
}

// Tokens lists the tenant's API tokens.
func (c *Client) Tokens(ctx context.Context) (t []wire.Token, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/tokens", nil, &t)
}

// MintToken makes an API token; its secret is in this answer only.
func (c *Client) MintToken(ctx context.Context, m wire.MintToken) (t wire.Token, err error) {
	return t, c.call(ctx, http.MethodPost, "/v1/tokens", m, &t)
}

// RevokeToken ends an API token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/tokens/"+escape(id), nil, nil)
}

// Notices lists what the caller was told, newest first.
func (c *Client) Notices(ctx context.Context) (n []wire.Notice, err error) {
	return n, c.call(ctx, http.MethodGet, "/v1/notices", nil, &n)
}

// MarkNoticeRead notes that the caller has seen a notice.
func (c *Client) MarkNoticeRead(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/v1/notices/"+escape(id)+"/read", nil, nil)
}
