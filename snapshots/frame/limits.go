package frame

// Bounds of the package, in bytes.
const (
	// MaxPlaintext is the longest content of a frame.
	MaxPlaintext = 12 << 20
	// MaxFrame is the longest frame: the longest content that does not compress, padded.
	MaxFrame = 13 << 20
	// MinFrame is the shortest frame: that of an empty content.
	MinFrame = headerSize + innerSize + tagSize
	// sampled is how long a content is before it is tried in samples whether compression pays.
	sampled = 64 << 10
	// sampleSize is the length of a sample.
	sampleSize = 8 << 10
)
