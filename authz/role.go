package authz

import "fmt"

// Face is the listener that a session belongs to. A session of one face is
// refused on the other. The zero value is invalid.
type Face uint8

const (
	// FacePortal is the customers' side, with the API.
	FacePortal Face = iota + 1
	// FaceConsole is the staff's side.
	FaceConsole
)

// Role is what a member may do in the tenant. The zero value is no role.
type Role uint8

const (
	// RoleOwner runs the tenant: people, tokens, lockdown.
	RoleOwner Role = iota + 1
	// RoleOperator works with volumes, snapshots and requests.
	RoleOperator
	// RoleViewer reads.
	RoleViewer
)

// StaffRole is what a support person may do. The zero value is no role.
type StaffRole uint8

const (
	// StaffApprover may vote, if the charter names the person as well.
	StaffApprover StaffRole = iota + 1
	// StaffAuditor only reads.
	StaffAuditor
)

// PersonStatus is where an account is in its life. The zero value is invalid.
type PersonStatus uint8

const (
	// PersonInvited has an invitation and no password yet.
	PersonInvited PersonStatus = iota + 1
	// PersonActive can sign in.
	PersonActive
	// PersonClosed never signs in again; the row stays, for keys and names
	// belong to one person for ever.
	PersonClosed
)

// TenantStatus is where a tenant is in its life. The zero value is invalid.
type TenantStatus uint8

const (
	// TenantActive is open for business.
	TenantActive TenantStatus = iota + 1
	// TenantClosed lets nobody in; its copies stay until the gate lets them go.
	TenantClosed
)

// Mechanism tells the mechanisms of second factors apart. The zero value is invalid.
type Mechanism uint8

const (
	// MechanismTOTP is a time-based one-time password (RFC 6238).
	MechanismTOTP Mechanism = iota + 1
	// MechanismPasskey is a WebAuthn credential.
	MechanismPasskey
)

// Method is how a second factor was shown. The zero value is none.
type Method uint8

const (
	// MethodTOTP is a code of a TOTP factor.
	MethodTOTP Method = iota + 1
	// MethodPasskey is a WebAuthn assertion with user verification.
	MethodPasskey
	// MethodRecovery is a single-use recovery code: it opens a session and lets
	// its owner enrol a new factor, and may stop, but confirms nothing.
	MethodRecovery
)

var (
	faceNames         = []string{"", "portal", "console"}
	roleNames         = []string{"", "owner", "operator", "viewer"}
	staffRoleNames    = []string{"", "approver", "auditor"}
	personStatusNames = []string{"", "invited", "active", "closed"}
	tenantStatusNames = []string{"", "active", "closed"}
	mechanismNames    = []string{"", "totp", "passkey"}
	methodNames       = []string{"", "totp", "passkey", "recovery"}
)

func nameOf[E ~uint8](names []string, e E) string {
	if int(e) < len(names) {
		return names[e]
	}
	return ""
}

func parseName[E ~uint8](names []string, what, s string) (E, error) {
	for i, n := range names {
		if i > 0 && n == s {
			return E(i), nil
		}
	}
	return 0, fmt.Errorf("%w: unknown %s", ErrInvalid, what)
}

// String returns the name, or "" for an invalid value.
func (f Face) String() string { return nameOf(faceNames, f) }

// String returns the name, or "" for none.
func (r Role) String() string { return nameOf(roleNames, r) }

// String returns the name, or "" for none.
func (r StaffRole) String() string { return nameOf(staffRoleNames, r) }

// String returns the name, or "" for an invalid value.
func (s PersonStatus) String() string { return nameOf(personStatusNames, s) }

// String returns the name, or "" for an invalid value.
func (s TenantStatus) String() string { return nameOf(tenantStatusNames, s) }

// String returns the name, or "" for an invalid value.
func (m Mechanism) String() string { return nameOf(mechanismNames, m) }

// String returns the name, or "" for none.
func (m Method) String() string { return nameOf(methodNames, m) }

// ParseFace reads what Face.String writes; anything else is ErrInvalid.
func ParseFace(s string) (Face, error) { return parseName[Face](faceNames, "face", s) }

// ParseRole reads what Role.String writes; anything else is ErrInvalid.
func ParseRole(s string) (Role, error) { return parseName[Role](roleNames, "role", s) }

// ParseStaffRole reads what StaffRole.String writes; anything else is ErrInvalid.
func ParseStaffRole(s string) (StaffRole, error) {
	return parseName[StaffRole](staffRoleNames, "staff role", s)
}

// ParsePersonStatus reads what PersonStatus.String writes; anything else is ErrInvalid.
func ParsePersonStatus(s string) (PersonStatus, error) {
	return parseName[PersonStatus](personStatusNames, "person status", s)
}

// ParseTenantStatus reads what TenantStatus.String writes; anything else is ErrInvalid.
func ParseTenantStatus(s string) (TenantStatus, error) {
	return parseName[TenantStatus](tenantStatusNames, "tenant status", s)
}

// ParseMechanism reads what Mechanism.String writes; anything else is ErrInvalid.
func ParseMechanism(s string) (Mechanism, error) {
	return parseName[Mechanism](mechanismNames, "mechanism", s)
}

// ParseMethod reads what Method.String writes; anything else is ErrInvalid.
func ParseMethod(s string) (Method, error) { return parseName[Method](methodNames, "method", s) }
