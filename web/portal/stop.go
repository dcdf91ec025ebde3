package portal

import (
	"github.com/a-h/templ"

	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// stopPages are freeze and holds. Members have a page of their own at the freeze's
// common address.
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
}

func showFreeze(v *page.Visit) error {
	list, err := v.Control.Freezes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	s := view.Stopping{Freezes: list, Reason: v.Field("reason"), May: may(v)}
	return v.Show(view.Frame{Title: "Freeze", Here: "/freeze"}, func(f view.Frame) templ.Component { return view.FreezePage(f, s) })
}

func showHolds(v *page.Visit) error {
	s := view.Stopping{Reason: v.Field("reason"), May: may(v)}
	var err error
	if s.Holds, err = v.Control.Holds(v.Context(), v.Who); err != nil {
		return err
	}
	if s.Volumes, err = v.Control.Volumes(v.Context(), v.Who); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Holds", Here: "/freeze", Wide: true}, func(f view.Frame) templ.Component { return view.HoldsPage(f, s) })
}
