// Package sqldb owns how Holdfast opens, migrates and writes its databases, on
// SQLite and on PostgreSQL with one text of SQL for both.
//
// The portable dialect: BIGINT (times are UTC microseconds, see [Micros]),
// BYTEA, TEXT, BOOLEAN, placeholders $1 to $n, RETURNING, ON CONFLICT; paths are
// BYTEA, so they sort bytewise everywhere; no JSON, arrays or sequences. Never
// pass a time.Time as an argument. A nil []byte is written as NULL and an empty
// one as an empty value, but SQLite's driver reads both as nil: ask IS NULL where
// the difference matters.
//
// Transactions. [DB.Write] runs at READ COMMITTED on PostgreSQL, so a closure
// must [Tx.Lock] the row that its decision rests on before it reads what it
// decides from. On SQLite there is one writer at a time (BEGIN IMMEDIATE) and
// every Write is serial. [DB.Read] sees one snapshot on both.
//
// The package must never know a table of a domain, and never hide a failed
// commit: a Write whose outcome is unknown (the connection died during COMMIT)
// is an error and is not tried again.
package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"
)

// Engine says which database is behind a [DB]. The zero Engine is invalid.
type Engine int

const (
	// SQLite is a file, opened by this process (and few others).
	SQLite Engine = 1
	// Postgres is a PostgreSQL server, version 15 or newer.
	Postgres Engine = 2
)

// String is the scheme of the engine's DSNs.
func (e Engine) String() string {
	switch e {
	case SQLite:
		return "sqlite"
	case Postgres:
		return "postgres"
	}
	return fmt.Sprintf("engine(%d)", int(e))
}

// MigrationSet is the schema of one domain. FS holds goose files
// (00001_name.sql, …) at its root or, as go:embed gives them, in a directory
// called migrations. Name is short lower-case letters and names the set's own
// version table, so that sets of several domains share a database.
type MigrationSet struct {
	Name string
	FS   fs.FS
}

// ErrDSN means that a data source name is neither sqlite:PATH nor postgres://….
// It does not repeat the name, for that may hold a password.
var ErrDSN = errors.New("sqldb: want sqlite:/path/to/file or postgres://host/database")

// DB is an open, migrated database. It is safe for concurrent use.
type DB struct {
	engine Engine
	writer *sql.DB
	reader *sql.DB // the same pool as writer on PostgreSQL
	// stall, when not nil, is called before each COMMIT of a Write: tests
	// race two transactions with it.
	stall func()
}

// Open opens the database and brings it to the newest version of every set, in
// the order given. Concurrent starters wait for each other. A database that is
// newer than the sets is an error.
func Open(ctx context.Context, dsn string, sets ...MigrationSet) (*DB, error) {
	var db *DB
	var unlock func() error
	var err error
	switch {
	case strings.HasPrefix(dsn, "sqlite:"):
		path := strings.TrimPrefix(dsn, "sqlite:")
		db, err = openSQLite(path)
		if err == nil {
			unlock, err = lockFile(ctx, path+".lock")
		}
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		db, err = openPostgres(dsn)
		unlock = func() error { return nil }
	default:
		return nil, ErrDSN
	}
	if err == nil {
		err = db.migrate(ctx, sets)
		err = errors.Join(err, unlock())
	}
	if err != nil {
		if db != nil {
			db.Close()
		}
		return nil, err
	}
	return db, nil
}

// Engine says which engine this is, for the few places that must know.
func (db *DB) Engine() Engine { return db.engine }

// Close waits for running transactions and closes all connections.
func (db *DB) Close() error {
	err := db.writer.Close()
	if db.reader != db.writer {
		err = errors.Join(err, db.reader.Close())
	}
	return err
}

// Micros is how a time is stored: microseconds since 1970, UTC. The zero
// time.Time is stored as 0 and comes back as the zero time.Time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is the inverse of [Micros], in UTC, to the microsecond.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// redact names a PostgreSQL DSN in errors: host and database, nothing else.
func redact(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "postgres"
	}
	return "postgres://" + u.Host + u.Path
}
