package scrub

import "time"

const (
	// DefaultRate is how many bytes a second are read when nothing else is said.
	DefaultRate = 50 << 20
	// MinRate and MaxRate bound a rate, in bytes a second.
	MinRate = 64 << 10
	MaxRate = 1 << 40
	// busyShare: while people transfer data, one part in so many of the rate is used.
	busyShare = 8
	// readBuffer is how much is read at once, in bytes.
	readBuffer = 1 << 20
	// Interval is from the beginning of one pass to that of the next.
	Interval = 30 * 24 * time.Hour
	// unknownAge is how old a pack must be before it counts as unknown: a younger one may not have its row yet.
	unknownAge = 15 * time.Minute
	// again is how often a frame is read before it is called rotten: a bit may flip on its way, too.
	again = 2
	// batchPacks and batchVersions bound what is read from the database at once.
	batchPacks    = 200
	batchVersions = 1000
	// MaxPaths bounds the affected paths that are kept for one snapshot.
	MaxPaths = 1000
	// MaxListed bounds the packs and paths of a Status.
	MaxListed = 10_000
	// maxDepth bounds the levels of nodes that are followed.
	maxDepth = 16
	// maxDetail bounds what is kept of a problem's words, in bytes.
	maxDetail = 512
)
