package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/server/control"
	"holdfast/server/wire"
)

// API serves the powers of control on one face.
type API struct {
	control *control.Control
	face    authz.Face
	huma    huma.API
	echo    *echo.Echo
}

// Mount adds the JSON API of face to e: all routes of /v1, /openapi.json, and
// the public log.
func Mount(e *echo.Echo, c *control.Control, face authz.Face, version string) *API {
	huma.NewError = newProblem
	config := huma.DefaultConfig("Holdfast", version)
	config.Info.Description = "A backup control plane in which nobody can destroy a snapshot alone."
	config.CreateHooks = nil // no $schema members: they would be built from the Host header
	config.SchemasPath = ""
	config.DocsPath = ""
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session": {Type: "apiKey", In: "cookie", Name: cookieName(face)},
		"token":   {Type: "http", Scheme: "bearer", BearerFormat: "hft_…"},
	}
	a := &API{control: c, face: face, huma: humaecho.New(e, config), echo: e}
	a.accountRoutes()
	a.peopleRoutes()
	a.dataRoutes()
	a.gateRoutes()
	a.consoleRoutes()
	a.logRoutes()
	return a
}

// answer is the output of a power whose answer is a JSON body.
type answer[O any] struct {
	Body O
}

// none is the input of a power that needs none.
type none struct{}

// route declares one operation. Its id, for generated clients, is the method
// and the path.
func route(method, path, tag, summary string) huma.Operation {
	op := huma.Operation{
		OperationID:  strings.ToLower(method) + strings.NewReplacer("/v1/", "-", "/", "-", "{", "", "}", "").Replace(path),
		Method:       method,
		Path:         path,
		Summary:      summary,
		Tags:         []string{tag},
		MaxBodyBytes: maxBody,
		Security:     []map[string][]string{{"session": {}}, {"token": {}}},
	}
	if method == http.MethodPost {
		op.DefaultStatus = http.StatusOK
	}
	return op
}

// handle serves op by power for a caller who has authenticated in some way; what
// he may do is the power's business.
func handle[I, O any](a *API, op huma.Operation, power func(context.Context, control.Caller, *I) (O, error)) {
	handleRaw(a, op, func(ctx context.Context, who control.Caller, in *I) (*answer[O], error) {
		out, err := power(ctx, who, in)
		return &answer[O]{Body: out}, err
	})
}

// handleRaw is handle for a power whose answer is more than a JSON body: it sets
// a cookie, or is plain text.
func handleRaw[I, O any](a *API, op huma.Operation, power func(context.Context, control.Caller, *I) (*O, error)) {
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		who, err := a.caller(ctx)
		if err != nil {
			return nil, a.problem(ctx, op, err)
		}
		out, err := power(ctx, who, in)
		if err != nil {
			return nil, a.problem(ctx, op, err)
		}
		return out, nil
	})
}

// open serves op for anybody: signing in, and answering an invitation.
func open[I, O any](a *API, op huma.Operation, power func(context.Context, control.Caller, *I) (*O, error)) {
	op.Security = []map[string][]string{}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := power(ctx, a.stranger(ctx), in)
		if err != nil {
			return nil, a.problem(ctx, op, err)
		}
		return out, nil
	})
}

// Problem writes err to an echo response, for the plain handlers beside huma.
func Problem(c echo.Context, err error) error {
	p := control.AsError(err).Problem()
	setChallenge(c.Response().Header(), p)
	c.Response().Header().Set(echo.HeaderContentType, "application/problem+json")
	return c.JSON(p.Status, p)
}

var _ huma.StatusError = (*problemError)(nil)

// problemError makes a wire.Problem an error of huma's.
type problemError struct{ wire.Problem }

func (p *problemError) Error() string             { return p.Title }
func (p *problemError) GetStatus() int            { return p.Status }
func (p *problemError) ContentType(string) string { return "application/problem+json" }
func (p *problemError) GetHeaders() http.Header {
	h := http.Header{}
	setChallenge(h, p.Problem)
	return h
}
