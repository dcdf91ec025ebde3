package audit

import "slices"

// Kind says what a leaf is about. The set is open, for the log outlives the program: a reader accepts a well-formed kind
// that it does not know (see Known), but nothing is ever appended with one, and a site's replay stops at it. The zero
// value is invalid.
type Kind string

// Kinds of requests and their life. Everything about them is in the body.
const (
	KindRequestOpened     Kind = "request-opened"
	KindRequestVoted      Kind = "request-voted" // approve or deny; the body says which
	KindRequestQuorum     Kind = "request-quorum"
	KindRequestDenied     Kind = "request-denied"
	KindRequestCancelled  Kind = "request-cancelled"
	KindRequestExpired    Kind = "request-expired"
	KindRequestCooling    Kind = "request-cooling"
	KindRequestSeen       Kind = "request-seen"     // a site has seen the warrant for the first time
	KindRequestReleased   Kind = "request-released" // the fresh vote over a site's own nonce
	KindRequestExecuting  Kind = "request-executing"
	KindRequestIntent     Kind = "request-intent" // a site announces what it is about to tombstone
	KindRequestTombstoned Kind = "request-tombstoned"
	KindRequestErased     Kind = "request-erased"
	KindRequestRestored   Kind = "request-restored"
	KindAttestation       Kind = "attestation" // the control plane attests a TOTP vote
	KindRefusal           Kind = "refusal"     // a gated action was tried and refused
)

// Kinds of stops, holds, freezes and suspensions.
const (
	KindStop              Kind = "stop"
	KindHoldPlaced        Kind = "hold-placed"
	KindHoldReleased      Kind = "hold-released"
	KindFreeze            Kind = "freeze"
	KindThaw              Kind = "thaw"
	KindLockdown          Kind = "lockdown"
	KindApproverSuspended Kind = "approver-suspended"
	KindApproverReinstate Kind = "approver-reinstated"
	KindAlarm             Kind = "alarm"
)

// Kinds of the constitution and of the parties. Charter, witness, site and epoch leaves carry clear facts.
const (
	KindCharterSealed  Kind = "charter-sealed"
	KindCharterChanged Kind = "charter-changed"
	KindWitnessAdded   Kind = "witness-added"
	KindWitnessRemoved Kind = "witness-removed"
	KindSiteAttached   Kind = "site-attached"
	KindSiteDetached   Kind = "site-detached"
	KindSiteReceipt    Kind = "site-receipt" // a site's high-water marks
	KindEpoch          Kind = "epoch"
)

// Kinds of accounts and factors.
const (
	KindTenantCreated      Kind = "tenant-created"
	KindTenantClosed       Kind = "tenant-closed"
	KindMemberCreated      Kind = "member-created"
	KindMemberRevoked      Kind = "member-revoked"
	KindRoleChanged        Kind = "role-changed"
	KindTokenCreated       Kind = "token-created"
	KindTokenRevoked       Kind = "token-revoked"
	KindFactorEnrolled     Kind = "factor-enrolled"
	KindFactorRemoved      Kind = "factor-removed"
	KindFactorReset        Kind = "factor-reset"
	KindEnrolmentIssued    Kind = "enrolment-issued" // a ticket to enrol anew, for who was reset or has not answered
	KindRecoveryCodeUsed   Kind = "recovery-code-used"
	KindPasswordChanged    Kind = "password-changed"
	KindSessionsRevoked    Kind = "sessions-revoked"
	KindSignInLocked       Kind = "sign-in-locked"
	KindCredentialReplayed Kind = "credential-replayed" // a rewound counter or a reused step
)

// Kinds of snapshots, retention and keys.
const (
	KindVolumeCreated    Kind = "volume-created"
	KindVolumeDeleted    Kind = "volume-deleted"
	KindSnapshotTaken    Kind = "snapshot-taken"
	KindSnapshotSealed   Kind = "snapshot-sealed"
	KindSnapshotProven   Kind = "snapshot-proven"
	KindReplicaHeld      Kind = "replica-held"
	KindScheduleChanged  Kind = "schedule-changed"
	KindRetentionChanged Kind = "retention-changed"
	KindKeepRuleSet      Kind = "keep-rule-set"
	KindUndoChanged      Kind = "undo-changed"
	KindKeyWrapped       Kind = "key-wrapped"
	KindKeyRotated       Kind = "key-rotated"
	KindKeyDestroyed     Kind = "key-destroyed"
	KindKeyOpened        Kind = "key-opened" // the periodic opening test
)

// factRule says which facts a kind may carry in the clear. Facts stand in the order of allowed.
type factRule struct {
	allowed  []string
	required []string
}

var (
	private = factRule{}

	ruleCharter = factRule{allowed: []string{FactCharter, FactCharterHash}, required: []string{FactCharter, FactCharterHash}}
	ruleScope   = factRule{allowed: []string{FactScope}}
	ruleWitness = factRule{allowed: []string{FactWitness, FactKeyHash}, required: []string{FactWitness}}
	ruleSite    = factRule{allowed: []string{FactSite}, required: []string{FactSite}}
	ruleEpoch   = factRule{allowed: []string{FactSite, FactEpoch}, required: []string{FactEpoch}}
)

var kinds = map[Kind]factRule{
	KindRequestOpened: private, KindRequestVoted: private, KindRequestQuorum: private, KindRequestDenied: private,
	KindRequestCancelled: private, KindRequestExpired: private, KindRequestCooling: private, KindRequestSeen: private,
	KindRequestReleased: private, KindRequestExecuting: private, KindRequestIntent: private, KindRequestTombstoned: private,
	KindRequestErased: private, KindRequestRestored: private, KindAttestation: private, KindRefusal: private,

	KindStop: private, KindHoldPlaced: private, KindHoldReleased: private, KindFreeze: ruleScope, KindThaw: ruleScope,
	KindLockdown: private, KindApproverSuspended: private, KindApproverReinstate: private, KindAlarm: private,

	KindCharterSealed: ruleCharter, KindCharterChanged: ruleCharter, KindWitnessAdded: ruleWitness,
	KindWitnessRemoved: ruleWitness, KindSiteAttached: ruleSite, KindSiteDetached: ruleSite, KindSiteReceipt: private,
	KindEpoch: ruleEpoch,

	KindTenantCreated: private, KindTenantClosed: private, KindMemberCreated: private, KindMemberRevoked: private,
	KindRoleChanged: private, KindTokenCreated: private, KindTokenRevoked: private, KindFactorEnrolled: private,
	KindFactorRemoved: private, KindFactorReset: private, KindEnrolmentIssued: private, KindRecoveryCodeUsed: private, KindPasswordChanged: private,
	KindSessionsRevoked: private, KindSignInLocked: private, KindCredentialReplayed: private,

	KindVolumeCreated: private, KindVolumeDeleted: private, KindSnapshotTaken: private, KindSnapshotSealed: private,
	KindSnapshotProven: private, KindReplicaHeld: private, KindScheduleChanged: private, KindRetentionChanged: private,
	KindKeepRuleSet: private, KindUndoChanged: private, KindKeyWrapped: private, KindKeyRotated: private,
	KindKeyDestroyed: private, KindKeyOpened: private,
}

// Known reports whether this program knows the kind.
func (k Kind) Known() bool { _, ok := kinds[k]; return ok }

// Kinds lists every known kind in alphabetical order.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds))
	for k := range kinds {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
