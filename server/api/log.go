package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// logRoutes serves the entries to those who may read them, and the public log to
// everybody, in the formats of C2SP tlog-tiles.
func (a *API) logRoutes() {
	handle(a, route(http.MethodGet, "/v1/log", "log", "The log's entries that the caller may read whole"),
		func(ctx context.Context, who control.Caller, in *struct {
			Cursor string `query:"cursor" maxLength:"20"`
		}) (wire.LogEntries, error) {
			return a.control.LogEntries(ctx, who, in.Cursor)
		})
	type byIndex struct {
		Index int64 `path:"index" minimum:"0"`
	}
	handle(a, route(http.MethodGet, "/v1/log/{index}", "log", "One entry of the log"),
		func(ctx context.Context, who control.Caller, in *byIndex) (wire.LogEntry, error) {
			return a.control.LogEntry(ctx, who, in.Index)
		})
	handle(a, route(http.MethodGet, "/v1/log/{index}/proof", "log", "Proof that an entry is in the log"),
		func(ctx context.Context, who control.Caller, in *byIndex) (wire.LogProof, error) {
			return a.control.LogProof(ctx, who, in.Index)
		})
	a.echo.GET("/checkpoint", func(c echo.Context) error {
		signed, err := a.control.LogCheckpoint(c.Request().Context())
		if err != nil {
			return Problem(c, err)
		}
		c.Response().Header().Set("Cache-Control", "no-store")
		return c.Blob(http.StatusOK, "text/plain; charset=utf-8", signed)
	})
	a.echo.GET("/tile/*", func(c echo.Context) error {
		data, err := a.control.LogTile(c.Request().Context(), "tile/"+c.Param("*"))
		if err != nil {
			return Problem(c, err)
		}
		c.Response().Header().Set("Cache-Control", "public, max-age=604800, immutable")
		return c.Blob(http.StatusOK, "application/octet-stream", data)
	})
	a.echo.GET("/log/key", func(c echo.Context) error {
		return c.String(http.StatusOK, a.control.LogVerifier()+"\n")
	})
}
