package charter

import "time"

const (
	// MaxText is the most bytes of a charter's text.
	MaxText = 1 << 20
	// MaxLines is the most lines of a charter's text.
	MaxLines = 4_096
	// MaxID is the most bytes of an id, site name or team name.
	MaxID = 128
	// MaxName is the most bytes of a person's or recipient's name.
	MaxName = 256
	// MaxURL is the most bytes of an origin or mailbox.
	MaxURL = 512
	// MaxApprovers is the most approvers.
	MaxApprovers = 200
	// MaxKeysEach is the most passkeys of one approver.
	MaxKeysEach = 10
	// MaxSites is the most sites.
	MaxSites = 32
	// MaxCredentialID is the most bytes of a credential id (WebAuthn Level 3, section 4).
	MaxCredentialID = 1023
	// MaxDelay is the longest delay that a charter names.
	MaxDelay = 365 * 24 * time.Hour
	// MaxCapCopies and MaxCapBytes bound the caps.
	MaxCapCopies = 1_000_000
	MaxCapBytes  = 1 << 60

	// MinApprovals is the least quorum anywhere (I6).
	MinApprovals = 2
	// MinIndependentHardware is the least number of device-bound votes at an independent site.
	MinIndependentHardware = 2
	// MinIndependentVotes is the least number of independent votes at an independent site.
	MinIndependentVotes = 1

	// MaxAge is how old a charter may be when its succession is first verified: the longest that a statement may wait.
	MaxAge = 120 * 24 * time.Hour
	// MaxEarly is how far a charter's creation may lie in the future of the verifier's clock.
	MaxEarly = 2 * time.Minute
)

// floors are the least delays of a purpose.
type floors struct {
	undo, quarantine, cooling, grace, lastExtra, stagger time.Duration
	clocks                                               int
}

var floorsOf = map[Purpose]floors{
	Production: {undo: 7 * 24 * time.Hour, quarantine: 72 * time.Hour, cooling: 24 * time.Hour, grace: 72 * time.Hour,
		lastExtra: 24 * time.Hour, stagger: time.Hour, clocks: 1},
	Demo: {undo: time.Second, quarantine: time.Second, cooling: time.Second, grace: time.Second, lastExtra: time.Second,
		stagger: 0, clocks: 0},
}
