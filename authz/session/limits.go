package session

import "time"

// Every numeric bound of sessions stands here.
const (
	// PortalIdle and PortalAbsolute bound a customer's session.
	PortalIdle     = 30 * time.Minute
	PortalAbsolute = 12 * time.Hour
	// ConsoleIdle and ConsoleAbsolute bound a session of the staff.
	ConsoleIdle     = 15 * time.Minute
	ConsoleAbsolute = 8 * time.Hour
	// PasswordOnly bounds a session that has shown only a password, in all: it
	// is there to show or enrol the second factor.
	PasswordOnly = 10 * time.Minute
	// touchEvery is how stale the time of last use may become; it spares writes.
	touchEvery = 30 * time.Second
	// MaxSessions is how many live sessions one person may have; the oldest goes.
	MaxSessions = 32
	// MaxCeremonyLife is the longest life of a ceremony.
	MaxCeremonyLife = 5 * time.Minute
	// MaxCeremonyState bounds a ceremony's state, in bytes.
	MaxCeremonyState = 64 << 10
	// maxClientText bounds the address and the user agent kept for listings, in bytes.
	maxClientText = 200
	// maxAttempts bounds how often a change is retried that lost against another.
	maxAttempts = 8
)
