package snapshots

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound means that there is no such thing for this tenant: volume, snapshot, path or moment.
	ErrNotFound = errors.New("snapshots: not found")
	// ErrExists means that the tenant has a live volume of that name.
	ErrExists = errors.New("snapshots: a volume of this name exists")
	// ErrPath means that a path is not one: empty, absolute, with "..", NUL or an empty part, or too long.
	ErrPath = errors.New("snapshots: not a usable path")
	// ErrName means that a name of a volume, pin or note is empty, too long or has control characters.
	ErrName = errors.New("snapshots: not a usable name")
	// ErrKind means that an operation does not fit the kind of the volume, or the type of the entry.
	ErrKind = errors.New("snapshots: not possible for this kind")
	// ErrQuota means that the tenant's quota is used up. Nothing was pruned to make room, and nothing was kept of the write.
	ErrQuota = errors.New("snapshots: the quota of this tenant is used up")
	// ErrPrecondition means that an If-Match or If-None-Match did not hold at the moment of the commit.
	ErrPrecondition = errors.New("snapshots: precondition failed")
	// ErrReclaimed means that a moment is older than the undo window and belongs to no snapshot.
	ErrReclaimed = errors.New("snapshots: older than the undo window")
	// ErrRange means that a byte range lies outside the file.
	ErrRange = errors.New("snapshots: range outside the file")
	// ErrNotSealed means that a snapshot has no seal yet.
	ErrNotSealed = errors.New("snapshots: not sealed yet")
	// ErrLease means that a lease was lost: its owner was silent for too long. The operation can be tried again.
	ErrLease = errors.New("snapshots: lease lost")
	// ErrChunkGone means that a chunk which was known is not there any more. The operation can be tried again.
	ErrChunkGone = errors.New("snapshots: a known chunk is gone")
	// ErrCorrupt means that stored bytes are not what the index or the tree says.
	ErrCorrupt = errors.New("snapshots: stored bytes are damaged")
	// ErrFormat means that an encoded entry, recipe, record or node is not well-formed.
	ErrFormat = errors.New("snapshots: malformed")
	// ErrClosed means that the engine is shutting down.
	ErrClosed = errors.New("snapshots: engine is closed")
	// ErrShorter means that a retention or an undo window would get shorter, which is a gated action.
	ErrShorter = errors.New("snapshots: shortening is gated")
	// ErrChunkID means that a chunk of a push is not what its id says, or that its length is not one of the profile's.
	ErrChunkID = errors.New("snapshots: a chunk that is not what its id says")
	// ErrUnknownChunk means that a push refers to a chunk which its volume does not have.
	ErrUnknownChunk = errors.New("snapshots: a chunk that is not known here")
	// ErrSegment means that a segment of a push is not the one that is due.
	ErrSegment = errors.New("snapshots: not the segment that is due")
	// ErrOffset means that bytes of an upload do not begin where it ends, or that it takes none any more.
	ErrOffset = errors.New("snapshots: not where the upload goes on")
	// ErrUploads means that too many uploads are open.
	ErrUploads = errors.New("snapshots: too many uploads are open")
	// ErrVolumeSize means that the files of a volume would add up to more than MaxVolumeBytes. Nothing of the write was kept.
	ErrVolumeSize = errors.New("snapshots: the volume would be larger than a volume may be")
	// ErrSparse means an archive that stands for far more zeroes than it has bytes.
	ErrSparse = errors.New("snapshots: an archive of too many zeroes")
	// ErrTooLarge means that metadata exceeds its bound.
	ErrTooLarge = errors.New("snapshots: metadata too large")
)

// PathError names the path that an error is about. Paths are user data: show them escaped.
type PathError struct {
	Path string
	Err  error
}

func (e *PathError) Error() string { return fmt.Sprintf("%q: %v", e.Path, e.Err) }

// Unwrap is the error without the path.
func (e *PathError) Unwrap() error { return e.Err }
