package control

import (
	"context"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/server/wire"
)

// Notices lists what the caller was told, newest first: new factors, tokens and
// members, requests that concern them, replays. A notice never carries a link that
// approves anything.
func (c *Control) Notices(ctx context.Context, who Caller) ([]wire.Notice, error) {
	if err := c.decide(who, authz.NoticeView, own(who), ""); err != nil {
		return nil, err
	}
	out := []wire.Notice{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		notices, err := c.Accounts.Notices(ctx, tx, who.Person.ID, DefaultPage)
		for _, n := range notices {
			line := wire.Notice{ID: n.ID, What: n.What, Detail: n.Detail, At: n.CreatedAt}
			if !n.ReadAt.IsZero() {
				line.ReadAt = &n.ReadAt
			}
			out = append(out, line)
		}
		return err
	})
	return out, err
}

// MarkNoticeRead notes that the caller has seen a notice.
func (c *Control) MarkNoticeRead(ctx context.Context, who Caller, notice string) error {
	if err := c.decide(who, authz.NoticeView, own(who), ""); err != nil {
		return err
	}
	at := c.now()
	return c.write(ctx, func(tx *sqldb.Tx) error { return c.Accounts.MarkRead(ctx, tx, who.Person.ID, notice, at) })
}
