package transfer

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// uploads is where a file is sent that may go on where it broke off:
// docs/spec/upload.md.
func (h *handler) uploads(c echo.Context, who control.Caller, t target) error {
	r := c.Request()
	if _, err := query(r); err != nil {
		return err
	}
	allow := []string{http.MethodGet, http.MethodPost}
	if t.session != "" {
		allow = []string{http.MethodGet, http.MethodPatch, http.MethodDelete}
	}
	if !slices.Contains(allow, r.Method) {
		c.Response().Header().Set("Allow", strings.Join(allow, ", "))
		e := control.NewError(wire.TypeInvalid, nil, "This place takes no %s.", r.Method)
		e.Status = http.StatusMethodNotAllowed
		return e
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	ctx := r.Context()
	switch {
	case t.session == "" && r.Method == http.MethodPost:
		return h.beginUpload(c, who, t)
	case t.session == "":
		list, err := h.control.Uploads(ctx, who, t.volume)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, list)
	case r.Method == http.MethodPatch:
		return h.appendUpload(c, who, t)
	case r.Method == http.MethodDelete:
		if err := h.control.GiveUpUpload(ctx, who, t.volume, t.session); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	}
	u, err := h.control.Upload(ctx, who, t.volume, t.session)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, u)
}

func (h *handler) beginUpload(c echo.Context, who control.Caller, t target) error {
	body := http.MaxBytesReader(c.Response(), io.NopCloser(h.body(c)), maxBeginUpload)
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	var in wire.BeginUpload
	err := d.Decode(&in)
	if err == nil && d.More() {
		err = errors.New("more than one value")
	}
	if err != nil {
		return control.NewError(wire.TypeInvalid, err, "Announce the upload with a JSON object of path, size, modified and content_type.")
	}
	u, fresh, err := h.control.BeginUpload(c.Request().Context(), who, t.volume, in)
	if err != nil {
		return err
	}
	if !fresh {
		return c.JSON(http.StatusOK, u)
	}
	return c.JSON(http.StatusCreated, u)
}

func (h *handler) appendUpload(c echo.Context, who control.Caller, t target) error {
	r := c.Request()
	text := r.Header.Values("Upload-Offset")
	if len(text) != 1 {
		return control.NewError(wire.TypeInvalid, nil, "Say with Upload-Offset where the bytes begin.")
	}
	offset, err := strconv.ParseInt(text[0], 10, 64)
	if err != nil || offset < 0 || strconv.FormatInt(offset, 10) != text[0] {
		return control.NewError(wire.TypeInvalid, nil, "Upload-Offset is a decimal number of bytes.")
	}
	u, err := h.control.AppendUpload(r.Context(), who, t.volume, t.session, offset, h.body(c))
	if err != nil {
		return err
	}
	if u.ETag != "" {
		c.Response().Header().Set("ETag", u.ETag)
	}
	return c.JSON(http.StatusOK, u)
}
