package transfer

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/api"
	"holdfast/server/control"
	"holdfast/server/wire"
)

// Options are what a handler needs besides the powers.
type Options struct {
	// Idle is how long a transfer may stand still. Default: DefaultIdle.
	Idle time.Duration
	// Now is the clock of the connections' deadlines: time.Now outside tests.
	Now func() time.Time
	Log *slog.Logger
}

type handler struct {
	control *control.Control
	Options
	origin *http.CrossOriginProtection
}

// Mount adds the data path to e. api.Middleware comes before it.
func Mount(e *echo.Echo, c *control.Control, o Options) error {
	if o.Now == nil || o.Log == nil {
		return errors.New("transfer: a clock and a log are needed")
	}
	if o.Idle <= 0 {
		o.Idle = DefaultIdle
	}
	h := &handler{control: c, Options: o, origin: http.NewCrossOriginProtection()}
	e.Any(Prefix+"*", func(c echo.Context) error {
		err := h.serve(c)
		if err != nil {
			err = h.refuse(c, err)
		}
		// What is left of a body nobody here read is read by net/http before the answer goes out: not for ever.
		return errors.Join(err, deadline(http.NewResponseController(c.Response()).SetReadDeadline(h.Now().Add(min(h.Idle, maxLeave)))))
	})
	return nil
}

func (h *handler) serve(c echo.Context) error {
	r := c.Request()
	// The connection may have a deadline left from another kind of request. A body has one from the start: whoever sends
	// none may not even be known here.
	ctl := http.NewResponseController(c.Response())
	var reading time.Time
	if r.ContentLength != 0 {
		reading = h.Now().Add(h.Idle)
	}
	if err := errors.Join(deadline(ctl.SetReadDeadline(reading)), deadline(ctl.SetWriteDeadline(time.Time{}))); err != nil {
		return err
	}
	t, err := parseTarget(r.URL.EscapedPath())
	if err != nil {
		return control.NewError(wire.TypeNotFound, err, "There is no such place in the data path.")
	}
	cred := api.Credentials(r.Context())
	if cred.Face == 0 {
		cred.Face = authz.FacePortal
	}
	if cred.Session != "" {
		if err := h.origin.Check(r); err != nil {
			return control.NewError(wire.TypeForeignOrigin, err, "A page of another site may not do this with your session.")
		}
	}
	if t.kind == "uploads" {
		cred.Unattended = r.Header.Get("X-Unattended") == "1" // a page that goes on by itself does not prolong the session
	}
	who, err := h.control.AuthenticateData(r.Context(), cred)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete: // none of them takes a body
		if err := h.spare(c); err != nil {
			return err
		}
	}
	if t.kind == "pull" || t.kind == "keys" {
		return h.reading(c, who, t)
	}
	if t.kind == "push" {
		return h.push(c, who, t)
	}
	if t.kind == "uploads" {
		return h.uploads(c, who, t)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if t.kind == "tar" {
			return h.getTar(c, who, t)
		}
		return h.get(c, who, t)
	case http.MethodPut, http.MethodDelete:
		if t.snapshot != "" {
			return h.immutable(c, who, t)
		}
		if r.Method == http.MethodPut && t.kind == "tar" {
			return h.putTar(c, who, t)
		}
		if r.Method == http.MethodPut {
			return h.put(c, who, t)
		}
		if t.kind == "files" {
			return h.remove(c, who, t)
		}
	}
	c.Response().Header().Set("Allow", "GET, HEAD, PUT, DELETE")
	e := control.NewError(wire.TypeInvalid, nil, "This place takes no %s.", r.Method)
	e.Status = http.StatusMethodNotAllowed
	return e
}

// immutable answers who writes into a snapshot that he may see.
func (h *handler) immutable(c echo.Context, who control.Caller, t target) error {
	s, err := h.control.Snapshot(c.Request().Context(), who, t.snapshot)
	if err != nil {
		return err
	}
	return control.NewError(wire.TypeImmutable, nil, "Snapshot %s never changes. Write into a volume; to have the snapshot deleted, open a request.", s.ID)
}

// body is the upload, which may not stand still.
func (h *handler) body(c echo.Context) io.Reader {
	return &idleReader{body: c.Request().Body, ctl: http.NewResponseController(c.Response()), idle: h.Idle, now: h.Now}
}

// spare passes over the body of a request that takes none, so that what follows has no deadline for reading left.
func (h *handler) spare(c echo.Context) error {
	if c.Request().ContentLength == 0 {
		return nil
	}
	n, err := io.Copy(io.Discard, io.LimitReader(h.body(c), maxSpare+1))
	if n > maxSpare {
		return control.NewError(wire.TypeTooLarge, nil, "This place takes no body.")
	}
	return err
}

// refuse answers with a problem, or, when the answer has begun, ends the
// connection so that nobody takes a part for the whole.
func (h *handler) refuse(c echo.Context, err error) error {
	ctx := c.Request().Context()
	e := control.AsError(uploadError(err))
	if e.Type == wire.TypeInternal {
		h.Log.ErrorContext(ctx, "transfer failed", "method", c.Request().Method, "error", e.Err)
	}
	if c.Response().Committed {
		h.Log.WarnContext(ctx, "transfer broken off", "error", err)
		panic(http.ErrAbortHandler)
	}
	header := c.Response().Header()
	for _, name := range []string{"ETag", "Last-Modified", "Content-Disposition", "Content-Length", "Accept-Ranges"} {
		header.Del(name)
	}
	return api.Problem(c, e)
}

// uploadError tells a client that went away or promised another length from a
// fault of the service.
func uploadError(err error) error {
	var known *control.Error
	if errors.As(err, &known) && known.Type != wire.TypeInternal && known.Type != wire.TypeUnavailable {
		return err
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e := control.NewError(wire.TypeInvalid, err, "The transfer stood still for too long. Nothing of it was kept; send it again.")
		e.Status = http.StatusRequestTimeout
		return e
	case errors.Is(err, io.ErrUnexpectedEOF):
		e := control.NewError(wire.TypeInvalid, err, "The upload ended before its announced length. Nothing of it was kept; send it again.")
		e.Status = http.StatusBadRequest
		return e
	}
	return err
}
