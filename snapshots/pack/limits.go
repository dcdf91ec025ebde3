package pack

// Bounds of the package.
const (
	// Target is the size at which a pack is full, in bytes; it may be exceeded by the record that reaches it.
	Target = 32 << 20
	// MaxRecords bounds the records of a pack, so that its table stays small. A pack with as many is full.
	MaxRecords = 1 << 16
	// MaxPayload is the longest payload of a record, in bytes.
	MaxPayload = 16 << 20
	// MaxText is the longest tenant or pack id in a header, in bytes.
	MaxText = 64
	// MaxSize is the longest pack that is read, in bytes: the target, one more record, and the table.
	MaxSize = 256 << 20
	// bufferSize is how many bytes of small records become one write; longer payloads pass by it. scanGrowth is by how much a
	// scan's buffer grows at once, for a length in a record may lie.
	bufferSize = 128 << 10
	scanGrowth = 1 << 20
	// maxLost bounds the payload bytes that a scan hashes and finds damaged, counting overlaps, before it gives up.
	maxLost = 4 * MaxSize
)
