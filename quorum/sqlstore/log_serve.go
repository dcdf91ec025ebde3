package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
)

// LogSource serves the log's public files from the database: only what a signed checkpoint covers, and only leaves' texts.
// It is good as long as tx.
func LogSource(tx *sqldb.Tx) audit.Source { return logSource{tx} }

type logSource struct{ tx *sqldb.Tx }

// Checkpoint implements audit.Source.
func (s logSource) Checkpoint(ctx context.Context) ([]byte, error) {
	return LatestCheckpoint(ctx, s.tx)
}

// Tile implements audit.Source.
func (s logSource) Tile(ctx context.Context, path string) ([]byte, error) {
	size, err := latestSize(ctx, s.tx)
	if errors.Is(err, ErrNoCheckpoint) {
		return nil, audit.ErrNoTile
	}
	if err != nil {
		return nil, err
	}
	return audit.ReadTile(ctx, size, LogHashes(s.tx), LogLeaves(s.tx), path)
}

// ProveEvent makes the offline proof of an entry under a signed checkpoint that covers it (as LatestCheckpoint or
// LatestWitnessed gave it). Errors: ErrNoEntry, ErrNoCheckpoint, audit.ErrProof.
func ProveEvent(ctx context.Context, tx *sqldb.Tx, keys *audit.Keys, signed []byte, index int64) (audit.Proof, error) {
	o, err := keys.Open(signed)
	if err != nil {
		return audit.Proof{}, err
	}
	e, err := LogEntryAt(ctx, tx, index)
	if err != nil {
		return audit.Proof{}, err
	}
	hashes, err := audit.ProveInclusion(ctx, o.Size, index, LogHashes(tx))
	if err != nil {
		return audit.Proof{}, err
	}
	p := audit.Proof{Index: index, Leaf: e.Leaf, Hashes: hashes, Signed: signed}
	// What we hand out we have checked: a database that was edited must not make us issue nonsense in good faith.
	if _, _, err := p.Verify(keys); err != nil {
		return audit.Proof{}, fmt.Errorf("%w: %w", ErrLogCorrupt, err)
	}
	return p, nil
}

// SubmissionFor makes the add-checkpoint request that brings a witness from size old to the signed checkpoint. Errors:
// those of Keys.Open, audit.ErrProof when the witness is ahead of this log.
func SubmissionFor(ctx context.Context, tx *sqldb.Tx, keys *audit.Keys, signed []byte, old int64) (audit.Submission, error) {
	o, err := keys.Open(signed)
	if err != nil {
		return audit.Submission{}, err
	}
	proof, err := audit.ProveConsistency(ctx, o.Size, old, LogHashes(tx))
	if err != nil {
		return audit.Submission{}, err
	}
	return audit.Submission{Old: old, Proof: proof, Signed: signed}, nil
}
