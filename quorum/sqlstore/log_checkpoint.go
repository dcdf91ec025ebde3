package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
)

// SignLog signs a checkpoint of all leaves that are committed now and keeps it; at is the log's own time, which the
// signature states in whole seconds. A log that has not grown is signed again with the new time: timers wait for a
// checkpoint newer than their end. It takes the log head's lock. The signed text is without witnesses' cosignatures.
//
// It refuses to sign a history that does not continue the last checkpoint it kept (ErrLogCorrupt): the tables may have been
// edited or restored from an old backup, and a fork that was never signed is easier to explain than one that was.
func SignLog(ctx context.Context, tx *sqldb.Tx, s *audit.Signer, at time.Time) (audit.Opened, error) {
	size, err := lockHead(ctx, tx)
	if err != nil {
		return audit.Opened{}, err
	}
	root, err := audit.Root(ctx, size, LogHashes(tx))
	if err != nil {
		return audit.Opened{}, err
	}
	cp := audit.Checkpoint{Origin: s.Name(), Size: size, Root: root}
	if err := continues(ctx, tx, cp); err != nil {
		return audit.Opened{}, err
	}
	signed, err := s.SignCheckpoint(cp, at)
	if err != nil {
		return audit.Opened{}, err
	}
	note, own, err := splitNote(signed)
	if err != nil {
		return audit.Opened{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO log_checkpoints (size, root, note, at) VALUES ($1, $2, $3, $4) ON CONFLICT (size) DO NOTHING`,
		size, root[:], note, sqldb.Micros(at))
	if err != nil {
		return audit.Opened{}, fmt.Errorf("sqlstore: keep checkpoint: %w", err)
	}
	keys, err := audit.NewKeys(s.LogKey().String())
	if err != nil {
		return audit.Opened{}, err
	}
	o, err := keys.Open(signed)
	if err != nil {
		return audit.Opened{}, err
	}
	return o, keepCosignature(ctx, tx, size, s.Name(), own, o.At)
}

// continues holds a new checkpoint against the last one that was signed.
func continues(ctx context.Context, tx *sqldb.Tx, next audit.Checkpoint) error {
	var size int64
	var root []byte
	err := tx.QueryRow(ctx, `SELECT size, root FROM log_checkpoints ORDER BY size DESC LIMIT 1`).Scan(&size, &root)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sqlstore: last checkpoint: %w", err)
	}
	if len(root) != len(audit.Hash{}) {
		return ErrLogCorrupt
	}
	last := audit.Checkpoint{Origin: next.Origin, Size: size, Root: audit.Hash(root)}
	if size > next.Size {
		return fmt.Errorf("%w: %d leaves, but %d were signed", ErrLogCorrupt, next.Size, size)
	}
	proof, err := audit.ProveConsistency(ctx, next.Size, size, LogHashes(tx))
	if err != nil {
		return err
	}
	if err := audit.VerifyConsistency(last, next, proof); err != nil {
		return fmt.Errorf("%w: %w", ErrLogCorrupt, err)
	}
	return nil
}

// splitNote separates a freshly signed checkpoint into text with the plain signature, and the log's own timed line.
func splitNote(signed []byte) (note []byte, timed string, err error) {
	i := bytes.LastIndex(bytes.TrimSuffix(signed, []byte("\n")), []byte("\n"))
	if i < 0 {
		return nil, "", audit.ErrCheckpoint
	}
	return signed[:i+1], string(signed[i+1:]), nil
}

// keepCosignature keeps a verified line unless one at least as new by the same signer is there.
func keepCosignature(ctx context.Context, tx *sqldb.Tx, size int64, signer, line string, at time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO log_cosignatures (size, signer, line, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (size, signer) DO UPDATE SET line = excluded.line, at = excluded.at WHERE log_cosignatures.at < excluded.at`,
		size, signer, line, sqldb.Micros(at))
	if err != nil {
		return fmt.Errorf("sqlstore: keep cosignature: %w", err)
	}
	return nil
}

// AddCosignatures adds what a witness answered for the checkpoint of a size. Lines of unknown keys are ignored, as C2SP
// says; a wrong signature by a known key refuses all. It answers how many known witnesses' lines there were. Errors:
// ErrNoCheckpoint, audit.ErrUnsigned.
func AddCosignatures(ctx context.Context, tx *sqldb.Tx, keys *audit.Keys, size int64, lines string) (int, error) {
	var note []byte
	err := tx.QueryRow(ctx, `SELECT note FROM log_checkpoints WHERE size = $1`, size).Scan(&note)
	if err != nil {
		return 0, noRows(err, ErrNoCheckpoint)
	}
	o, err := keys.Open(audit.Attach(note, lines))
	if err != nil {
		return 0, err
	}
	for _, c := range o.Cosignatures {
		if err := keepCosignature(ctx, tx, size, c.Witness, c.Line, c.At); err != nil {
			return 0, err
		}
	}
	return len(o.Cosignatures), nil
}

// LatestCheckpoint is the newest signed checkpoint with all cosignatures kept for it: ErrNoCheckpoint.
func LatestCheckpoint(ctx context.Context, tx *sqldb.Tx) (signed []byte, err error) {
	size, err := latestSize(ctx, tx)
	if err != nil {
		return nil, err
	}
	return CheckpointAt(ctx, tx, size)
}

// LatestWitnessed is the largest checkpoint that at least n signers besides the log have cosigned: ErrNoCheckpoint. Whether
// they are still the charter's witnesses is found by opening it.
func LatestWitnessed(ctx context.Context, tx *sqldb.Tx, origin string, n int) (signed []byte, err error) {
	var size int64
	err = tx.QueryRow(ctx, `SELECT size FROM log_cosignatures WHERE signer <> $1 GROUP BY size HAVING COUNT(*) >= $2 ORDER BY size DESC LIMIT 1`, origin, n).Scan(&size)
	if err != nil {
		return nil, noRows(err, ErrNoCheckpoint)
	}
	return CheckpointAt(ctx, tx, size)
}

// CheckpointAt is the signed checkpoint of exactly one size, with its cosignatures: ErrNoCheckpoint.
func CheckpointAt(ctx context.Context, tx *sqldb.Tx, size int64) (signed []byte, err error) {
	var note []byte
	err = tx.QueryRow(ctx, `SELECT note FROM log_checkpoints WHERE size = $1`, size).Scan(&note)
	if err != nil {
		return nil, noRows(err, ErrNoCheckpoint)
	}
	rows, err := tx.Query(ctx, `SELECT line FROM log_cosignatures WHERE size = $1 ORDER BY signer LIMIT $2`, size, audit.MaxCosignatures-1)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: cosignatures: %w", err)
	}
	defer rows.Close()
	var lines strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, fmt.Errorf("sqlstore: cosignatures: %w", err)
		}
		lines.WriteString(line)
	}
	return audit.Attach(note, lines.String()), rows.Err()
}

func latestSize(ctx context.Context, tx *sqldb.Tx) (size int64, err error) {
	err = tx.QueryRow(ctx, `SELECT size FROM log_checkpoints ORDER BY size DESC LIMIT 1`).Scan(&size)
	return size, noRows(err, ErrNoCheckpoint)
}
