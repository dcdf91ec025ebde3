package console

import (
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func charterPages(s *page.Site) {
	s.Get("/charter", showCharter)
	s.Get("/charter/approvers", showApprovers)
	s.Get("/charter/approvers/:person/suspend", showSuspend)
	s.Post("/charter/approvers/:person/suspend", func(v *page.Visit) error {
		if err := v.Control.SuspendApprover(v.Context(), v.Who, v.Param("person"), v.Field("reason")); err != nil {
			return err
		}
		return v.Go("/charter/approvers?done=suspended")
	}, showSuspend)
	s.Get("/charter/change", showChange)
	s.Post("/charter/change", func(v *page.Visit) error {
		composed, err := v.Control.ComposeCharter(v.Context(), v.Who, wanted(v))
		if err != nil {
			return err
		}
		return changeForm(v, &composed)
	}, showChange)
	s.Post("/charter/change/ask", func(v *page.Visit) error {
		text := strings.ReplaceAll(v.Field("charter"), "\r\n", "\n") // as forms send lines
		return ask(v, wire.AskRequest{Action: "change-charter", Charter: text, Reason: v.Field("reason")})
	}, func(v *page.Visit) error {
		text := strings.ReplaceAll(v.Field("charter"), "\r\n", "\n")
		composed := wire.ComposedCharter{Text: text}
		if changes, err := v.Control.CompareCharter(v.Context(), v.Who, text); err == nil {
			composed.Changes = changes
		}
		return changeForm(v, &composed)
	})
}

func showCharter(v *page.Visit) error {
	frame := view.Frame{Title: "Charter", Here: "/charter"}
	now, err := v.Control.Charter(v.Context(), v.Who)
	if err != nil {
		if control.AsError(err).Type != wire.TypeCharterMissing {
			return err
		}
		return v.Show(frame, func(f view.Frame) templ.Component { return view.ConstitutionPage(f, view.Constitution{}) })
	}
	c := view.Constitution{Charter: &now, Newest: now.Number}
	if text := v.Query("number"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return control.NewError(wire.TypeNotFound, err, "There is no charter of this number.")
		}
		earlier, err := v.Control.CharterAt(v.Context(), v.Who, n)
		if err != nil {
			return err
		}
		c.Charter = &earlier
	}
	if c.Terms, err = v.Control.Terms(v.Context(), v.Who, c.Charter.Number); err != nil {
		return err
	}
	return v.Show(frame, func(f view.Frame) templ.Component { return view.ConstitutionPage(f, c) })
}

// people are the approvers of the charter, and the staff besides them.
func people(v *page.Visit) (list []wire.Approver, others []wire.Person, err error) {
	if list, err = v.Control.Approvers(v.Context(), v.Who); err != nil {
		return nil, nil, err
	}
	others, err = v.Control.Staff(v.Context(), v.Who)
	others = slices.DeleteFunc(others, func(p wire.Person) bool {
		return slices.ContainsFunc(list, func(a wire.Approver) bool { return a.Person.ID == p.ID })
	})
	return list, others, err
}

func showApprovers(v *page.Visit) error {
	a := view.ApproversView{Me: v.Who.ID(), Act: v.Who.Principal.Staff == authz.StaffApprover}
	var err error
	if a.List, a.Staff, err = people(v); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Approvers", Here: "/charter", Wide: true}, func(f view.Frame) templ.Component { return view.ApproversPage(f, a) })
}

func showSuspend(v *page.Visit) error {
	list, _, err := people(v)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(a wire.Approver) bool { return a.Person.ID == v.Param("person") })
	if i < 0 {
		return control.NewError(wire.TypeNotFound, nil, "The charter names no such approver.")
	}
	return v.Show(view.Frame{Title: "Suspend an approver", Here: "/charter", Narrow: true}, func(f view.Frame) templ.Component {
		return view.SuspendPage(f, list[i], v.Field("reason"))
	})
}

// wanted reads what a form asks to change.
func wanted(v *page.Visit) wire.ComposeCharter {
	in := wire.ComposeCharter{Lines: map[string]string{}, Remove: v.Fields("remove")}
	for _, l := range view.ChangeLines(wire.Terms{}) {
		if value := strings.TrimSpace(v.Field("line-" + l.Name)); value != "" {
			in.Lines[l.Name] = value
		}
	}
	if p := v.Field("add"); p != "" {
		in.Add = []wire.GenesisApprover{{Person: p, Team: strings.TrimSpace(v.Field("team"))}}
	}
	return in
}

func showChange(v *page.Visit) error { return changeForm(v, nil) }

func changeForm(v *page.Visit, composed *wire.ComposedCharter) error {
	terms, err := v.Control.Terms(v.Context(), v.Who, 0)
	if err != nil {
		return err
	}
	c := view.ChangeForm{Lines: view.ChangeLines(terms), Composed: composed, Reason: v.Field("reason"), TakenOut: map[string]bool{}}
	for i := range c.Lines {
		c.Lines[i].Value = v.Field("line-" + c.Lines[i].Name)
	}
	for _, p := range v.Fields("remove") {
		c.TakenOut[p] = true
	}
	// A link of somebody whose passkey the charter does not name comes with their id.
	c.Add, c.Team = v.Field("add"), strings.TrimSpace(v.Field("team"))
	if c.Add == "" {
		c.Add = v.Query("add")
	}
	var others []wire.Person
	if c.List, others, err = people(v); err != nil {
		return err
	}
	for _, a := range c.List {
		if a.Person.ID == c.Add && c.Team == "" {
			c.Team = a.Person.Team
		}
		c.Staff = append(c.Staff, wire.Person{ID: a.Person.ID, Name: a.Person.Name})
	}
	for _, p := range others {
		if p.Role == "approver" && p.Status == "active" {
			c.Staff = append(c.Staff, p)
		}
	}
	return v.Show(view.Frame{Title: "Propose a change", Here: "/charter", Wide: true}, func(f view.Frame) templ.Component { return view.ChangePage(f, c) })
}
