package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// problem turns a power's error into huma's. What went wrong inside stands in the
// log and nowhere else.
func (a *API) problem(ctx context.Context, op huma.Operation, err error) error {
	e := control.AsError(err)
	if e.Status >= http.StatusInternalServerError {
		a.control.Log.ErrorContext(ctx, "request failed", "route", op.Path, "type", e.Type, "error", e.Error())
	}
	p := &problemError{e.Problem()}
	return huma.ErrorWithHeaders(p, p.GetHeaders())
}

// newProblem replaces huma's own errors, which repeat submitted values and so
// would show codes and tokens. It keeps where and what was wrong, never the value.
func newProblem(status int, message string, errs ...error) huma.StatusError {
	typ := wire.TypeInvalid
	switch {
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		typ = wire.TypeNotFound
	case status == http.StatusRequestEntityTooLarge:
		typ = wire.TypeTooLarge
	case status >= 500:
		typ = wire.TypeInternal
	}
	var parts []string
	for _, err := range errs {
		if detail, ok := err.(huma.ErrorDetailer); ok {
			d := detail.ErrorDetail()
			if d.Message == validation.MsgUnexpectedProperty || strings.HasPrefix(d.Message, "unknown query") {
				d.Location, _, _ = strings.Cut(d.Location, ".") // the name is as the sender wrote it
			}
			parts = append(parts, strings.TrimPrefix(fmt.Sprintf("%s: %s", d.Location, d.Message), ": "))
		}
	}
	text := message
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, "; ")
	}
	e := control.NewError(typ, nil, "%s", text)
	e.Status = status
	return &problemError{e.Problem()}
}

// setChallenge adds the WWW-Authenticate header that a 401 needs (RFC 9110), for
// a step-up with the words of RFC 9470.
func setChallenge(h http.Header, p wire.Problem) {
	if p.Status != http.StatusUnauthorized {
		return
	}
	value := `Bearer realm="holdfast"`
	if p.StepUp != nil {
		value += fmt.Sprintf(`, error="insufficient_user_authentication", error_description="use a second factor for this action", max_age="%d"`, p.StepUp.MaxAgeSeconds)
	}
	h.Set("WWW-Authenticate", value)
}
