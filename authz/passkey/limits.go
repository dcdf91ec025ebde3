package passkey

import "time"

// Bounds of this package. A value outside them is refused, never clipped.
const (
	// CeremonyLifetime is how long a begun ceremony can be finished.
	CeremonyLifetime = 5 * time.Minute
	// ChallengeLen is the length of every challenge in bytes.
	ChallengeLen = 32
	// StateKeyLen is the length of the key that seals ceremony states.
	StateKeyLen = 32
	// MaxResponse is the longest response of a browser in bytes.
	MaxResponse = 64 << 10
	// MaxCeremony is the longest ceremony state in bytes.
	MaxCeremony = 64 << 10
	// MaxCredentials is the most passkeys of one person.
	MaxCredentials = 32
	// MaxCredentialID is the longest credential id (WebAuthn section 7.1 step 25).
	MaxCredentialID = 1023
	// MaxPublicKey is the longest COSE key in bytes (RSA 4096 fits).
	MaxPublicKey = 2048
	// MaxHandle is the longest user handle (WebAuthn section 5.4.3).
	MaxHandle = 64
	// MaxName is the longest name of a person or relying party in bytes.
	MaxName = 256
	// MaxOrigins is the most origins of a relying party.
	MaxOrigins = 16
	// MaxTransports is the most transport hints kept with a credential.
	MaxTransports = 8
)
