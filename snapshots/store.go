package snapshots

import (
	"context"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
)

// What the Engine needs of the site database. snapshots/sqlstore implements all of it. Every method works inside the
// transaction that it is given; "lock" means until that transaction ends. Not-found is ErrNotFound.

// TenantStore keeps the row that writers of a tenant lock, and the wrapped key sets.
type TenantStore interface {
	InsertTenant(ctx context.Context, tx *sqldb.Tx, t TenantState) error
	LockTenant(ctx context.Context, tx *sqldb.Tx, tenant string) (TenantState, error)
	Tenant(ctx context.Context, tx *sqldb.Tx, tenant string) (TenantState, error)
	// AddStored counts bytes that were appended to packs. LockTenant comes first.
	AddStored(ctx context.Context, tx *sqldb.Tx, tenant string, n int64) error
	SetQuota(ctx context.Context, tx *sqldb.Tx, tenant string, n int64) error
	InsertKey(ctx context.Context, tx *sqldb.Tx, k TenantKey) error
	// Keys answers the key sets that are not disabled.
	Keys(ctx context.Context, tx *sqldb.Tx, tenant string) ([]TenantKey, error)
}

// VolumeStore keeps volumes and their commits.
type VolumeStore interface {
	InsertVolume(ctx context.Context, tx *sqldb.Tx, v Volume) error
	LockVolume(ctx context.Context, tx *sqldb.Tx, v VolumeID) (Volume, error)
	// Volume answers deleted volumes too, and only those of the tenant.
	Volume(ctx context.Context, tx *sqldb.Tx, tenant string, v VolumeID) (Volume, error)
	VolumeByName(ctx context.Context, tx *sqldb.Tx, tenant, name string) (Volume, error)
	// Volumes lists in the order of their ids, from after the given one.
	Volumes(ctx context.Context, tx *sqldb.Tx, tenant string, deleted bool, after VolumeID, limit int) ([]Volume, error)
	// AdvanceVolume stores head, journal and counters of a locked volume.
	AdvanceVolume(ctx context.Context, tx *sqldb.Tx, v Volume) error
	// MarkVolume sets or clears when a locked volume was deleted.
	MarkVolume(ctx context.Context, tx *sqldb.Tx, v VolumeID, deletedAt int64) error
	InsertCommits(ctx context.Context, tx *sqldb.Tx, v VolumeID, commits []Commit) error
	// SeqAt is the last commit with at ≤ t microseconds and its time.
	SeqAt(ctx context.Context, tx *sqldb.Tx, v VolumeID, t int64) (seq, at int64, err error)
	CommitAt(ctx context.Context, tx *sqldb.Tx, v VolumeID, seq int64) (at int64, err error)
}

// Select says which versions of a volume are meant: alive at Seq, path beginning with Prefix and greater than After
// (or, with From, at least After).
type Select struct {
	Volume VolumeID
	Seq    int64
	Prefix string
	After  string
	From   bool
	Limit  int
	// Until, where it is not empty, is the last path; Except, where it is not 0, leaves out versions that are alive at
	// that sequence number too.
	Until  string
	Except int64
}

// VersionStore keeps versions.
type VersionStore interface {
	// InsertVersions inserts versions that are alive.
	InsertVersions(ctx context.Context, tx *sqldb.Tx, v VolumeID, born int64, entries []Entry) error
	// EndVersions has the live versions of the paths die at seq, and answers how many files and bytes that were.
	EndVersions(ctx context.Context, tx *sqldb.Tx, v VolumeID, seq int64, paths []string) (files, bytes int64, err error)
	// EndPrefix has every live version below the prefix die at seq.
	EndPrefix(ctx context.Context, tx *sqldb.Tx, v VolumeID, seq int64, prefix string) (files, bytes int64, err error)
	// VersionAt is the version of a path that is alive at seq.
	VersionAt(ctx context.Context, tx *sqldb.Tx, v VolumeID, seq int64, path string) (Version, error)
	// LiveVersions are the live versions of those of the paths that have one, in no particular order.
	LiveVersions(ctx context.Context, tx *sqldb.Tx, v VolumeID, paths []string) ([]Version, error)
	VersionsAt(ctx context.Context, tx *sqldb.Tx, s Select) ([]Version, error)
	// History lists the versions of one path, newest first.
	History(ctx context.Context, tx *sqldb.Tx, v VolumeID, path string, limit int) ([]Version, error)
}

// CompareStore reads for people who look at the past.
type CompareStore interface {
	// PathOn is the path of the version that stands n versions after the first with a path greater than after.
	PathOn(ctx context.Context, tx *sqldb.Tx, v VolumeID, after string, n int) (string, error)
	// Dead lists dead versions in descending order of their deaths and paths, from the given ones down, and says of which
	// paths there is a later version. Metadata and recipes are left out.
	Dead(ctx context.Context, tx *sqldb.Tx, v VolumeID, seq int64, path string, limit int) ([]Version, []bool, error)
	// Buckets counts snapshots by spans of width microseconds and sites, in the order of sites and spans.
	Buckets(ctx context.Context, tx *sqldb.Tx, v VolumeID, from, width int64, n int) ([]Bucket, error)
	Sizes(ctx context.Context, tx *sqldb.Tx, v VolumeID, limit int) ([]Size, error)
}

// SnapshotStore keeps snapshots, pins, seals, copies and proofs. None of it is ever changed or taken away here, but pins.
type SnapshotStore interface {
	InsertSnapshot(ctx context.Context, tx *sqldb.Tx, s Snapshot) error
	Snapshot(ctx context.Context, tx *sqldb.Tx, tenant string, s SnapshotID) (Snapshot, error)
	// Snapshots lists newest first, from before the given one.
	Snapshots(ctx context.Context, tx *sqldb.Tx, tenant string, v VolumeID, before SnapshotID, limit int) ([]Snapshot, error)
	// Newest lists a volume's newest snapshots but those all of whose copies are gone:
	// in one of these states, of which there is at least one. A snapshot without a copy yet is among them.
	Newest(ctx context.Context, tx *sqldb.Tx, tenant string, v VolumeID, limit int, gone ...CopyState) ([]Snapshot, error)
	// Unsealed lists snapshots without a seal, oldest first, of all tenants.
	Unsealed(ctx context.Context, tx *sqldb.Tx, limit int) ([]Snapshot, error)
	// CoversSeq reports whether a snapshot was taken at exactly this commit and has a copy that is not erased, or none yet.
	CoversSeq(ctx context.Context, tx *sqldb.Tx, v VolumeID, seq int64) (bool, error)
	InsertPin(ctx context.Context, tx *sqldb.Tx, s SnapshotID, name, by string, at int64) error
	DeletePin(ctx context.Context, tx *sqldb.Tx, s SnapshotID, name string) error
	// InsertSeal answers false, and changes nothing, when the snapshot is sealed.
	InsertSeal(ctx context.Context, tx *sqldb.Tx, s Snapshot, seal Seal) (bool, error)
	InsertCopy(ctx context.Context, tx *sqldb.Tx, c Copy) error
	Copy(ctx context.Context, tx *sqldb.Tx, s SnapshotID, site string) (Copy, error)
	Copies(ctx context.Context, tx *sqldb.Tx, tenant string, s SnapshotID) ([]Copy, error)
	InsertProof(ctx context.Context, tx *sqldb.Tx, p Proof) error
	InsertSuspect(ctx context.Context, tx *sqldb.Tx, s SnapshotID, site string, at int64, lifted bool, reason string) error
	// Unproven lists held copies of a site whose newest proof is older than before, or that have none.
	Unproven(ctx context.Context, tx *sqldb.Tx, site string, before int64, limit int) ([]Copy, error)
}

// ChunkKey is the identity of a frame within a tenant.
type ChunkKey struct {
	ID   chunk.ID
	Hash frame.Hash
}

// ChunkStore keeps the index of frames and the edges between them. Chunks and packs are only inserted.
type ChunkStore interface {
	// FindChunks answers one frame of each id that has any which is not condemned, in no particular order.
	FindChunks(ctx context.Context, tx *sqldb.Tx, tenant string, ids []chunk.ID) ([]Location, error)
	// Locate answers where frames stand, in no particular order, condemned or not; missing ones are left out.
	Locate(ctx context.Context, tx *sqldb.Tx, tenant string, keys []ChunkKey) ([]Location, error)
	// InsertFrames inserts what is not there yet and answers the ones that it inserted.
	InsertFrames(ctx context.Context, tx *sqldb.Tx, tenant string, frames []Frame) ([]Frame, error)
	// InsertNewFrames inserts frames of which none is there yet, which costs less than to ask which are. ErrExists when one
	// is there: then the transaction has to be given up, and InsertFrames is what is wanted.
	InsertNewFrames(ctx context.Context, tx *sqldb.Tx, tenant string, frames []Frame) error
	// AddRefs counts edges and takes away what condemned their ends. LockTenant comes first. ErrChunkGone when a frame
	// is not in the index.
	AddRefs(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[ChunkKey]int64) error
	// AddFirstRefs counts edges to frames that InsertFrames has inserted in the same transaction.
	AddFirstRefs(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[ChunkKey]int64) error
	InsertPack(ctx context.Context, tx *sqldb.Tx, tenant string, p PackID, lease LeaseID, at int64) error
	InsertPackEnd(ctx context.Context, tx *sqldb.Tx, p PackID, size, at int64) error
	// OpenPacks lists packs that have no end and whose writer's lease is gone or was last renewed before the given time.
	OpenPacks(ctx context.Context, tx *sqldb.Tx, renewedSince int64, limit int) ([]OpenPack, error)
	InsertJournal(ctx context.Context, tx *sqldb.Tx, r JournalRow) error
}

// JournalRow says where an acknowledged journal record stands.
type JournalRow struct {
	Tenant            string
	Volume            VolumeID
	Number            int64
	FirstSeq, LastSeq int64
	Frame             ChunkKey
}

// OpenPack is a pack that its writer left without an end.
type OpenPack struct {
	Pack   PackID
	Tenant string
}

// LeaseStore keeps leases.
type LeaseStore interface {
	InsertLease(ctx context.Context, tx *sqldb.Tx, l Lease) error
	// RenewLease is ErrLease when the lease is gone.
	RenewLease(ctx context.Context, tx *sqldb.Tx, l LeaseID, at int64) error
	// CheckLease is ErrLease when the lease is gone or was last renewed before the given time.
	CheckLease(ctx context.Context, tx *sqldb.Tx, l LeaseID, renewedSince int64) error
	DeleteLease(ctx context.Context, tx *sqldb.Tx, l LeaseID) error
	Leases(ctx context.Context, tx *sqldb.Tx, tenant string) ([]Lease, error)
}

// ReclaimStore answers what the sweep may look at. It decides nothing: the sweep checks again under its locks.
type ReclaimStore interface {
	// Horizon answers the last commit of a volume before its undo window: what died up to it can be reclaimed, where no
	// snapshot needs it. It is Live where the volume was deleted before the cutoff, and 0 where there is none.
	Horizon(ctx context.Context, tx *sqldb.Tx, tenant string, v VolumeID, cutoff, undo int64) (int64, error)
	// Reclaimable lists versions that died (or whose volume was deleted) before the cutoff and that no snapshot with a
	// copy needs, from after the given one in the order (volume, path, born). The cutoff is that of the window undo, in
	// microseconds; a volume whose own window is longer has an earlier one.
	Reclaimable(ctx context.Context, tx *sqldb.Tx, tenant string, cutoff, undo int64, after Version, limit int) ([]Version, error)
}

// KeepStore keeps the keep rules of volumes as text, and the undo windows that volumes have of their own. Rows are only
// ever inserted; the newest counts.
type KeepStore interface {
	// InsertKeepRule numbers the rule. LockVolume comes first.
	InsertKeepRule(ctx context.Context, tx *sqldb.Tx, v VolumeID, rule, by string, at int64) error
	KeepRule(ctx context.Context, tx *sqldb.Tx, v VolumeID) (KeepRule, error)
	// InsertWindow numbers the window. LockTenant and LockVolume come first, so that no sweep counts by the old one.
	InsertWindow(ctx context.Context, tx *sqldb.Tx, v VolumeID, undo time.Duration, by string, at int64) error
	Window(ctx context.Context, tx *sqldb.Tx, v VolumeID) (Window, error)
	// Windows are those that hold for the tenant's volumes that have one.
	Windows(ctx context.Context, tx *sqldb.Tx, tenant string) ([]Window, error)
}

// Window is the undo window that a volume has of its own. It holds where it is longer than the charter's and the tenant's.
type Window struct {
	Volume VolumeID
	Number int64
	Undo   time.Duration
	SetAt  time.Time
	SetBy  string
}

// KeepRule is the newest keep rule of a volume. A rule only ever proposes.
type KeepRule struct {
	Volume VolumeID
	Number int64
	Rule   string
	SetAt  time.Time
	SetBy  string
}

// SiteStore keeps which site and which life of the database this is.
type SiteStore interface {
	// Site answers the site's name and epoch; it writes them when the database is new.
	Site(ctx context.Context, tx *sqldb.Tx, site string, epoch, at int64) (Site, error)
}

// Site is what the database says of itself. Epoch is drawn anew when a database is made or rebuilt.
type Site struct {
	Name  string
	Epoch int64
}

// Store is all of it.
type Store interface {
	TenantStore
	WrapStore
	OwnerStore
	VolumeStore
	VersionStore
	CompareStore
	SnapshotStore
	ChunkStore
	LeaseStore
	LifeStore
	ReclaimStore
	KeepStore
	SiteStore
	PushStore
}

// edgesOf counts one edge for each child.
func edgesOf(edges map[ChunkKey]int64, children []node.Child) {
	seen := make(map[ChunkKey]bool, len(children))
	for _, c := range children {
		k := ChunkKey{c.ID, c.Hash}
		if !seen[k] {
			seen[k] = true
			edges[k]++
		}
	}
}
