package portal

import (
	"github.com/labstack/echo/v4"

	"holdfast/server/control"
)

// Mount adds the pages of the customers' face to e. It expects on e what
// server/app installs on every face: api.Middleware and the cross-origin checks.
func Mount(e *echo.Echo, c *control.Control) {
	_, _ = e, c
}
