package control

import (
	"context"

	"holdfast/authz/ticket"
	"holdfast/snapshots"
)

// DataPath is the primary site's engine: it takes bytes in, gives them back,
// takes and seals snapshots. It has no way to destroy a copy.
type DataPath = *snapshots.Engine

// TicketVerifier checks the tickets that Deps.Tickets mints, as the site does.
type TicketVerifier = *ticket.Verifier

// recoveryRecipients are the age recipients that every tenant's keys are wrapped
// for besides the primary's own: those of the charter in force, none before it.
func (c *Control) recoveryRecipients(ctx context.Context) ([]string, error) {
	return c.Gate.RecoveryRecipients(ctx)
}
