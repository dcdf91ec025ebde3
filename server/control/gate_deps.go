package control

import (
	"errors"

	"holdfast/quorum"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// Gate is the primary site as the gate sees it: it states facts, takes warrants
// and stops, and decides for itself what it does.
type Gate = site.Site

// errCharterMissing means that genesis is not sealed: nothing can be asked for.
var errCharterMissing = errors.New("control: no charter is sealed")

var _ = register(
	translation{errCharterMissing, wire.TypeCharterMissing, "No charter is sealed yet. Until the founding ceremony is over nothing can be deleted, and nothing has to be asked for."},
	translation{charter.ErrInvalid, wire.TypeCharterRefused, "The charter is refused."},
	translation{charter.ErrFork, wire.TypeCharterRefused, "There is another charter of this number: everything destructive stops until that is understood."},
	translation{charter.ErrSkip, wire.TypeCharterRefused, "The next charter's number is one more than that of the charter in force."},
	translation{charter.ErrRollback, wire.TypeCharterRefused, "A charter of this number is in force already."},
	translation{charter.ErrSuccession, wire.TypeCharterRefused, "This charter does not follow the one in force."},
	translation{charter.ErrSignatures, wire.TypeCharterRefused, "A signature is missing or not right."},
	translation{quorum.ErrTampered, wire.TypeDigestMismatch, "What is stored of this request is not what was signed. Nothing will be executed. Tell the operator at once."},
	translation{quorum.ErrDigest, wire.TypeDigestMismatch, "This is evidence for another text than the request's."},
	translation{quorum.ErrNotFound, wire.TypeNotFound, "There is nothing here under this id that you may see."},
	translation{quorum.ErrTooMany, wire.TypeThrottled, "There are too many open requests or drafts already. Finish or cancel some first."},
	translation{quorum.ErrSpentProof, wire.TypeBadCredentials, "This proof was used before. Begin again."},
	translation{quorum.ErrNotApprover, wire.TypeNotEligible, "Only approvers whom the charter in force names, and who are not suspended, vote."},
	translation{quorum.ErrQuarantine, wire.TypeNotEligible, "You, or your key, came into the charter too recently for this request. You may deny it, but not approve."},
	translation{quorum.ErrRequesterVotes, wire.TypeNotEligible, "Who asked for something, or is of the same account, does not vote on it."},
	translation{quorum.ErrAlreadyVoted, wire.TypeConflict, "You have voted on this request. A person counts once, whatever keys they have."},
	translation{quorum.ErrKeyShared, wire.TypeNotEligible, "This key is another person's."},
	translation{quorum.ErrOwnCause, wire.TypeNotEligible, "Nobody can block their own removal, or the lifting of their own freeze."},
	translation{quorum.ErrLate, wire.TypeConflict, "It is too late: the time to vote is over, and silence means no."},
	translation{quorum.ErrMethod, wire.TypeNotEligible, "The charter does not admit a one-time code here. Use a passkey that it names."},
	translation{quorum.ErrEnded, wire.TypeConflict, "The request has ended. Nothing changes it any more."},
	translation{quorum.ErrHeld, wire.TypeHeld, "A hold is in the way."},
	translation{quorum.ErrFrozen, wire.TypeFrozen, "A freeze is in force, or clocks disagree."},
	translation{quorum.ErrPhase, wire.TypeConflict, "The request's state does not allow this."},
	translation{quorum.ErrRequirement, wire.TypeCharterRefused, "The charter's quorum could not be reached for this request."},
	translation{quorum.ErrConflict, wire.TypeConflict, "There is another one under this id already."},
	translation{statement.ErrInvalid, wire.TypeInvalid, "A statement of this cannot be made."},
	translation{warrant.ErrUnknownKey, wire.TypeNotEligible, "The charter does not name this key for you. Votes are cast with the passkeys that it names; a new one votes only after a change of the charter has named it."},
	translation{warrant.ErrTOTP, wire.TypeNotEligible, "A one-time code does not count here. Use a passkey that the charter names."},
	translation{warrant.ErrNotAdmitted, wire.TypeNotEligible, "Only approvers of the charter in force can do this."},
	translation{warrant.ErrAssertion, wire.TypeBadCredentials, "The passkey's answer is for something else, or came from another page."},
	translation{warrant.ErrSignature, wire.TypeBadCredentials, "The signature does not verify."},
	translation{warrant.ErrRewound, wire.TypeBadCredentials, "The passkey's counter went back: there may be a clone of it."},
	translation{warrant.ErrQuorum, wire.TypeConflict, "The votes that count are no quorum any more. Others have to vote."},
	translation{warrant.ErrCaps, wire.TypeCapExceeded, "The charter lets no more go in a request or a day."},
	translation{warrant.ErrLastCopy, wire.TypeLastCopy, "Nothing would be left to restore, and the statement does not say so."},
	translation{warrant.ErrInventory, wire.TypeDigestMismatch, "What the site holds is not what the statement names."},
	translation{warrant.ErrDigest, wire.TypeDigestMismatch, "This is evidence for another text than the request's."},
	translation{warrant.ErrHeld, wire.TypeHeld, "A hold is in the way."},
	translation{warrant.ErrFrozen, wire.TypeFrozen, "A freeze is in force."},
	translation{warrant.ErrSpent, wire.TypeConflict, "This warrant is spent. It works once."},
	translation{warrant.ErrLate, wire.TypeConflict, "It is too late to execute this."},
	translation{site.ErrSuspended, wire.TypeUnavailable, "The site has suspended everything destructive: its clocks, marks or log do not agree."},
	translation{site.ErrMarks, wire.TypeUnavailable, "The site's database is not of the life that its marks name. Nothing destructive goes on until somebody has looked."},
	translation{site.ErrFork, wire.TypeUnavailable, "The site has seen two charters of one number, or two histories of the log. Nothing destructive goes on until somebody has looked."},
	translation{site.ErrCharter, wire.TypeUnavailable, "The site has no charter in force yet, or refuses the one that it was given. If it lasts longer than a minute, tell the operator."},
	translation{site.ErrLog, wire.TypeUnavailable, "The site cannot follow the log. Nothing was done; try again."},
	translation{site.ErrConflict, wire.TypeConflict, "The site has seen another statement for this request."},
	translation{site.ErrTooLate, wire.TypeConflict, "It is too late: the site has finished."},
	translation{site.ErrUnknownRequest, wire.TypeConflict, "The site has not seen this request yet."},
)
