// Package statement owns the plain text that names a gated action and every target of it. It is what people read, what
// votes sign, what sites check and what the sweep executes (I3). It must never accept two spellings of one meaning, a
// field or version that it does not know, or a byte outside printable ASCII and LF.
//
// The format is described in docs/spec/statement.md.
package statement

import (
	"errors"
	"time"
)

var (
	// ErrInvalid is wrapped by every refusal of a statement's content.
	ErrInvalid = errors.New("invalid statement")
	// ErrMalformed is wrapped by every refusal of a statement's text.
	ErrMalformed = errors.New("malformed statement")
	// ErrVersion means that the first line is not that of a version which this program knows.
	ErrVersion = errors.New("unknown statement version")
)

// Action is a gated action (I4), as the text spells it. The zero value is invalid.
type Action string

// The gated actions.
const (
	DeleteCopies     Action = "delete-copies"
	ChangeCharter    Action = "change-charter"
	ShortenUndo      Action = "shorten-undo"
	ShortenRetention Action = "shorten-retention"
	ReleaseHold      Action = "release-hold"
	LiftFreeze       Action = "lift-freeze"
	ResetFactor      Action = "reset-factor"
	CloseTenant      Action = "close-tenant"
	DestroyKey       Action = "destroy-key"
	DetachSite       Action = "detach-site"
	EndSuspension    Action = "end-suspension"
)

// Actions returns every gated action.
func Actions() []Action {
	return []Action{DeleteCopies, ChangeCharter, ShortenUndo, ShortenRetention, ReleaseHold, LiftFreeze, ResetFactor,
		CloseTenant, DestroyKey, DetachSite, EndSuspension}
}

// Valid reports whether a is a known action.
func (a Action) Valid() bool {
	_, ok := schemas[a]
	return ok
}

// Selection says how the copies of a deletion were chosen. It is empty for other actions.
type Selection string

const (
	// ByHand is a list that a person made, of at most MaxByHand copies.
	ByHand Selection = "by-hand"
	// ByRule is what a logged keep rule chose, at most MaxByRule copies; every site evaluates the rule again.
	ByRule Selection = "by-rule"
)

// PartyKind says what kind of account a party is. The zero value is invalid.
type PartyKind string

// The kinds of party. Only members and staff are people; a request that a token or the system drafted is confirmed by a
// person, who is then its requester.
const (
	Member PartyKind = "member"
	Staff  PartyKind = "staff"
	Token  PartyKind = "token"
	System PartyKind = "system"
)

// Party is an account with the name under which people know it.
type Party struct {
	Kind PartyKind
	ID   string
	Name string
}

// Tenant names the tenant that the action concerns; zero for actions that concern the installation.
type Tenant struct {
	ID   string
	Name string
}

// Charter names the charter under which the request was opened.
type Charter struct {
	Number uint64
	Hash   [32]byte
}

// KeepRule is the logged rule of a by-rule statement.
type KeepRule struct {
	// ID names the rule.
	ID string
	// Leaf is the hash of the log leaf that made the rule.
	Leaf [32]byte
	// Text is the rule itself, as the snapshots domain spells it.
	Text string
}

// Volume is what the header says of one volume beyond what the copies tell.
type Volume struct {
	ID   string
	Name string
	// NewestLeft is the newest restore point that remains after the deletion, anywhere; empty if none does.
	NewestLeft string
	// NewestLeftAt is the moment of NewestLeft; zero if there is none.
	NewestLeftAt time.Time
}

// Last says whether a copy is the last of its kind. The zero value is invalid.
type Last string

const (
	// NotLast means that other proven copies and other restore points remain.
	NotLast Last = "no"
	// LastCopy means that no proven copy of the snapshot remains elsewhere.
	LastCopy Last = "copy"
	// LastPoint means that the volume keeps no restore point.
	LastPoint Last = "point"
	// LastBoth means LastCopy and LastPoint.
	LastBoth Last = "copy+point"
)

// Copy is one target of a deletion: one snapshot at one site.
type Copy struct {
	Site     string
	Volume   string
	Snapshot string
	TakenAt  time.Time
	// Digest is the snapshot's digest: the hash of its root frame.
	Digest [32]byte
	// Bytes and Files are what a restore would bring back.
	Bytes uint64
	Files uint64
	Last  Last
}

// Subject is a target of an action other than deletion.
type Subject struct {
	Kind string
	ID   string
	Name string
}

// Fact is a typed property of an action other than deletion, as the text spells it. Make one with NumberFact,
// DurationFact, TimeFact, DigestFact or TextFact.
type Fact struct {
	Key   string
	Value string
}

// Statement is the content of a statement's text.
type Statement struct {
	Action    Action
	Request   string
	Tenant    Tenant
	Charter   Charter
	Selection Selection
	Rule      *KeepRule
	Reason    string
	// Requester is the person who proved presence for this statement.
	Requester Party
	// OpenedBy is the account that drafted the request; often the requester.
	OpenedBy     Party
	OpenedAt     time.Time
	VoteUntil    time.Time
	ExecuteUntil time.Time
	// Volumes has one entry for each volume of Copies, ordered by id.
	Volumes []Volume
	// Copies are the targets of a deletion, ordered by volume, taken-at, snapshot, site.
	Copies []Copy
	// Subjects and Facts are what the action's schema demands, in its order; empty for a deletion.
	Subjects []Subject
	Facts    []Fact
}

// StaffOpened reports whether staff drafted or requested this for a tenant, which costs one approval more.
func (s *Statement) StaffOpened() bool {
	return s.Tenant.ID != "" && (s.Requester.Kind == Staff || s.OpenedBy.Kind == Staff)
}

// Opened reports whether the person has opened or requested this, and so must not vote on it (I2).
func (s *Statement) Opened(person string) bool {
	return person == s.Requester.ID || person == s.OpenedBy.ID
}

// LastCopy reports whether any target is the last proven copy of its snapshot.
func (s *Statement) LastCopy() bool { return s.any(LastCopy) }

// LastPoint reports whether any target is the last restore point of its volume.
func (s *Statement) LastPoint() bool { return s.any(LastPoint) }

func (s *Statement) any(l Last) bool {
	for _, c := range s.Copies {
		if c.Last == l || c.Last == LastBoth {
			return true
		}
	}
	return false
}

// Totals are sums over copies.
type Totals struct {
	Copies    int
	Snapshots int
	Sites     int
	Volumes   int
	Bytes     uint64
	Files     uint64
}

// Totals sums all copies.
func (s *Statement) Totals() Totals { return sum(s.Copies) }

// At returns the copies at one site, in order.
func (s *Statement) At(site string) []Copy {
	var out []Copy
	for _, c := range s.Copies {
		if c.Site == site {
			out = append(out, c)
		}
	}
	return out
}

func sum(copies []Copy) Totals {
	sites, snaps, vols := map[string]bool{}, map[string]bool{}, map[string]bool{}
	t := Totals{Copies: len(copies)}
	for _, c := range copies {
		sites[c.Site], snaps[c.Snapshot], vols[c.Volume] = true, true, true
		t.Bytes += c.Bytes
		t.Files += c.Files
	}
	t.Sites, t.Snapshots, t.Volumes = len(sites), len(snaps), len(vols)
	return t
}
