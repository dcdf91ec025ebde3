// Package site owns the gate side of a place that holds copies: its pinned charters, its own reading of the log, the
// warrants that it has seen, its timers, its stops, and the order of the steps that end in a deletion. A site believes no
// folded state and no database of the control plane: before each step it verifies the evidence again, with its own facts,
// under its own lock, and lets quorum/warrant mint the permit.
//
// It must never remove a byte itself (snapshots/sweep does, with a permit), weaken a rule by configuration, guess a fact
// that it could not read, or do anything destructive while its high-water marks and its database disagree.
//
// Formats and tables: docs/spec/site.md.
package site

import (
	"context"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
)

// Site is the interface through which the control plane reaches any site; the primary is in process. All values can be
// serialised. Every method may be called again at any time with the same arguments.
type Site interface {
	// Name is the site's name in the charter.
	Name() string
	// Describe states the facts of copies for a statement. What is not here is left out: the caller compares.
	Describe(ctx context.Context, q Query) (Description, error)
	// Choose evaluates the newest keep rule of a volume on this site's own inventory. ErrNoRule when it has none, ErrNotLogged
	// while the log does not show it.
	Choose(ctx context.Context, tenant, volume string) (Choice, error)
	// Weigh says what each of some rules would make of the copies of a volume that are here and not hidden, newest first. It
	// changes nothing; a rule need not be in force. keep.ErrMalformed; ErrCharter while no charter says how long the undo
	// window is.
	Weigh(ctx context.Context, tenant, volume string, rules ...string) ([][]Weighed, error)
	// Elsewhere says how many copies another site holds, by the log, and what they would restore. A site that was detached
	// holds none.
	Elsewhere(ctx context.Context, site string) (copies, bytes uint64, err error)
	// Inventory lists the copies of one tenant in the order of their snapshots' ids, from after the given one.
	Inventory(ctx context.Context, tenant, after string, limit int) ([]CopyFacts, error)
	// Deliver takes a rendered warrant, verifies it by the site's own charters and log, and starts the site's own
	// cooling-off when it sees it for the first time.
	Deliver(ctx context.Context, warrant []byte) (Receipt, error)
	// Advance does what is due for a request: announce, tombstone, erase or apply. What is not due is no error: the
	// receipt says what it waits for.
	Advance(ctx context.Context, request string) (Receipt, error)
	// Stop takes a rendered stop: cancel, deny, hold, freeze, suspend, or restore (which undoes a tombstone).
	Stop(ctx context.Context, stop []byte) (Receipt, error)
	// Release takes an approver's fresh proof over the nonce that an independent site's receipt shows.
	Release(ctx context.Context, request, person, proof string) (Receipt, error)
	// AcceptCharter pins the next charter: it must follow the pinned one and stand in a witnessed checkpoint.
	AcceptCharter(ctx context.Context, next Succession) (Pinned, error)
	// Status says where a request stands here. A request that was never seen is ErrUnknownRequest.
	Status(ctx context.Context, request string) (Receipt, error)
	// Pending lists the requests that are neither finished nor stopped here, oldest first.
	Pending(ctx context.Context) ([]Receipt, error)
	// Standing lists the stops of one kind that are in force: holds, freezes, suspensions. An empty tenant lists all.
	Standing(ctx context.Context, tenant string) ([]Standing, error)
	// Follow reads the log on to its newest checkpoint.
	Follow(ctx context.Context) (Marks, error)
	// Tick reads the site's clocks and lets its timers accrue. Call it about once a second.
	Tick(ctx context.Context) (TickReport, error)
	// Marks are the site's high-water marks, and whether destruction is suspended.
	Marks(ctx context.Context) (Marks, error)
}

// LogFeed is how a site reads the log and speaks in it. The control plane implements it; the site proves every leaf.
type LogFeed interface {
	audit.Source
	// Openings gives the bodies of leaves from (included) to to (excluded), in order; fewer than asked for is no error,
	// none is. A site may see every body, for it must replay every leaf.
	Openings(ctx context.Context, from, to int64) ([]audit.Opening, error)
	// Submit has what the site says (a signed Event) appended to the log. It may be called again with the same draft;
	// a second leaf with the same body does no harm.
	Submit(ctx context.Context, d audit.Draft) error
}

// Query names the copies that a statement is about.
type Query struct {
	Tenant string
	// Snapshots are ids in text form, at most statement.MaxByRule.
	Snapshots []string
}

// CopyFacts is what a site knows of one copy.
type CopyFacts struct {
	Site, Tenant, Volume, VolumeName, Snapshot string
	TakenAt                                    time.Time
	// Digest is the seal's; zero while the snapshot is not sealed.
	Digest [32]byte
	// Bytes and Files are what a restore brings back.
	Bytes, Files uint64
	// State is held, proven, tombstoned or erased.
	State string
	// Suspect is why the copy does not count as a restore point, or empty.
	Suspect string
	// Held says that a hold lies on the copy.
	Held bool
	// Last says whether it would be the last of its kind, if all copies of the query went.
	Last statement.Last
	// Frees is an estimate: the stored bytes that only the copies of the query up to this one need. It is zero in an
	// Inventory.
	Frees uint64
}

// VolumeFacts is what remains of a volume if all copies of the query went.
type VolumeFacts struct {
	Volume, Name string
	// NewestLeft is the newest restore point left here, or empty.
	NewestLeft   string
	NewestLeftAt time.Time
}

// Description answers a Query.
type Description struct {
	Copies  []CopyFacts
	Volumes []VolumeFacts
	// Frees is an estimate of the stored bytes that would really be freed. Undo moments and other snapshots keep theirs.
	Frees uint64
	// FreesMore says that Frees is a part of it: there was more to look at than one estimate looks at.
	FreesMore bool
}

// State is where a request stands at a site. The zero State is invalid.
type State string

const (
	// Cooling: the warrant was seen, the site's own delay runs.
	Cooling State = "cooling"
	// Tombstoned: the copies are hidden, the grace period runs.
	Tombstoned State = "tombstoned"
	// Erasing: the permit to erase was used; what is left is finished on every Advance.
	Erasing State = "erasing"
	// Erased: the bytes are gone.
	Erased State = "erased"
	// Applied: a gated action other than a deletion was done.
	Applied State = "applied"
	// Stopped: cancelled or denied before the tombstone.
	Stopped State = "stopped"
	// Restored: brought back after the tombstone. The warrant is spent.
	Restored State = "restored"
)

// Final reports whether nothing will happen any more.
func (s State) Final() bool { return s == Erased || s == Applied || s == Stopped || s == Restored }

// Receipt says where a request stands at a site.
type Receipt struct {
	Site, Request, Tenant, Action string
	Statement                     [32]byte
	State                         State
	// Stop is the id of the stop that a call of Stop brought; the other fields are of the request that it names, if any.
	Stop string
	// FirstSeenAt is when this site first saw the warrant, by its own clock.
	FirstSeenAt, CoolingEndedAt, TombstonedAt, GraceEndedAt, FinishedAt time.Time
	// CoolingLeft and GraceLeft are what the site's timers still have to count.
	CoolingLeft, GraceLeft time.Duration
	// Waiting is a stable word for what the request waits for, empty when it is done: cooling, grace, log, witnesses,
	// intent, release, hold, freeze, clock, caps, last-copy, inventory, charter, votes, marks, late, retry.
	Waiting string
	// Detail says it for people.
	Detail string
	// ReleaseNonce is what an independent site wants to have answered (32 bytes), once its cooling-off is over.
	ReleaseNonce []byte
	// Copies and Bytes are the statement's, for this site; ErasedBytes are the stored bytes that really went.
	Copies, Bytes, ErasedBytes uint64
}

// Succession is a charter with everything that makes it follow, and the index of its leaf in the log.
type Succession struct {
	Signed charter.Signed
	Leaf   int64
}

// Pinned is the newest charter that a site has in force.
type Pinned struct {
	Number    uint64
	Hash      [32]byte
	InForceAt time.Time
}

// Standing is a stop in force: a hold, a freeze or a suspension.
type Standing struct {
	ID, Kind, Tenant, Volume, Subject, Person, Reason string
	At, SeenAt                                        time.Time
}

// Marks are the high-water marks that stand outside the database as well, and whether destruction is suspended.
type Marks struct {
	Site       string
	Epoch      int64
	Generation int64
	Charter    Pinned
	Spent      int64
	SpentHash  [32]byte
	LogSize    int64
	LogRoot    [32]byte
	// Suspended is why nothing is destroyed here now, or empty.
	Suspended string
}

// TickReport says what a tick did.
type TickReport struct {
	// Matured are the requests whose cooling-off or grace ended with this tick: Advance them.
	Matured []string
	// Jump says that clocks contradicted each other; destruction is suspended until ResumeClock.
	Jump bool
	// Suspended is as in Marks.
	Suspended string
}
