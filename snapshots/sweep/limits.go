package sweep

import "time"

const (
	// batchFrames bounds the frames that one transaction takes out of the index, batchEdges the edges that go with them;
	// one node may have more edges, and is then alone.
	batchFrames = 128
	batchEdges  = 8192
	// batchVersions bounds the versions that one transaction takes.
	batchVersions = 200
	// batchOrphans bounds the rows that are looked at in one search for frames without edges.
	batchOrphans = 2000
	// batchPacks bounds one page of packs.
	batchPacks = 100
	// garbageShare: Reclaim rewrites a pack only if one part in so many is garbage. Erase rewrites all that it has touched.
	garbageShare = 8
	// maxEstimate bounds the frames that an Estimate looks at; beyond it the figure is what was found so far.
	maxEstimate = 200_000
	// maxEstimateVersions bounds the dead versions that it looks at, batchEstimateVersions those of one page.
	maxEstimateVersions   = 50_000
	batchEstimateVersions = 2000
	// batchEstimate bounds the edges that an Estimate looks up at once.
	batchEstimate = 1024
	// capWindow is the day over which Leave.DayBytes counts.
	capWindow = 24 * time.Hour
)
