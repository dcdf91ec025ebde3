package quorum

import "time"

// Bounds of the domain. What goes beyond one is refused.
const (
	// MinApprovals is the least quorum that any requirement may have (I6): one person can never destroy alone.
	MinApprovals = 2
	// MaxApprovals bounds a requirement; no charter names more approvers.
	MaxApprovals = 200
	// MaxSites bounds the sites of one request.
	MaxSites = 64
	// MaxRoster bounds the approvers whom a request may hear; charter.MaxApprovers is the same number.
	MaxRoster = 200
	// MaxVotes bounds the votes that a state keeps: an approve and a deny of everyone.
	MaxVotes = 2 * MaxRoster
	// MaxStops bounds the holds and the freezes in force over one request.
	MaxStops = 256
	// MaxFreezes bounds the freezes in force over one scope, a tenant or everything: both together stay below MaxStops,
	// so that a tenant's own never keep a freeze of everything away.
	MaxFreezes = 100
	// MaxHoldsPerPerson bounds the holds in force that one person has placed on one tenant or volume.
	MaxHoldsPerPerson = 20
	// MaxName bounds an id or a name, in bytes.
	MaxName = 256
	// MaxEvents bounds the events of one request but for ticks, which leave none.
	MaxEvents = 4096
	// MaxVoteWindow is the longest time between opening and vote-until.
	MaxVoteWindow = 30 * 24 * time.Hour
	// MaxExecuteWindow is the longest time between opening and execute-until.
	MaxExecuteWindow = 120 * 24 * time.Hour
	// MaxTargets bounds the copies of one request; statement.MaxByRule is the same number.
	MaxTargets = 10_000

	// MaxOpenPerTenant bounds a tenant's open requests, so that junk cannot bury a real one (T29).
	MaxOpenPerTenant = 50
	// MaxOpenPerPerson bounds the open requests of one requester (T29).
	MaxOpenPerPerson = 10
	// MaxDraftsPerTenant bounds a tenant's unconfirmed drafts.
	MaxDraftsPerTenant = 100
	// MaxDraftsPerDrafter bounds those of one person or token; the oldest gives way. A leaked token does not fill the tenant's.
	MaxDraftsPerDrafter = 20
	// MaxDraftAge is how long a draft waits for a person to confirm it.
	MaxDraftAge = 7 * 24 * time.Hour
	// MaxQueue bounds a page of the approvers' queue.
	MaxQueue = 200
	// MaxOutboxBatch bounds what one worker claims from the outbox at once.
	MaxOutboxBatch = 100
)
