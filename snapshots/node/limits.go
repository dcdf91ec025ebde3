package node

// Bounds of the package.
const (
	// MaxFanout bounds the children of a node, repeats included.
	MaxFanout = 4096
	// MaxPayload is the longest payload, in bytes.
	MaxPayload = 8 << 20
	// MaxNode is the longest encoded node, in bytes.
	MaxNode = 10 << 20
)
