package control

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// composeByRule names what the volume's keep rule does not keep, oldest first, and
// of that as much as the charter lets go in one request. The site evaluates the
// rule again when it executes (T58).
func (c *Control) composeByRule(ctx context.Context, s *statement.Statement, ref string) (*wire.Impact, error) {
	v, err := c.volumeOf(ctx, s.Tenant.ID, ref)
	if err != nil {
		return nil, wrap(err)
	}
	line, err := c.siteLine(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.SignCheckpoint(ctx); err != nil {
		return nil, err
	}
	choice, err := c.Gate.Choose(ctx, v.Tenant, v.ID.String())
	if err != nil {
		return nil, wrap(err)
	}
	chosen := choice.Snapshots
	chosen = chosen[:min(uint64(len(chosen)), line.Caps.RequestCopies, statement.MaxByRule)]
	if len(chosen) == 0 {
		return nil, newError(wire.TypeConflict, nil, "The rule %q keeps every restore point of %s that there is. There is nothing to ask for.", choice.Rule.Text, v.Name)
	}
	for {
		found, err := c.Gate.Describe(ctx, site.Query{Tenant: v.Tenant, Snapshots: chosen})
		if err != nil {
			return nil, wrap(err)
		}
		if fits := within(found.Copies, line.Caps.RequestBytes); fits < len(chosen) {
			if fits == 0 {
				return nil, newError(wire.TypeCapExceeded, nil, "The charter lets %d bytes go in a request, and %s alone has more.", line.Caps.RequestBytes, chosen[0])
			}
			chosen = chosen[:fits]
			continue
		}
		s.Selection, s.Rule = statement.ByRule, &choice.Rule
		return c.nameCopies(s, chosen, found)
	}
}

// within is how many of the copies, from the first, have together no more bytes.
func within(copies []site.CopyFacts, bytes uint64) int {
	sum := uint64(0)
	for i, k := range copies {
		if sum += k.Bytes; sum > bytes {
			return i
		}
	}
	return len(copies)
}

// siteLine is the primary site's line of the charter in force.
func (c *Control) siteLine(ctx context.Context) (line charter.Site, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		line, _ = ch.Site(c.Gate.Name())
		return nil
	})
	return line, err
}
