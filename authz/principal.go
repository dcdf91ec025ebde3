package authz

import (
	"slices"
	"time"
)

// Digest is a SHA-256: of a statement, or of an operation's text ([OperationDigest]).
type Digest [32]byte

// IsZero reports whether the digest is unset. A zero digest never matches.
func (d Digest) IsZero() bool { return d == Digest{} }

// PrincipalKind tells people, tokens and jobs apart. The zero value is invalid.
type PrincipalKind uint8

const (
	// KindPerson is a signed-in member or one of the staff.
	KindPerson PrincipalKind = iota + 1
	// KindToken is automation: never a person, never a vote.
	KindToken
	// KindSystem is one of the service's own jobs.
	KindSystem
)

var principalNames = []string{"", "person", "token", "system"}

// String returns the name, or "" for an invalid value.
func (k PrincipalKind) String() string { return nameOf(principalNames, k) }

// Assurance is how strongly a person has been shown to be present, in rising
// order. The zero value is invalid.
type Assurance uint8

const (
	// AssuranceNone is nobody.
	AssuranceNone Assurance = iota + 1
	// AssurancePassword is a password alone: enough to show or enrol the
	// second factor, and for nothing else.
	AssurancePassword
	// AssuranceSecondFactor is a session whose second factor was shown.
	AssuranceSecondFactor
	// AssuranceStepUp is that, and a fresh factor for one exact digest.
	AssuranceStepUp
)

var assuranceNames = []string{"", "none", "password", "second-factor", "step-up"}

// String returns the name, or "" for an invalid value.
func (a Assurance) String() string { return nameOf(assuranceNames, a) }

// StepUp is the record of one fresh proof of presence, bound to one digest.
// The zero value is no step-up.
type StepUp struct {
	// Digest is what the person read when they showed the factor.
	Digest Digest
	// At is when.
	At time.Time
	// Method is how.
	Method Method
	// Factor is which; zero for a recovery code.
	Factor FactorID
	// Quarantined says that the factor was in quarantine at the time.
	Quarantined bool
	// First says that the factor is the first of its account, enrolled by invitation.
	First bool
	// Evidence is the proof in the form that a warrant carries, for the use case
	// that needs it; opaque here.
	Evidence string
}

// SessionFacts is what a session has shown. The zero value has shown nothing.
type SessionFacts struct {
	// ID is the public handle of the session (never the secret).
	ID string
	// PasswordAt is when the password was shown; zero if never.
	PasswordAt time.Time
	// SecondFactorAt is when the second factor was shown; zero if never.
	SecondFactorAt time.Time
	// Method is how the second factor was shown.
	Method Method
	// HasFactor says that the person has any factor already: then enrolling
	// "the first one" is closed.
	HasFactor bool
	// Quarantined says that the session's own second factor was in quarantine,
	// and First that it is the first of its account.
	Quarantined bool
	First       bool
	// StepUp is the newest step-up, if any.
	StepUp StepUp
}

// Principal is who asks. It is built by the edge from a session, a token or a
// job, and is never stored. The zero value is denied everything.
type Principal struct {
	Kind PrincipalKind
	// Person is set for people.
	Person PersonID
	// Token is set for tokens.
	Token TokenID
	// Site names the site that a site's token belongs to; such a token has no
	// tenant and no scopes, and reads ciphertext to replicate it.
	Site string
	// System names the job, for a system principal.
	System string
	// Tenant is set for members and for tenants' tokens; zero for staff, for
	// sites' tokens and for jobs.
	Tenant TenantID
	// Role is set for members and Staff for support people, never both.
	Role  Role
	Staff StaffRole
	// Face is the listener that the session was opened on and the request came
	// to; zero for tokens and jobs.
	Face Face
	// Session is what a person's session has shown.
	Session SessionFacts
	// Scopes are a token's; none means nothing.
	Scopes []Scope
	// AllVolumes lifts the volume restriction of a token. Without it only the
	// named Volumes (text ids) are in reach, and none means none.
	AllVolumes bool
	Volumes    []string
}

// Assurance returns how strongly the principal has shown presence for digest at
// now. It is AssuranceNone for tokens and jobs: they are never present.
func (p Principal) Assurance(digest Digest, now time.Time) Assurance {
	switch {
	case p.Kind != KindPerson || p.Session.PasswordAt.IsZero() && p.Session.SecondFactorAt.IsZero():
		return AssuranceNone
	case p.Session.SecondFactorAt.IsZero() || p.Session.Method == 0:
		return AssurancePassword
	case p.Session.StepUp.covers(digest, now):
		return AssuranceStepUp
	}
	return AssuranceSecondFactor
}

func (s StepUp) covers(digest Digest, now time.Time) bool {
	if digest.IsZero() || s.Method == 0 || s.At.IsZero() || s.Digest != digest {
		return false
	}
	age := now.Sub(s.At)
	return age >= -MaxClockSkew && age <= MaxStepUpAge
}

// WithStepUp returns the principal with another newest step-up. The caller has
// just verified it.
func (p Principal) WithStepUp(s StepUp) Principal {
	p.Session.StepUp = s
	return p
}

// reaches reports whether a token's volume restriction includes volume. A
// resource without a volume is outside every restriction.
func (p Principal) reaches(volume string) bool {
	if p.AllVolumes || p.Site != "" {
		return true
	}
	return volume != "" && slices.Contains(p.Volumes, volume)
}

// wellFormed refuses principals that mix what must not mix, before the policy
// is asked.
func (p Principal) wellFormed() bool {
	switch p.Kind {
	case KindPerson:
		member := p.Role.String() != "" && p.Staff == 0 && !p.Tenant.IsZero()
		staff := p.Staff.String() != "" && p.Role == 0 && p.Tenant.IsZero()
		return !p.Person.IsZero() && p.Token.IsZero() && p.Face.String() != "" && p.Site == "" && len(p.Scopes) == 0 && (member || staff)
	case KindToken:
		tenants := !p.Tenant.IsZero() && p.Site == "" && len(p.Scopes) > 0
		sites := p.Tenant.IsZero() && p.Site != "" && len(p.Scopes) == 0
		return (tenants || sites) && !p.Token.IsZero() && p.Role == 0 && p.Staff == 0 && p.Face == 0 && p.Session == (SessionFacts{})
	case KindSystem:
		return p.System != "" && p.Person.IsZero() && p.Token.IsZero() && p.Role == 0 && p.Staff == 0 &&
			p.Face == 0 && p.Site == "" && len(p.Scopes) == 0 && p.Session == (SessionFacts{})
	}
	return false
}
