package authz

import (
	"time"
)

// Tenant is a customer organisation.
type Tenant struct {
	ID        TenantID
	Name      string
	Status    TenantStatus
	CreatedAt time.Time
	// LockdownSince and LockdownAt bound the newest lockdown: sessions opened
	// between the two are void. Zero without one.
	LockdownSince, LockdownAt time.Time
}

// Person is an account: a member of one tenant, or one of the staff.
type Person struct {
	ID PersonID
	// Tenant and Role are set for members, Staff for support people.
	Tenant TenantID
	Role   Role
	Staff  StaffRole
	// Email is as the inviter wrote it; it is unique without regard to case.
	Email  string
	Name   string
	Status PersonStatus
	// Password is the PHC string of the password's hash; empty until set. It
	// leaves the process only towards the database.
	Password  string
	CreatedAt time.Time
	// SessionsAfter voids every session opened at or before it.
	SessionsAfter time.Time
}

// Admits reports whether the database still admits a session of p opened at
// created: the account and its tenant t are active, and no revocation or
// lockdown covers that moment. It holds while Redis is gone or lies. For staff
// t is the zero Tenant.
func (p Person) Admits(t Tenant, created time.Time) bool {
	if p.Status != PersonActive || created.IsZero() || !created.After(p.SessionsAfter) {
		return false
	}
	if p.Tenant.IsZero() {
		return p.Staff.String() != ""
	}
	if t.ID != p.Tenant || t.Status != TenantActive {
		return false
	}
	young := !created.Before(t.LockdownSince) && !created.After(t.LockdownAt)
	return t.LockdownAt.IsZero() || !young
}

// Factor is a second factor of a person. Removed factors keep their row: a key
// belongs to one person for ever.
type Factor struct {
	ID        FactorID
	Person    PersonID
	Mechanism Mechanism
	Label     string
	// EnrolledAt is when, and UsableFrom when its quarantine ends.
	EnrolledAt, UsableFrom time.Time
	// RemovedAt is when it was removed; zero while it is live.
	RemovedAt time.Time
	// First says that it came with an invitation or an enrolment ticket.
	First bool
	// LeafIndex is the index of the enrolment in the transparency log; -1 until known.
	LeafIndex int64
	// TOTP is set for MechanismTOTP, Passkey for MechanismPasskey.
	TOTP    *TOTPRecord
	Passkey *PasskeyRecord
}

// Quarantined reports whether the factor's quarantine still runs at now.
func (f Factor) Quarantined(now time.Time) bool { return now.Before(f.UsableFrom) }

// TOTPRecord is a TOTP factor's opaque record: the secret sealed by the
// mechanism package, and its burn state.
type TOTPRecord struct {
	Sealed []byte
	State  []byte
}

// PasskeyRecord is a passkey's record.
type PasskeyRecord struct {
	// Credential is the WebAuthn credential id.
	Credential []byte
	// PublicKey is the credential's public key in COSE form (RFC 9052).
	PublicKey []byte
	// SignCount is the last counter seen; zero for authenticators without one.
	SignCount uint32
	// DeviceBound says that the key cannot leave its device.
	DeviceBound bool
	// Record is the mechanism package's own record, opaque here; may be empty.
	Record []byte
}

// Token is an API token without its secret.
type Token struct {
	ID TokenID
	// Tenant is set for tenants' tokens and Site for sites', never both.
	Tenant TenantID
	Site   string
	Name   string
	// Hash is the mechanism's hash of the token.
	Hash [32]byte
	// Scopes, AllVolumes and Volumes are what it may do, and where.
	Scopes     []Scope
	AllVolumes bool
	Volumes    []string
	MintedBy   PersonID
	MintedAt   time.Time
	ExpiresAt  time.Time
	// LastUsedAt is to a minute; zero for never. RevokedAt is zero while live.
	LastUsedAt, RevokedAt time.Time
}

// Live reports whether the token is good at now.
func (t Token) Live(now time.Time) bool { return t.RevokedAt.IsZero() && now.Before(t.ExpiresAt) }

// Principal returns the principal that the token is.
func (t Token) Principal() Principal {
	return Principal{
		Kind: KindToken, Token: t.ID, Tenant: t.Tenant, Site: t.Site,
		Scopes: t.Scopes, AllVolumes: t.AllVolumes, Volumes: t.Volumes,
	}
}

// Principal returns the principal that the person is on face with what the
// session has shown.
func (p Person) Principal(face Face, facts SessionFacts) Principal {
	return Principal{
		Kind: KindPerson, Person: p.ID, Tenant: p.Tenant, Role: p.Role, Staff: p.Staff, Face: face, Session: facts,
	}
}

// Change is one line of an account's history, which approvers see beside a
// request: new factors, roles and addresses are how accounts are taken over.
type Change struct {
	Person PersonID
	At     time.Time
	// What is a short stable word such as "factor-enrolled".
	What string
	// Detail is one line for people; no secrets.
	Detail string
	// By is the text id of who did it: a person, "request req_…", or a job.
	By string
}

// Notice is a message to one person, delivered at least once.
type Notice struct {
	ID     string
	Person PersonID
	// What is a short stable word such as "factor-enrolled".
	What string
	// Detail is one line for people; no secrets and no approval links.
	Detail    string
	CreatedAt time.Time
	Attempts  int
	// DeliveredAt is zero until delivery succeeded, ReadAt until the person saw it.
	DeliveredAt, ReadAt time.Time
}
