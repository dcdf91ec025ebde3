package apitoken

import "time"

// Bounds of this package. A value outside them is refused, never clipped.
const (
	// MaxLifetime is the longest that a token may live.
	MaxLifetime = 366 * 24 * time.Hour
	// MinLifetime is the shortest that a token may live.
	MinLifetime = time.Minute
	// MaxVolumes is the most volumes that a token may be restricted to.
	MaxVolumes = 100
	// MaxVolumeID is the longest volume id in bytes.
	MaxVolumeID = 64
	// MaxScopesText is the longest text of a scope set in bytes.
	MaxScopesText = 512

	idPrefix  = "tok_"
	idLen     = 26 // 128 bits in Crockford base32
	secretLen = 32 // bytes: 256 bits
)
