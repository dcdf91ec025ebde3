package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// keyboard is a site that the host's operator can tell that its clocks are right.
type keyboard interface {
	ResumeClock(ctx context.Context) error
}

// TrustClocks ends the suspension that a jump of the clocks caused, at the site in
// this process and for every request. The operator of the host says that somebody
// looked; clocks that still contradict each other refuse it, and no time is
// credited for the suspension.
func (c *Control) TrustClocks(ctx context.Context, who Caller) (resumed int, err error) {
	if who.Principal.System != SystemOperator {
		return 0, newError(wire.TypeDenied, authz.ErrDenied, "The operator of the host does this, at its keyboard.")
	}
	if err := c.decide(who, authz.JobRun, service, ""); err != nil {
		return 0, err
	}
	local, ok := c.Gate.(keyboard)
	if !ok {
		return 0, newError(wire.TypeConflict, nil, "This site has a keyboard of its own.")
	}
	if err := local.ResumeClock(ctx); err != nil {
		return 0, newError(wire.TypeConflict, err, "The clocks do not agree yet, so nothing is resumed. Set them right and try again.")
	}
	reading, err := c.Clock.Read(ctx)
	if err != nil {
		return 0, wrap(err)
	}
	at := reading.Wall.UTC().Truncate(time.Microsecond)
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		resumed = 0
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		if err := c.eachLive(ctx, tx, "", func(r quorumsql.Request) error {
			if !slices.Contains(r.State.Freezes, quorum.JumpStop) && !r.State.Timer.Suspended {
				return nil
			}
			_, err := quorumsql.Record(ctx, tx, r, quorum.ClockTrusted{Reading: reading, At: at})
			if errors.Is(err, quorum.ErrFrozen) {
				return newError(wire.TypeConflict, err, "The clocks do not agree yet, so nothing is resumed. Set them right and try again.")
			}
			resumed++
			return err
		}); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, entry{kind: audit.KindAlarm, subject: "clock", body: map[string]any{
			"alarm": "the operator says that the clocks are right again", "resumed": resumed,
		}})
		return err
	})
	return resumed, err
}
