package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
)

// LogEntry is an entry with its private index columns. It is for those who are authorised to see the body; the columns
// Kind and At repeat the leaf, Tenant and Subject stand nowhere else than here and, where a domain put them, in the body.
type LogEntry struct {
	audit.Entry
	Kind    audit.Kind
	At      time.Time
	Tenant  string
	Subject string
}

const entryColumns = `SELECT leaf_index, leaf, salt, body, kind, at, tenant, subject FROM log_leaves`

// LogEntryAt reads one entry: ErrNoEntry.
func LogEntryAt(ctx context.Context, tx *sqldb.Tx, index int64) (LogEntry, error) {
	es, err := entries(ctx, tx, 1, entryColumns+` WHERE leaf_index = $1 ORDER BY leaf_index`, index)
	if err != nil {
		return LogEntry{}, err
	}
	if len(es) == 0 {
		return LogEntry{}, ErrNoEntry
	}
	return es[0], nil
}

// LogEntries reads entries from an index on, in log order: at most n, MaxLogPage and MaxLogPageBytes.
func LogEntries(ctx context.Context, tx *sqldb.Tx, from int64, n int) ([]LogEntry, error) {
	return entries(ctx, tx, n, entryColumns+` WHERE leaf_index >= $1 ORDER BY leaf_index`, from)
}

// LogEntriesOfSubject is LogEntries for one subject, which must not be empty.
func LogEntriesOfSubject(ctx context.Context, tx *sqldb.Tx, subject string, from int64, n int) ([]LogEntry, error) {
	if subject == "" {
		return nil, ErrNoEntry
	}
	return entries(ctx, tx, n, entryColumns+` WHERE subject = $1 AND leaf_index >= $2 ORDER BY leaf_index`, subject, from)
}

// LogEntriesOfTenant is LogEntries for one tenant, which must not be empty: nobody pages through everybody's business by a
// missing parameter.
func LogEntriesOfTenant(ctx context.Context, tx *sqldb.Tx, tenant string, from int64, n int) ([]LogEntry, error) {
	if tenant == "" {
		return nil, ErrNoEntry
	}
	return entries(ctx, tx, n, entryColumns+` WHERE tenant = $1 AND leaf_index >= $2 ORDER BY leaf_index`, tenant, from)
}

// OfTenantBefore is the entries of one tenant whose index is less than before, newest first.
func OfTenantBefore(ctx context.Context, tx *sqldb.Tx, tenant string, before int64, n int) ([]LogEntry, error) {
	if tenant == "" {
		return nil, ErrNoEntry
	}
	return entries(ctx, tx, n, entryColumns+` WHERE tenant = $1 AND leaf_index < $2 ORDER BY leaf_index DESC`, tenant, before)
}

// LatestOfKind is the newest entries of one kind, newest first.
func LatestOfKind(ctx context.Context, tx *sqldb.Tx, kind audit.Kind, n int) ([]LogEntry, error) {
	return entries(ctx, tx, n, entryColumns+` WHERE kind = $1 ORDER BY leaf_index DESC`, string(kind))
}

func entries(ctx context.Context, tx *sqldb.Tx, n int, q string, args ...any) ([]LogEntry, error) {
	n = min(n, MaxLogPage)
	if n < 1 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("%s LIMIT %d", q, n), args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: read log: %w", err)
	}
	defer rows.Close()
	var out []LogEntry
	for bytes := 0; bytes < MaxLogPageBytes && rows.Next(); {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, err
		}
		out, bytes = append(out, e), bytes+len(e.Body)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqlstore: read log: %w", err)
	}
	return out, nil
}

// scanEntry reads a row and holds it against its own commitment, so that a body edited in the database (T41) is an error
// and never an answer.
func scanEntry(rows *sql.Rows) (LogEntry, error) {
	var e LogEntry
	var salt []byte
	var kind string
	var at int64
	if err := rows.Scan(&e.Index, &e.Leaf, &salt, &e.Body, &kind, &at, &e.Tenant, &e.Subject); err != nil {
		return LogEntry{}, fmt.Errorf("sqlstore: read log: %w", err)
	}
	if len(salt) != len(e.Salt) {
		return LogEntry{}, fmt.Errorf("%w: salt of leaf %d", ErrLogCorrupt, e.Index)
	}
	e.Salt = [32]byte(salt)
	e.Kind, e.At = audit.Kind(kind), sqldb.FromMicros(at)
	l, err := e.Open()
	if err != nil {
		return LogEntry{}, fmt.Errorf("%w: leaf %d: %w", ErrLogCorrupt, e.Index, err)
	}
	if l.Kind != e.Kind || sqldb.Micros(l.At) != at {
		return LogEntry{}, fmt.Errorf("%w: columns of leaf %d", ErrLogCorrupt, e.Index)
	}
	return e, nil
}

// LogHashes reads the tree's stored hashes within tx.
func LogHashes(tx *sqldb.Tx) audit.HashReader { return logHashes{tx} }

type logHashes struct{ tx *sqldb.Tx }

func (r logHashes) ReadHashes(ctx context.Context, indexes []int64) ([]audit.Hash, error) {
	found := make(map[int64]audit.Hash, len(indexes))
	for rest := indexes; len(rest) > 0; {
		part := rest[:min(len(rest), hashBatch)]
		rest = rest[len(part):]
		marks, args := make([]string, len(part)), make([]any, len(part))
		for i, ix := range part {
			marks[i], args[i] = fmt.Sprintf("$%d", i+1), ix
		}
		if err := r.read(ctx, found, strings.Join(marks, ", "), args); err != nil {
			return nil, err
		}
	}
	out := make([]audit.Hash, len(indexes))
	for i, ix := range indexes {
		h, ok := found[ix]
		if !ok {
			return nil, fmt.Errorf("%w: hash %d is missing", ErrLogCorrupt, ix)
		}
		out[i] = h
	}
	return out, nil
}

func (r logHashes) read(ctx context.Context, into map[int64]audit.Hash, marks string, args []any) error {
	rows, err := r.tx.Query(ctx, `SELECT hash_index, hash FROM log_hashes WHERE hash_index IN (`+marks+`)`, args...)
	if err != nil {
		return fmt.Errorf("sqlstore: read hashes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var ix int64
		var h []byte
		if err := rows.Scan(&ix, &h); err != nil {
			return fmt.Errorf("sqlstore: read hashes: %w", err)
		}
		if len(h) != len(audit.Hash{}) {
			return fmt.Errorf("%w: hash %d", ErrLogCorrupt, ix)
		}
		into[ix] = audit.Hash(h)
	}
	return rows.Err()
}

// LogLeaves reads leaves' public texts within tx.
func LogLeaves(tx *sqldb.Tx) audit.LeafReader { return logLeaves{tx} }

type logLeaves struct{ tx *sqldb.Tx }

func (r logLeaves) ReadLeaves(ctx context.Context, from int64, n int) ([][]byte, error) {
	if n < 1 || n > audit.TileWidth {
		return nil, fmt.Errorf("sqlstore: read %d leaves", n)
	}
	rows, err := r.tx.Query(ctx, `SELECT leaf_index, leaf FROM log_leaves WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index`, from, from+int64(n))
	if err != nil {
		return nil, fmt.Errorf("sqlstore: read leaves: %w", err)
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var ix int64
		var leaf []byte
		if err := rows.Scan(&ix, &leaf); err != nil {
			return nil, fmt.Errorf("sqlstore: read leaves: %w", err)
		}
		if ix != from+int64(len(out)) {
			return nil, fmt.Errorf("%w: leaf %d is missing", ErrLogCorrupt, from+int64(len(out)))
		}
		out = append(out, leaf)
	}
	return out, rows.Err()
}

// noRows turns sql.ErrNoRows into want.
func noRows(err, want error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return want
	}
	return err
}
