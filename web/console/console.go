package console

import (
	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/web/page"
	"holdfast/web/view"
)

// Mount adds the pages of the staff's face to e. It expects on e what server/app
// installs on every face: api.Middleware and the cross-origin checks.
func Mount(e *echo.Echo, c *control.Control, o page.Options) {
	s := page.New(e, c, o, authz.FaceConsole,
		view.Link{Path: "/", Text: "Queue"}, view.Link{Path: "/requests", Text: "Requests"}, view.Link{Path: "/freeze", Text: "Freeze"},
		view.Link{Path: "/charter", Text: "Charter"})
	s.Votes()
	s.Get("/", home)
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

func home(v *page.Visit) error {
	state, err := v.Control.Ceremony(v.Context(), v.Who, "")
	if err != nil {
		return err
	}
	open, err := v.Control.Requests(v.Context(), v.Who, "open")
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Queue", Here: "/"}, func(f view.Frame) templ.Component { return view.ConsoleHome(f, open, state.State) })
}

func ceremony(v *page.Visit) error {
	state, err := v.Control.Ceremony(v.Context(), v.Who, "")
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Founding ceremony"}, func(f view.Frame) templ.Component { return view.Ceremony(f, state, v.Who.ID()) })
}
