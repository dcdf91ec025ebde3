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
		c, err := v.Control.Charter(v.Context(), v.Who)
		shown := &c
		if err != nil {
			if control.AsError(err).Type != wire.TypeCharterMissing {
				return err
			}
			shown = nil
		}
		return v.Show(view.Frame{Title: "Charter", Here: "/charter"}, func(f view.Frame) templ.Component { return view.Charter(f, shown) })
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
