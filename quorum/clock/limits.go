package clock

import "time"

const (
	// MaxCredit is the most that one tick credits within one run of the process.
	MaxCredit = 10 * time.Second
	// Tolerance is how far two clocks may be apart and still agree.
	Tolerance = 2 * time.Second
	// SourceTimeout bounds the wait for one outside clock. A slower answer could not be placed within Tolerance.
	SourceTimeout = time.Second
	// MaxOutside is the most outside clocks of a reading that are looked at and kept.
	MaxOutside = 16
	// MaxEncoded is the most bytes that an encoded timer has.
	MaxEncoded = 16 << 10
	// MaxNeed is the longest duration that a timer counts.
	MaxNeed = 10 * 365 * 24 * time.Hour
)
