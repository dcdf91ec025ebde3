package control_test

import (
	"fmt"
	"testing"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// What a site refuses or cannot do now is no internal error: people are told what to wait for.
func TestEverySiteErrorIsTranslated(t *testing.T) {
	for err, want := range map[error]string{
		site.ErrUnknownRequest: wire.TypeConflict, site.ErrCharter: wire.TypeUnavailable, site.ErrFork: wire.TypeUnavailable,
		site.ErrConflict: wire.TypeConflict, site.ErrSuspended: wire.TypeUnavailable, site.ErrMarks: wire.TypeUnavailable,
		site.ErrTooLate: wire.TypeConflict, site.ErrLog: wire.TypeUnavailable,
	} {
		if got := control.AsError(fmt.Errorf("the site: %w", err)).Type; got != want {
			t.Errorf("%v: %s, not %s", err, got, want)
		}
	}
}
