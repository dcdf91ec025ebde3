package warrant

import "errors"

// Sentinels. Every error of this package wraps one; all of them mean: do not destroy.
var (
	// ErrSyntax is a text that is not in its one form.
	ErrSyntax = errors.New("warrant: malformed")
	// ErrVersion is an unknown first line: silence denies.
	ErrVersion = errors.New("warrant: unknown version")
	// ErrBound is a text beyond a bound of limits.go.
	ErrBound = errors.New("warrant: too large")
	// ErrSignature is a signature that does not verify.
	ErrSignature = errors.New("warrant: signature does not verify")
	// ErrAssertion is a passkey assertion that is not for this text, this origin or this ceremony.
	ErrAssertion = errors.New("warrant: assertion refused")
	// ErrUnknownKey is a key that the charter does not name for that person.
	ErrUnknownKey = errors.New("warrant: key is not named by the charter")
	// ErrRewound is a signature counter that went back: perhaps a cloned authenticator, worth an alarm.
	ErrRewound = errors.New("warrant: signature counter went back")
	// ErrDigest is evidence over another text than the one at hand.
	ErrDigest = errors.New("warrant: digest mismatch")
	// ErrCharter is a charter that is missing, not the named one, or forked.
	ErrCharter = errors.New("warrant: charter mismatch")
	// ErrRequester is a requester whose proof does not hold.
	ErrRequester = errors.New("warrant: requester's proof refused")
	// ErrSamePerson is a vote by the requester, by their account, or twice by one person or key.
	ErrSamePerson = errors.New("warrant: not a distinct person")
	// ErrNotAdmitted is a vote by someone who is not an approver, or came too late to be one for this request.
	ErrNotAdmitted = errors.New("warrant: voter was not an admitted approver")
	// ErrVoteTime is a vote outside the time in which it may be cast.
	ErrVoteTime = errors.New("warrant: vote outside its time")
	// ErrDenied is a warrant that carries a deny.
	ErrDenied = errors.New("warrant: an approver denied")
	// ErrQuorum is too few votes of a kind that a charter demands.
	ErrQuorum = errors.New("warrant: quorum not reached")
	// ErrTOTP is a TOTP vote where the charter or the action does not admit one.
	ErrTOTP = errors.New("warrant: one-time codes do not count here")
	// ErrLog is a proof against the log that does not hold.
	ErrLog = errors.New("warrant: log proof refused")
	// ErrNotVerified is a zero Verified.
	ErrNotVerified = errors.New("warrant: nothing was verified")
	// ErrNotDue is a timer that has not accrued, a checkpoint that is not newer, a replay that is behind: wait.
	ErrNotDue = errors.New("warrant: not due yet")
	// ErrLate is past execute-until.
	ErrLate = errors.New("warrant: too late to execute")
	// ErrStopped is a cancel, a deny or a restore seen by the site.
	ErrStopped = errors.New("warrant: stopped")
	// ErrHeld is a hold on a target.
	ErrHeld = errors.New("warrant: held")
	// ErrFrozen is a freeze over the tenant or everywhere.
	ErrFrozen = errors.New("warrant: frozen")
	// ErrClock is a jump, or clocks that do not agree.
	ErrClock = errors.New("warrant: clocks do not agree")
	// ErrCaps is more copies or bytes than the charter lets a site lose in a request or a rolling day.
	ErrCaps = errors.New("warrant: caps exceeded")
	// ErrInventory is a target that the site does not hold exactly as the statement names it.
	ErrInventory = errors.New("warrant: inventory differs from the statement")
	// ErrLastCopy is a last proven copy or last restore point without the surcharge.
	ErrLastCopy = errors.New("warrant: last copy needs more")
	// ErrSpent is a warrant that was executed before.
	ErrSpent = errors.New("warrant: already spent")
	// ErrRelease is a missing release by an approver over the site's own nonce.
	ErrRelease = errors.New("warrant: release is missing")
	// ErrWitnesses is a checkpoint with too few cosignatures.
	ErrWitnesses = errors.New("warrant: too few witnesses")
	// ErrPermit is a zero, stale or misused permit.
	ErrPermit = errors.New("warrant: no permit")
	// ErrFacts is a site that cannot state its own facts: silence denies.
	ErrFacts = errors.New("warrant: site facts incomplete")
)
