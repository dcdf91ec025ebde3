package transfer

import "time"

const (
	// DefaultIdle is how long a transfer may stand still before it is given up.
	DefaultIdle = 2 * time.Minute
	// MaxTarget bounds the percent-encoded path of a request.
	MaxTarget = 16 << 10
	// maxETags bounds the entity tags of one precondition.
	maxETags = 64
	// copyBuffer is how much of a download is written at once.
	copyBuffer = 256 << 10
)
