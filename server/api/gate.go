package api

import (
	"context"
	"net/http"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// plainText is an answer that is text, byte for byte.
type plainText struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// reasoned is an input of an id and a reason.
type reasoned struct {
	ByID
	Body wire.Reason
}

func (a *API) gateRoutes() {
	a.requestRoutes()
	a.stopRoutes()
	a.charterRoutes()
	a.clockRoutes()
	a.keeperRoutes()
	a.retentionRoutes()
}

// text serves a power whose answer is text.
func text(a *API, path, summary string, power func(context.Context, control.Caller, string) (string, error)) {
	handleRaw(a, route(http.MethodGet, path, "gate", summary),
		func(ctx context.Context, who control.Caller, in *ByID) (*plainText, error) {
			out, err := power(ctx, who, in.ID)
			return &plainText{ContentType: "text/plain; charset=utf-8", Body: []byte(out)}, err
		})
}

func (a *API) requestRoutes() {
	handle(a, route(http.MethodPost, "/v1/requests", "gate", "Draft a request for a gated action; a draft binds nobody"),
		func(ctx context.Context, who control.Caller, in *body[wire.AskRequest]) (wire.Request, error) {
			return a.control.Draft(ctx, who, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/requests", "gate", "List requests; staff see the fair queue first"),
		func(ctx context.Context, who control.Caller, in *struct {
			State string `query:"state" maxLength:"20"`
		}) ([]wire.Request, error) {
			return a.control.Requests(ctx, who, in.State)
		})
	handle(a, route(http.MethodGet, "/v1/requests/{id}", "gate", "One request or draft"),
		func(ctx context.Context, who control.Caller, in *ByID) (wire.Request, error) {
			return a.control.Request(ctx, who, in.ID)
		})
	text(a, "/v1/requests/{id}/statement", "The whole statement, byte for byte as it is signed", a.control.Statement)
	text(a, "/v1/requests/{id}/warrant", "Everything that a stranger needs to check the request", a.control.Warrant)
	handle(a, route(http.MethodGet, "/v1/requests/{id}/body", "gate", "A page of the statement's body"),
		func(ctx context.Context, who control.Caller, in *struct {
			ByID
			From  int `query:"from" minimum:"0"`
			Limit int `query:"limit" minimum:"0" maximum:"500" default:"100"`
		}) ([]string, error) {
			return a.control.StatementBody(ctx, who, in.ID, in.From, in.Limit)
		})
	handle(a, route(http.MethodPost, "/v1/requests/{id}/confirm", "gate", "Open a draft, with a second factor used for exactly its statement"),
		func(ctx context.Context, who control.Caller, in *ByID) (wire.Request, error) {
			return a.control.ConfirmRequest(ctx, who, in.ID)
		})
	handle(a, route(http.MethodPost, "/v1/requests/{id}/cancel", "gate", "Stop a request before anything is hidden"),
		func(ctx context.Context, who control.Caller, in *reasoned) (wire.Request, error) {
			return a.control.CancelRequest(ctx, who, in.ID, in.Body.Reason)
		})
	handle(a, route(http.MethodPost, "/v1/requests/{id}/undo", "gate", "Bring back what a request has tombstoned"),
		func(ctx context.Context, who control.Caller, in *reasoned) (wire.Request, error) {
			return a.control.UndoRequest(ctx, who, in.ID, in.Body.Reason)
		})
	handle(a, route(http.MethodPost, "/v1/requests/{id}/votes/begin", "gate", "Passkey options for one decision"),
		func(ctx context.Context, who control.Caller, in *struct {
			ByID
			Body wire.BeginVote
		}) (wire.VoteOptions, error) {
			return a.control.BeginVote(ctx, who, in.ID, in.Body.Decision)
		})
	handle(a, route(http.MethodPost, "/v1/requests/{id}/votes", "gate", "Decide on a request"),
		func(ctx context.Context, who control.Caller, in *struct {
			ByID
			Body wire.CastVote
		}) (wire.Request, error) {
			return a.control.CastVote(ctx, who, in.ID, in.Body)
		})
}

func (a *API) stopRoutes() {
	handle(a, route(http.MethodGet, "/v1/holds", "gate", "List holds in force"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Hold, error) {
			return a.control.Holds(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/holds", "gate", "Keep a tenant or volume from deletion, at once"),
		func(ctx context.Context, who control.Caller, in *body[wire.PlaceHold]) (wire.Hold, error) {
			return a.control.PlaceHold(ctx, who, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/freezes", "gate", "List freezes in force"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Freeze, error) {
			return a.control.Freezes(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/freezes", "gate", "Stop everything destructive, at once"),
		func(ctx context.Context, who control.Caller, in *body[wire.PlaceFreeze]) (wire.Freeze, error) {
			return a.control.Freeze(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/approvers/{id}/suspend", "gate", "Suspend another approver, and oneself"),
		func(ctx context.Context, who control.Caller, in *reasoned) (done, error) {
			return done{true}, a.control.SuspendApprover(ctx, who, in.ID, in.Body.Reason)
		})
	handle(a, route(http.MethodGet, "/v1/suspensions", "gate", "List suspensions in force"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Suspension, error) {
			return a.control.Suspensions(ctx, who)
		})
}

func (a *API) charterRoutes() {
	handle(a, route(http.MethodGet, "/v1/charter", "charter", "The charter in force"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Charter, error) {
			return a.control.Charter(ctx, who)
		})
	handle(a, route(http.MethodGet, "/v1/charters/{number}", "charter", "An earlier charter"),
		func(ctx context.Context, who control.Caller, in *struct {
			Number int64 `path:"number" minimum:"1"`
		}) (wire.Charter, error) {
			return a.control.CharterAt(ctx, who, in.Number)
		})
	handle(a, route(http.MethodGet, "/v1/ceremony", "charter", "How far the founding ceremony, or the signing of a next charter's new keys, has come"),
		func(ctx context.Context, who control.Caller, in *ForRequest) (wire.Ceremony, error) {
			return a.control.Ceremony(ctx, who, in.Request)
		})
	handle(a, route(http.MethodPost, "/v1/ceremony", "charter", "Propose the first charter (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *body[wire.ProposeGenesis]) (wire.Ceremony, error) {
			return a.control.ProposeGenesis(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/ceremony/begin", "charter", "Passkey options for signing a proposed charter"),
		func(ctx context.Context, who control.Caller, in *ForRequest) (wire.VoteOptions, error) {
			return a.control.BeginSignCharter(ctx, who, in.Request)
		})
	handle(a, route(http.MethodPost, "/v1/ceremony/sign", "charter", "Sign a proposed charter with one passkey"),
		func(ctx context.Context, who control.Caller, in *struct {
			ForRequest
			Body wire.PasskeyAnswer
		}) (wire.Ceremony, error) {
			return a.control.SignCharter(ctx, who, in.Request, in.Body)
		})
}

func (a *API) clockRoutes() {
	handle(a, route(http.MethodPost, "/v1/clock/trust", "gate", "Say that the clocks are right again after a jump (the host's operator)"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Resumed, error) {
			n, err := a.control.TrustClocks(ctx, who)
			return wire.Resumed{Requests: n}, err
		})
}

// ForRequest names the change-charter request whose proposal is meant; none is
// the founding charter. Like ByID it is exported for reflection's sake.
type ForRequest struct {
	Request string `query:"request" maxLength:"64"`
}
