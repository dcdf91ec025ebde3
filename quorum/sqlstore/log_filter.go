package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
)

// LogFilter selects entries of the log. What is empty or zero selects everything.
type LogFilter struct {
	// Kind and Tenant are what the entries' columns say.
	Kind   audit.Kind
	Tenant string
	// Mentions are texts, such as ids, each of which must be the entry's subject or stand in its body.
	Mentions []string
	// Since and Until bound when the entries were made; Until is not included.
	Since, Until time.Time
}

// FindLog finds entries of which the index is less than before (math.MaxInt64: all), newest first: at most n. It looks at
// no more than MaxLogLook entries, so that one call costs the same in a log of any size: next is where to go on, also
// where nothing was found yet, and negative at the end.
func FindLog(ctx context.Context, tx *sqldb.Tx, f LogFilter, before int64, n int) (found []LogEntry, next int64, err error) {
	n = max(1, min(n, MaxLogPage))
	size, err := LogSize(ctx, tx)
	if err != nil {
		return nil, -1, err
	}
	before = min(before, size)
	floor := int64(0)
	if !f.Until.IsZero() {
		at, err := aroundTime(ctx, tx, size, f.Until)
		if err != nil {
			return nil, -1, err
		}
		before = min(before, at+timeSlack)
	}
	if !f.Since.IsZero() {
		at, err := aroundTime(ctx, tx, size, f.Since)
		if err != nil {
			return nil, -1, err
		}
		floor = max(0, at-timeSlack)
	}
	indexes, next, err := look(ctx, tx, f, floor, before, n)
	if err != nil {
		return nil, -1, err
	}
	for _, i := range indexes { // each held against its own commitment
		e, err := LogEntryAt(ctx, tx, i)
		if err != nil {
			return nil, -1, err
		}
		found = append(found, e)
	}
	return found, next, nil
}

// look reads the rows by one index, and decides the rest itself: two conditions in SQL can cost the whole log.
func look(ctx context.Context, tx *sqldb.Tx, f LogFilter, floor, before int64, n int) (out []int64, next int64, err error) {
	q, args := `SELECT leaf_index, kind, at, tenant, subject, body FROM log_leaves WHERE leaf_index >= $1 AND leaf_index < $2`, []any{floor, before}
	switch {
	case f.Kind != "":
		q, args = q+` AND kind = $3`, append(args, string(f.Kind))
	case f.Tenant != "":
		q, args = q+` AND tenant = $3`, append(args, f.Tenant)
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("%s ORDER BY leaf_index DESC LIMIT %d", q, MaxLogLook), args...)
	if err != nil {
		return nil, -1, fmt.Errorf("sqlstore: find in log: %w", err)
	}
	defer rows.Close()
	looked, last := 0, before
	for rows.Next() {
		var index, at int64
		var kind, tenant, subject string
		var body []byte
		if err := rows.Scan(&index, &kind, &at, &tenant, &subject, &body); err != nil {
			return nil, -1, fmt.Errorf("sqlstore: find in log: %w", err)
		}
		looked, last = looked+1, index
		if !f.matches(kind, tenant, subject, body, sqldb.FromMicros(at)) {
			continue
		}
		if len(out) == n { // one more there is
			return out, out[n-1], nil
		}
		out = append(out, index)
	}
	if err := rows.Err(); err != nil {
		return nil, -1, fmt.Errorf("sqlstore: find in log: %w", err)
	}
	if looked == MaxLogLook && last > floor {
		return out, last, nil
	}
	return out, -1, nil
}

func (f LogFilter) matches(kind, tenant, subject string, body []byte, at time.Time) bool {
	if f.Kind != "" && kind != string(f.Kind) || f.Tenant != "" && tenant != f.Tenant ||
		!f.Since.IsZero() && at.Before(f.Since) || !f.Until.IsZero() && !at.Before(f.Until) {
		return false
	}
	for _, m := range f.Mentions {
		if m != "" && subject != m && !bytes.Contains(body, []byte(m)) {
			return false
		}
	}
	return true
}

// aroundTime is the index of about the first entry that was made at t or later. Entries stand in the order in which they
// were made, so that their times rise but for what clocks were set back; timeSlack is how far on is looked for those.
func aroundTime(ctx context.Context, tx *sqldb.Tx, size int64, t time.Time) (int64, error) {
	low, high := int64(0), size
	for low < high {
		mid := low + (high-low)/2
		var at int64
		if err := tx.QueryRow(ctx, `SELECT at FROM log_leaves WHERE leaf_index = $1`, mid).Scan(&at); err != nil {
			return 0, errors.Join(ErrLogCorrupt, err)
		}
		if sqldb.FromMicros(at).Before(t) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, nil
}
