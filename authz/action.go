package authz

import (
	"fmt"

	"holdfast/authz/apitoken"
)

// Action is one power of the product. Every use case asks for exactly one. The
// zero value is invalid and denied, and so is any value that the policy file
// does not name. No action destroys a copy.
type Action uint16

// The powers over one's own session and account.
const (
	// SessionVerify shows the second factor to a session that has only the password.
	SessionVerify Action = iota + 1
	// SessionEnd signs out.
	SessionEnd
	// SessionView lists one's own sessions.
	SessionView
	// SessionRevoke ends one's own other sessions.
	SessionRevoke
	// FactorEnrolFirst enrols the first factor of an account that has none.
	FactorEnrolFirst
	// FactorView lists one's own factors.
	FactorView
	// FactorEnrol adds a factor to an account that has one.
	FactorEnrol
	// FactorRemove removes one of several own factors.
	FactorRemove
	// RecoveryRenew replaces one's own recovery codes.
	RecoveryRenew
	// PasswordChange replaces one's own password.
	PasswordChange
	// NoticeView reads notices addressed to oneself.
	NoticeView
)

// The powers over a tenant's data (portal and API).
const (
	// VolumeView lists volumes and their settings.
	VolumeView Action = iota + 100
	// VolumeCreate makes a volume.
	VolumeCreate
	// VolumeConfigure changes a volume's name and schedule, and lengthens what
	// is kept. Shortening is a request.
	VolumeConfigure
	// VolumeDelete deletes a volume's primary data (I11); its copies stay.
	VolumeDelete
	// FileRead lists and reads primary data, now or at any moment of the undo window.
	FileRead
	// FileWrite writes and overwrites primary data.
	FileWrite
	// FileDelete deletes primary data.
	FileDelete
	// SnapshotView lists snapshots and copies.
	SnapshotView
	// SnapshotTake takes a snapshot.
	SnapshotTake
	// SnapshotRead reads, restores and exports out of a snapshot.
	SnapshotRead
	// SnapshotRestore brings a snapshot or a past moment back into the volume.
	SnapshotRestore
	// SnapshotFlag marks a snapshot as suspect, so that it does not count as a restore point.
	SnapshotFlag
)

// The powers around requests.
const (
	// RequestView reads requests and their statements.
	RequestView Action = iota + 200
	// RequestDraft drafts a deletion of copies; a draft is not requested yet.
	RequestDraft
	// RequestDraftWeakening drafts what only the tenant's owner may ask: release
	// of a hold, lifting of a freeze, shortening of retention, closing the
	// tenant, destroying its key, reset of a member's factors.
	RequestDraftWeakening
	// RequestDraftForTenant drafts any of these by staff on a tenant's behalf.
	RequestDraftForTenant
	// RequestDraftService drafts what concerns the service: charter, sites,
	// keys, reset of a colleague's factors.
	RequestDraftService
	// RequestConfirm turns a draft into a request, with the requester's proof.
	RequestConfirm
	// RequestVote casts an approve; quorum decides whether it counts.
	RequestVote
	// RequestDeny casts a deny.
	RequestDeny
	// RequestCancel stops a request before it is executed.
	RequestCancel
	// RequestRelease gives an independent site its fresh release vote.
	RequestRelease
	// TombstoneRestore brings a tombstoned copy back during its grace period.
	TombstoneRestore
)

// The powers that stop and strengthen.
const (
	// HoldPlace puts a hold on a volume or tenant.
	HoldPlace Action = iota + 300
	// HoldView lists holds and freezes.
	HoldView
	// FreezeTenant freezes one tenant.
	FreezeTenant
	// Lockdown is a tenant owner's freeze that also revokes young sessions,
	// tokens and factors.
	Lockdown
	// FreezeService freezes everything everywhere.
	FreezeService
	// ApproverSuspend suspends another approver, and oneself with them.
	ApproverSuspend
)

// The powers over people, tokens and tenants.
const (
	// PeopleView lists the members of a tenant.
	PeopleView Action = iota + 400
	// PeopleInvite invites a member.
	PeopleInvite
	// PeopleSetRole changes a member's role.
	PeopleSetRole
	// PeopleRemove closes a member's account.
	PeopleRemove
	// TokenView lists a tenant's tokens, never their secrets.
	TokenView
	// TokenMint makes a token.
	TokenMint
	// TokenRevoke revokes a token.
	TokenRevoke
	// StaffView lists the staff.
	StaffView
	// StaffInvite invites one of the staff; only the charter makes an approver's vote count.
	StaffInvite
	// StaffRemove closes a staff account; the charter is unchanged by it.
	StaffRemove
	// TenantView lists tenants, for staff.
	TenantView
	// TenantCreate opens a tenant and invites its first owner.
	TenantCreate
	// HistoryView reads the history of changes to a member's account.
	HistoryView
	// SiteTokenMint makes the token with which a replica pulls from the primary.
	SiteTokenMint
	// SiteTokenRevoke revokes one.
	SiteTokenRevoke
)

// The powers over the service.
const (
	// CharterView reads the charter and its history.
	CharterView Action = iota + 500
	// CharterPropose drafts a charter change.
	CharterPropose
	// SiteView reads the state of sites.
	SiteView
	// SitePull reads trees, frames and seals, for a replica.
	SitePull
	// LogView reads the public log.
	LogView
	// AuditView reads the bodies of a tenant's own leaves.
	AuditView
	// AuditViewAll reads the bodies of every leaf.
	AuditViewAll
	// StatusView reads alarms and the health of the service.
	StatusView
	// JobRun lets the service's own jobs mature, execute and deliver what was
	// decided already. Execution itself needs a warrant, which no policy gives.
	JobRun
)

var actionNames = map[Action]string{
	SessionVerify: "session.verify", SessionEnd: "session.end", SessionView: "session.view", SessionRevoke: "session.revoke",
	FactorEnrolFirst: "factor.enrol-first", FactorView: "factor.view", FactorEnrol: "factor.enrol", FactorRemove: "factor.remove",
	RecoveryRenew: "recovery.renew", PasswordChange: "password.change", NoticeView: "notice.view",

	VolumeView: "volume.view", VolumeCreate: "volume.create", VolumeConfigure: "volume.configure", VolumeDelete: "volume.delete",
	FileRead: "file.read", FileWrite: "file.write", FileDelete: "file.delete",
	SnapshotView: "snapshot.view", SnapshotTake: "snapshot.take", SnapshotRead: "snapshot.read",
	SnapshotRestore: "snapshot.restore", SnapshotFlag: "snapshot.flag",

	RequestView: "request.view", RequestDraft: "request.draft", RequestDraftWeakening: "request.draft-weakening",
	RequestDraftForTenant: "request.draft-for-tenant", RequestDraftService: "request.draft-service",
	RequestConfirm: "request.confirm", RequestVote: "request.vote", RequestDeny: "request.deny",
	RequestCancel: "request.cancel", RequestRelease: "request.release", TombstoneRestore: "tombstone.restore",

	HoldPlace: "hold.place", HoldView: "hold.view", FreezeTenant: "freeze.tenant", Lockdown: "lockdown",
	FreezeService: "freeze.service", ApproverSuspend: "approver.suspend",

	PeopleView: "people.view", PeopleInvite: "people.invite", PeopleSetRole: "people.set-role", PeopleRemove: "people.remove",
	TokenView: "token.view", TokenMint: "token.mint", TokenRevoke: "token.revoke",
	StaffView: "staff.view", StaffInvite: "staff.invite", StaffRemove: "staff.remove",
	TenantView: "tenant.view", TenantCreate: "tenant.create", HistoryView: "history.view",
	SiteTokenMint: "site-token.mint", SiteTokenRevoke: "site-token.revoke",

	CharterView: "charter.view", CharterPropose: "charter.propose", SiteView: "site.view", SitePull: "site.pull",
	LogView: "log.view", AuditView: "audit.view", AuditViewAll: "audit.view-all", StatusView: "status.view", JobRun: "job.run",
}

// String returns the stable name, which the policy file uses, or "" for an invalid value.
func (a Action) String() string { return actionNames[a] }

// ParseAction reads what Action.String writes; anything else is ErrInvalid.
func ParseAction(s string) (Action, error) {
	for a, n := range actionNames {
		if n == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("%w: unknown action", ErrInvalid)
}

// Actions returns every action, in no particular order.
func Actions() []Action {
	all := make([]Action, 0, len(actionNames))
	for a := range actionNames {
		all = append(all, a)
	}
	return all
}

// Scope is one thing that a token may do; the package apitoken lists them. There
// is no scope for a person's powers: voting, confirming, factors, tokens, people.
type Scope = apitoken.Scope
