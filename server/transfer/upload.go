package transfer

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// put stores one file, or the content of a stream volume.
func (h *handler) put(c echo.Context, who control.Caller, t target) error {
	r := c.Request()
	if _, err := query(r); err != nil {
		return err
	}
	if r.Header.Get("Content-Range") != "" { // RFC 9110 section 14.5: a part must not be taken for the whole
		return control.NewError(wire.TypeInvalid, nil, "An upload is whole: leave Content-Range out.")
	}
	u, err := upload(r, t)
	if err != nil {
		return err
	}
	got, err := h.control.PutFile(r.Context(), who, u, h.body(c))
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", got.ETag)
	return c.JSON(http.StatusOK, got)
}

// putTar stores a pax archive.
func (h *handler) putTar(c echo.Context, who control.Caller, t target) error {
	q, err := query(c.Request(), "delete")
	if err != nil {
		return err
	}
	remove, err := flag(q, "delete")
	if err != nil {
		return err
	}
	got, err := h.control.PutTar(c.Request().Context(), who, t.volume, h.body(c), remove)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, got)
}

// remove deletes a file, or with recursive what is below a directory.
func (h *handler) remove(c echo.Context, who control.Caller, t target) error {
	q, err := query(c.Request(), "recursive")
	if err != nil {
		return err
	}
	recursive, err := flag(q, "recursive")
	if err != nil {
		return err
	}
	u, err := upload(c.Request(), t)
	if err != nil {
		return err
	}
	if recursive && (u.IfMatch != nil || u.IfNoneMatch != nil) {
		return control.NewError(wire.TypeInvalid, nil, "A precondition is for one file; a recursive deletion takes none.")
	}
	got, err := h.control.DeleteFile(c.Request().Context(), who, u, recursive)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, got)
}

func upload(r *http.Request, t target) (u control.Upload, err error) {
	u = control.Upload{Volume: t.volume, Path: t.path, ContentType: r.Header.Get("Content-Type")}
	if t.kind == "files" && t.path == "" && r.Method == http.MethodPut {
		return u, control.NewError(wire.TypeInvalid, nil, "Name the file: PUT …/files/PATH.")
	}
	if u.IfMatch, err = parseCondition(r.Header.Values("If-Match"), false); err == nil {
		u.IfNoneMatch, err = parseCondition(r.Header.Values("If-None-Match"), true)
	}
	return u, err
}

// query reads the parameters and refuses unknown and repeated ones: a misspelt
// "at" must not read the present.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, control.NewError(wire.TypeInvalid, err, "The query is not percent-encoded.")
	}
	left := len(q)
	for _, name := range known {
		if len(q[name]) > 1 {
			return nil, control.NewError(wire.TypeInvalid, nil, "%s may be given once.", name)
		}
		if len(q[name]) == 1 {
			left--
		}
	}
	if left > 0 {
		return nil, control.NewError(wire.TypeInvalid, nil, "An unknown parameter; this place knows %q.", known)
	}
	return q, nil
}

func flag(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, control.NewError(wire.TypeInvalid, nil, "%s is true or false.", name)
}
