package warrant

import (
	"fmt"
	"slices"
	"time"
)

// Stage is the step that a permit opens. The zero value is invalid.
type Stage uint8

const (
	// StageTombstone hides the copies; it spends the warrant.
	StageTombstone Stage = 1
	// StageErase destroys what was tombstoned, after the grace period.
	StageErase Stage = 2
	// StageApply does a gated action that has no tombstone: shortening the undo window, lifting a freeze at a site.
	StageApply Stage = 3
)

// String returns `tombstone`, `erase`, `apply` or `invalid`.
func (s Stage) String() string {
	switch s {
	case StageTombstone:
		return "tombstone"
	case StageErase:
		return "erase"
	case StageApply:
		return "apply"
	}
	return "invalid"
}

// Target is one copy that a permit names, exactly as the statement and the site's inventory both have it.
type Target struct {
	Volume   string
	Snapshot string
	// Digest is the snapshot's digest: the hash of its root frame.
	Digest Digest
	// TakenAt is the snapshot's moment, UTC.
	TakenAt time.Time
	// Bytes and Files are as the statement states them.
	Bytes uint64
	Files uint64
}

// Permit is the only value that opens the destroying code. Authorise alone mints it, in memory, under the site's lock,
// afresh for every step; it has no text form and its zero value is refused.
type Permit struct {
	seal     *permitSeal
	site     string
	request  string
	tenant   string
	action   string
	stage    Stage
	digest   Digest
	copies   []Target
	subjects []string
	until    time.Time
}

// permitSeal tells a minted permit from a zero one; nothing outside can make it.
type permitSeal struct{ _ byte }

var minted = &permitSeal{}

// Valid says whether the permit was minted here.
func (p Permit) Valid() bool {
	return p.seal == minted && p.stage >= StageTombstone && p.stage <= StageApply
}

// Check is what the destroying code calls first: the permit was minted, is for this site and stage, and its short life
// has not ended at now. Errors wrap ErrPermit.
func (p Permit) Check(site string, stage Stage, now time.Time) error {
	switch {
	case !p.Valid():
		return fmt.Errorf("%w: not minted", ErrPermit)
	case p.site != site || site == "":
		return fmt.Errorf("%w: for site %q", ErrPermit, p.site)
	case p.stage != stage:
		return fmt.Errorf("%w: for stage %s", ErrPermit, p.stage)
	case !now.Before(p.until) || now.Before(p.until.Add(-2*PermitLife)):
		return fmt.Errorf("%w: its time has passed", ErrPermit)
	}
	return nil
}

// Site is the only site where the permit opens anything.
func (p Permit) Site() string { return p.site }

// Request is the request's id in text form.
func (p Permit) Request() string { return p.request }

// Tenant is the tenant's id in text form; empty for what concerns all.
func (p Permit) Tenant() string { return p.tenant }

// Action is the statement's action word.
func (p Permit) Action() string { return p.action }

// Stage is the step that the permit opens.
func (p Permit) Stage() Stage { return p.stage }

// Digest is the statement's.
func (p Permit) Digest() Digest { return p.digest }

// Copies are the copies at this site that may be destroyed. The slice is the caller's own.
func (p Permit) Copies() []Target { return slices.Clone(p.copies) }

// Subjects are the targets of actions other than deleting copies, as the statement names them.
func (p Permit) Subjects() []string { return slices.Clone(p.subjects) }

// Names says whether the permit names this snapshot of this volume with this digest.
func (p Permit) Names(volume, snapshot string, digest Digest) bool {
	if !p.Valid() {
		return false
	}
	return slices.ContainsFunc(p.copies, func(t Target) bool {
		return t.Volume == volume && t.Snapshot == snapshot && t.Digest == digest
	})
}
