package ticket

import "time"

// Bounds of this package. A value outside them is refused, never clipped.
const (
	// MaxLifetime is the longest that a ticket may live, measured from its iat
	// claim. A verifier holds issuers to it as well.
	MaxLifetime = 15 * time.Minute
	// MinLifetime is the shortest that a ticket may live.
	MinLifetime = time.Second
	// ClockSkew is how far the issuer's and the site's clocks may differ.
	ClockSkew = 2 * time.Second
	// MaxTicket is the longest encoded ticket in bytes.
	MaxTicket = 2048
	// MaxName is the longest issuer, site, subject, tenant or volume in bytes.
	MaxName = 128
	// MaxKeys is the most verification keys in a set.
	MaxKeys = 16
)
