package portal

import (
	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// showCharter says in words who lets a copy go; the console shows the same charter to those who decide by it.
func showCharter(v *page.Visit) error {
	var c view.Constitution
	now, err := v.Control.Charter(v.Context(), v.Who)
	switch {
	case err == nil:
		c.Charter = &now
		if c.Terms, err = v.Control.Terms(v.Context(), v.Who, now.Number); err != nil {
			return err
		}
		if c.Approvers, err = v.Control.CharterPeople(v.Context(), v.Who); err != nil {
			return err
		}
	case control.AsError(err).Type != wire.TypeCharterMissing:
		return err
	}
	return v.Show(view.Frame{Title: "Charter", Here: "/charter"}, func(f view.Frame) templ.Component { return view.Charter(f, c) })
}
