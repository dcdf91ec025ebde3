package stream

const (
	// MaxInline bounds the extents of a recipe that stands in a version row.
	MaxInline = 16
	// Fanout bounds the extents of one recipe node.
	Fanout = 4096
	// MaxDepth bounds the levels of recipe nodes that a reader follows.
	MaxDepth = 6
	// MaxSize bounds the length of one file or stream, in bytes (1 EiB).
	MaxSize = 1 << 60
	// MaxPlain bounds the plaintext of any frame that a reader opens, in bytes.
	MaxPlain = 16 << 20
	// MaxStored bounds the stored bytes of any frame or node that a reader fetches.
	MaxStored = 16 << 20
	// inflight bounds the pieces that one pipeline has at work at once, for each worker, and small those of less than
	// smallPiece bytes: many questions to the index become one while the workers are busy.
	inflight, small = 4, 64
	// smallPiece is also below what a buffer is made to measure rather than taken from the pool; longStream is behind how
	// many bytes of a stream its pieces are not copied.
	smallPiece = 32 << 10
	longStream = 1 << 20
	// waiting bounds the pieces that wait, done, for one before them.
	waiting = 256
	// readAhead is how many chunks a reader has at hand or fetches at once.
	readAhead = 8
)
