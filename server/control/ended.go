package control

import (
	"context"
	"encoding/json"
	"errors"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// ending is who denied or cancelled a request, when, and why, as the log says it;
// nil of a request that nobody has ended.
func (c *Control) ending(ctx context.Context, tx *sqldb.Tx, st quorum.State) (*wire.Ending, error) {
	kind := audit.KindRequestDenied
	switch st.Phase {
	case quorum.Denied:
	case quorum.Cancelled:
		kind = audit.KindRequestCancelled
	default:
		return nil, nil
	}
	leaves, err := quorumsql.LogEntriesOfSubject(ctx, tx, st.Request, 0, quorumsql.MaxLogPage)
	if err != nil {
		return nil, err
	}
	for _, e := range leaves {
		if e.Kind != kind {
			continue
		}
		var said struct {
			By     string `json:"by"`
			Reason string `json:"reason"`
		}
		if err := json.Unmarshal(e.Body, &said); err != nil {
			return nil, errors.Join(quorum.ErrTampered, err)
		}
		out := &wire.Ending{By: wire.Actor{Kind: "member", ID: said.By, Name: c.nameOf(ctx, tx, said.By)}, At: e.At, Reason: said.Reason}
		for _, a := range st.Roster {
			if a.Person == said.By {
				out.By.Kind, out.By.Team = "staff", a.Team
			}
		}
		return out, nil
	}
	return nil, nil
}
