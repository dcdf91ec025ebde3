package console

import (
	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// Mount adds the pages of the staff's face to e. It expects on e what server/app
// installs on every face: api.Middleware and the cross-origin checks.
func Mount(e *echo.Echo, c *control.Control, o page.Options) {
	s := page.New(e, c, o, authz.FaceConsole,
		view.Link{Path: "/", Text: "Queue"}, view.Link{Path: "/requests", Text: "Requests"}, view.Link{Path: "/freeze", Text: "Stops"},
		view.Link{Path: "/charter", Text: "Charter"}, view.Link{Path: "/sites", Text: "Sites"}, view.Link{Path: "/log", Text: "Log"},
		view.Link{Path: "/tenants", Text: "Tenants"})
	s.Votes()
	s.Get("/", queue)
	ceremonyPages(s)
	charterPages(s)
	stopPages(s)
	sitePages(s)
	logPages(s)
	tenantPages(s)
}

func ceremonyPages(s *page.Site) {
	s.Get("/ceremony", ceremony)
	s.Begin("/ceremony/begin", func(v *page.Visit) (any, error) { return v.Control.BeginSignCharter(v.Context(), v.Who, "") })
	s.Post("/ceremony", func(v *page.Visit) error {
		answer, err := v.Answer("")
		if err != nil {
			return err
		}
		if _, err := v.Control.SignCharter(v.Context(), v.Who, "", answer); err != nil {
			return err
		}
		return v.Go("/ceremony?done=signed")
	}, ceremony)
}

func ceremony(v *page.Visit) error {
	state, err := v.Control.Ceremony(v.Context(), v.Who, "")
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Founding ceremony", Here: "/charter"}, func(f view.Frame) templ.Component { return view.Ceremony(f, state, v.Who.ID()) })
}

// ask drafts a request for a gated action; its page then asks for the step-up.
func ask(v *page.Visit, in wire.AskRequest) error {
	r, err := v.Control.Draft(v.Context(), v.Who, in)
	if err != nil {
		return err
	}
	return v.Go("/requests/" + r.ID)
}
