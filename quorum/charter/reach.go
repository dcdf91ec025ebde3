package charter

import (
	"slices"

	"holdfast/quorum/internal/plain"
	"holdfast/quorum/statement"
)

// lawful is a case that a charter must be able to decide: how many approvers are excluded, under what surcharges.
type lawful struct {
	name     string
	action   statement.Action
	k        Circumstance
	excluded int
}

// lawfuls are the worst cases. The reasons for the number excluded: an approver who opens a request for a tenant does not
// vote on it; one who proposes a removal does not vote, nor does who is removed; a suspension suspends two, and a third
// proposes its end.
var lawfuls = []lawful{
	{"last-copy-opened-by-an-approver", statement.DeleteCopies, Circumstance{LastCopy: true, LastPoint: true, StaffOpened: true}, 1},
	{"removal-of-an-approver", statement.ChangeCharter, Circumstance{}, 2},
	{"freeze-lifted-for-a-tenant-by-an-approver", statement.LiftFreeze, Circumstance{StaffOpened: true}, 1},
	{"end-of-a-suspension", statement.EndSuspension, Circumstance{}, 3},
}

// reach refuses a charter whose quorum cannot be reached in a lawful case, whoever is excluded.
func (v *validator) reach() {
	for _, l := range lawfuls {
		sites := []string{""}
		if l.action == statement.DeleteCopies {
			sites = sites[:0]
			for _, s := range v.c.Sites {
				sites = append(sites, s.Name)
			}
		}
		for _, site := range sites {
			r, err := v.c.Requirement(l.action, l.k, site)
			v.that(err == nil, l.name, "%v", err)
			v.reaches(l, site, r)
		}
	}
}

func (v *validator) reaches(l lawful, site string, r Requirement) {
	where := "everywhere"
	if site != "" {
		where = "site " + plain.Quote(site)
	}
	got := v.c.least(l.excluded)
	for _, w := range []struct {
		what      string
		has, need int
	}{
		{"approvals", got.Approvals, r.Approvals}, {"teams", got.Teams, r.Teams},
		{"hardware", got.Hardware, r.Hardware}, {"independent", got.Independent, r.Independent},
	} {
		v.that(w.has >= w.need, "unreachable-"+w.what+"-"+l.name, "%s: %d needed, %d left after %d exclusions", where, w.need, w.has, l.excluded)
	}
}

// least is the smallest tally that the roster gives when any n people are excluded and all others approve with the best
// key they have. Each figure is the least by itself: more people than needed may vote, so that one does not cost another.
func (c *Charter) least(n int) Tally {
	teams := map[string]int{}
	var t Tally
	for _, a := range c.Approvers {
		teams[a.Team]++
		t.Approvals++
		if slices.ContainsFunc(a.Keys, func(k Key) bool { return k.Hardware }) {
			t.Hardware++
		}
		if slices.ContainsFunc(a.Keys, func(k Key) bool { return c.independentRP(k.RP) }) {
			t.Independent++
		}
	}
	sizes := make([]int, 0, len(teams))
	for _, s := range teams {
		sizes = append(sizes, s)
	}
	slices.Sort(sizes)
	t.Teams = len(sizes)
	left := n
	for _, s := range sizes { // whole teams vanish cheapest when the smallest go first
		if left -= s; left < 0 {
			break
		}
		t.Teams--
	}
	t.Approvals, t.Hardware, t.Independent = max(0, t.Approvals-n), max(0, t.Hardware-n), max(0, t.Independent-n)
	return t
}

func (c *Charter) independentRP(rp string) bool {
	return slices.ContainsFunc(c.Origins, func(o Origin) bool { return o.Independent && o.RP == rp })
}
