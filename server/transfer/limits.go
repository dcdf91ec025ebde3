package transfer

import (
	"time"

	"holdfast/snapshots"
)

const (
	// DefaultIdle is how long a transfer may stand still before it is given up.
	DefaultIdle = 2 * time.Minute
	// maxLeave is how long what is left of a body that nobody read may take to come; maxSpare bounds, in bytes, the body of
	// a request that takes none.
	maxLeave = 10 * time.Second
	maxSpare = 64 << 10
	// MaxTarget bounds the percent-encoded path of a request.
	MaxTarget = 16 << 10
	// maxETags bounds the entity tags of one precondition.
	maxETags = 64
	// maxBeginUpload bounds the announcement of an upload.
	maxBeginUpload = 32 << 10
	// copyBuffer is how much of a download is written at once.
	copyBuffer = 256 << 10
	// maxPullRequest bounds the body of a pull's request; pullBuffer is how many
	// bytes of small records are written at once.
	maxPullRequest = 64 << 10
	pullBuffer     = 128 << 10
	// maxKnownRequest bounds a question whether chunks are known, maxSegmentRequest
	// the body of a segment: its data, and a quarter of that for the rest.
	maxKnownRequest   = 32 * snapshots.KnownBatch
	maxSegmentRequest = snapshots.SegmentBytes + snapshots.SegmentBytes/4
)
