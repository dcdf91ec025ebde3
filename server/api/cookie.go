package api

import (
	"net/http"

	"holdfast/authz"
	"holdfast/server/control"
)

// SessionCookie is the cookie that carries an opened session on face; with no
// secret it ends the cookie. The web faces use the same one as the API.
func SessionCookie(face authz.Face, o control.Opened) *http.Cookie {
	c := sessionCookie(face, o.Secret, o.Expires)
	return &c
}
