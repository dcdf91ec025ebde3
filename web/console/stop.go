package console

import (
	"slices"

	"github.com/a-h/templ"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// stopPages are freezes, holds, and the asking for an end of them.
func stopPages(s *page.Site) {
	s.Get("/freeze", showFreezes)
	s.Post("/freeze", func(v *page.Visit) error {
		in := wire.PlaceFreeze{Reason: v.Field("reason"), Everywhere: v.Field("scope") == "everywhere"}
		if !in.Everywhere {
			in.Tenant = v.Field("scope")
		}
		if _, err := v.Control.Freeze(v.Context(), v.Who, in); err != nil {
			return err
		}
		return v.Go("/freeze?done=frozen")
	}, showFreezes)
	s.Get("/holds", showHolds)
	s.Post("/holds", func(v *page.Visit) error {
		in := wire.PlaceHold{Tenant: v.Field("tenant"), Snapshot: v.Field("snapshot"), Reason: v.Field("reason")}
		if _, err := v.Control.PlaceHold(v.Context(), v.Who, in); err != nil {
			return err
		}
		return v.Go("/holds?done=held")
	}, showHolds)
	s.Get("/stops/:action/:subject", showWeakening)
	s.Post("/stops/:action/:subject", func(v *page.Visit) error {
		if _, err := weakening(v); err != nil {
			return err
		}
		return ask(v, wire.AskRequest{Action: v.Param("action"), Subject: v.Param("subject"), Tenant: v.Field("tenant"), Reason: v.Field("reason")})
	}, showWeakening)
}

func staffStops(v *page.Visit) (s view.StaffStops, err error) {
	s = view.StaffStops{Reason: v.Field("reason"), Act: v.Who.Principal.Staff == authz.StaffApprover, Names: map[string]string{}}
	if s.Tenants, err = v.Control.Tenants(v.Context(), v.Who); err != nil {
		return s, err
	}
	for _, t := range s.Tenants {
		s.Names[t.ID] = t.Name
	}
	if s.Freezes, err = v.Control.Freezes(v.Context(), v.Who); err != nil {
		return s, err
	}
	if s.Open, err = v.Control.AskedEnds(v.Context(), v.Who); err != nil {
		return s, err
	}
	s.Holds, err = v.Control.Holds(v.Context(), v.Who)
	return s, err
}

func showFreezes(v *page.Visit) error {
	s, err := staffStops(v)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Freezes", Here: "/freeze", Wide: true}, func(f view.Frame) templ.Component { return view.StaffFreezes(f, s) })
}

func showHolds(v *page.Visit) error {
	s, err := staffStops(v)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Holds", Here: "/freeze", Wide: true}, func(f view.Frame) templ.Component { return view.StaffHolds(f, s) })
}

// weakening finds what a quorum would be asked to end.
func weakening(v *page.Visit) (w view.Weakening, err error) {
	w = view.Weakening{Action: v.Param("action"), Subject: v.Param("subject"), Reason: v.Field("reason")}
	missing := control.NewError(wire.TypeNotFound, nil, "Nothing of this name is in force.")
	switch w.Action {
	case "lift-freeze":
		list, err := v.Control.Freezes(v.Context(), v.Who)
		i := slices.IndexFunc(list, func(z wire.Freeze) bool { return z.ID == w.Subject })
		if err != nil || i < 0 {
			return w, orElse(err, missing)
		}
		w.Tenant, w.What, w.By = list[i].Tenant, list[i].Reason, list[i].By
	case "release-hold":
		list, err := v.Control.Holds(v.Context(), v.Who)
		i := slices.IndexFunc(list, func(h wire.Hold) bool { return h.ID == w.Subject })
		if err != nil || i < 0 {
			return w, orElse(err, missing)
		}
		w.Tenant, w.What, w.By, w.Volume = list[i].Tenant, list[i].Reason, list[i].By, list[i].Volume
	case "end-suspension":
		list, err := v.Control.Suspensions(v.Context(), v.Who)
		i := slices.IndexFunc(list, func(s wire.Suspension) bool { return s.ID == w.Subject })
		if err != nil || i < 0 {
			return w, orElse(err, missing)
		}
		w.What, w.By, w.Whom = list[i].Reason, list[i].By, &list[i].Subject
	default:
		return w, missing
	}
	w.Names, err = tenantNames(v)
	return w, err
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

var weakeningTitles = map[string]string{"lift-freeze": "Ask to lift a freeze", "release-hold": "Ask to release a hold", "end-suspension": "Ask to end a suspension"}

func showWeakening(v *page.Visit) error {
	w, err := weakening(v)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: weakeningTitles[w.Action], Here: "/freeze", Narrow: true}, func(f view.Frame) templ.Component { return view.WeakeningPage(f, w) })
}
