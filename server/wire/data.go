package wire

import "time"

// CreateVolume makes a volume.
type CreateVolume struct {
	Name    string `json:"name" minLength:"1" maxLength:"200"`
	Kind    string `json:"kind" enum:"files,stream"`
	Profile string `json:"profile,omitempty" doc:"chunk profile; empty picks the kind's default"`
	// Compression is zstd where it is empty.
	Compression string `json:"compression,omitempty" enum:"zstd,s2,none" doc:"what uploads try: zstd (default), s2 (faster, larger) or none"`
}

// Volume is a named set of primary data.
type Volume struct {
	ID      string `json:"id"`
	Tenant  string `json:"tenant"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Profile string `json:"profile"`
	// Compression is what uploads try.
	Compression string     `json:"compression" doc:"what uploads try: zstd, s2 or none"`
	CreatedAt   time.Time  `json:"created_at"`
	Deleted     bool       `json:"deleted"`
	DeletedAt   *time.Time `json:"deleted_at,omitempty"`
	Head        int64      `json:"head" doc:"sequence number of the last commit"`
	Files       int64      `json:"files"`
	Bytes       int64      `json:"bytes"`
	UndoFrom    time.Time  `json:"undo_from" doc:"every moment since then can be restored"`
	// UndoHeldSince is set while the window's beginning does not move on.
	UndoHeldSince *time.Time `json:"undo_held_since,omitempty" doc:"since then a freeze or hold keeps the undo window from ending: nothing is reclaimed"`
	UndoHeldBy    string     `json:"undo_held_by,omitempty" doc:"freeze or hold"`
}

// Entry is one path of a volume or snapshot. Path is UTF-8 where the stored
// bytes are; where they are not, Path is empty of meaning and PathBase64 is exact.
type Entry struct {
	Path       string    `json:"path"`
	PathBase64 string    `json:"path_base64,omitempty"`
	Type       string    `json:"type"`
	Size       int64     `json:"size"`
	Mode       uint32    `json:"mode"`
	ModTime    time.Time `json:"mod_time"`
	Target     string    `json:"target,omitempty"`
	ETag       string    `json:"etag,omitempty"`
}

// Entries is a page of a listing. Next is empty on the last page.
type Entries struct {
	Entries  []Entry `json:"entries"`
	Prefixes []Entry `json:"prefixes,omitempty" doc:"with a delimiter: what lies below a common prefix, as one of type prefix"`
	Next     string  `json:"next,omitempty"`
}

// Snapshot is an immutable point in time of a volume, with its copies.
type Snapshot struct {
	ID      string    `json:"id"`
	Volume  string    `json:"volume"`
	Name    string    `json:"name,omitempty"`
	At      time.Time `json:"at"`
	TakenAt time.Time `json:"taken_at"`
	State   string    `json:"state"`
	Digest  string    `json:"digest,omitempty"`
	Files   int64     `json:"files"`
	Bytes   int64     `json:"bytes"`
	Copies  []Copy    `json:"copies"`
}

// Erased says whether no copy of the snapshot is left anywhere, and there was one.
func (s Snapshot) Erased() bool {
	for _, k := range s.Copies {
		if k.State != "erased" {
			return false
		}
	}
	return len(s.Copies) > 0
}

// ErasedAt is when its last copy was erased; it says so of one that is Erased.
func (s Snapshot) ErasedAt() (at time.Time) {
	for _, k := range s.Copies {
		if k.Since.After(at) {
			at = k.Since
		}
	}
	return at
}

// Copy is one snapshot at one site.
type Copy struct {
	Site    string     `json:"site"`
	State   string     `json:"state"`
	Since   time.Time  `json:"since"`
	Proven  *time.Time `json:"proven_at,omitempty" doc:"when it was last restored with a key and compared"`
	Read    *time.Time `json:"read_at,omitempty" doc:"the beginning of the newest scrub that read every byte of it as it was written"`
	Suspect bool       `json:"suspect"`
}

// TakeSnapshot names a snapshot; the name is for people.
type TakeSnapshot struct {
	Name string `json:"name,omitempty" maxLength:"200"`
}

// Restore brings back a snapshot or a moment of the undo window, wholly or
// below Prefix, into a volume. No byte is copied; the volume's own history goes on.
type Restore struct {
	Snapshot string     `json:"snapshot,omitempty"`
	At       *time.Time `json:"at,omitempty"`
	Prefix   string     `json:"prefix,omitempty"`
	Into     string     `json:"into,omitempty" doc:"volume; empty is the same volume"`
	Exact    bool       `json:"exact,omitempty" doc:"also delete what the point does not have"`
	Missing  bool       `json:"missing,omitempty" doc:"bring back only what is not there now, and overwrite nothing"`
	Cursor   string     `json:"cursor,omitempty" doc:"next of the answer before: a large restore takes several calls"`
}

// Restored says what a restore brought back.
type Restored struct {
	Volume    string `json:"volume"`
	Files     int64  `json:"files" doc:"entries that were brought back"`
	Unchanged int64  `json:"unchanged" doc:"entries that were as they should be"`
	Deleted   int64  `json:"deleted"`
	Seq       int64  `json:"seq"`
	Next      string `json:"next,omitempty" doc:"not empty: call again with this as cursor, until it is empty"`
}

// AskTicket wants a short-lived ticket for the data path of one volume.
type AskTicket struct {
	Operations []string `json:"operations" minItems:"1" doc:"get, put, delete, list; restore: out of snapshots"`
}

// Ticket is an EdDSA JWT for the data path.
type Ticket struct {
	Ticket    string    `json:"ticket"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Uploaded is the answer to a PUT of one file or stream: it is durable.
type Uploaded struct {
	Path string    `json:"path"`
	Size int64     `json:"size"`
	ETag string    `json:"etag"`
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
}

// UploadedTree is the answer to a PUT of a tar stream: all of it is durable.
type UploadedTree struct {
	Entries   int64     `json:"entries" doc:"members of the archive"`
	Unchanged int64     `json:"unchanged" doc:"members that were already there like this"`
	Bytes     int64     `json:"bytes"`
	Deleted   int64     `json:"deleted"`
	Seq       int64     `json:"seq"`
	At        time.Time `json:"at"`
}

// Removed is the answer to a deletion of primary data.
type Removed struct {
	Files       int64     `json:"files"`
	Recoverable time.Time `json:"recoverable_until" doc:"until when the undo window brings it back; snapshots stay longer"`
	Seq         int64     `json:"seq"`
}
