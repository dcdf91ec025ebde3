package control

import (
	"context"
	"encoding/hex"

	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

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
