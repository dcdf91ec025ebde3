package snapshots

import (
	"time"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// Kind says what a volume is. The zero Kind is invalid.
type Kind string

const (
	// Files is a tree of files.
	Files Kind = "files"
	// Stream is one opaque stream, which is kept as the single file StreamPath.
	Stream Kind = "stream"
)

// StreamPath is the path of the only file of a stream volume.
const StreamPath = "stream"

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k == Files || k == Stream }

// Volume is a named set of primary data of one tenant.
type Volume struct {
	ID      VolumeID
	Tenant  string
	Name    string
	Kind    Kind
	Profile chunk.Profile
	// Compression is what its uploads try. A volume that was rebuilt from packs, which do not say, has the default.
	Compression frame.Compression
	// Head is the sequence number of the newest commit, HeadAt its time.
	Head   int64
	HeadAt time.Time
	// JournalNumber and JournalTip are of the newest acknowledged journal record: its number and the SHA-256 of its frame.
	JournalNumber int64
	JournalTip    frame.Hash
	// LiveFiles and LiveBytes are how many entries the volume has at its head, and the sum of their sizes.
	LiveFiles int64
	LiveBytes int64
	CreatedAt time.Time
	CreatedBy string
	// DeletedAt is zero while the volume is alive. A deleted volume can be brought back within the undo window.
	DeletedAt time.Time
}

// Type says what an entry is. The zero Type is invalid.
type Type uint8

const (
	TypeFile     Type = 1
	TypeDir      Type = 2
	TypeSymlink  Type = 3
	TypeHardlink Type = 4 // a file whose content is that of Link; it has a recipe of its own
	TypeFIFO     Type = 5
	TypeChar     Type = 6
	TypeBlock    Type = 7
)

// Valid reports whether t is a known type.
func (t Type) Valid() bool { return t >= TypeFile && t <= TypeBlock }

// HasContent reports whether entries of the type have a recipe.
func (t Type) HasContent() bool { return t == TypeFile || t == TypeHardlink }

// Meta is what is known of an entry besides its content. Only the server decides when a version was born; MTime is
// what the client says.
type Meta struct {
	// Mode has the permission bits with setuid (04000), setgid (02000) and sticky (01000).
	Mode     uint32
	UID, GID uint32
	User     string
	Group    string
	// MTime is nanoseconds since 1970 UTC.
	MTime int64
	// Link is the target of a symbolic link as it was, or the path within the volume that a hard link points at.
	Link         string
	Major, Minor uint32
	// Xattrs are in bytewise order of their names, each once.
	Xattrs []Xattr
	// ContentType is the media type that an upload declared, or empty.
	ContentType string
}

// Xattr is one extended attribute.
type Xattr struct{ Name, Value string }

// Entry is one version of one path.
type Entry struct {
	Path string
	Type Type
	Meta Meta
	Size int64
	// ETag is the digest of the content (stream.Digest); zero without content.
	ETag   [32]byte
	Recipe stream.Recipe
}

// Version is an entry with the commits that brought it and took it away.
type Version struct {
	Volume VolumeID
	Entry
	Born, Died int64
}

// Snapshot is an immutable point-in-time capture of a volume: all versions alive at Seq.
type Snapshot struct {
	ID     SnapshotID
	Tenant string
	Volume VolumeID
	Seq    int64
	// At is the time of the commit that took it, by the server's clock; TakenAt is the same moment.
	At      time.Time
	TakenAt time.Time
	TakenBy string
	Note    string
	// Seal is nil until the snapshot is sealed.
	Seal *Seal
}

// State is taken or sealed.
func (s Snapshot) State() SnapshotState {
	if s.Seal != nil {
		return Sealed
	}
	return Taken
}

// SnapshotState says how far a snapshot is.
type SnapshotState string

const (
	Taken  SnapshotState = "taken"
	Sealed SnapshotState = "sealed"
)

// Seal is what sealing fixed for ever. Digest is the SHA-256 of the root frame, hence a Merkle root over ciphertext.
type Seal struct {
	Digest frame.Hash
	Root   node.Child
	Files  int64
	Bytes  int64
	KeyNo  key.Number
	At     time.Time
}

// CopyState says how far a copy is. The zero CopyState is invalid.
type CopyState string

const (
	Held       CopyState = "held"
	Proven     CopyState = "proven"
	Tombstoned CopyState = "tombstoned"
	Erased     CopyState = "erased"
)

// Copy is one snapshot at one site.
type Copy struct {
	Snapshot SnapshotID
	Site     string
	Tenant   string
	Volume   VolumeID
	// State is the stored state, or Proven where that is Held and the newest proof succeeded.
	State        CopyState
	HeldAt       time.Time
	ProvenAt     time.Time // of the newest proof, when it succeeded
	TombstonedAt time.Time
	ErasedAt     time.Time
	// Suspect is the reason why the copy does not count as a restore point, or empty.
	Suspect string
}

// Proof is the outcome of one attempt to restore a copy with a key and compare it.
type Proof struct {
	Snapshot SnapshotID
	Site     string
	At       time.Time
	OK       bool
	Files    int64
	Bytes    int64
	Detail   string
}

// Location is where a frame or node stands.
type Location struct {
	Child    node.Child
	Pack     PackID
	Pos      int64
	PlainLen int64
}

// Frame is a new frame or node with its place and, for a node, the edges that its coming into the index counts.
type Frame struct {
	Location
	Children []node.Child
}

// Lease keeps what was known when it was taken.
type Lease struct {
	ID        LeaseID
	Tenant    string
	Owner     string
	Purpose   string
	TakenAt   time.Time
	RenewedAt time.Time
}

// TenantState is the row that writers of a tenant lock.
type TenantState struct {
	Tenant      string
	QuotaBytes  int64
	StoredBytes int64
	Undo        time.Duration
	CreatedAt   time.Time
}

// TenantKey is one numbered key set of a tenant, wrapped.
type TenantKey struct {
	Tenant     string
	Number     key.Number
	Wraps      []byte
	Commitment key.Commitment
	CreatedAt  time.Time
}
