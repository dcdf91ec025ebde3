package console

import (
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func sitePages(s *page.Site) {
	s.Get("/sites", func(v *page.Visit) error {
		list, err := v.Control.Sites(v.Context(), v.Who)
		if err != nil {
			return err
		}
		sites := view.SitesView{Sites: list}
		if scrub, err := v.Control.Scrub(v.Context(), v.Who); err == nil {
			sites.Scrub = &scrub
		} else if control.AsError(err).Type != wire.TypeUnavailable { // nothing reads again here
			return err
		}
		if sites.Names, err = tenantNames(v); err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "Sites", Here: "/sites", Wide: true}, func(f view.Frame) templ.Component { return view.SitesPage(f, sites) })
	})
}

func logPages(s *page.Site) {
	s.Get("/log", showLog)
	s.Get("/log/:index", func(v *page.Visit) error {
		index, err := strconv.ParseInt(v.Param("index"), 10, 64)
		if err != nil || index < 0 {
			return control.NewError(wire.TypeNotFound, err, "The log has no such entry.")
		}
		checked, err := v.Control.CheckEntry(v.Context(), v.Who, index)
		if err != nil {
			return err
		}
		names, err := tenantNames(v)
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "Entry " + v.Param("index") + " of the log", Here: "/log"}, func(f view.Frame) templ.Component { return view.EntryPage(f, checked, names) })
	})
}

// showLog pages through the log, newest first.
func showLog(v *page.Visit) error {
	if text := v.Query("entry"); text != "" {
		index, err := strconv.ParseInt(text, 10, 64)
		if err != nil || index < 0 {
			return control.NewError(wire.TypeInvalid, err, "An entry is named by its index, a number from 0 on.")
		}
		return v.Go("/log/" + strconv.FormatInt(index, 10))
	}
	filter, query, before, err := v.LogFilter("/log")
	if err != nil {
		return err
	}
	if filter.Tenants, filter.People, err = concerned(v); err != nil {
		return err
	}
	news, err := v.Control.Pulse(v.Context(), -1)
	if err != nil {
		return err
	}
	l := view.LogView{Size: news.Size, Key: v.Control.LogVerifier(), Filter: filter}
	var next int64
	if l.Entries, next, err = v.Control.FindLog(v.Context(), v.Who, query, before); err != nil {
		return err
	}
	l.First, l.Next = page.FoundPages(filter, before, next)
	if !filter.On && before >= 0 && before < news.Size {
		l.Prev = filter.Page(min(news.Size, before+logPage))
	}
	return v.Show(view.Frame{Title: "Log", Here: "/log", Wide: true}, func(f view.Frame) templ.Component { return view.LogPage(f, l) })
}

// concerned are the tenants and the staff whom entries of the log are about.
func concerned(v *page.Visit) (tenants, people []view.Choice, err error) {
	all, err := v.Control.Tenants(v.Context(), v.Who)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range all {
		tenants = append(tenants, view.Choice{Value: t.ID, Name: t.Name})
	}
	staff, err := v.Control.Staff(v.Context(), v.Who)
	for _, p := range staff {
		people = append(people, view.Choice{Value: p.ID, Name: p.Name})
	}
	return tenants, people, err
}

func tenantPages(s *page.Site) {
	s.Get("/tenants", func(v *page.Visit) error {
		list, err := v.Control.Tenants(v.Context(), v.Who)
		if err != nil {
			return err
		}
		return v.Show(view.Frame{Title: "Tenants", Here: "/tenants"}, func(f view.Frame) templ.Component { return view.TenantsPage(f, list) })
	})
	s.Get("/tenants/:tenant", showTenant)
}

func showTenant(v *page.Visit) error {
	list, err := v.Control.Tenants(v.Context(), v.Who)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(t wire.Tenant) bool { return t.ID == v.Param("tenant") })
	if i < 0 {
		return control.NewError(wire.TypeNotFound, nil, "There is no such tenant.")
	}
	t := view.TenantView{Tenant: list[i]}
	other := func(tenant string) bool { return tenant != list[i].ID }
	if t.Requests, err = v.Control.UnderWay(v.Context(), v.Who, list[i].ID); err != nil {
		return err
	}
	if t.Freezes, err = v.Control.Freezes(v.Context(), v.Who); err != nil {
		return err
	}
	t.Freezes = slices.DeleteFunc(t.Freezes, func(z wire.Freeze) bool { return z.Tenant != "" && other(z.Tenant) })
	if t.Holds, err = v.Control.Holds(v.Context(), v.Who); err != nil {
		return err
	}
	t.Holds = slices.DeleteFunc(t.Holds, func(h wire.Hold) bool { return other(h.Tenant) })
	if t.Changes, err = v.Control.AccountChanges(v.Context(), v.Who, list[i].ID); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Tenant", Here: "/tenants", Wide: true}, func(f view.Frame) templ.Component { return view.TenantPage(f, t) })
}
