package api

import (
	"context"
	"net/http"

	"holdfast/server/control"
	"holdfast/server/wire"
)

type setRetention struct {
	VolumePath
	Body wire.SetRetention
}

func (a *API) retentionRoutes() {
	const path, tag = "/v1/volumes/{volume}/retention", "volumes"
	handle(a, route(http.MethodGet, path, tag, "What is kept of a volume: keep rule and undo window"),
		func(ctx context.Context, who control.Caller, in *VolumePath) (wire.Retention, error) {
			return a.control.Retention(ctx, who, in.Volume)
		})
	handle(a, route(http.MethodPut, path, tag, "Keep more of a volume, at once; to keep less is a request"),
		func(ctx context.Context, who control.Caller, in *setRetention) (wire.Retention, error) {
			return a.control.SetRetention(ctx, who, in.Volume, in.Body)
		})
}
