// Package sqlstore keeps the site database of the data path on SQLite and PostgreSQL: its migrations and its queries.
// It implements snapshots.Store.
//
// It must never open a transaction itself, nor change or delete rows of chunks, packs, copies and tenant_keys: those are
// inserted here and belong to the sweep afterwards. Migrations 0001 to 0009 are this package's own; the gate's tables
// follow from 0010.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"math/bits"
	"strconv"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of the site database.
func Migrations() sqldb.MigrationSet { return sqldb.MigrationSet{Name: "site", FS: migrations} }

// Store implements snapshots.Store. It has no state.
type Store struct{}

// New makes a store.
func New() *Store { return &Store{} }

var _ snapshots.Store = (*Store)(nil)

// batchRows bounds the rows of one statement; batchIn the values of one IN list. Greater ones are not faster: what a
// statement costs besides its rows is spread over enough of them.
const (
	batchRows = 32
	batchIn   = 64
)

// notFound turns the driver's "no rows" into the domain's.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return snapshots.ErrNotFound
	}
	return err
}

// values writes rows of placeholders: ($1,$2),($3,$4)…
func values(rows, columns int) string {
	var b strings.Builder
	n := 0
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteByte(')')
	}
	return b.String()
}

// in writes a list of placeholders from number first on.
func in(first, n int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	b.WriteByte(')')
	return b.String()
}

// power is the least power of two that is not below n: lists are padded to it and rows are cut at it, so that there are
// few texts, whose prepared statements are kept.
func power(n int) int { return 1 << bits.Len(uint(n-1)) }

// pad repeats the last of n arguments, which stand at the end, up to power(n). It is for IN lists, to which repeats do nothing.
func pad(args []any, n int) []any {
	for range power(n) - n {
		args = append(args, args[len(args)-1])
	}
	return args
}

// cut is how many of n rows the next statement takes.
func cut(n int) int {
	if n >= batchRows {
		return batchRows
	}
	return 1 << (bits.Len(uint(n)) - 1)
}

// insert runs an INSERT of many rows in batches, and counts the rows that it wrote. head ends before VALUES; tail follows
// the rows; row appends the arguments of one.
func insert(ctx context.Context, tx *sqldb.Tx, head, tail string, columns, rows int, row func(args []any, i int) []any) (wrote int64, err error) {
	args := make([]any, 0, min(rows, batchRows)*columns)
	text, of := "", 0
	for at := 0; at < rows; {
		n := cut(rows - at)
		args = args[:0]
		for i := range n {
			args = row(args, at+i)
		}
		if n != of {
			text, of = head+" VALUES "+values(n, columns)+" "+tail, n
		}
		count, err := tx.Exec(ctx, text, args...)
		if err != nil {
			return wrote, err
		}
		wrote += count
		at += n
	}
	return wrote, nil
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(*sql.Rows) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// above is the least byte string that is greater than every one that begins with prefix; false if there is none.
func above(prefix string) ([]byte, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] != 0xff {
			b[len(b)-1]++
			return b, true
		}
		b = b[:len(b)-1]
	}
	return nil, false
}

// scanner is *sql.Row or *sql.Rows.
type scanner interface{ Scan(...any) error }
