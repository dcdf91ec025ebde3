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
		return v.Show(view.Frame{Title: "Entry " + v.Param("index") + " of the log", Here: "/log"}, func(f view.Frame) templ.Component { return view.EntryPage(f, checked) })
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
	news, err := v.Control.Pulse(v.Context(), -1)
	if err != nil {
		return err
	}
	before := news.Size
	if n, err := strconv.ParseInt(v.Query("before"), 10, 64); err == nil && n > 0 && n < before {
		before = n
	}
	from := max(0, before-logPage)
	list, err := v.Control.LogEntries(v.Context(), v.Who, strconv.FormatInt(from, 10))
	if err != nil {
		return err
	}
	l := view.LogView{Size: news.Size, Key: v.Control.LogVerifier()}
	for _, e := range list.Entries {
		if e.Index < before {
			l.Entries = append(l.Entries, e)
		}
	}
	slices.Reverse(l.Entries)
	if before < news.Size {
		l.First = "/log"
		if before+logPage < news.Size {
			l.Prev = "/log?before=" + strconv.FormatInt(before+logPage, 10)
		}
	}
	if from > 0 {
		l.Next = "/log?before=" + strconv.FormatInt(from, 10)
	}
	return v.Show(view.Frame{Title: "Log", Here: "/log", Wide: true}, func(f view.Frame) templ.Component { return view.LogPage(f, l) })
}

// logPage is how many entries a page of the log shows.
const logPage = 50

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
	if t.Requests, err = v.Under(); err != nil {
		return err
	}
	t.Requests = slices.DeleteFunc(t.Requests, func(r wire.Request) bool { return other(r.Tenant) })
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
