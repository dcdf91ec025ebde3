package passkey

import (
	"errors"
	"fmt"
)

// ErrRefused is what every refusal of a ceremony is. The errors under it are
// for the log and for choosing an alert; a client learns ErrRefused only. None
// carries a challenge, a key or what the library says in its DevInfo.
var ErrRefused = errors.New("passkey: refused")

var (
	// ErrMalformed means that a response is not one that a browser makes.
	ErrMalformed = fmt.Errorf("%w: malformed response", ErrRefused)
	// ErrCeremony means that a ceremony state was not made here, was altered,
	// or belongs to another purpose or person.
	ErrCeremony = fmt.Errorf("%w: not this ceremony", ErrRefused)
	// ErrExpired means that a ceremony was begun too long ago.
	ErrExpired = fmt.Errorf("%w: ceremony expired", ErrRefused)
	// ErrChallenge means that the response answers another challenge: a replay,
	// or an assertion moved from another statement or decision.
	ErrChallenge = fmt.Errorf("%w: other challenge", ErrRefused)
	// ErrOrigin means another origin, or a page framed by another origin.
	ErrOrigin = fmt.Errorf("%w: other origin", ErrRefused)
	// ErrRelyingParty means that the authenticator signed for another RP id.
	ErrRelyingParty = fmt.Errorf("%w: other relying party", ErrRefused)
	// ErrUserVerification means that the authenticator did not verify the
	// person in this very ceremony.
	ErrUserVerification = fmt.Errorf("%w: no user verification", ErrRefused)
	// ErrUnknownCredential means a credential that is not the person's.
	ErrUnknownCredential = fmt.Errorf("%w: unknown credential", ErrRefused)
	// ErrSignature means that the signature or an attestation does not verify.
	ErrSignature = fmt.Errorf("%w: bad signature", ErrRefused)
	// ErrBackupFlags means that a device-bound credential now calls itself
	// synced or the other way round.
	ErrBackupFlags = fmt.Errorf("%w: backup eligibility changed", ErrRefused)
	// ErrCounterRewound means that the signature counter did not advance: there
	// may be a clone of the authenticator. Alert. It comes as a *CounterError.
	ErrCounterRewound = fmt.Errorf("%w: signature counter rewound", ErrRefused)
	// ErrKnownCredential means that a new credential is the person's already.
	ErrKnownCredential = fmt.Errorf("%w: credential already enrolled", ErrRefused)
)

// Errors of use, not of the person.
var (
	// ErrConfig means an unusable relying party.
	ErrConfig = errors.New("passkey: invalid relying party")
	// ErrUser means an unusable user: no handle, no credentials, out of bounds.
	ErrUser = errors.New("passkey: invalid user")
	// ErrKey means a public key that cannot be used.
	ErrKey = errors.New("passkey: invalid public key")
)

// CounterError tells whose counter was rewound. It is an ErrCounterRewound.
type CounterError struct {
	CredentialID []byte
	// Stored is the highest counter seen before, Seen the one of this ceremony.
	Stored, Seen uint32
}

func (e *CounterError) Error() string {
	return fmt.Sprintf("passkey: signature counter rewound from %d to %d", e.Stored, e.Seen)
}

// Is makes every CounterError an ErrCounterRewound, hence an ErrRefused.
func (e *CounterError) Is(target error) bool {
	return target == ErrCounterRewound || target == ErrRefused
}
