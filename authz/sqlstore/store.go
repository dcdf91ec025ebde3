// Package sqlstore keeps who people are in the control database: tenants,
// accounts, second factors, recovery codes, invitations, tokens, the history of
// accounts, and the notices to their owners.
//
// It takes the caller's transaction and never opens one, so that a use case
// joins it with the quorum's and the log's writes. It decides nothing: whoever
// calls a mutation has asked authz.Decide and, where the design gates it, holds
// a decided request. It must never delete a row, keep a secret in the clear, or
// keep anything that Redis may hold. Locks are taken in the order tenant,
// person, factor.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of this store, the set "authz".
var Migrations = sqldb.MigrationSet{Name: "authz", FS: migrations}

// Store has the queries and transitions. It holds no state and is safe for
// concurrent use.
type Store struct{}

// New returns the store.
func New() Store { return Store{} }

type (
	changeKind struct{}
	noticeKind struct{}
)

// Prefix returns "chg".
func (changeKind) Prefix() string { return "chg" }

// Prefix returns "ntc".
func (noticeKind) Prefix() string { return "ntc" }

func newID[K id.Kind](at time.Time) string { return id.New[K](at).String() }

// found maps the absence of a row to ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return authz.ErrNotFound
	}
	return err
}

// each runs a query and calls scan for every row.
func each(ctx context.Context, tx *sqldb.Tx, scan func(row) error, q string, args ...any) error {
	rows, err := tx.Query(ctx, q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// row is what one result is scanned from.
type row interface{ Scan(dest ...any) error }

// one demands that exactly one row was touched.
func one(n int64, err error) error {
	if err == nil && n != 1 {
		return authz.ErrNotFound
	}
	return err
}
