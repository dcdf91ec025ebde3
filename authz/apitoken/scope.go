package apitoken

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Scope is one power that a token can have. The zero value is invalid.
type Scope uint8

// The scopes. This list is the whole of what automation can ever do; a power
// that is not here cannot be given to a token.
const (
	// VolumeRead lists volumes and reads primary data, past moments included.
	VolumeRead Scope = iota + 1
	// VolumeWrite writes, overwrites and deletes primary data (I11).
	VolumeWrite
	// VolumeCreate creates volumes.
	VolumeCreate
	// SnapshotCreate takes snapshots.
	SnapshotCreate
	// SnapshotRead lists snapshots and reads their catalogues and contents.
	SnapshotRead
	// SnapshotRestore brings a snapshot or a past moment back into a volume.
	SnapshotRestore
	// RequestDraft drafts a request; a person must confirm it.
	RequestDraft
	// RequestRead follows the state of requests.
	RequestRead

	scopeEnd
)

var scopeNames = [scopeEnd]string{
	VolumeRead:      "volume:read",
	VolumeWrite:     "volume:write",
	VolumeCreate:    "volume:create",
	SnapshotCreate:  "snapshot:create",
	SnapshotRead:    "snapshot:read",
	SnapshotRestore: "snapshot:restore",
	RequestDraft:    "request:draft",
	RequestRead:     "request:read",
}

var (
	// ErrScope means an unknown, repeated or missing scope.
	ErrScope = errors.New("apitoken: invalid scope")
	// ErrGrant means that a grant is out of bounds.
	ErrGrant = errors.New("apitoken: invalid grant")
	// ErrExpired means that the token's time is over.
	ErrExpired = errors.New("apitoken: expired")
	// ErrNotGranted means that the token has no such power on that volume.
	ErrNotGranted = errors.New("apitoken: not granted")
)

// Valid reports whether s is one of the scopes.
func (s Scope) Valid() bool { return s > 0 && s < scopeEnd }

// String is the scope's name, as in "volume:read".
func (s Scope) String() string {
	if !s.Valid() {
		return "invalid"
	}
	return scopeNames[s]
}

// AllScopes lists every scope.
func AllScopes() []Scope {
	out := make([]Scope, 0, scopeEnd-1)
	for s := Scope(1); s < scopeEnd; s++ {
		out = append(out, s)
	}
	return out
}

// ParseScope reads a scope's name. ErrScope.
func ParseScope(name string) (Scope, error) {
	for s := Scope(1); s < scopeEnd; s++ {
		if scopeNames[s] == name {
			return s, nil
		}
	}
	return 0, ErrScope
}

// Scopes is a set of scopes. The zero value is empty and grants nothing.
type Scopes struct{ bits uint32 }

// ScopesOf makes a set; it must not be empty and have nothing twice. ErrScope.
func ScopesOf(scopes ...Scope) (Scopes, error) {
	var set Scopes
	for _, s := range scopes {
		if !s.Valid() || set.Has(s) {
			return Scopes{}, ErrScope
		}
		set.bits |= 1 << s
	}
	if set.bits == 0 {
		return Scopes{}, ErrScope
	}
	return set, nil
}

// Has reports whether s is in the set.
func (set Scopes) Has(s Scope) bool { return s.Valid() && set.bits&(1<<s) != 0 }

// Within reports whether every scope of the set is in the other.
func (set Scopes) Within(other Scopes) bool { return set.bits&^other.bits == 0 }

// IsZero reports whether the set is empty.
func (set Scopes) IsZero() bool { return set.bits == 0 }

// List gives the scopes in their fixed order.
func (set Scopes) List() []Scope {
	var out []Scope
	for s := Scope(1); s < scopeEnd; s++ {
		if set.Has(s) {
			out = append(out, s)
		}
	}
	return out
}

// String is the scopes' names in their fixed order with a space between.
func (set Scopes) String() string {
	names := make([]string, 0, scopeEnd)
	for _, s := range set.List() {
		names = append(names, s.String())
	}
	return strings.Join(names, " ")
}

// ParseScopes reads what String writes, and only that: known names, in order,
// once each, one space between. ErrScope.
func ParseScopes(text string) (Scopes, error) {
	if len(text) > MaxScopesText {
		return Scopes{}, ErrScope
	}
	var list []Scope
	for name := range strings.SplitSeq(text, " ") {
		s, err := ParseScope(name)
		if err != nil {
			return Scopes{}, err
		}
		list = append(list, s)
	}
	set, err := ScopesOf(list...)
	if err != nil {
		return Scopes{}, err
	}
	if set.String() != text {
		return Scopes{}, ErrScope
	}
	return set, nil
}

// Grant is what a token may do. The zero Grant grants nothing.
type Grant struct {
	// Scopes must not be empty.
	Scopes Scopes
	// AllVolumes lifts the restriction to Volumes. It is a field of its own so
	// that a list that got lost never means "all".
	AllVolumes bool
	// Volumes are the ids of the volumes that the token is restricted to, at
	// least one and at most MaxVolumes, unless AllVolumes. VolumeCreate needs
	// AllVolumes, as a volume that does not exist yet is on no list.
	Volumes []string
	// Expires is mandatory: MinLifetime to MaxLifetime after minting.
	Expires time.Time
}

// Validate checks a grant that is about to be minted. ErrGrant.
func (g Grant) Validate(now time.Time) error {
	life := g.Expires.Sub(now)
	if g.Scopes.IsZero() || g.Expires.IsZero() || life < MinLifetime || life > MaxLifetime {
		return ErrGrant
	}
	if g.AllVolumes {
		if len(g.Volumes) != 0 {
			return ErrGrant
		}
		return nil
	}
	if len(g.Volumes) == 0 || len(g.Volumes) > MaxVolumes || g.Scopes.Has(VolumeCreate) {
		return ErrGrant
	}
	seen := map[string]bool{}
	for _, v := range g.Volumes {
		if v == "" || len(v) > MaxVolumeID || seen[v] {
			return ErrGrant
		}
		seen[v] = true
	}
	return nil
}

// Allows reports whether the token may use the scope on the volume now. The
// volume is empty only for what concerns no single volume, such as listing or
// creating, and then AllVolumes is needed. Errors: ErrExpired, ErrNotGranted.
func (g Grant) Allows(s Scope, volume string, now time.Time) error {
	if g.Expires.IsZero() || !now.Before(g.Expires) {
		return ErrExpired
	}
	if !g.Scopes.Has(s) {
		return ErrNotGranted
	}
	if g.AllVolumes {
		return nil
	}
	if volume == "" || !slices.Contains(g.Volumes, volume) {
		return ErrNotGranted
	}
	return nil
}
