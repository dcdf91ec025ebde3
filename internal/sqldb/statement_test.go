package sqldb_test

import (
	"context"
	"errors"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
)

func TestPlaceholdersLoseTheirNamesOnlyInTheirOrder(t *testing.T) {
	for q, want := range map[string]string{
		`INSERT INTO a (b, c) VALUES ($1,$2),($3,$4)`:            `INSERT INTO a (b, c) VALUES (?,?),(?,?)`,
		`SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11`:    `SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?`,
		`SELECT b FROM a WHERE b = '$1 it''s' AND "$2" = $1 - 1`: `SELECT b FROM a WHERE b = '$1 it''s' AND "$2" = ? - 1`,
		`SELECT b FROM a`:                       `SELECT b FROM a`,
		`UPDATE a SET b = b - $1 WHERE c >= $1`: `UPDATE a SET b = b - $1 WHERE c >= $1`,
		`SELECT $2, $1`:                         `SELECT $2, $1`,
		`SELECT $1, $12`:                        `SELECT $1, $12`,
		`SELECT $10`:                            `SELECT $10`,
		`SELECT ?, $1`:                          `SELECT ?, $1`,
		"SELECT $1 -- and not $2\n, $2":         "SELECT $1 -- and not $2\n, $2",
		`SELECT 'open $1`:                       `SELECT 'open $1`,
	} {
		if got := sqldb.Unnumbered(q); got != want {
			t.Errorf("%q became %q, want %q", q, got, want)
		}
	}
}

// TestArgumentsReachTheirPlaceholders asks in every order, twice, so that kept statements answer too.
func TestArgumentsReachTheirPlaceholders(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		for q, want := range map[string]string{
			`SELECT CAST($1 AS TEXT) || CAST($2 AS TEXT) || CAST($3 AS TEXT)`:                                          "abc",
			`SELECT CAST($3 AS TEXT) || CAST($1 AS TEXT) || CAST($2 AS TEXT)`:                                          "cab",
			`SELECT CAST($1 AS TEXT) || CAST($2 AS TEXT) || CAST($3 AS TEXT) || CAST($1 AS TEXT)`:                      "abca",
			`SELECT '$1' || CAST($1 AS TEXT) || CAST($2 AS TEXT) || CAST($3 AS TEXT)`:                                  "$1abc",
			`WITH x AS (SELECT CAST($1 AS TEXT) AS p, CAST($2 AS TEXT) AS q) SELECT q || p || CAST($3 AS TEXT) FROM x`: "bac",
		} {
			for range 2 {
				var got string
				err := db.Read(ctx, func(tx *sqldb.Tx) error { return tx.QueryRow(ctx, q, "a", "b", "c").Scan(&got) })
				if err != nil || got != want {
					t.Errorf("%s: %q, %v; want %q", q, got, err, want)
				}
			}
		}
	})
}

// TestEndedContextsStoreNothing is about INSERT, which is not watched while it runs.
func TestEndedContextsStoreNothing(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ended, cancel := context.WithCancel(t.Context())
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			insert := func(ctx context.Context, k int) error {
				_, err := tx.Exec(ctx, `INSERT INTO t (k, n) VALUES ($1,$2)`, k, 0)
				return err
			}
			if err := insert(ended, 3); err != nil { // the statement is kept from here on
				return err
			}
			cancel()
			return insert(ended, 4)
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("an INSERT after the end of its context: %v", err)
		}
		if n := read(t, db, 1); n != 0 {
			t.Errorf("n = %d", n)
		}
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			var n int
			if err := tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM t`).Scan(&n); err != nil || n != 2 {
				t.Errorf("%d rows, %v", n, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}, schema(counter))
}
