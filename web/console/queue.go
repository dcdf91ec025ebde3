package console

import (
	"slices"

	"github.com/a-h/templ"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// queue shows what waits for votes, what ends first on top, and what is under way.
func queue(v *page.Visit) error {
	state, err := v.Control.Ceremony(v.Context(), v.Who, "")
	if err != nil {
		return err
	}
	q := view.Queue{Ceremony: state.State, Me: v.Who.ID(), Votes: v.Who.Principal.Staff == authz.StaffApprover}
	from, err := v.From()
	if err != nil {
		return err
	}
	// The pages are those of the fair queue: no tenant's junk moves another's request to the second.
	var all int
	if q.Open, all, err = v.Control.RequestPage(v.Context(), v.Who, "open", from, page.RequestsPage); err != nil {
		return err
	}
	q.First, q.Next = page.Around("/", from, page.RequestsPage, all)
	slices.SortStableFunc(q.Open, func(a, b wire.Request) int { return a.VoteUntil.Compare(b.VoteUntil) })
	for _, phase := range []string{"cooling", "executing", "tombstoned"} {
		more, all, err := v.Control.RequestPage(v.Context(), v.Who, phase, 0, underPage)
		if err != nil {
			return err
		}
		q.Under = append(q.Under, more...)
		if all > len(more) {
			q.More = append(q.More, phase)
		}
	}
	if q.Tenants, err = tenantNames(v); err != nil {
		return err
	}
	freezes, err := v.Control.Freezes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	q.Freezes = len(freezes)
	sites, err := v.Control.Sites(v.Context(), v.Who)
	if err != nil {
		return err
	}
	for _, s := range sites {
		if s.Here && s.Suspended != "" {
			q.Suspended = s.Suspended
		}
	}
	return v.Show(view.Frame{Title: "Queue", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.QueuePage(f, q) })
}

// tenantNames are the tenants by id.
func tenantNames(v *page.Visit) (map[string]string, error) {
	list, err := v.Control.Tenants(v.Context(), v.Who)
	out := map[string]string{}
	for _, t := range list {
		out[t.ID] = t.Name
	}
	return out, err
}
