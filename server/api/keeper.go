package api

import (
	"context"
	"net/http"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// keeperRoutes are for who looks after the bytes: the host's operator, and staff who watch.
func (a *API) keeperRoutes() {
	handle(a, route(http.MethodGet, "/v1/scrub", "site", "What reading everything again has found: rot, and the snapshots and paths that need it (staff)"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Scrub, error) {
			return a.control.Scrub(ctx, who)
		})
	handle(a, route(http.MethodPost, "/v1/scrub", "site", "Have everything read again now (the host's operator)"),
		func(ctx context.Context, who control.Caller, in *body[wire.BeginScrub]) (wire.Scrub, error) {
			return a.control.BeginScrub(ctx, who, in.Body)
		})
	handle(a, route(http.MethodPost, "/v1/site/adopt", "site", "Take a database that was rebuilt from packs for the site's (the host's operator)"),
		func(ctx context.Context, who control.Caller, _ *none) (wire.Adopted, error) {
			return a.control.AdoptRebuilt(ctx, who)
		})
}
