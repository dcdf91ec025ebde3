package charter

import (
	"fmt"
	"slices"
	"time"
)

// Ballot is what Eligible needs to know of a request and of the vote's key.
type Ballot struct {
	// OpenedAt is when the request was opened.
	OpenedAt time.Time
	// Excluded are the people whose approval does not count: the requester, who opened it, the suspended.
	Excluded []string
	// InForceAt is when, by the log, the first charter that names the person and the key came in force; zero if that is
	// not known. Quarantine counts from the later of it and the admission that the charter names, so that a charter
	// that backdates an admission gains nothing.
	InForceAt time.Time
}

// Eligible reports whether an approval by the person with the key counts (I2, I5, T19): an approver of this charter with
// that very key (none for an attested TOTP vote), not excluded, person and key admitted before the request was opened,
// both past their quarantine at now. Errors wrap ErrNotEligible. A deny needs no eligibility, only membership.
func (c *Charter) Eligible(person string, credentialID []byte, b Ballot, now time.Time) error {
	a, ok := c.Approver(person)
	if !ok {
		return fmt.Errorf("%w: not an approver", ErrNotEligible)
	}
	if slices.Contains(b.Excluded, person) {
		return fmt.Errorf("%w: excluded from this request", ErrNotEligible)
	}
	if b.OpenedAt.IsZero() {
		return fmt.Errorf("%w: request without a time", ErrNotEligible)
	}
	admitted := later(a.AdmittedAt, b.InForceAt)
	if credentialID != nil {
		owner, k, ok := c.Key(credentialID)
		if !ok || owner.ID != person {
			return fmt.Errorf("%w: the charter names no such key of this person", ErrNotEligible)
		}
		admitted = later(admitted, k.AdmittedAt)
	}
	if !admitted.Before(b.OpenedAt) {
		return fmt.Errorf("%w: admitted after the request was opened", ErrNotEligible)
	}
	if now.Before(admitted.Add(c.Quarantine)) {
		return fmt.Errorf("%w: in quarantine until %s", ErrNotEligible, admitted.Add(c.Quarantine).UTC().Format(time.RFC3339))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
