package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Tx is a transaction. It is good only inside the closure that received it and
// for one goroutine. On PostgreSQL any failed statement dooms the transaction;
// use ON CONFLICT where a clash is expected and the work goes on.
type Tx struct {
	tx     *sql.Tx
	engine Engine
	after  []func()
}

// Write runs f in a transaction and commits it; when f fails, nothing is
// written and f's error comes back (errors.Is works on it). f may run several
// times, whenever the database says that it lost against another transaction,
// so it has no side effects but through tx and [Tx.AfterCommit], and sets the
// variables that it captures afresh. Do not call Write inside f: SQLite has one
// writer and would wait for itself.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	pause := backoffFirst
	for attempt := 1; ; attempt++ {
		after, err := db.writeOnce(ctx, f)
		if err == nil {
			for _, fn := range after {
				fn()
			}
			return nil
		}
		if !isRetryable(err) {
			return err
		}
		if attempt == maxAttempts {
			return fmt.Errorf("sqldb: gave up after %d attempts: %w", attempt, err)
		}
		if err := sleep(ctx, pause/2+rand.N(pause)); err != nil {
			return err
		}
		pause = min(2*pause, backoffMost)
	}
}

func (db *DB) writeOnce(ctx context.Context, f func(tx *Tx) error) (after []func(), err error) {
	inner, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("sqldb: begin: %w", err)
	}
	defer inner.Rollback() // after a panic or an error; nothing after COMMIT
	tx := &Tx{tx: inner, engine: db.engine}
	if err := f(tx); err != nil {
		return nil, err
	}
	if db.stall != nil {
		db.stall()
	}
	if err := inner.Commit(); err != nil {
		return nil, fmt.Errorf("sqldb: commit: %w", err)
	}
	return tx.after, nil
}

// Read runs f in a read-only transaction that sees one snapshot of the database
// throughout: REPEATABLE READ READ ONLY on PostgreSQL, a read transaction of the
// WAL on SQLite. Writing in it fails. f runs once.
func (db *DB) Read(ctx context.Context, f func(tx *Tx) error) error {
	inner, err := db.reader.BeginTx(ctx, db.readOptions())
	if err != nil {
		return fmt.Errorf("sqldb: begin: %w", err)
	}
	defer inner.Rollback() // a reader has nothing to commit
	return f(&Tx{tx: inner, engine: db.engine})
}

func (db *DB) readOptions() *sql.TxOptions {
	if db.engine == Postgres {
		return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return nil // the pool is query_only and begins DEFERRED
}

// Engine says which engine this is, for the few places that must know.
func (tx *Tx) Engine() Engine { return tx.engine }

// Exec runs a statement and answers how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, q string, args ...any) (int64, error) {
	res, err := tx.tx.ExecContext(ctx, q, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a statement that returns rows. Close them, and ask their Err,
// before the next statement: PostgreSQL has one result at a time.
func (tx *Tx) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return tx.tx.QueryContext(ctx, q, args...)
}

// QueryRow runs a statement that returns at most one row; its Scan answers
// sql.ErrNoRows when there is none.
func (tx *Tx) QueryRow(ctx context.Context, q string, args ...any) *sql.Row {
	return tx.tx.QueryRowContext(ctx, q, args...)
}

// Lock is QueryRow that also locks the row that it finds until the transaction
// ends, so that what is read afterwards stays true until COMMIT. It adds FOR
// UPDATE on PostgreSQL; on SQLite the transaction is alone anyway. Locks are
// taken in the order charter, tenant, volume, request, log head. q is a plain
// SELECT of rows of tables, without grouping.
func (tx *Tx) Lock(ctx context.Context, q string, args ...any) *sql.Row {
	if tx.engine == Postgres {
		q = strings.TrimRight(q, "; \t\n") + " FOR UPDATE"
	}
	return tx.tx.QueryRowContext(ctx, q, args...)
}

// AfterCommit has fn called once, after the transaction is committed and only
// then, in the order of the calls: to wake a worker, to drop a cache. It must
// not be relied on: the process may die between COMMIT and fn.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
