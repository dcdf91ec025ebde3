package quorum

import (
	"fmt"
	"time"
)

// Requirement is what a charter demands of a request, surcharges included. It is frozen at opening; later it only
// becomes stricter.
type Requirement struct {
	// Approvals is how many distinct people must approve, at least MinApprovals.
	Approvals int `json:"approvals"`
	// Teams is from how many teams they must come.
	Teams int `json:"teams"`
	// Hardware is how many of the votes must be by device-bound passkeys.
	Hardware int `json:"hardware"`
	// Independent is how many must be cast on a page that the control plane does not serve.
	Independent int `json:"independent"`
	// TOTP admits votes by one-time code.
	TOTP bool `json:"totp"`
	// Cooling is the delay between quorum and execution.
	Cooling time.Duration `json:"cooling"`
	// Grace is the time between tombstone and erasure; zero for an action that has no tombstone.
	Grace time.Duration `json:"grace"`
	// Clocks is how many outside clocks must agree before a tick is credited.
	Clocks int `json:"clocks"`
	// Quarantine is how old a membership must be before it votes.
	Quarantine time.Duration `json:"quarantine"`
}

// Validate refuses what could let one person act, or nobody: ErrRequirement.
func (r Requirement) Validate() error {
	switch {
	case r.Approvals < MinApprovals || r.Approvals > MaxApprovals:
		return fmt.Errorf("%w: %d approvals", ErrRequirement, r.Approvals)
	case r.Teams < 0 || r.Teams > r.Approvals, r.Hardware < 0 || r.Hardware > r.Approvals, r.Independent < 0 || r.Independent > r.Approvals:
		return fmt.Errorf("%w: more of a kind than approvals", ErrRequirement)
	case r.Cooling <= 0 || r.Grace < 0 || r.Clocks < 0 || r.Quarantine < 0:
		return fmt.Errorf("%w: delays", ErrRequirement)
	}
	return nil
}

// Stricter takes the stricter of each line.
func (r Requirement) Stricter(o Requirement) Requirement {
	return Requirement{
		Approvals:   max(r.Approvals, o.Approvals),
		Teams:       max(r.Teams, o.Teams),
		Hardware:    max(r.Hardware, o.Hardware),
		Independent: max(r.Independent, o.Independent),
		TOTP:        r.TOTP && o.TOTP,
		Cooling:     max(r.Cooling, o.Cooling),
		Grace:       max(r.Grace, o.Grace),
		Clocks:      max(r.Clocks, o.Clocks),
		Quarantine:  max(r.Quarantine, o.Quarantine),
	}
}

// Approver is one person of the roster in force: named by the charter that the request's statement names and by the newest.
type Approver struct {
	Person string `json:"person"`
	Team   string `json:"team"`
	// Admitted is when the person's membership began, UTC; the later of both charters.
	Admitted time.Time `json:"admitted"`
	// Suspended says that the person is suspended, by another or for suspending another.
	Suspended bool `json:"suspended,omitempty"`
}

// Tally is what counts now.
type Tally struct {
	Approvals, Teams, Hardware, Independent int
}

// Meets says whether the tally reaches the requirement.
func (t Tally) Meets(r Requirement) bool {
	return r.Approvals >= MinApprovals && t.Approvals >= r.Approvals && t.Teams >= r.Teams &&
		t.Hardware >= r.Hardware && t.Independent >= r.Independent
}
