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
// rule again when it executes (T58). chosen is how many restore points the rule does
// not keep in all.
func (c *Control) composeByRule(ctx context.Context, s *statement.Statement, ref string) (impact *wire.Impact, chosen int, err error) {
	v, err := c.volumeOf(ctx, s.Tenant.ID, ref)
	if err != nil {
		return nil, 0, wrap(err)
	}
	line, err := c.siteLine(ctx)
	if err != nil {
		return nil, 0, err
	}
	if err := c.SignCheckpoint(ctx); err != nil {
		return nil, 0, err
	}
	choice, err := c.Gate.Choose(ctx, v.Tenant, v.ID.String())
	if err != nil {
		return nil, 0, wrap(err)
	}
	named := choice.Snapshots
	named = named[:min(uint64(len(named)), line.Caps.RequestCopies, statement.MaxByRule)]
	if len(named) == 0 {
		return nil, 0, newError(wire.TypeConflict, nil, "The rule %q keeps every restore point of %s that there is. There is nothing to ask for.", choice.Rule.Text, v.Name)
	}
	for {
		found, err := c.Gate.Describe(ctx, site.Query{Tenant: v.Tenant, Snapshots: named})
		if err != nil {
			return nil, 0, wrap(err)
		}
		if fits := within(found.Copies, line.Caps.RequestBytes); fits < len(named) {
			if fits == 0 {
				return nil, 0, newError(wire.TypeCapExceeded, nil, "The charter lets %d bytes go in a request, and %s alone has more.", line.Caps.RequestBytes, named[0])
			}
			named = named[:fits]
			continue
		}
		s.Selection, s.Rule = statement.ByRule, &choice.Rule
		impact, err := c.nameCopies(s, named, found)
		return impact, len(choice.Snapshots), err
	}
}

// Choice is what a volume's keep rule does not keep: the rule in force, and how many
// restore points.
type Choice struct {
	Rule   string
	Unkept int64
}

// PreviewByRule is PreviewRequest for what a volume's keep rule does not keep. The
// rule is evaluated once for all that it says.
func (c *Control) PreviewByRule(ctx context.Context, who Caller, volume string) (*wire.Impact, Choice, error) {
	tenant, err := c.mayDraft(ctx, who, wire.AskRequest{Action: string(statement.DeleteCopies), ByRule: volume})
	if err != nil {
		return nil, Choice{}, err
	}
	s := &statement.Statement{Action: statement.DeleteCopies, Tenant: statement.Tenant{ID: tenant}}
	impact, chosen, err := c.composeByRule(ctx, s, volume)
	if err != nil {
		return nil, Choice{}, err
	}
	return impact, Choice{Rule: s.Rule.Text, Unkept: int64(chosen)}, nil
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
