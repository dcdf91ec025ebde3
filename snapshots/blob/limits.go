package blob

// Bounds of the package.
const (
	// MaxName is the longest name, in bytes.
	MaxName = 200
	// MaxSegments bounds the parts of a name between slashes.
	MaxSegments = 4
)
