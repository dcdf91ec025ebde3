package control

import (
	"context"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/snapshots/site"
)

// Feed is the log as a site in process reads it and speaks in it. What the site
// reads it proves leaf by leaf; the feed is trusted with nothing.
type Feed struct{ db *sqldb.DB }

var _ site.LogFeed = Feed{}

// NewFeed serves the log of the control database.
func NewFeed(db *sqldb.DB) Feed { return Feed{db} }

// Checkpoint is the newest signed checkpoint.
func (f Feed) Checkpoint(ctx context.Context) (signed []byte, err error) {
	err = f.db.Read(ctx, func(tx *sqldb.Tx) error {
		signed, err = quorumsql.LogSource(tx).Checkpoint(ctx)
		return err
	})
	return signed, err
}

// Tile is a tile or an entry bundle.
func (f Feed) Tile(ctx context.Context, path string) (data []byte, err error) {
	err = f.db.Read(ctx, func(tx *sqldb.Tx) error {
		data, err = quorumsql.LogSource(tx).Tile(ctx, path)
		return err
	})
	return data, err
}

// Openings are the bodies of the leaves from from to before to.
func (f Feed) Openings(ctx context.Context, from, to int64) (out []audit.Opening, err error) {
	err = f.db.Read(ctx, func(tx *sqldb.Tx) error {
		out = nil
		entries, err := quorumsql.LogEntries(ctx, tx, from, int(min(max(to-from, 0), quorumsql.MaxLogPage)))
		for _, e := range entries {
			if e.Index < to {
				out = append(out, e.Opening())
			}
		}
		return err
	})
	return out, err
}

// Submit appends what the site says.
func (f Feed) Submit(ctx context.Context, d audit.Draft) error {
	return f.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := quorumsql.AppendLeaf(ctx, tx, d)
		return err
	})
}
