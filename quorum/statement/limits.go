package statement

import "time"

const (
	// MaxByHand is the most copies that a by-hand statement names.
	MaxByHand = 100
	// MaxByRule is the most copies that a by-rule statement names.
	MaxByRule = 10_000
	// MaxVolumes is the most volumes that a statement touches.
	MaxVolumes = 1_000
	// MaxSubjects is the most subjects of an action other than deletion.
	MaxSubjects = 8
	// MaxText is the most bytes that a statement's text has.
	MaxText = 8 << 20
	// MaxLine is the most bytes that one line has, without its line feed.
	MaxLine = 8 << 10
	// MaxID is the most bytes of an id.
	MaxID = 128
	// MaxName is the most bytes of a name.
	MaxName = 256
	// MaxReason is the most bytes of a reason.
	MaxReason = 1_000
	// MaxValue is the most bytes of a fact's value or of a keep rule.
	MaxValue = 1_000
	// MaxVoteWindow is the longest time from opening to vote-until.
	MaxVoteWindow = 30 * 24 * time.Hour
	// MaxExecuteWindow is the longest time from opening to execute-until.
	MaxExecuteWindow = 120 * 24 * time.Hour
	// PageLines is the most body lines that Page returns.
	PageLines = 500
)
