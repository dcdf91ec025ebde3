package portal

import (
	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/web/page"
	"holdfast/web/view"
)

// snapshotsPage is how many snapshots a page lists.
const snapshotsPage = 50

// Mount adds the pages of the customers' face to e. It expects on e what
// server/app installs on every face: api.Middleware and the cross-origin checks.
func Mount(e *echo.Echo, c *control.Control, o page.Options) {
	s := page.New(e, c, o, authz.FacePortal,
		view.Link{Path: "/", Text: "Volumes"}, view.Link{Path: "/requests", Text: "Requests"}, view.Link{Path: "/freeze", Text: "Freeze"},
		view.Link{Path: "/charter", Text: "Charter"})
	s.Get("/", home)
	s.Get("/volumes/:volume", volume)
}

func home(v *page.Visit) error {
	tenant, err := v.Control.OwnTenant(v.Context(), v.Who)
	if err != nil {
		return err
	}
	volumes, err := v.Control.Volumes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	under, err := v.Under()
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Your backups", Here: "/"}, func(f view.Frame) templ.Component {
		return view.PortalHome(f, tenant, volumes, under)
	})
}

func volume(v *page.Visit) error {
	volume, err := v.Control.Volume(v.Context(), v.Who, v.Param("volume"))
	if err != nil {
		return err
	}
	list, err := v.Control.Snapshots(v.Context(), v.Who, volume.ID, v.Query("before"), snapshotsPage)
	if err != nil {
		return err
	}
	next := ""
	if len(list) == snapshotsPage {
		next = list[len(list)-1].ID
	}
	return v.Show(view.Frame{Title: "Volume", Here: "/"}, func(f view.Frame) templ.Component { return view.Volume(f, volume, list, next) })
}
