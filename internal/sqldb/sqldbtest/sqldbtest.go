// Package sqldbtest runs the tests of SQL stores on every engine that they are
// made for. It is for tests only and must never be imported by a program.
package sqldbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"holdfast/internal/sqldb"
)

// EnvPostgres names the environment variable with the DSN of a PostgreSQL
// superuser. Where it is empty, every test binary starts a cluster of its own.
const EnvPostgres = "HOLDFAST_TEST_POSTGRES"

// Each runs f on a fresh database of every engine, migrated with the sets, as
// subtests "sqlite" and "postgres". The databases go when the subtest ends.
func Each(t *testing.T, f func(t *testing.T, db *sqldb.DB), sets ...sqldb.MigrationSet) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Open(t, SQLiteDSN(t), sets...)) })
	t.Run("postgres", func(t *testing.T) { f(t, Open(t, PostgresDSN(t), sets...)) })
}

// EachDSN is Each for tests that open the database themselves, once or several
// times: f gets the DSN of an empty database.
func EachDSN(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLiteDSN(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, PostgresDSN(t)) })
}

// Open opens a database for the time of the test.
func Open(t testing.TB, dsn string, sets ...sqldb.MigrationSet) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), dsn, sets...)
	if err != nil {
		t.Fatalf("opening the %s database: %v", dsn[:strings.Index(dsn, ":")], err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("closing the database: %v", err)
		}
	})
	return db
}

// SQLiteDSN names a file that does not exist yet, in a directory of the test.
func SQLiteDSN(t testing.TB) string {
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

// PostgresDSN makes an empty database that is dropped when the test ends.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	admin := adminDSN(t)
	name := "test_" + strings.ToLower(rand.Text())
	adminExec(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { adminExec(t, admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("%s is not a URL", EnvPostgres)
	}
	u.Path = "/" + name
	return u.String()
}

func adminExec(t testing.TB, dsn, q string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatalf("PostgreSQL: %v", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), q); err != nil {
		t.Fatalf("PostgreSQL: %s: %v", strings.Fields(q)[0], fmt.Errorf("%w", err))
	}
}
