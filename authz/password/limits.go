package password

// Bounds of this package. A value outside them is refused, never clipped.
const (
	// MinRunes is the least length of a new password, in Unicode code points
	// after normalisation.
	MinRunes = 12
	// MaxBytes is the greatest length of a password in bytes, as submitted.
	// It is far above any passphrase and keeps hostile input small.
	MaxBytes = 1024
	// MaxPHC is the greatest length of a stored hash in bytes.
	MaxPHC = 256
	// MaxConcurrency is the most hashes one Hasher may compute at once; each
	// takes 19 MiB.
	MaxConcurrency = 64
	// QueueFactor times the concurrency is how many callers may wait; the next
	// one gets ErrBusy, so a flood of sign-ins cannot pile up goroutines.
	QueueFactor = 16

	saltLen = 16
	keyLen  = 32

	// A stored hash asking for more than this is refused: whoever can write
	// the table must not be able to make a sign-in take minutes or gigabytes.
	maxMemoryKiB = 256 * 1024
	maxTime      = 16
	maxThreads   = 8
	minMemoryKiB = 8

	// minPersonal is the shortest personal word (part of an e-mail address or
	// a name) that a password may not contain, in code points.
	minPersonal = 4
	// minDistinct is the least number of distinct code points.
	minDistinct = 5
)
