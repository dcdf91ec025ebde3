package control

import (
	"context"
	"encoding/hex"
	"strconv"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// LogEntries returns a page of the log's entries that the caller may read whole:
// for members their tenant's, for staff all. cursor is the index to begin at.
func (c *Control) LogEntries(ctx context.Context, who Caller, cursor string) (out wire.LogEntries, err error) {
	from := int64(0)
	if cursor != "" {
		if from, err = strconv.ParseInt(cursor, 10, 64); err != nil || from < 0 {
			return out, newError(wire.TypeInvalid, err, "A cursor comes from the page before.")
		}
	}
	tenant := who.tenantID()
	if err := c.decideAudit(who); err != nil {
		return out, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out = wire.LogEntries{Entries: []wire.LogEntry{}}
		var entries []quorumsql.LogEntry
		if tenant != "" {
			entries, err = quorumsql.LogEntriesOfTenant(ctx, tx, tenant, from, DefaultPage)
		} else {
			entries, err = quorumsql.LogEntries(ctx, tx, from, DefaultPage)
		}
		for _, e := range entries {
			out.Entries = append(out.Entries, logEntry(e, true))
		}
		if len(entries) == DefaultPage {
			out.Next = strconv.FormatInt(entries[len(entries)-1].Index+1, 10)
		}
		return err
	})
	return out, err
}

func (c *Control) decideAudit(who Caller) error {
	if who.tenantID() != "" {
		return c.decide(who, authz.AuditView, tenantResource(who.Principal.Tenant), "")
	}
	return c.decide(who, authz.AuditViewAll, authz.Resource{Kind: authz.ResourceLog}, "")
}

// LogEntry returns one entry: its public leaf, and its body where the caller may
// read it.
func (c *Control) LogEntry(ctx context.Context, who Caller, index int64) (out wire.LogEntry, err error) {
	if err := c.decide(who, authz.LogView, authz.Resource{Kind: authz.ResourceLog}, ""); err != nil {
		return out, err
	}
	whole := c.decideAudit(who) == nil
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		e, err := quorumsql.LogEntryAt(ctx, tx, index)
		if err != nil {
			return err
		}
		out = logEntry(e, whole && (who.tenantID() == "" || e.Tenant == who.tenantID()))
		return nil
	})
	return out, err
}

// LogProof proves that an entry is in the log, in C2SP's proof format.
func (c *Control) LogProof(ctx context.Context, who Caller, index int64) (out wire.LogProof, err error) {
	if err := c.decide(who, authz.LogView, authz.Resource{Kind: authz.ResourceLog}, ""); err != nil {
		return out, err
	}
	prove := func() error {
		return c.read(ctx, func(tx *sqldb.Tx) error {
			signed, err := quorumsql.LatestCheckpoint(ctx, tx)
			if err != nil {
				return err
			}
			p, err := quorumsql.ProveEvent(ctx, tx, c.LogKeys, signed, index)
			if err != nil {
				return err
			}
			text, err := p.Render()
			out = wire.LogProof{Index: index, Checkpoint: string(signed), Proof: string(text)}
			return err
		})
	}
	if err = prove(); isAny(err, audit.ErrProof, quorumsql.ErrNoCheckpoint) {
		if err := c.SignCheckpoint(ctx); err != nil {
			return out, err
		}
		err = prove()
	}
	return out, err
}

func logEntry(e quorumsql.LogEntry, whole bool) wire.LogEntry {
	out := wire.LogEntry{Index: e.Index, Kind: string(e.Kind), At: e.At, Leaf: string(e.Leaf)}
	if whole {
		out.Salt, out.Body = hex.EncodeToString(e.Salt[:]), string(e.Body)
	}
	return out
}

// The public log needs no caller: it holds commitments only (T59).

// LogCheckpoint is the newest signed checkpoint.
func (c *Control) LogCheckpoint(ctx context.Context) ([]byte, error) {
	signed, err := NewFeed(c.DB).Checkpoint(ctx)
	return signed, wrap(err)
}

// LogTile is a tile or an entry bundle of the log.
func (c *Control) LogTile(ctx context.Context, path string) ([]byte, error) {
	data, err := NewFeed(c.DB).Tile(ctx, path)
	return data, wrap(err)
}

// LogVerifier is the log's verifier key.
func (c *Control) LogVerifier() string { return c.LogKeys.Log().String() }

var _ = register(
	translation{quorumsql.ErrNoEntry, wire.TypeNotFound, "The log has no such entry."},
	translation{quorumsql.ErrNoCheckpoint, wire.TypeNotFound, "No checkpoint was signed yet."},
	translation{audit.ErrNoTile, wire.TypeNotFound, "The log has no such tile yet."},
)
