package audit

import "errors"

var (
	// ErrKey means that a verifier key or signer is malformed, or that a set of keys cannot be trusted together.
	ErrKey = errors.New("audit: bad key")
	// ErrCheckpoint means that text is not a checkpoint, or carries extension lines.
	ErrCheckpoint = errors.New("audit: malformed checkpoint")
	// ErrUnsigned means that the log's own signature is missing or wrong.
	ErrUnsigned = errors.New("audit: checkpoint is not signed by the log")
	// ErrStale means that too few independent witnesses, or not the log itself, signed after a given time.
	ErrStale = errors.New("audit: checkpoint is not new or not witnessed enough")
	// ErrOrigin means that a checkpoint is of another log.
	ErrOrigin = errors.New("audit: checkpoint of another log")
	// ErrRollback means that a checkpoint is smaller than one already seen: the log was truncated, or an old state is replayed.
	ErrRollback = errors.New("audit: log is smaller than already seen")
	// ErrFork means that two checkpoints of one size have different roots: proof of two histories.
	ErrFork = errors.New("audit: two histories of one size")
	// ErrInconsistent means that a larger checkpoint is not proven to continue the one already seen.
	ErrInconsistent = errors.New("audit: log does not continue what was seen")
	// ErrConflict means that the submitter's or a racing caller's idea of the last size is not the witness's.
	ErrConflict = errors.New("audit: last seen size differs")
	// ErrProof means that an inclusion proof or its text is wrong.
	ErrProof = errors.New("audit: bad proof")
	// ErrTile means that a tile path is malformed, or that a tile or bundle is not what its path promises.
	ErrTile = errors.New("audit: bad tile")
	// ErrNoTile means that the tree has no such tile at its present size.
	ErrNoTile = errors.New("audit: no such tile")
	// ErrContent means that leaves do not hash to the root that was signed.
	ErrContent = errors.New("audit: leaves do not match the checkpoint")
	// ErrUnknownKind means that a replay met a kind that this program does not know; it must stop there.
	ErrUnknownKind = errors.New("audit: leaf of unknown kind")
	// ErrReplay means that a replay's state is malformed or that a leaf came out of order.
	ErrReplay = errors.New("audit: replay broken")
)

// ForkError carries the evidence of a fork: what was seen before and the signed text that contradicts it. It is ErrFork or
// ErrInconsistent.
type ForkError struct {
	Seen   Checkpoint
	Signed []byte
	Err    error
}

func (e *ForkError) Error() string { return e.Err.Error() }

// Unwrap gives ErrFork or ErrInconsistent.
func (e *ForkError) Unwrap() error { return e.Err }

// ConflictError tells the size that the witness has; the submitter proves from there. It is ErrConflict or ErrRollback.
type ConflictError struct {
	Size int64
	Err  error
}

func (e *ConflictError) Error() string { return e.Err.Error() }

// Unwrap gives ErrConflict or ErrRollback.
func (e *ConflictError) Unwrap() error { return e.Err }
