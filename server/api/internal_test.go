package api_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"holdfast/server/client"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// What went wrong inside is for the operator's log, and for nobody else.
func TestAnInternalErrorStandsInTheLogOnly(t *testing.T) {
	e := controltest.New(t)
	var log bytes.Buffer
	e.Control.Log = slog.New(slog.NewTextHandler(&log, nil))
	c := bearer(t, e, portal(t, e))
	ok(t, e.DB.Close())
	_, err := c.Volumes(t.Context())
	var p *client.Error
	if !errors.As(err, &p) || p.Status < 500 || p.Type == wire.TypeNotAuthenticated {
		t.Fatalf("a closed database: %v", err)
	}
	if strings.Contains(p.Detail+p.Title, "database") || strings.Contains(p.Detail+p.Title, "sql") {
		t.Errorf("the answer tells the inside: %s", p)
	}
	if text := log.String(); !strings.Contains(text, "request failed") || !strings.Contains(text, "/v1/volumes") || !strings.Contains(text, "database is closed") {
		t.Errorf("the log does not tell why: %q", text)
	}
}
