package control

import (
	"context"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
)

// AskedEnds finds the requests under way that ask for the end of a freeze or hold
// that the caller may see: by the stop's id, the request's.
func (c *Control) AskedEnds(ctx context.Context, who Caller) (out map[string]string, err error) {
	if err := c.decide(who, authz.RequestView, c.requestResource("", who.tenantID(), [32]byte{}), ""); err != nil {
		return nil, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out = map[string]string{}
		for _, phase := range []quorum.Phase{quorum.Open, quorum.Cooling, quorum.Executing} {
			lines, err := c.lines(ctx, tx, who, phase)
			if err != nil {
				return err
			}
			for _, line := range lines {
				if a := statement.Action(line.Action); a != statement.LiftFreeze && a != statement.ReleaseHold {
					continue
				}
				r, err := quorumsql.LoadRequest(ctx, tx, line.ID)
				if err != nil {
					continue // the request's own page says what is the matter with it
				}
				s, err := parseStatement(r)
				if err != nil {
					continue
				}
				for _, about := range s.Subjects {
					out[about.ID] = line.ID
				}
			}
		}
		return nil
	})
	return out, err
}
