package portal

import (
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// Mount adds the pages of the customers' face to e. It expects on e what
// server/app installs on every face: api.Middleware and the cross-origin checks.
func Mount(e *echo.Echo, c *control.Control, o page.Options) {
	s := page.New(e, c, o, authz.FacePortal,
		view.Link{Path: "/", Text: "Volumes"}, view.Link{Path: "/requests", Text: "Requests"}, view.Link{Path: "/people", Text: "People"},
		view.Link{Path: "/tokens", Text: "Tokens"}, view.Link{Path: "/activity", Text: "Activity"}, view.Link{Path: "/freeze", Text: "Freeze"},
		view.Link{Path: "/charter", Text: "Charter"})
	s.Get("/", overview)
	volumePages(s)
	restorePages(s)
	snapshotPages(s)
	keepPages(s)
	peoplePages(s)
	tokenPages(s)
	activityPages(s)
	stopPages(s)
	s.Get("/charter", showCharter)
}

// may is what the visitor's role offers; every power decides for itself.
func may(v *page.Visit) view.May {
	role := v.Who.Principal.Role
	return view.May{Work: role == authz.RoleOwner || role == authz.RoleOperator, Run: role == authz.RoleOwner, Me: v.Who.ID()}
}

// value is a value of the form, or of the query.
func value(v *page.Visit, name string) string {
	if f := v.Field(name); f != "" {
		return f
	}
	return v.Query(name)
}

// packed reads a path that a form or a link carries.
func packed(v *page.Visit, name string) (string, error) {
	p, ok := view.Unpacked(value(v, name))
	if !ok {
		return "", control.NewError(wire.TypeInvalid, nil, "This is not a usable path. Go back and choose it again.")
	}
	return p, nil
}

// theVolume is the volume of the path.
func theVolume(v *page.Visit) (wire.Volume, error) {
	return v.Control.Volume(v.Context(), v.Who, v.Param("volume"))
}

// pointOf reads a point of a volume out of two parameters: a snapshot's id and a
// moment. Neither is now.
func pointOf(v *page.Visit, volume wire.Volume, snapshot, at string) (view.Point, error) {
	p := view.Point{Volume: volume}
	if id := value(v, snapshot); id != "" {
		s, err := v.Control.Snapshot(v.Context(), v.Who, id)
		if err != nil {
			return p, err
		}
		if s.Volume != volume.ID {
			return p, control.NewError(wire.TypeInvalid, nil, "That snapshot is of another volume.")
		}
		if s.Erased() {
			return p, control.NewError(wire.TypeConflict, nil, "That snapshot was erased %s. Nothing of it is left to look at or to restore.", view.Time(s.ErasedAt()))
		}
		p.Snapshot = &s
		return p, nil
	}
	text := value(v, at)
	if text == "" {
		return p, nil
	}
	t, err := moment(text)
	switch {
	case err != nil:
		return p, control.NewError(wire.TypeInvalid, err, "A moment is a date and a time, such as 2026-01-31 12:00:00.")
	case t.Before(volume.CreatedAt):
		return p, control.NewError(wire.TypeInvalid, nil, "The volume did not exist then: it was made %s.", view.Time(volume.CreatedAt))
	case t.After(v.Control.Clock.Now().Add(time.Minute)):
		return p, control.NewError(wire.TypeInvalid, nil, "That moment has not come yet. Times here are in UTC.")
	}
	p.At = t
	return p, nil
}

// moment reads what a link says exactly, or what <input type="datetime-local">
// sends, which is meant in UTC.
func moment(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse("2006-01-02T15:04", text); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05.999999999", text)
}

// from is a point as the powers take it.
func from(p view.Point) control.From {
	if p.Snapshot != nil {
		return control.From{Snapshot: p.Snapshot.ID}
	}
	return control.From{Volume: p.Volume.ID, At: p.At}
}

// with adds a parameter to one of our paths.
func with(path, name, value string) string {
	if value == "" {
		return path
	}
	glue := "?"
	if strings.Contains(path, "?") {
		glue = "&"
	}
	return path + glue + name + "=" + url.QueryEscape(value)
}
