package sqlstore

const (
	// MaxLogPage bounds the entries that one read gives.
	MaxLogPage = 1000
	// MaxLogPageBytes bounds the bodies that one page adds up to, in bytes; a page has at least one entry.
	MaxLogPageBytes = 32 << 20
	// hashBatch bounds the placeholders of one statement.
	hashBatch = 500
)

const (
	// MaxLogLook bounds the entries that one search looks at.
	MaxLogLook = 10_000
	// timeSlack is by how many entries the bounds of a search in time are widened.
	timeSlack = 1000
)
