package quorum

import (
	"errors"
	"fmt"
)

// Sentinels. Apply returns the state unchanged with any of them.
var (
	// ErrEvent is an event of unknown kind, or one whose facts are missing or contradict each other.
	ErrEvent = errors.New("quorum: malformed event")
	// ErrRequirement is a requirement below two people, negative, or above what the roster can reach.
	ErrRequirement = errors.New("quorum: requirement refused")
	// ErrPhase is an event that its request's phase does not admit.
	ErrPhase = errors.New("quorum: not possible in this phase")
	// ErrEnded is an event on a request that has ended: a late approval changes nothing, for ever (T28).
	ErrEnded = errors.New("quorum: the request has ended")
	// ErrNotApprover is a vote by someone whom the roster in force does not name, or who is suspended.
	ErrNotApprover = errors.New("quorum: not an approver now")
	// ErrQuarantine is a vote on a request older than the approver's membership or key, or inside the quarantine (T19).
	ErrQuarantine = errors.New("quorum: approver is newer than the request admits")
	// ErrRequesterVotes is a vote by the requester, by who drafted the request, or by their account (I2, T15).
	ErrRequesterVotes = errors.New("quorum: requester and voter are the same person")
	// ErrAlreadyVoted is a second vote of the same person and decision (T16).
	ErrAlreadyVoted = errors.New("quorum: this person has voted")
	// ErrKeyShared is one key used for two people (I2).
	ErrKeyShared = errors.New("quorum: key belongs to another person")
	// ErrOwnCause is a deny or a cancel by the approver whose own removal, suspension or freeze the request is about (T55).
	ErrOwnCause = errors.New("quorum: nobody can block their own removal or thaw")
	// ErrLate is an event after vote-until or execute-until.
	ErrLate = errors.New("quorum: too late")
	// ErrDigest is a vote or a step for another statement (T20, T21).
	ErrDigest = errors.New("quorum: statement digest mismatch")
	// ErrMethod is a factor that the requirement does not admit.
	ErrMethod = errors.New("quorum: this factor does not count here")
	// ErrHeld and ErrFrozen mean: wait.
	ErrHeld = errors.New("quorum: held")
	// ErrFrozen is a freeze in force, or a clock that jumped.
	ErrFrozen = errors.New("quorum: frozen")
	// ErrNotDue is a timer that has not accrued.
	ErrNotDue = errors.New("quorum: not due yet")
	// ErrQuorum is too few votes that still count.
	ErrQuorum = errors.New("quorum: votes do not suffice")
	// ErrWeaker is a change of rules that would weaken what was frozen at opening.
	ErrWeaker = errors.New("quorum: rules only become stricter")
	// ErrSite is a site that the request does not name.
	ErrSite = errors.New("quorum: not a site of this request")
	// ErrTampered is a stored request that does not fold to what was kept beside it (T20, T41).
	ErrTampered = errors.New("quorum: stored request was tampered with")
	// ErrNotFound is an id that does not exist.
	ErrNotFound = errors.New("quorum: not found")
	// ErrTooMany is a bound on open requests or drafts (T29).
	ErrTooMany = errors.New("quorum: too many open")
	// ErrSpentProof is a proof whose nonce was used before.
	ErrSpentProof = errors.New("quorum: proof was used before")
	// ErrConflict is an id that exists with other content.
	ErrConflict = errors.New("quorum: exists with other content")
)

// PhaseError says which event met which phase. It is ErrPhase, or ErrEnded when the phase is an end.
type PhaseError struct {
	Phase Phase
	Event EventKind
}

// Error names both.
func (e *PhaseError) Error() string {
	return fmt.Sprintf("quorum: %s is not possible in %s", e.Event, e.Phase)
}

// Unwrap is ErrEnded or ErrPhase.
func (e *PhaseError) Unwrap() error {
	if e.Phase.Ended() {
		return ErrEnded
	}
	return ErrPhase
}
