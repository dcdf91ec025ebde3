package rebuild

const (
	// batchRows bounds the rows of one transaction.
	batchRows = 4096
	// pageRows bounds the rows that one question answers.
	pageRows = 1000
	// maxNamed bounds the damages, gaps and paths that a report names one by one.
	maxNamed = 1000
	// maxSkeleton bounds the journal records of one volume, whose hashes are held in memory: some 200 bytes each.
	maxSkeleton = 20_000_000
	// readBuffer is how much of a pack is read at once, in bytes.
	readBuffer = 1 << 20
)
