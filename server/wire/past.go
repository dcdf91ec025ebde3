package wire

import "time"

// Change is one path that differs between two moments. Was is absent for what was
// added, Is for what was deleted.
type Change struct {
	Kind string `json:"kind" enum:"added,changed,deleted"`
	Was  *Entry `json:"was,omitempty"`
	Is   *Entry `json:"is,omitempty"`
}

// Path is the path that differs.
func (c Change) Path() Entry {
	if c.Was != nil {
		return *c.Was
	}
	return *c.Is
}

// Differences is a page of what differs between two moments. A page with a Next
// may be empty: each compares a bounded number of entries.
type Differences struct {
	Changes []Change `json:"changes"`
	Next    string   `json:"next,omitempty"`
}

// Deletion is a path that was deleted and is not there now.
type Deletion struct {
	Entry  Entry     `json:"entry"`
	At     time.Time `json:"at"`
	Before time.Time `json:"before" doc:"a moment at which it was there; restore it from this"`
}

// Deletions is a page of what was deleted within the undo window, newest first. A
// page with a Next may be empty.
type Deletions struct {
	Deletions []Deletion `json:"deletions"`
	Next      string     `json:"next,omitempty"`
}

// Glance is a volume's protection at a glance.
type Glance struct {
	Volume  Volume
	Latest  *Snapshot  // newest snapshot that is not erased, whatever its state
	Sealed  *Snapshot  // newest one that is sealed, and has a copy that is not hidden
	Proven  *time.Time // when a copy was last restored and compared
	Read    *time.Time // the newest scrub that read every byte of one of them as it was written
	Sizes   []int64    // of sealed snapshots, oldest first
	Suspect int        // copies among the newest that do not count as restore points
}

// Timeline counts a volume's snapshots in spans of equal width.
type Timeline struct {
	From  time.Time
	Width time.Duration
	Spans int
	Lanes []Lane
}

// Lane is one site of a timeline. Site is empty for snapshots without a copy yet.
type Lane struct {
	Site  string
	Marks []Mark
}

// Mark is one span at one site: how many snapshots, and how many of their copies
// are whole and proven.
type Mark struct {
	Span                 int
	Count, Whole, Proven int64
	Erased               int64 // of Count: nothing of these is left here
	Newest               string
}

// Foreseen is what a request for a deletion would come to, before there is one, and what
// the charter in force would demand for it; durations in seconds.
type Foreseen struct {
	Impact           Impact
	Approvals, Teams int
	Cooling, Grace   float64
}

// CheckedEntry is a log entry with the check of its commitment and of the proof
// that it is in the log.
type CheckedEntry struct {
	Entry     LogEntry
	Proof     LogProof
	Key       string // the log's verifier key
	Origin    string
	Size      int64  // of the tree that the proof is against
	Root      string // of that tree
	Witnesses int    // who cosigned it
	Verified  bool   // the body, opened with its salt, is what the leaf commits to, and the leaf is in the tree
}
