package client

import (
	"context"
	"net/http"

	"holdfast/server/wire"
)

// Brief returns what an approver looks at beside a request's statement: who asked
// and how, what happened to the accounts, who may vote, what would remain. Staff
// only; nothing of it is signed.
func (c *Client) Brief(ctx context.Context, request string) (b wire.Brief, err error) {
	return b, c.call(ctx, http.MethodGet, "/v1/requests/"+escape(request)+"/brief", nil, &b)
}

// AccountChanges lists what happened to a tenant's accounts in the last 30 days,
// newest first; without tenant, to the staff's. Staff only.
func (c *Client) AccountChanges(ctx context.Context, tenant string) (a []wire.AccountChange, err error) {
	return a, c.call(ctx, http.MethodGet, query("/v1/account-changes", "tenant", tenant), nil, &a)
}

// Approvers lists whom the charter in force names, with keys, quarantine and
// suspensions. Staff only.
func (c *Client) Approvers(ctx context.Context) (a []wire.Approver, err error) {
	return a, c.call(ctx, http.MethodGet, "/v1/approvers", nil, &a)
}

// Terms are the rules of the charter in force as data. Its text alone is what counts.
func (c *Client) Terms(ctx context.Context) (t wire.Terms, err error) {
	return t, c.call(ctx, http.MethodGet, "/v1/charter/terms", nil, &t)
}

// ComposeCharter writes the text of a next charter and says in what it differs from
// the one in force. It proposes nothing: Draft does.
func (c *Client) ComposeCharter(ctx context.Context, in wire.ComposeCharter) (t wire.ComposedCharter, err error) {
	return t, c.call(ctx, http.MethodPost, "/v1/charter/compose", in, &t)
}

// Sites says how the sites stand: clocks, marks, alarms. Staff only.
func (c *Client) Sites(ctx context.Context) (s []wire.Site, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/sites", nil, &s)
}
