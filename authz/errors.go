package authz

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Sentinels of the domain. Callers translate them once, at the edge; none of
// their texts says anything about data.
var (
	// ErrDenied is the answer to everything that no policy allows, and to every
	// failure to decide.
	ErrDenied = errors.New("authz: denied")
	// ErrNotFound is the answer for a thing of another tenant and for a thing
	// that does not exist: one answer, so that ids cannot be probed.
	ErrNotFound = errors.New("authz: not found")
	// ErrSecondFactorRequired says that the action would be allowed once the
	// session has shown a second factor.
	ErrSecondFactorRequired = errors.New("authz: second factor required")
	// ErrStepUpRequired says that the action would be allowed with a fresh
	// step-up for exactly this digest; [StepUpRequiredError] carries which.
	ErrStepUpRequired = errors.New("authz: step-up required")
	// ErrQuarantined says that the factor in use is too young for this action.
	ErrQuarantined = errors.New("authz: factor in quarantine")
	// ErrExists says that an e-mail address is already in use.
	ErrExists = errors.New("authz: exists already")
	// ErrCredentialTaken says that a credential or public key already belongs to
	// a person; it belongs to that one for ever (I2).
	ErrCredentialTaken = errors.New("authz: credential belongs to a person already")
	// ErrReplayed says that a TOTP code or a counter was used before.
	ErrReplayed = errors.New("authz: replayed")
	// ErrSpent says that a single-use secret (recovery code, invitation,
	// enrolment ticket) is used, expired or unknown: one answer for the three.
	ErrSpent = errors.New("authz: spent, expired or unknown")
	// ErrLastFactor refuses to remove the only usable factor of a person.
	ErrLastFactor = errors.New("authz: the last usable factor stays")
	// ErrLastOwner refuses to leave a tenant without an active owner.
	ErrLastOwner = errors.New("authz: the last owner stays")
	// ErrInvalid says that a value is outside the domain's bounds.
	ErrInvalid = errors.New("authz: invalid value")
)

// StepUpRequiredError tells what step-up would make a denied action possible.
// It matches [ErrStepUpRequired].
type StepUpRequiredError struct {
	// MaxAge is how old the step-up may be when it is used (RFC 9470 max_age).
	MaxAge time.Duration
	// Digest is what the step-up must be bound to.
	Digest Digest
}

// Error names the digest, which is public to whoever may see the statement.
func (e *StepUpRequiredError) Error() string {
	return fmt.Sprintf("authz: step-up required for %s, at most %s old", hex.EncodeToString(e.Digest[:8]), e.MaxAge)
}

// Is matches ErrStepUpRequired.
func (e *StepUpRequiredError) Is(target error) bool { return target == ErrStepUpRequired }
