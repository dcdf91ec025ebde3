package sqldb

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openPostgres makes the pool; the first connection is made by the migrations.
func openPostgres(dsn string) (*DB, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// pgx masks the password that it recognises; a text that it cannot
		// parse at all may still hold one.
		return nil, fmt.Errorf("%w: %s", ErrDSN, redact(dsn))
	}
	// Acknowledged means durable, whatever a role or database has as default.
	cfg.RuntimeParams["synchronous_commit"] = "on"
	cfg.RuntimeParams["timezone"] = "UTC"
	// A generic plan that was made while a table was empty scans all of it, and
	// stays until the next ANALYZE: a first large upload would crawl.
	cfg.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	// To compile a statement that looks up a few thousand rows takes longer than to run it.
	cfg.RuntimeParams["jit"] = "off"
	cfg.RuntimeParams["application_name"] = "holdfast"
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(postgresConns)
	pool.SetMaxIdleConns(postgresConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return &DB{engine: Postgres, writer: pool, reader: pool}, nil
}

// isRetryable reports whether the database itself rolled a transaction back
// because of another one. An error of the connection is not among them: the
// COMMIT may have happened.
func isRetryable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization failure, deadlock
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return false
}

// IsUnique reports whether an error is the violation of a primary key or of a
// unique index. On PostgreSQL the transaction is doomed by then.
func IsUnique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
			return true
		}
	}
	return false
}
