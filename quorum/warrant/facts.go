package warrant

import (
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/clock"
)

// SiteFacts is what a site knows by itself, read under its own lock. Every field is the site's own word, never the
// control plane's. What a site cannot tell it must not guess: it leaves Complete false and nothing is authorised.
type SiteFacts struct {
	// Complete says that every fact below was read without error, and that the site's database is of the epoch that its
	// high-water marks name.
	Complete bool
	// Site is the site's name in the charter.
	Site string
	// Stage is the step that the site wants to take.
	Stage Stage

	// Cooling is this site's own timer, counting since it first saw the warrant.
	Cooling clock.Timer
	// CoolingEnded is the wall time at which Cooling matured; zero until then.
	CoolingEnded time.Time
	// Grace counts from the tombstone; needed for StageErase only.
	Grace clock.Timer
	// GraceEnded is the wall time at which Grace matured; zero until then.
	GraceEnded time.Time

	// Suspect says that a clock jumped, or that any other alarm suspends destruction here.
	Suspect bool
	// Frozen says that a freeze over the tenant or everywhere is in force.
	Frozen bool
	// Held names the volumes of the tenant under a hold; TenantHeld is a hold on all of them.
	Held       []string
	TenantHeld bool
	// Stops are the stops on this request that the site has verified.
	Stops []VerifiedStop

	// OwnCause are the people whose own removal or own freeze the request is about, by the site's reading of the next
	// charter or of the freeze: their deny does not count (T55).
	OwnCause []string

	// Spent says that this warrant's tombstone (or its application) is recorded outside the database as done here.
	Spent bool
	// Inventory has the site's own word on each target of the statement at this site.
	Inventory []Holding
	// Points are the restore points of the volumes concerned that are left: the site has taken out all targets of this
	// request, and everything that any other request, here or by the log at other sites, is executing.
	Points []RestorePoint
	// Destroyed is what this site tombstoned or erased in the last CapWindow for other requests, and Pending what it is
	// executing now for others.
	Destroyed, Pending Amount
	// Chosen are the snapshots that the keep rule, evaluated on the site's own inventory, chooses now. For by-rule only.
	Chosen []string

	// Checkpoint is the newest checkpoint, opened with the keys of the newest charter.
	Checkpoint audit.Opened
	// Replayed is how many leaves of the log the site has replayed.
	Replayed int64
	// Intent is the index of this site's logged intent for this request and stage; negative while there is none.
	Intent int64
	// HoldersPast says that every other holder of the targets has cosigned a checkpoint beyond Intent.
	HoldersPast bool
	// OtherErased is when another site last tombstoned or erased a copy of one of the targets' snapshots, by the log;
	// zero if none did.
	OtherErased time.Time

	// ReleaseNonce is the site's own random value, made after Cooling ended; Release answers it.
	ReleaseNonce Nonce
	// Release is the fresh independent vote; nil where none came.
	Release *Release
}

// Amount is a number of copies and their bytes.
type Amount struct {
	Copies uint64
	Bytes  uint64
}

// Holding is one target as the site holds it.
type Holding struct {
	Volume, Snapshot string
	// Digest, TakenAt, Bytes and Files are from the site's own catalogue.
	Digest       Digest
	TakenAt      time.Time
	Bytes, Files uint64
	// Held says that a hold lies on this very snapshot.
	Held bool
	// Tombstoned says that this request has hidden it; erasing needs it, tombstoning admits it for a retry.
	Tombstoned bool
	// ProvenElsewhere says that another site holds a proven copy, by the log, that no request is executing.
	ProvenElsewhere bool
}

// RestorePoint is a snapshot that may remain as a volume's restore point.
type RestorePoint struct {
	Volume, Snapshot string
	TakenAt          time.Time
	// Sealed, Proven and Suspect are by the site's own word and the log.
	Sealed, Proven, Suspect bool
}

// Counts says whether the point counts as remaining: sealed, proven, older than the undo window and not suspect (I8, T52).
func (p RestorePoint) Counts(now time.Time, undo time.Duration) bool {
	return p.Sealed && p.Proven && !p.Suspect && !p.TakenAt.IsZero() && p.TakenAt.Before(now.Add(-undo))
}

// Release is an approver's fresh vote, made on the installed CLI's own page, over the site's own nonce.
type Release struct {
	// Person is the approver, one of those whose independent votes the warrant carries.
	Person string
	// Passkey answers ReleaseChallenge; its own Nonce is the site's.
	Passkey Passkey
}
