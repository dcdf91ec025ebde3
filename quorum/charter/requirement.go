package charter

import (
	"fmt"
	"time"

	"holdfast/quorum/statement"
)

// Circumstance is what makes an action cost more.
type Circumstance struct {
	// LastCopy: some target is the last proven copy of its snapshot. Counts where the charter has more than one site.
	LastCopy bool
	// LastPoint: some target is the last restore point of its volume.
	LastPoint bool
	// StaffOpened: staff opened or requested it for a tenant.
	StaffOpened bool
	// UnprovenPasskey: the requester's factor is not a passkey whose enrolment leaf is older than the request by the
	// quarantine; TOTP is always unproven.
	UnprovenPasskey bool
}

// Requirement is what must be true before an action is executed. The zero value is refused by Met.
type Requirement struct {
	Approvals   int
	Teams       int
	Hardware    int
	Independent int
	// TOTP says whether attested TOTP votes count. Never for anything but deletions.
	TOTP    bool
	Cooling time.Duration
	Grace   time.Duration
	Caps    Caps
}

// surcharge of approvals: one for any last, one for a requester who is not a proven member.
func (c *Charter) surcharge(k Circumstance) (more int, last bool) {
	last = k.LastPoint || k.LastCopy && c.MultiSite()
	if last {
		more++
	}
	if k.StaffOpened || k.UnprovenPasskey {
		more++
	}
	return more, last
}

// Requirement returns what this charter demands for an action. For a deletion, site names the site's line; an empty
// site means the strictest of all lines, which every action other than a deletion always gets.
func (c *Charter) Requirement(action statement.Action, k Circumstance, site string) (Requirement, error) {
	if !action.Valid() {
		return Requirement{}, fmt.Errorf("%w: %q", ErrUnknownAction, action)
	}
	more, last := c.surcharge(k)
	lines := c.Sites
	if site != "" {
		s, ok := c.Site(site)
		if !ok {
			return Requirement{}, fmt.Errorf("%w: %q", ErrUnknownSite, site)
		}
		if action == statement.DeleteCopies {
			lines = []Site{s}
		}
	}
	if len(lines) == 0 {
		return Requirement{}, ErrUnknownSite
	}
	r := lines[0].requirement(last)
	for _, s := range lines[1:] {
		r = Stricter(r, s.requirement(last))
	}
	r.Approvals += more
	r.TOTP = r.TOTP && action == statement.DeleteCopies
	return r, nil
}

func (s Site) requirement(last bool) Requirement {
	r := Requirement{Approvals: s.Approvals, Teams: s.Teams, Hardware: s.Hardware, Independent: s.Independent, TOTP: s.TOTP,
		Cooling: s.Cooling, Grace: s.Grace, Caps: s.Caps}
	if last {
		r.Cooling += s.LastExtra
	}
	return r
}

// Stricter returns the stricter of each line.
func Stricter(a, b Requirement) Requirement {
	return Requirement{
		Approvals: max(a.Approvals, b.Approvals), Teams: max(a.Teams, b.Teams), Hardware: max(a.Hardware, b.Hardware),
		Independent: max(a.Independent, b.Independent), TOTP: a.TOTP && b.TOTP,
		Cooling: max(a.Cooling, b.Cooling), Grace: max(a.Grace, b.Grace),
		Caps: Caps{
			RequestCopies: min(a.Caps.RequestCopies, b.Caps.RequestCopies), RequestBytes: min(a.Caps.RequestBytes, b.Caps.RequestBytes),
			DayCopies: min(a.Caps.DayCopies, b.Caps.DayCopies), DayBytes: min(a.Caps.DayBytes, b.Caps.DayBytes),
		},
	}
}

// StricterOf returns the stricter of what two charters demand: that which a statement names, and the newest known.
func StricterOf(a, b *Charter, action statement.Action, k Circumstance, site string) (Requirement, error) {
	ra, err := a.Requirement(action, k, site)
	if err != nil {
		return Requirement{}, err
	}
	rb, err := b.Requirement(action, k, site)
	if err != nil {
		return Requirement{}, err
	}
	return Stricter(ra, rb), nil
}

// Tally is what a set of valid approvals amounts to, people counted once each.
type Tally struct {
	Approvals, Teams, Hardware, Independent int
}

// Met reports whether a tally reaches the requirement. A requirement below the least quorum is never met.
func (r Requirement) Met(t Tally) bool {
	return r.Approvals >= MinApprovals && t.Approvals >= r.Approvals && t.Teams >= r.Teams && t.Hardware >= r.Hardware &&
		t.Independent >= r.Independent
}

// Approval is a verified approving vote.
type Approval struct {
	Person string
	// Hardware: by a device-bound key. Independent: from an independent origin. TOTP: attested, without a passkey.
	Hardware, Independent, TOTP bool
}

// Count counts approvals of the charter's approvers, each person once whatever keys they used (I2, T16). The caller has
// checked each with Eligible. TOTP approvals count only if r admits them.
func (c *Charter) Count(r Requirement, votes []Approval) Tally {
	people := map[string]Approval{}
	for _, v := range votes {
		if v.TOTP && (!r.TOTP || v.Hardware || v.Independent) {
			continue
		}
		if _, ok := c.Approver(v.Person); !ok {
			continue
		}
		seen := people[v.Person]
		people[v.Person] = Approval{Person: v.Person, Hardware: seen.Hardware || v.Hardware, Independent: seen.Independent || v.Independent}
	}
	var t Tally
	teams := map[string]bool{}
	for id, v := range people {
		a, _ := c.Approver(id)
		teams[a.Team] = true
		t.Approvals++
		if v.Hardware {
			t.Hardware++
		}
		if v.Independent {
			t.Independent++
		}
	}
	t.Teams = len(teams)
	return t
}
