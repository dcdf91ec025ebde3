// Package charter owns the signed constitution: who approves, with which keys, how many of them, after which delays, at
// which sites. It decides what a charter may say, what it demands of an action, and which charter may follow which. It
// must never do WebAuthn, read a clock, or accept a rule from anywhere but a charter's text (T24).
//
// The format is described in docs/spec/charter.md.
//
// A charter is in force at a site only once the log leaf that carries its hash stands in a checkpoint with the witnesses
// that the charter before it demands; this package verifies the succession, the caller the log. Two charters of one
// number (ErrFork) stop everything destructive.
package charter

import (
	"crypto/sha256"
	"errors"
	"time"
)

var (
	// ErrInvalid is wrapped by every refusal of a charter's content; InvalidError names the case.
	ErrInvalid = errors.New("invalid charter")
	// ErrMalformed is wrapped by every refusal of a charter's text.
	ErrMalformed = errors.New("malformed charter")
	// ErrVersion means that the first line is not that of a version which this program knows.
	ErrVersion = errors.New("unknown charter version")
	// ErrFork means two charters of one number: everything destructive stops.
	ErrFork = errors.New("two charters of one number")
	// ErrRollback means that an older number follows a newer one.
	ErrRollback = errors.New("charter number goes back")
	// ErrSkip means that a number is left out.
	ErrSkip = errors.New("charter number leaves one out")
	// ErrPrevious means that the charter names another predecessor than the one at hand.
	ErrPrevious = errors.New("charter names another predecessor")
	// ErrSuccession is wrapped by the other refusals of a succession.
	ErrSuccession = errors.New("charter does not follow")
	// ErrSignatures is wrapped when votes or proofs of possession are missing or wrong.
	ErrSignatures = errors.New("charter is not signed as its predecessor demands")
	// ErrUnknownSite means that the charter names no such site.
	ErrUnknownSite = errors.New("site not in the charter")
	// ErrUnknownAction means that the action is not a gated one.
	ErrUnknownAction = errors.New("unknown action")
	// ErrNotEligible is wrapped by every refusal of Eligible.
	ErrNotEligible = errors.New("not eligible to vote")
)

// InvalidError names the case in which a charter fails.
type InvalidError struct {
	// Case is a stable name such as quorum-below-two.
	Case string
	// Detail says where.
	Detail string
}

// Error implements error.
func (e *InvalidError) Error() string { return "invalid charter: " + e.Case + ": " + e.Detail }

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// Purpose says what an installation is for. The zero value is invalid.
type Purpose string

const (
	// Production demands the full delays.
	Production Purpose = "production"
	// Demo permits short delays; every page says so.
	Demo Purpose = "demo"
)

// KeepAuthority says who may log a keep rule. The zero value is invalid.
type KeepAuthority string

const (
	// KeepByOwner lets the tenant's owners log keep rules that keep no less than the one in force.
	KeepByOwner KeepAuthority = "owner"
	// KeepByOperator lets owners and operators.
	KeepByOperator KeepAuthority = "operator"
	// KeepByQuorum lets nobody: every keep rule but "keep all" needs the gate.
	KeepByQuorum KeepAuthority = "quorum"
)

// Role is a site's role. The zero value is invalid.
type Role string

const (
	// Primary is the site of the control plane; there is exactly one.
	Primary Role = "primary"
	// Replica is another site that shares a host, login or administrator with the control plane.
	Replica Role = "replica"
	// Independent is a site that shares none of them.
	Independent Role = "independent"
)

// Origin is a web origin that votes may come from.
type Origin struct {
	// URL is scheme, host and port, as WebAuthn's client data spell it.
	URL string
	// RP is the RP id that the origin uses.
	RP string
	// Independent marks an origin that the control plane does not serve: the CLI's own page.
	Independent bool
}

// Key is a passkey of an approver.
type Key struct {
	CredentialID []byte
	// RP is the RP id for which the credential was made.
	RP string
	// PublicKey is the COSE_Key (RFC 9052), in the one encoding that COSEAlgorithm accepts.
	PublicKey []byte
	// Hardware marks a device-bound key: its votes count for `hardware`.
	Hardware bool
	AAGUID   [16]byte
	// AdmittedAt is when the key came into a charter.
	AdmittedAt time.Time
}

// Approver is a support person who votes.
type Approver struct {
	ID   string
	Name string
	Team string
	// AdmittedAt is when the person came into a charter.
	AdmittedAt time.Time
	// Keys are ordered by credential id.
	Keys []Key
}

// Signer is a named Ed25519 key: an attestation key.
type Signer struct {
	ID  string
	Key [32]byte
}

// Witness is somebody who cosigns checkpoints. Witnesses of one holder count once.
type Witness struct {
	// Name is the C2SP key name.
	Name string
	Key  [32]byte
	// HolderKind is site, person or external.
	HolderKind string
	// Holder is the site's name, the person's id, or the outside party's name.
	Holder string
}

// Recipient is an age recipient for which every tenant's keys are wrapped.
type Recipient struct {
	Name string
	// Age is the recipient, age1...
	Age string
}

// Mailbox is another place where a site looks for stops.
type Mailbox struct {
	Site string
	URL  string
}

// Site is a place that holds copies, and what a deletion demands there.
type Site struct {
	Name string
	Role Role
	// Key signs the site's receipts and intents (Ed25519).
	Key [32]byte
	// Approvals is the number of distinct people that must approve.
	Approvals int
	// Teams is the number of distinct teams among them.
	Teams int
	// Hardware is the number of people who vote by a device-bound key.
	Hardware int
	// Independent is the number of people who vote from an independent origin, and of those who release afresh.
	Independent int
	// TOTP says whether attested TOTP votes count for deletions of copies.
	TOTP bool
	// Cooling is the delay between first sight of a warrant and tombstone.
	Cooling time.Duration
	// Grace is the delay between tombstone and erasure.
	Grace time.Duration
	// LastExtra is added to Cooling for a last copy or a last restore point.
	LastExtra time.Duration
	Caps      Caps
}

// Caps bound how much may go.
type Caps struct {
	RequestCopies, RequestBytes uint64
	// DayCopies and DayBytes bound any 24 hours.
	DayCopies, DayBytes uint64
}

// Charter is the content of a charter's text.
type Charter struct {
	// Number counts from one.
	Number uint64
	// Previous is the hash of the charter before; zero for number one.
	Previous  [32]byte
	Purpose   Purpose
	CreatedAt time.Time
	// Undo is how long deleted and overwritten primary data stays restorable.
	Undo time.Duration
	// Quarantine is how long a new approver or key may stop but not approve.
	Quarantine time.Duration
	// Stagger keeps two erasures of one snapshot apart.
	Stagger time.Duration
	// Clocks is how many outside clocks must agree for time to count.
	Clocks int
	// Witnesses is how many independent parties must have cosigned a checkpoint.
	Witnesses int
	KeepRules KeepAuthority
	// Origins are ordered by URL.
	Origins []Origin
	// Approvers are ordered by id.
	Approvers []Approver
	// Attestations are the keys that sign attestations of TOTP votes, ordered by id.
	Attestations []Signer
	// Log is the key that signs checkpoints; its ID is the log's origin.
	Log Signer
	// WitnessKeys are ordered by name.
	WitnessKeys []Witness
	// Recipients are ordered by age recipient.
	Recipients []Recipient
	// Mailboxes are ordered by site and URL.
	Mailboxes []Mailbox
	// Sites are ordered by name.
	Sites []Site
}

// Hash is the hash that names a charter's text.
func Hash(text []byte) [32]byte { return sha256.Sum256(text) }

// Hash renders the charter and hashes it. It fails as Render does.
func (c *Charter) Hash() ([32]byte, error) {
	text, err := c.Render()
	if err != nil {
		return [32]byte{}, err
	}
	return Hash(text), nil
}

// Approver returns the approver of an id.
func (c *Charter) Approver(id string) (Approver, bool) {
	for _, a := range c.Approvers {
		if a.ID == id {
			return a, true
		}
	}
	return Approver{}, false
}

// Key returns the passkey of a credential id, and whose it is.
func (c *Charter) Key(credentialID []byte) (Approver, Key, bool) {
	for _, a := range c.Approvers {
		for _, k := range a.Keys {
			if string(k.CredentialID) == string(credentialID) {
				return a, k, true
			}
		}
	}
	return Approver{}, Key{}, false
}

// Site returns the line of a site.
func (c *Charter) Site(name string) (Site, bool) {
	for _, s := range c.Sites {
		if s.Name == name {
			return s, true
		}
	}
	return Site{}, false
}

// Origin returns the line of an origin.
func (c *Charter) Origin(url string) (Origin, bool) {
	for _, o := range c.Origins {
		if o.URL == url {
			return o, true
		}
	}
	return Origin{}, false
}

// Attestation returns the attestation key of an id.
func (c *Charter) Attestation(id string) (Signer, bool) {
	for _, s := range c.Attestations {
		if s.ID == id {
			return s, true
		}
	}
	return Signer{}, false
}

// Witness returns the witness of a key name.
func (c *Charter) Witness(name string) (Witness, bool) {
	for _, w := range c.WitnessKeys {
		if w.Name == name {
			return w, true
		}
	}
	return Witness{}, false
}

// RPs returns the distinct RP ids of all origins, in order of the origins.
func (c *Charter) RPs() []string {
	var out []string
	seen := map[string]bool{}
	for _, o := range c.Origins {
		if !seen[o.RP] {
			seen[o.RP] = true
			out = append(out, o.RP)
		}
	}
	return out
}

// MultiSite reports whether copies live at more than one site, so that a last copy costs more.
func (c *Charter) MultiSite() bool { return len(c.Sites) > 1 }
