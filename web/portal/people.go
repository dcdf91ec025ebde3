package portal

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func peoplePages(s *page.Site) {
	s.Get("/people", showPeople)
	s.Post("/people", func(v *page.Visit) error {
		invitation, err := v.Control.InviteMember(v.Context(), v.Who, wire.Invite{
			Name: strings.TrimSpace(v.Field("name")), Email: strings.TrimSpace(v.Field("email")), Role: v.Field("role"),
		})
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "Invited", Here: "/people"}, func(f view.Frame) templ.Component {
			return view.Invited(f, invitation, v.Control.PortalURL+"/invitation#"+invitation.Secret)
		})
	}, showPeople)
	s.Get("/people/:person", showPerson)
	s.Post("/people/:person/role", func(v *page.Visit) error {
		if _, err := v.Control.SetRole(v.Context(), v.Who, v.Param("person"), v.Field("role")); err != nil {
			return err
		}
		return v.Go("/people?done=role-changed")
	}, showPerson)
	s.Post("/people/:person/remove", func(v *page.Visit) error {
		if err := v.Control.RemoveMember(v.Context(), v.Who, v.Param("person")); err != nil {
			return err
		}
		return v.Go("/people?done=member-removed")
	}, showPerson)
}

func showPeople(v *page.Visit) error {
	list, err := v.Control.Members(v.Context(), v.Who)
	if err != nil {
		return err
	}
	p := view.People{Members: list, May: may(v), Name: v.Field("name"), Email: v.Field("email"), Role: v.Field("role")}
	return v.Show(view.Frame{Title: "People", Here: "/people"}, func(f view.Frame) templ.Component { return view.PeoplePage(f, p) })
}

func showPerson(v *page.Visit) error {
	list, err := v.Control.Members(v.Context(), v.Who)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(p wire.Person) bool { return p.ID == v.Param("person") })
	if i < 0 {
		return control.NewError(wire.TypeNotFound, nil, "There is nobody here under this name that you may see.")
	}
	return v.Show(view.Frame{Title: "Change a member", Here: "/people"}, func(f view.Frame) templ.Component { return view.PersonPage(f, list[i]) })
}

func tokenPages(s *page.Site) {
	s.Get("/tokens", showTokens)
	s.Post("/tokens", func(v *page.Visit) error {
		ends, err := time.Parse(time.RFC3339, v.Field("ends"))
		if err != nil {
			return control.NewError(wire.TypeInvalid, err, "Choose when the token ends.")
		}
		if len(v.Fields("scope")) == 0 {
			return control.NewError(wire.TypeInvalid, nil, "Tick what the token may do.")
		}
		volumes, err := tokenVolumes(v.Field("where"), v.Fields("volume"))
		if err != nil {
			return err
		}
		minted, err := v.Control.MintToken(v.Context(), v.Who, wire.MintToken{
			Name: strings.TrimSpace(v.Field("name")), Scopes: v.Fields("scope"), Volumes: volumes, ExpiresAt: ends,
		})
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "A new token", Here: "/tokens"}, func(f view.Frame) templ.Component { return view.Minted(f, minted) })
	}, showTokens)
	s.Post("/tokens/:token/revoke", func(v *page.Visit) error {
		if err := v.Control.RevokeToken(v.Context(), v.Who, v.Param("token")); err != nil {
			return err
		}
		return v.Go("/tokens?done=token-revoked")
	}, showTokens)
}

// tokenVolumes are the volumes that a token reaches, none for every one. Which of the two
// it is, somebody chose: it does not follow from ticks that are not there.
func tokenVolumes(where string, ticked []string) ([]string, error) {
	switch {
	case where == "these" && len(ticked) == 0:
		return nil, control.NewError(wire.TypeInvalid, nil, "Tick the volumes that the token reaches.")
	case where == "all" && len(ticked) > 0:
		return nil, control.NewError(wire.TypeInvalid, nil, "Every volume, or only those that are ticked: choose one of the two.")
	case where != "all" && where != "these":
		return nil, control.NewError(wire.TypeInvalid, nil, "Choose where the token works: every volume, or only these.")
	}
	return ticked, nil
}

// ends are when a token can end.
var ends = []struct {
	days  int
	words string
}{{7, "in a week"}, {30, "in 30 days"}, {90, "in 90 days"}, {365, "in a year"}}

func showTokens(v *page.Visit) error {
	t := view.Tokens{May: may(v), Scopes: control.TokenScopes(), Now: v.Control.Clock.Now().UTC(), Name: v.Field("name"), Where: v.Field("where"), On: map[string]bool{}}
	var err error
	if !t.May.Work {
		return control.NewError(wire.TypeDenied, nil, "Viewers do not see tokens. Ask an owner or operator.")
	}
	if t.List, err = v.Control.Tokens(v.Context(), v.Who); err != nil {
		return err
	}
	slices.Reverse(t.List)
	all, err := v.Control.Volumes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	for _, volume := range all {
		if !volume.Deleted {
			t.Volumes = append(t.Volumes, volume)
		}
	}
	for _, on := range append(v.Fields("scope"), v.Fields("volume")...) {
		t.On[on] = true
	}
	// A moment in the form, not a number of days: the step-up is for exactly it.
	today := t.Now.Truncate(time.Hour)
	for _, e := range ends {
		t.Ends = append(t.Ends, view.TokenEnd{At: today.AddDate(0, 0, e.days), Words: e.words})
	}
	return v.Show(view.Frame{Title: "Tokens", Here: "/tokens"}, func(f view.Frame) templ.Component { return view.TokensPage(f, t) })
}

func activityPages(s *page.Site) {
	s.Get("/activity", func(v *page.Visit) error {
		filter, query, before, err := v.LogFilter("/activity")
		if err != nil {
			return err
		}
		list, next, err := v.Control.FindLog(v.Context(), v.Who, query, before)
		if err != nil {
			return err
		}
		members, err := v.Control.Members(v.Context(), v.Who)
		if err != nil {
			return err
		}
		for _, m := range members {
			filter.People = append(filter.People, view.Choice{Value: m.ID, Name: m.Name})
		}
		names, err := ownNames(v)
		if err != nil {
			return err
		}
		first, older := page.FoundPages(filter, before, next)
		return v.Show(view.Frame{Title: "Activity", Here: "/activity", Wide: true}, func(f view.Frame) templ.Component { return view.ActivityPage(f, filter, list, names, first, older) })
	})
	s.Get("/activity/:index", func(v *page.Visit) error {
		index, err := strconv.ParseInt(v.Param("index"), 10, 64)
		if err != nil || index < 0 {
			return control.NewError(wire.TypeNotFound, err, "The log has no such entry.")
		}
		checked, err := v.Control.CheckEntry(v.Context(), v.Who, index)
		if err != nil {
			return err
		}
		names, err := ownNames(v)
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "Entry " + v.Param("index") + " of the log", Here: "/activity"}, func(f view.Frame) templ.Component { return view.EntryPage(f, checked, names) })
	})
}

// ownNames are the names of the tenant's people and volumes, and of approvers, by id:
// the log holds ids.
func ownNames(v *page.Visit) (map[string]string, error) {
	names := map[string]string{}
	people, err := v.Control.Members(v.Context(), v.Who)
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		names[p.ID] = p.Name
	}
	// The charter names its approvers to every member. Other staff stay an id.
	approvers, err := v.Control.CharterPeople(v.Context(), v.Who)
	if err != nil && control.AsError(err).Type != wire.TypeCharterMissing {
		return nil, err
	}
	for _, a := range approvers {
		names[a.ID] = a.Name
	}
	volumes, err := v.Control.Volumes(v.Context(), v.Who)
	if err != nil {
		return nil, err
	}
	for _, x := range volumes {
		names[x.ID] = x.Name
	}
	return names, nil
}
