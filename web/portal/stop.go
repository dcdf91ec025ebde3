package portal

import (
	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// stopPages are freeze and holds, and an owner's asking for their end.
func stopPages(s *page.Site) {
	s.Get("/freeze", showFreeze)
	s.Post("/freeze", func(v *page.Visit) error {
		lockdown := v.Field("lockdown") == "yes"
		if _, err := v.Control.Freeze(v.Context(), v.Who, wire.PlaceFreeze{Reason: v.Field("reason"), Lockdown: lockdown}); err != nil {
			return err
		}
		if lockdown { // no session lasts longer than a lockdown reaches back: this one is over too
			return v.Go("/sign-in?done=locked-down&next=%2Ffreeze")
		}
		return v.Go("/freeze?done=frozen")
	}, showFreeze)
	s.Get("/holds", showHolds)
	s.Post("/holds", func(v *page.Visit) error {
		if _, err := v.Control.PlaceHold(v.Context(), v.Who, wire.PlaceHold{Volume: v.Field("volume"), Reason: v.Field("reason")}); err != nil {
			return err
		}
		return v.Go("/holds?done=held")
	}, showHolds)
	s.Get("/stops/:action/:subject", showEnd)
	s.Post("/stops/:action/:subject", func(v *page.Visit) error {
		if _, err := theStop(v); err != nil {
			return err
		}
		drafted, err := v.Control.Draft(v.Context(), v.Who, wire.AskRequest{Action: v.Param("action"), Subject: v.Param("subject"), Reason: v.Field("reason")})
		if err != nil {
			return err
		}
		return v.Go("/requests/" + drafted.ID)
	}, showEnd)
}

// theStop finds what an owner can ask a quorum to end: a freeze or hold of the own
// tenant. What stops everything, everywhere, only staff can ask about.
func theStop(v *page.Visit) (w view.Weakening, err error) {
	w = view.Weakening{Action: v.Param("action"), Subject: v.Param("subject"), Reason: v.Field("reason")}
	switch w.Action {
	case "lift-freeze":
		list, err := v.Control.Freezes(v.Context(), v.Who)
		if err != nil {
			return w, err
		}
		for _, z := range list {
			if z.ID == w.Subject && z.LiftedAt == nil && z.Tenant != "" {
				w.Tenant, w.What, w.By = z.Tenant, z.Reason, z.By
				return w, nil
			}
		}
	case "release-hold":
		list, err := v.Control.Holds(v.Context(), v.Who)
		if err != nil {
			return w, err
		}
		for _, h := range list {
			if h.ID == w.Subject {
				w.Tenant, w.What, w.By, w.Volume = h.Tenant, h.Reason, h.By, h.Volume
				w.Names, err = ownNames(v)
				return w, err
			}
		}
	}
	return w, control.NewError(wire.TypeNotFound, nil, "Nothing of this name is in force that you could ask to end.")
}

func showEnd(v *page.Visit) error {
	w, err := theStop(v)
	if err != nil {
		return err
	}
	if !may(v).Run {
		return control.NewError(wire.TypeDenied, nil, "An owner of the tenant can ask for that.")
	}
	title := "Ask to release a hold"
	if w.Action == "lift-freeze" {
		title = "Ask to lift a freeze"
	}
	return v.Show(view.Frame{Title: title, Here: "/freeze", Narrow: true}, func(f view.Frame) templ.Component { return view.WeakeningPage(f, w) })
}

func showFreeze(v *page.Visit) error {
	list, err := v.Control.Freezes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	s := view.Stopping{Freezes: list, Reason: v.Field("reason"), May: may(v)}
	if s.Open, err = v.Control.AskedEnds(v.Context(), v.Who); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Freeze", Here: "/freeze"}, func(f view.Frame) templ.Component { return view.FreezePage(f, s) })
}

func showHolds(v *page.Visit) error {
	s := view.Stopping{Reason: v.Field("reason"), May: may(v)}
	var err error
	if s.Holds, err = v.Control.Holds(v.Context(), v.Who); err != nil {
		return err
	}
	if s.Open, err = v.Control.AskedEnds(v.Context(), v.Who); err != nil {
		return err
	}
	if s.Volumes, err = v.Control.Volumes(v.Context(), v.Who); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Holds", Here: "/freeze", Wide: true}, func(f view.Frame) templ.Component { return view.HoldsPage(f, s) })
}
