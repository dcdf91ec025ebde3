package warrant

import "time"

// Bounds of everything that this package reads. A file beyond a bound is refused, never cut.
const (
	// MaxWarrantBytes bounds one `holdfast warrant v1` file. A by-rule statement names up to 10,000 copies at some
	// 300 bytes each; the votes, proofs and checkpoint add about a mebibyte at most.
	MaxWarrantBytes = 9 << 20
	// MaxStatementBytes bounds the statement text inside a warrant; statement.MaxText is the same number.
	MaxStatementBytes = 8 << 20
	// MaxVotes bounds the votes of a warrant: more people than any charter names.
	MaxVotes = 200
	// MaxCheckpointBytes bounds the signed note with its cosignatures.
	MaxCheckpointBytes = 64 << 10
	// MaxRecordBytes bounds one leaf or leaf body carried by a warrant.
	MaxRecordBytes = 64 << 10
	// MaxPathHashes bounds an inclusion proof: a log of 2^63 leaves needs no more.
	MaxPathHashes = 64

	// MaxClientDataBytes bounds a passkey's client data; browsers send some 200 bytes.
	MaxClientDataBytes = 4 << 10
	// MaxAuthenticatorDataBytes bounds authenticator data; an assertion has 37 bytes and perhaps extensions.
	MaxAuthenticatorDataBytes = 2 << 10
	// MaxCredentialIDBytes is WebAuthn's own bound (Level 3, §5.1).
	MaxCredentialIDBytes = 1023
	// MaxSignatureBytes covers DER-encoded P-521 and RSA-4096.
	MaxSignatureBytes = 1 << 10

	// MaxAttestationBytes bounds a `holdfast attestation v1` text.
	MaxAttestationBytes = 2 << 10
	// MaxStopBytes bounds a `holdfast stop v1` object with its proof.
	MaxStopBytes = 16 << 10
	// MaxReasonBytes bounds the reason of a stop, in UTF-8.
	MaxReasonBytes = 1 << 10
	// MaxNameBytes bounds an id, a key name or a site name.
	MaxNameBytes = 128

	// MaxProofAge is how long before the opening of a request its requester's proof may have been made: five minutes,
	// as the charter of every installation has it.
	MaxProofAge = 5 * time.Minute
	// MaxStopSkew is how far ahead of the verifier's clock a stop may be dated.
	MaxStopSkew = 10 * time.Minute
	// PermitLife is how long a minted permit opens the destroying code. It is minted afresh, under the site's lock,
	// before every step, so seconds are enough.
	PermitLife = 2 * time.Minute
	// CapWindow is the rolling day over which the caps of copies and bytes count.
	CapWindow = 24 * time.Hour
)
