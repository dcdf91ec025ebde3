package api

import (
	"context"
	"net/http"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// consoleRoutes are what staff look at before they decide.
func (a *API) consoleRoutes() {
	handle(a, route(http.MethodGet, "/v1/requests/{id}/brief", "gate", "Who asked, how and from where, what happened to the accounts, what would remain, who may vote (staff)"),
		func(ctx context.Context, who control.Caller, in *ByID) (wire.Brief, error) {
			return a.control.Brief(ctx, who, in.ID)
		})
	handle(a, route(http.MethodGet, "/v1/account-changes", "people", "What happened to a tenant's accounts in the last 30 days; without tenant, to the staff's (staff)"),
		func(ctx context.Context, who control.Caller, in *struct {
			Tenant string `query:"tenant" maxLength:"64"`
		}) ([]wire.AccountChange, error) {
			return a.control.AccountChanges(ctx, who, in.Tenant)
		})
	handle(a, route(http.MethodGet, "/v1/approvers", "charter", "Whom the charter in force names, with keys, quarantine and suspensions (staff)"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Approver, error) {
			return a.control.Approvers(ctx, who)
		})
	handle(a, route(http.MethodGet, "/v1/charter/terms", "charter", "The rules of the charter in force as data; its text alone is what counts"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Terms, error) {
			return a.control.Terms(ctx, who, 0)
		})
	handle(a, route(http.MethodPost, "/v1/charter/compose", "charter", "Write the text of a next charter; proposes nothing"),
		func(ctx context.Context, who control.Caller, in *body[wire.ComposeCharter]) (wire.ComposedCharter, error) {
			return a.control.ComposeCharter(ctx, who, in.Body)
		})
	handle(a, route(http.MethodGet, "/v1/sites", "gate", "How the sites stand: clocks, marks, alarms"),
		func(ctx context.Context, who control.Caller, _ *none) ([]wire.Site, error) {
			return a.control.Sites(ctx, who)
		})
}
