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

// keepPreview asks what a rule would make of a volume.
type keepPreview struct {
	VolumePath
	Rule  string `query:"rule" maxLength:"200" doc:"a keep rule that is not in force; empty: only the one that is"`
	Show  string `query:"show" enum:"kept,unkept,uncounted" doc:"list these only, by the rule asked about"`
	From  int64  `query:"from" minimum:"0" doc:"skip this many"`
	Limit int    `query:"limit" minimum:"0" maximum:"500"`
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
	handle(a, route(http.MethodGet, path+"/preview", tag, "What the keep rule makes of the snapshots, and what another would"),
		func(ctx context.Context, who control.Caller, in *keepPreview) (wire.KeepPreview, error) {
			return a.control.WeighRetention(ctx, who, in.Volume, in.Rule, in.Show, in.From, in.Limit)
		})
}
