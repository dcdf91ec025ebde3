package authz

import "time"

// Every numeric bound of the domain stands here.
const (
	// MaxStepUpAge is how old a step-up may be when it is used (design §3).
	MaxStepUpAge = 5 * time.Minute
	// MaxClockSkew is how far in the future a step-up's own time may lie before
	// it is refused: another node's clock may run a little ahead.
	MaxClockSkew = 2 * time.Second
	// MaxInvitationLife is the longest life of an invitation.
	MaxInvitationLife = 14 * 24 * time.Hour
	// MaxEnrolmentLife is the longest life of the ticket with which an account
	// whose factors were reset by quorum enrols its first factor again.
	MaxEnrolmentLife = 72 * time.Hour
	// MaxFactors is how many live factors one person may have.
	MaxFactors = 16
	// RecoveryCodes is how many recovery codes one person is given at a time.
	RecoveryCodes = 10
	// MaxNameLength bounds names and labels, in bytes.
	MaxNameLength = 200
	// MaxEmailLength bounds an address, in bytes (RFC 5321 §4.5.3.1.3 less the brackets).
	MaxEmailLength = 254
	// MaxListed bounds every listing of the stores.
	MaxListed = 1000
	// MaxCredentialLength bounds a WebAuthn credential id, in bytes (WebAuthn level 3 §4).
	MaxCredentialLength = 1023
	// MaxPublicKeyLength bounds a COSE public key, in bytes: RSA-4096 and ML-DSA-87 fit.
	MaxPublicKeyLength = 4096
	// MaxDetailLength bounds a history or notice detail, in bytes.
	MaxDetailLength = 2000
	// TokenTouch is how stale a token's time of last use may become; it spares writes.
	TokenTouch = time.Minute
	// MaxNoticeAttempts is how often delivery of one notice is tried.
	MaxNoticeAttempts = 20
)
