package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
)

var (
	// ErrNoEntry means that the log has no such entry.
	ErrNoEntry = errors.New("sqlstore: no such log entry")
	// ErrNoCheckpoint means that no checkpoint was ever signed, or none of that size.
	ErrNoCheckpoint = errors.New("sqlstore: no such checkpoint")
	// ErrLogCorrupt means that the log's tables contradict each other. Nothing is appended until that is understood.
	ErrLogCorrupt = errors.New("sqlstore: the log's tables are inconsistent")
)

// AppendLeaf appends a draft to the log in the caller's transaction: the action that is logged and its leaf commit together
// or not at all (I7). It takes the log head's lock, the last in the order, and holds it until the transaction ends; so a
// caller decides and writes first and appends last. The entry is not public before a checkpoint covers it.
//
// Errors: audit.ErrDraft, audit.ErrLeaf, ErrLogCorrupt, the database's. After any error the transaction must be given up.
func AppendLeaf(ctx context.Context, tx *sqldb.Tx, d audit.Draft) (audit.Entry, error) {
	if err := d.Validate(); err != nil {
		return audit.Entry{}, err
	}
	index, err := lockHead(ctx, tx)
	if err != nil {
		return audit.Entry{}, err
	}
	e, err := d.Enter(index, rand.Reader)
	if err != nil {
		return audit.Entry{}, err
	}
	l, err := audit.ParseLeaf(e.Leaf)
	if err != nil {
		return audit.Entry{}, err
	}
	first, hashes, err := audit.NewHashes(ctx, index, e.Leaf, LogHashes(tx))
	if err != nil {
		return audit.Entry{}, fmt.Errorf("sqlstore: append leaf %d: %w", index, err)
	}
	body := e.Body
	if body == nil {
		body = []byte{} // nil would be NULL
	}
	_, err = tx.Exec(ctx, `INSERT INTO log_leaves (leaf_index, leaf, leaf_hash, salt, body, kind, at, tenant, subject)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		index, e.Leaf, hashes[0][:], e.Salt[:], body, string(l.Kind), sqldb.Micros(l.At), d.Tenant, d.Subject)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("sqlstore: append leaf %d: %w", index, err)
	}
	for i, h := range hashes {
		if _, err := tx.Exec(ctx, `INSERT INTO log_hashes (hash_index, hash) VALUES ($1, $2)`, first+int64(i), h[:]); err != nil {
			return audit.Entry{}, fmt.Errorf("sqlstore: append hash %d: %w", first+int64(i), err)
		}
	}
	n, err := tx.Exec(ctx, `UPDATE log_head SET size = $1 WHERE id = 1 AND size = $2`, index+1, index)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("sqlstore: advance log head: %w", err)
	}
	if n != 1 {
		return audit.Entry{}, ErrLogCorrupt
	}
	return e, nil
}

// lockHead locks the log head and answers the size.
func lockHead(ctx context.Context, tx *sqldb.Tx) (size int64, err error) {
	err = tx.Lock(ctx, `SELECT size FROM log_head WHERE id = 1`).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrLogCorrupt
	}
	if err != nil {
		return 0, fmt.Errorf("sqlstore: lock log head: %w", err)
	}
	return size, nil
}

// LogSize is the number of leaves, published or not, without locking.
func LogSize(ctx context.Context, tx *sqldb.Tx) (size int64, err error) {
	err = tx.QueryRow(ctx, `SELECT size FROM log_head WHERE id = 1`).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrLogCorrupt
	}
	return size, err
}
