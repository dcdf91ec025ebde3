package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/api"
	"holdfast/server/config"
	"holdfast/server/control"
	"holdfast/server/wire"
)

// newFace makes the bare HTTP face: everything that holds for every route of a
// listener, and none of the routes.
func newFace(cfg config.Config, face authz.Face, log *slog.Logger, m *metrics) (*echo.Echo, error) {
	origin := cfg.PortalURL
	if face == authz.FaceConsole {
		origin = cfg.ConsoleURL
	}
	origin = strings.TrimRight(origin, "/")
	ips, err := ipExtractor(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	protect := http.NewCrossOriginProtection()
	if err := protect.AddTrustedOrigin(origin); err != nil {
		return nil, fmt.Errorf("%s: %w", origin, err)
	}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = ips
	e.HTTPErrorHandler = failed(log)
	e.Use(observe(face, log, m), contain(log), headers(strings.HasPrefix(origin, "https://")),
		sameOrigin(origin, protect), deadlines, api.Middleware(face))
	return e, nil
}

// newServer bounds what a connection may take.
func newServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ipExtractor believes X-Forwarded-For only from the networks that the operator
// named; nothing is trusted by default.
func ipExtractor(proxies []string) (echo.IPExtractor, error) {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect(), nil
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		_, network, err := net.ParseCIDR(p)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies: %q is not a network", p)
		}
		options = append(options, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(options...), nil
}

// headers sets what every answer carries. Pages of the web faces replace the
// content policy by one that lets their own files in.
func headers(https bool) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h := c.Response().Header()
			h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
			h.Set("X-Frame-Options", "DENY")
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
			h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
			h.Set("Cache-Control", "no-store")
			if https {
				h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
			}
			return next(c)
		}
	}
}

// sameOrigin refuses what another site's page sends (T08): by Fetch Metadata,
// and whenever an Origin is given, by comparing it with the face's own. The
// console's origin is another site for the portal, and the reverse.
func sameOrigin(origin string, protect *http.CrossOriginProtection) echo.MiddlewareFunc {
	own := canonical(origin)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			switch r.Method {
			case http.MethodGet, http.MethodHead, http.MethodOptions:
				return next(c)
			}
			sent, given := r.Header["Origin"]
			if given && (len(sent) != 1 || canonical(sent[0]) != own) || protect.Check(r) != nil {
				return control.NewError(wire.TypeForeignOrigin, nil, "This request comes from another site's page. Use %s itself.", origin)
			}
			return next(c)
		}
	}
}

// canonical spells an origin as browsers do; what is none stays distinct from
// every origin.
func canonical(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return "opaque:" + origin
	}
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// deadlines bounds every call outside the data path, whose handlers move their
// deadlines as bytes flow. The one for reading ends with the body: net/http goes
// on reading to notice a client that hangs up, and would take a deadline that
// passes then for one, and break off a call that is merely long.
func deadlines(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if strings.HasPrefix(r.URL.Path, "/v1/data/") {
			return next(c)
		}
		rc, now := http.NewResponseController(c.Response()), time.Now()
		// A writer that knows no deadlines, as in tests, has nothing to bound.
		if err := errors.Join(rc.SetReadDeadline(now.Add(callRead)), rc.SetWriteDeadline(now.Add(callWrite))); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		body := &boundBody{ReadCloser: r.Body, rc: rc}
		if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
			body.over()
		} else {
			// In a copy of the request: net/http looks at the type of the body in its own
			// one to see that what was left unread is not the next request (T08).
			r = r.WithContext(r.Context())
			r.Body = body
			c.SetRequest(r)
		}
		return next(c)
	}
}

// boundBody is a body whose end lifts the deadline for reading.
type boundBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (b *boundBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.over()
	}
	return n, err
}

func (b *boundBody) over() { _ = b.rc.SetReadDeadline(time.Time{}) } // it could be set, or there is none

// contain turns a panic into an internal problem and a log entry.
func contain(log *slog.Logger) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				p := recover()
				if p == nil {
					return
				}
				if p == http.ErrAbortHandler { // a transfer that must end visibly torn
					panic(p)
				}
				log.ErrorContext(c.Request().Context(), "panic", "route", c.Path(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				err = control.NewError(wire.TypeInternal, fmt.Errorf("panic: %v", p), "Nothing was acknowledged. If it happens again, tell the operator the time of this answer.")
				if c.Response().Committed {
					panic(http.ErrAbortHandler)
				}
			}()
			return next(c)
		}
	}
}

// failed writes every error as an RFC 9457 problem.
func failed(log *slog.Logger) func(error, echo.Context) {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		var h *echo.HTTPError
		if errors.As(err, &h) {
			err = problemOf(h)
		}
		e := control.AsError(err)
		if e.Status >= http.StatusInternalServerError {
			log.ErrorContext(c.Request().Context(), "request failed", "route", c.Path(), "type", e.Type, "error", e.Error())
		}
		if c.Request().Method == http.MethodHead {
			err = c.NoContent(e.Status)
		} else {
			err = api.Problem(c, e)
		}
		if err != nil {
			log.DebugContext(c.Request().Context(), "the answer did not reach the client", "error", err)
		}
	}
}

// problemOf translates the router's own errors.
func problemOf(h *echo.HTTPError) error {
	switch h.Code {
	case http.StatusNotFound:
		return control.NewError(wire.TypeNotFound, nil, "There is no such address.")
	case http.StatusMethodNotAllowed:
		e := control.NewError(wire.TypeNotFound, nil, "This address does not take that method.")
		e.Status, e.Title = h.Code, http.StatusText(h.Code)
		return e
	case http.StatusRequestEntityTooLarge:
		return control.NewError(wire.TypeTooLarge, nil, "The request is larger than this address takes.")
	}
	if h.Code >= 400 && h.Code < 500 {
		e := control.NewError(wire.TypeInvalid, h, "%s", http.StatusText(h.Code))
		e.Status = h.Code
		return e
	}
	return control.NewError(wire.TypeInternal, h, "Nothing was changed. If it happens again, tell the operator the time of this answer.")
}

// observe logs and counts every request: which route, never the path, query or
// header, for those carry names, codes and secrets.
func observe(face authz.Face, log *slog.Logger, m *metrics) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			start := time.Now()
			id := requestID()
			c.Response().Header().Set("X-Request-Id", id)
			if strings.HasPrefix(c.Request().URL.Path, "/v1/data/") {
				m.transfers.Add(1)
				defer m.transfers.Add(-1)
			}
			defer func() {
				p := recover()
				route, r := c.Path(), c.Request()
				if route == "" {
					route = "none"
				}
				status := c.Response().Status
				if p != nil {
					status = 0 // torn
				}
				took := time.Since(start)
				m.request(face.String(), method(r.Method), route, status, took)
				log.InfoContext(r.Context(), "request", "id", id, "face", face.String(), "method", method(r.Method), "route", route,
					"status", status, "bytes", c.Response().Size, "took", took.Round(time.Microsecond), "address", c.RealIP())
				if p != nil {
					panic(p)
				}
			}()
			if err := next(c); err != nil {
				c.Error(err) // here, so that the status is known
			}
			return nil
		}
	}
}

// method keeps a client from inventing label values.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions:
		return m
	}
	return "other"
}

func requestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
