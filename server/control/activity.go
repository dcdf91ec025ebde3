package control

import (
	"context"
	"encoding/hex"
	"math"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// Activity is a page of the entries of the caller's tenant, newest first: those
// with an index less than before, or the newest when it is negative. next is where
// the next page goes on, negative when there is none.
func (c *Control) Activity(ctx context.Context, who Caller, before int64) (out []wire.LogEntry, next int64, err error) {
	if err := c.decide(who, authz.AuditView, tenantResource(who.Principal.Tenant), ""); err != nil {
		return nil, -1, err
	}
	if before < 0 {
		before = math.MaxInt64
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out, next = []wire.LogEntry{}, -1
		entries, err := quorumsql.OfTenantBefore(ctx, tx, who.tenantID(), before, activityPage)
		for _, e := range entries {
			out = append(out, logEntry(e, true))
			if len(out) == activityPage {
				next = e.Index
			}
		}
		return err
	})
	return out, next, err
}

// CheckEntry opens an entry that the caller may read and checks that it is in the
// log. The answer has all that a stranger needs to check it again elsewhere.
func (c *Control) CheckEntry(ctx context.Context, who Caller, index int64) (out wire.CheckedEntry, err error) {
	if out.Entry, err = c.LogEntry(ctx, who, index); err != nil {
		return out, err
	}
	if out.Entry.Salt == "" { // the public leaf alone is nothing to read
		return out, wrap(quorumsql.ErrNoEntry)
	}
	if out.Proof, err = c.LogProof(ctx, who, index); err != nil {
		return out, err
	}
	p, err := audit.ParseProof([]byte(out.Proof.Proof))
	if err != nil {
		return out, wrap(err)
	}
	opening := audit.Opening{Index: index, Body: []byte(out.Entry.Body)}
	if _, err := hex.Decode(opening.Salt[:], []byte(out.Entry.Salt)); err != nil {
		return out, wrap(err)
	}
	opened, _, err := p.Disclose(c.LogKeys, opening)
	out.Verified = err == nil
	out.Key, out.Origin = c.LogVerifier(), c.LogKeys.Origin()
	out.Size, out.Root, out.Witnesses = opened.Size, hex.EncodeToString(opened.Root[:]), len(opened.Cosignatures)
	return out, nil
}

// activityPage is how many entries a page of the activity has.
const activityPage = 50
