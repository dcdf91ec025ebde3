package client

import (
	"context"
	"net/http"
	"strconv"

	"holdfast/server/wire"
)

// Draft drafts a request; ConfirmRequest opens it.
func (c *Client) Draft(ctx context.Context, a wire.AskRequest) (r wire.Request, err error) {
	return r, c.call(ctx, http.MethodPost, "/v1/requests", a, &r)
}

// ConfirmRequest opens a draft: it needs a second factor used for exactly its statement.
func (c *Client) ConfirmRequest(ctx context.Context, id string) (r wire.Request, err error) {
	return r, c.call(ctx, http.MethodPost, "/v1/requests/"+escape(id)+"/confirm", nil, &r)
}

// CancelRequest stops a request.
func (c *Client) CancelRequest(ctx context.Context, id, reason string) (r wire.Request, err error) {
	return r, c.call(ctx, http.MethodPost, "/v1/requests/"+escape(id)+"/cancel", wire.Reason{Reason: reason}, &r)
}

// UndoRequest brings back what a request has tombstoned.
func (c *Client) UndoRequest(ctx context.Context, id, reason string) (r wire.Request, err error) {
	return r, c.call(ctx, http.MethodPost, "/v1/requests/"+escape(id)+"/undo", wire.Reason{Reason: reason}, &r)
}

// Requests lists requests in a state, or all, most urgent first.
func (c *Client) Requests(ctx context.Context, state string) (r []wire.Request, err error) {
	return r, c.call(ctx, http.MethodGet, query("/v1/requests", "state", state), nil, &r)
}

// Request returns one request.
func (c *Client) Request(ctx context.Context, id string) (r wire.Request, err error) {
	return r, c.call(ctx, http.MethodGet, "/v1/requests/"+escape(id), nil, &r)
}

// Statement returns a request's whole statement, byte for byte as it is signed.
func (c *Client) Statement(ctx context.Context, id string) (text string, err error) {
	return text, c.call(ctx, http.MethodGet, "/v1/requests/"+escape(id)+"/statement", nil, &text)
}

// Warrant returns everything that a stranger needs to check a request.
func (c *Client) Warrant(ctx context.Context, id string) (text string, err error) {
	return text, c.call(ctx, http.MethodGet, "/v1/requests/"+escape(id)+"/warrant", nil, &text)
}

// BeginVote returns the passkey options for one decision.
func (c *Client) BeginVote(ctx context.Context, id, decision string) (o wire.VoteOptions, err error) {
	return o, c.call(ctx, http.MethodPost, "/v1/requests/"+escape(id)+"/votes/begin", wire.BeginVote{Decision: decision}, &o)
}

// CastVote decides on a request.
func (c *Client) CastVote(ctx context.Context, id string, v wire.CastVote) (r wire.Request, err error) {
	return r, c.once(ctx, http.MethodPost, "/v1/requests/"+escape(id)+"/votes", v, &r)
}

// Holds lists the holds that the caller may see.
func (c *Client) Holds(ctx context.Context) (h []wire.Hold, err error) {
	return h, c.call(ctx, http.MethodGet, "/v1/holds", nil, &h)
}

// PlaceHold protects a tenant, volume or snapshot at once.
func (c *Client) PlaceHold(ctx context.Context, p wire.PlaceHold) (h wire.Hold, err error) {
	return h, c.call(ctx, http.MethodPost, "/v1/holds", p, &h)
}

// Freezes lists the freezes that the caller may see.
func (c *Client) Freezes(ctx context.Context) (f []wire.Freeze, err error) {
	return f, c.call(ctx, http.MethodGet, "/v1/freezes", nil, &f)
}

// Freeze stops everything destructive at once.
func (c *Client) Freeze(ctx context.Context, p wire.PlaceFreeze) (f wire.Freeze, err error) {
	return f, c.call(ctx, http.MethodPost, "/v1/freezes", p, &f)
}

// SuspendApprover suspends another approver, and the caller with him, until a gated decision.
func (c *Client) SuspendApprover(ctx context.Context, person, reason string) error {
	return c.call(ctx, http.MethodPost, "/v1/approvers/"+escape(person)+"/suspend", wire.Reason{Reason: reason}, nil)
}

// Charter returns the charter in force.
func (c *Client) Charter(ctx context.Context) (t wire.Charter, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/charter", nil, &t)
}

// CharterNumber returns an earlier charter or the one in force.
func (c *Client) CharterNumber(ctx context.Context, n int64) (t wire.Charter, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/charters/"+strconv.FormatInt(n, 10), nil, &t)
}

// Ceremony returns the state of the founding ceremony, or of the signing of the
// next charter that a request proposes.
func (c *Client) Ceremony(ctx context.Context, request string) (s wire.Ceremony, err error) {
	return s, c.call(ctx, http.MethodGet, query("/v1/ceremony", "request", request), nil, &s)
}

// ProposeGenesis drafts the first charter; the caller is the host's operator.
func (c *Client) ProposeGenesis(ctx context.Context, p wire.ProposeGenesis) (s wire.Ceremony, err error) {
	return s, c.call(ctx, http.MethodPost, "/v1/ceremony", p, &s)
}

// BeginSignCharter returns the passkey options for signing a proposed charter, one
// key at a time; an empty request means the founding one.
func (c *Client) BeginSignCharter(ctx context.Context, request string) (o wire.VoteOptions, err error) {
	return o, c.call(ctx, http.MethodPost, query("/v1/ceremony/begin", "request", request), nil, &o)
}

// SignCharter signs a proposed charter with one of the caller's keys.
func (c *Client) SignCharter(ctx context.Context, request string, a wire.PasskeyAnswer) (s wire.Ceremony, err error) {
	return s, c.call(ctx, http.MethodPost, query("/v1/ceremony/sign", "request", request), a, &s)
}

// Suspensions lists the suspensions in force, for staff.
func (c *Client) Suspensions(ctx context.Context) (s []wire.Suspension, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/suspensions", nil, &s)
}

// ReissueEnrolment makes a fresh ticket for a person whose factors were reset or
// who has not answered an invitation; the caller is the host's operator.
func (c *Client) ReissueEnrolment(ctx context.Context, person string) (i wire.Invitation, err error) {
	return i, c.call(ctx, http.MethodPost, "/v1/people/"+escape(person)+"/enrolment", nil, &i)
}

// Log returns a page of the log's entries that the caller may read.
func (c *Client) Log(ctx context.Context, cursor string) (l wire.LogEntries, err error) {
	return l, c.call(ctx, http.MethodGet, query("/v1/log", "cursor", cursor), nil, &l)
}

// LogEntry returns one entry of the log with its body where the caller may read it.
func (c *Client) LogEntry(ctx context.Context, index int64) (e wire.LogEntry, err error) {
	return e, c.call(ctx, http.MethodGet, "/v1/log/"+strconv.FormatInt(index, 10), nil, &e)
}

// LogProof proves that an entry is in the log.
func (c *Client) LogProof(ctx context.Context, index int64) (p wire.LogProof, err error) {
	return p, c.call(ctx, http.MethodGet, "/v1/log/"+strconv.FormatInt(index, 10)+"/proof", nil, &p)
}

// TrustClocks says that the clocks are right again after a jump; the caller is the
// host's operator.
func (c *Client) TrustClocks(ctx context.Context) (r wire.Resumed, err error) {
	return r, c.call(ctx, http.MethodPost, "/v1/clock/trust", nil, &r)
}
