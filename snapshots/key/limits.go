package key

// Bounds of the package.
const (
	// Size is the length of each key of a set, in bytes.
	Size = 32
	// MaxTenant is the longest id of a tenant, in bytes.
	MaxTenant = 64
	// MaxSets bounds the key sets of one tenant, hence the rotations.
	MaxSets = 10_000
	// MaxRecipients bounds the recipients of one set's wraps.
	MaxRecipients = 32
	// MaxRecipient is the longest text of a recipient, in bytes (post-quantum recipients have about 2,000).
	MaxRecipient = 4 << 10
	// MaxWrap is the longest age file of one wrap, in bytes.
	MaxWrap = 8 << 10
	// MaxWraps is the longest text of wraps, in bytes.
	MaxWraps = 512 << 10
	// maxInner bounds the plaintext of a wrap, in bytes.
	maxInner = 1 << 10
)
