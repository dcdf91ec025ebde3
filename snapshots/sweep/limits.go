package sweep

import "time"

const (
	// batchFrames bounds the frames that one transaction takes out of the index, with all their edges.
	batchFrames = 128
	// batchVersions bounds the versions that one transaction takes.
	batchVersions = 200
	// batchMoves bounds the frames whose place one transaction changes.
	batchMoves = 500
	// leaseExpiry is snapshots.LeaseExpiry: a lease that was silent for longer is taken away, under the tenant's lock.
	leaseExpiry = 15 * time.Minute
	// garbageShare is the least share of a pack (one of so many parts) that must be garbage before Reclaim rewrites it.
	// Erase rewrites whatever it has touched.
	garbageShare = 8
	// maxPasses bounds how often one call goes round before it leaves the rest to the next.
	maxPasses = 1 << 20
)
