// Package clock owns time as the gate understands it: what one reading of all clocks says, and durable timers that
// count only time which several clocks agree has passed (T43). It must never credit time that it cannot vouch for, and
// nothing else in quorum may ask the operating system for the time.
package clock

import (
	"context"
	"errors"
	"time"
)

// ErrUnavailable means that the clocks could not be read. Nothing may be credited or executed then (I6).
var ErrUnavailable = errors.New("clock unavailable")

// Reading is what all clocks said at one instant.
type Reading struct {
	// Wall is the wall clock of this machine, in UTC.
	Wall time.Time `json:"wall"`
	// Boot is CLOCK_BOOTTIME: the time since boot, including suspend, which no one can set.
	Boot time.Duration `json:"boot"`
	// BootID names this boot of the machine (/proc/sys/kernel/random/boot_id).
	BootID string `json:"boot_id"`
	// Process names this run of the process, random at its start. It tells a restart from a pause.
	Process string `json:"process"`
	// Outside holds the clocks of others that answered, brought to the instant of Wall.
	Outside []Outside `json:"outside,omitempty"`
}

// Outside is the clock of somebody else: a database server, a site, NTP. A clock on this very host is not outside.
type Outside struct {
	Name string    `json:"name"`
	Wall time.Time `json:"wall"`
}

// Clock is the one source of time in quorum.
type Clock interface {
	// Read reads all clocks. An outside clock that does not answer is left out; an error means that this machine's own
	// clocks could not be read.
	Read(ctx context.Context) (Reading, error)
	// Now is the wall clock alone, in UTC, for stamps that no rule depends on.
	Now() time.Time
}

// Source is an outside clock.
type Source interface {
	// Name tells sources apart; two sources of one name count once.
	Name() string
	// Now asks for the time. It honours the context's deadline.
	Now(ctx context.Context) (time.Time, error)
}
