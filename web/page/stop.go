package page

import (
	"github.com/a-h/templ"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

func (s *Site) stopPages() {
	s.Get("/freeze", showFreeze)
	s.Post("/freeze", func(v *Visit) error {
		in := wire.PlaceFreeze{Reason: v.Field("reason"), Lockdown: v.Field("lockdown") == "yes"}
		switch scope := v.Field("scope"); scope {
		case "everywhere":
			in.Everywhere = true
		default:
			in.Tenant = scope
		}
		if _, err := v.Control.Freeze(v.Context(), v.Who, in); err != nil {
			return err
		}
		return v.Go("/freeze?done=frozen")
	}, showFreeze)
	s.Get("/charter", func(v *Visit) error {
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
	})
}

func showFreeze(v *Visit) error {
	list, err := v.Control.Freezes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	form := view.FreezeForm{Reason: v.Field("reason"), Lockdown: v.Who.Principal.Role == authz.RoleOwner}
	if v.Who.Principal.Staff != 0 {
		form.Everywhere = true
		if form.Tenants, err = v.Control.Tenants(v.Context(), v.Who); err != nil {
			return err
		}
	}
	return v.Show(view.Frame{Title: "Freeze", Here: "/freeze"}, func(f view.Frame) templ.Component { return view.Freezes(f, list, form) })
}
