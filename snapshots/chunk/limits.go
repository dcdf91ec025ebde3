package chunk

// Bounds of the package, in bytes unless said otherwise.
const (
	// KeySize is the length of a chunking key and of an id key.
	KeySize = 32
	// MaxPiece is the longest Data of any profile.
	MaxPiece = 2 << 20
	// PageSize is the alignment, within the stream, at which holes start and end.
	PageSize = 4 << 10
	// MinHole is the shortest run of zero pages that is reported as a hole. Shorter runs stay data, for they
	// deduplicate anyway and an entry for each would cost more than it saves.
	MinHole = 64 << 10
	// leastRead is how much the source is asked for at least, where there is room.
	leastRead = 128 << 10
	// maxEmptyReads is how often a reader may answer with nothing before it counts as broken.
	maxEmptyReads = 100
)
