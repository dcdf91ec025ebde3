package wire

import "time"

// SignIn begins a session with an e-mail address and a password.
type SignIn struct {
	Email    string `json:"email" maxLength:"254"`
	Password string `json:"password" maxLength:"1024"`
}

// Session says who the caller is and how strongly. The session's secret
// travels in a cookie only and is never part of a body.
type Session struct {
	ID        string    `json:"id"`
	Person    Person    `json:"person"`
	Face      string    `json:"face" enum:"portal,console"`
	Assurance string    `json:"assurance" enum:"password,second-factor"`
	Enrolled  bool      `json:"enrolled" doc:"has a second factor at all"`
	Methods   []string  `json:"methods" doc:"second factors that can be used now: totp, passkey"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Address   string    `json:"address,omitempty"`
	Agent     string    `json:"agent,omitempty"`
	Current   bool      `json:"current"`
}

// Person is a member of a tenant or one of the staff.
type Person struct {
	ID        string    `json:"id"`
	Tenant    string    `json:"tenant,omitempty"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Role      string    `json:"role" enum:"owner,operator,viewer,approver,auditor"`
	Status    string    `json:"status" enum:"invited,active,closed"`
	CreatedAt time.Time `json:"created_at"`
}

// Tenant is a customer organisation.
type Tenant struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// CreateTenant makes a tenant and invites its first owner. The operator of the
// host does it; it gives no power over what the tenant then keeps.
type CreateTenant struct {
	Name       string `json:"name" minLength:"1" maxLength:"200"`
	OwnerName  string `json:"owner_name" minLength:"1" maxLength:"200"`
	OwnerEmail string `json:"owner_email" format:"email" maxLength:"254"`
}

// CreatedTenant carries the owner's invitation, shown this once.
type CreatedTenant struct {
	Tenant     Tenant     `json:"tenant"`
	Invitation Invitation `json:"invitation"`
}

// Invite asks a person in. A member's role is owner, operator or viewer; staff
// are approver (without a vote until a charter names them) or auditor.
type Invite struct {
	Name  string `json:"name" minLength:"1" maxLength:"200"`
	Email string `json:"email" format:"email" maxLength:"254"`
	Role  string `json:"role" enum:"owner,operator,viewer,approver,auditor"`
}

// Invitation is answered once, before ExpiresAt, with its Secret.
type Invitation struct {
	Person    Person    `json:"person"`
	Secret    string    `json:"secret"`
	ExpiresAt time.Time `json:"expires_at"`
}

// BeginInvitation asks for what makes the first factor of an invited account, or
// of one whose factors were reset. It spends nothing.
type BeginInvitation struct {
	Secret string `json:"secret" maxLength:"256"`
	Kind   string `json:"kind" enum:"totp,passkey"`
}

// BegunInvitation carries one of the two, and says whether a password is wanted.
type BegunInvitation struct {
	Password bool            `json:"password"`
	TOTP     *TOTPEnrolment  `json:"totp,omitempty"`
	Passkey  *PasskeyOptions `json:"passkey,omitempty"`
}

// AcceptInvitation sets the password and the first factor in one step; the
// answer is a full session. There is no account with a password and no factor.
type AcceptInvitation struct {
	Secret   string         `json:"secret" maxLength:"256"`
	Password string         `json:"password,omitempty" maxLength:"1024"`
	TOTP     *Code          `json:"totp,omitempty"`
	Passkey  *PasskeyAnswer `json:"passkey,omitempty"`
}

// Factor is a person's TOTP generator or passkey.
type Factor struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind" enum:"totp,passkey"`
	Name       string     `json:"name"`
	EnrolledAt time.Time  `json:"enrolled_at"`
	UsableFrom time.Time  `json:"usable_from" doc:"end of its quarantine"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	Hardware   bool       `json:"hardware" doc:"bound to one device"`

	Vote *FactorVote `json:"vote,omitempty" doc:"approvers: what votes with it are worth by the charter in force; none while there is no charter"`
}

// FactorVote is how the charter in force takes a factor for votes on requests.
type FactorVote struct {
	Charter  int64      `json:"charter" doc:"its number"`
	Standing string     `json:"standing" enum:"votes,quarantine,not-named,not-admitted,no-approver" doc:"quarantine: it stops, and approves nothing yet; not-named: a passkey that the charter does not name; not-admitted: it admits no one-time codes; no-approver: it does not name the person"`
	Actions  []string   `json:"actions" doc:"for which it votes, once it does"`
	From     *time.Time `json:"from,omitempty" doc:"when it begins to approve; never a request that was opened before the charter took it in"`
}

// TOTPEnrolment is shown once; Confirm with a code of it makes it a factor.
type TOTPEnrolment struct {
	Ceremony string `json:"ceremony"`
	Secret   string `json:"secret" doc:"base32"`
	URL      string `json:"url" doc:"an otpauth:// URL of the secret"`
	QR       []byte `json:"qr" doc:"the URL as a PNG image of a QR code"`
}

// Code is a TOTP code, or where a call says so a recovery code. An enrolment
// also names its ceremony and the new factor.
type Code struct {
	Code     string `json:"code" maxLength:"64"`
	Ceremony string `json:"ceremony,omitempty" maxLength:"256"`
	Name     string `json:"name,omitempty" maxLength:"100"`
}

// PasskeyOptions are the publicKey options for navigator.credentials, as WebAuthn's JSON.
type PasskeyOptions struct {
	Ceremony  string `json:"ceremony"`
	PublicKey any    `json:"public_key"`
}

// PasskeyAnswer is what the authenticator answered, as WebAuthn's JSON.
type PasskeyAnswer struct {
	Ceremony   string `json:"ceremony" maxLength:"256"`
	Name       string `json:"name,omitempty" maxLength:"100"`
	Credential any    `json:"credential"`
}

// StepUp proves presence for one digest: with a TOTP code, or with the answer
// to the options of /v1/step-up/passkey.
type StepUp struct {
	Digest  string         `json:"digest"`
	Code    string         `json:"code,omitempty" maxLength:"16"`
	Passkey *PasskeyAnswer `json:"passkey,omitempty"`
}

// StepUpBegin asks for passkey options bound to one digest.
type StepUpBegin struct {
	Digest string `json:"digest"`
}

// RecoveryCodes are shown once; each works once.
type RecoveryCodes struct {
	Codes []string `json:"codes"`
}

// MintToken makes an API token. It can never hold more than its maker and
// never votes, confirms, enrols or mints.
type MintToken struct {
	Name      string    `json:"name" minLength:"1" maxLength:"100"`
	Scopes    []string  `json:"scopes" minItems:"1"`
	Volumes   []string  `json:"volumes,omitempty" doc:"empty: every volume of the tenant"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Token describes an API token. Secret is set in the answer to MintToken only.
type Token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes"`
	Volumes    []string   `json:"volumes,omitempty"`
	CreatedBy  string     `json:"created_by"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	Secret     string     `json:"secret,omitempty"`
}

// ChangePassword changes the caller's own password; all other sessions end.
type ChangePassword struct {
	Old string `json:"old" maxLength:"1024"`
	New string `json:"new" maxLength:"1024"`
}

// SetRole gives a member another role.
type SetRole struct {
	Role string `json:"role" enum:"owner,operator,viewer"`
}

// Notice is something that the caller was told.
type Notice struct {
	ID     string     `json:"id"`
	What   string     `json:"what"`
	Detail string     `json:"detail"`
	At     time.Time  `json:"at"`
	ReadAt *time.Time `json:"read_at,omitempty"`
}
