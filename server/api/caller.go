package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/control"
)

// Middleware puts the credentials that a request carries into its context, so
// that huma's handlers and the plain ones find the same caller.
func Middleware(face authz.Face) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			cred := control.Credentials{Face: face, Address: c.RealIP(), Agent: bounded(r.UserAgent(), maxAgent)}
			if cookie, err := r.Cookie(cookieName(face)); err == nil {
				cred.Session = cookie.Value
			}
			if scheme, value, ok := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " "); ok && strings.EqualFold(scheme, "bearer") {
				cred.Bearer = value
			}
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), credentialsKey{}, cred)))
			return next(c)
		}
	}
}

type credentialsKey struct{}

// Credentials returns what Middleware found.
func Credentials(ctx context.Context) control.Credentials {
	cred, _ := ctx.Value(credentialsKey{}).(control.Credentials)
	return cred
}

func (a *API) caller(ctx context.Context) (control.Caller, error) {
	return a.control.Authenticate(ctx, Credentials(ctx))
}

// stranger is a caller of whom only the address is known.
func (a *API) stranger(ctx context.Context) control.Caller {
	cred := Credentials(ctx)
	return control.Caller{Face: a.face, Address: cred.Address, Agent: cred.Agent}
}

// cookieName is the session cookie of a face; the __Host- prefix makes browsers
// refuse it from any other host, path or plain connection.
func cookieName(face authz.Face) string {
	if face == authz.FaceConsole {
		return "__Host-console"
	}
	return "__Host-portal"
}

// sessionCookie carries a session's secret, or ends it when the secret is empty.
func sessionCookie(face authz.Face, secret string, expires time.Time) http.Cookie {
	c := http.Cookie{Name: cookieName(face), Value: secret, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, Expires: expires}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

func bounded(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
