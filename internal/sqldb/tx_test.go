package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
)

const counter = `CREATE TABLE t (k BIGINT PRIMARY KEY, n BIGINT NOT NULL);
INSERT INTO t (k, n) VALUES (1, 0), (2, 0);`

func read(t *testing.T, db *sqldb.DB, k int) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT n FROM t WHERE k = $1`, k).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func set(ctx context.Context, tx *sqldb.Tx, k, n int) error {
	_, err := tx.Exec(ctx, `UPDATE t SET n = $1 WHERE k = $2`, n, k)
	return err
}

// TestLockSerialisesWriters holds the first of two read-modify-writes before its
// COMMIT until the second is certainly at the lock, or would have passed it.
func TestLockSerialisesWriters(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		atCommit, goOn := make(chan struct{}), make(chan struct{})
		var first sync.Once
		sqldb.SetStall(db, func() {
			first.Do(func() { close(atCommit); <-goOn })
		})
		var mu sync.Mutex
		var reads []int
		add := func() error {
			return db.Write(ctx, func(tx *sqldb.Tx) error {
				var n int
				if err := tx.Lock(ctx, `SELECT n FROM t WHERE k = $1 ;`, 1).Scan(&n); err != nil {
					return err
				}
				mu.Lock()
				reads = append(reads, n)
				mu.Unlock()
				return set(ctx, tx, 1, n+1)
			})
		}
		done := make(chan error, 2)
		go func() { done <- add() }()
		<-atCommit
		go func() { done <- add() }()
		waitBlocked(t, db)
		close(goOn)
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if n := read(t, db, 1); n != 2 || !slices.Equal(reads, []int{0, 1}) {
			t.Errorf("n = %d after reads %v", n, reads)
		}
	}, schema(counter))
}

// waitBlocked waits until a second writer waits for the first: PostgreSQL says
// so; on SQLite the pool of one connection does.
func waitBlocked(t *testing.T, db *sqldb.DB) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(time.Millisecond) {
		if sqldb.Waiting(db) > 0 {
			return
		}
		if db.Engine() == sqldb.SQLite {
			continue
		}
		var n int
		err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatal("the second writer does not wait")
}

// TestDeadlockIsRetried makes two transactions lock two rows in opposite order.
func TestDeadlockIsRetried(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		var meet sync.WaitGroup // both hold their first row, on the engine that lets them
		if db.Engine() == sqldb.Postgres {
			meet.Add(2)
		}
		tries := [2]int{}
		add := func(i, a, b int) error {
			return db.Write(ctx, func(tx *sqldb.Tx) error {
				tries[i]++
				for step, k := range []int{a, b} {
					var n int
					if err := tx.Lock(ctx, `SELECT n FROM t WHERE k = $1`, k).Scan(&n); err != nil {
						return err
					}
					if step == 0 && tries[i] == 1 && tx.Engine() == sqldb.Postgres {
						meet.Done()
						meet.Wait()
					}
					if err := set(ctx, tx, k, n+1); err != nil {
						return err
					}
				}
				return nil
			})
		}
		done := make(chan error, 2)
		go func() { done <- add(0, 1, 2) }()
		go func() { done <- add(1, 2, 1) }()
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if a, b := read(t, db, 1), read(t, db, 2); a != 2 || b != 2 {
			t.Errorf("counted %d and %d", a, b)
		}
		// One of them loses and tries again, more than once if the server finds both of them at fault.
		if db.Engine() == sqldb.Postgres && tries[0]+tries[1] < 3 {
			t.Errorf("%v tries: the deadlock did not happen", tries)
		}
	}, schema(counter))
}

func TestSerializationFailuresAreRetriedAndBounded(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		conflict := &pgconn.PgError{Code: "40001"}
		for _, fail := range []int{1, sqldb.MaxAttempts - 1, sqldb.MaxAttempts} {
			tries, after := 0, 0
			err := db.Write(ctx, func(tx *sqldb.Tx) error {
				tries++
				tx.AfterCommit(func() { after++ })
				if err := set(ctx, tx, 1, tries); err != nil {
					return err
				}
				if tries <= fail {
					return conflict
				}
				return nil
			})
			switch {
			case fail < sqldb.MaxAttempts && (err != nil || after != 1 || read(t, db, 1) != fail+1):
				t.Errorf("%d conflicts: %v, %d callbacks, n = %d", fail, err, after, read(t, db, 1))
			case fail == sqldb.MaxAttempts && (!errors.Is(err, conflict) || tries != fail || after != 0):
				t.Errorf("endless conflicts: %v after %d tries, %d callbacks", err, tries, after)
			}
		}
		cancelled, cancel := context.WithCancel(ctx)
		tries := 0
		err := db.Write(cancelled, func(*sqldb.Tx) error { tries++; cancel(); return conflict })
		if !errors.Is(err, context.Canceled) || tries != 1 {
			t.Errorf("a cancelled retry: %v after %d tries", err, tries)
		}
	}, schema(counter))
}

func TestAfterCommitOnlyAfterCommit(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx, refuse := t.Context(), errors.New("refused")
		var calls []int
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			tx.AfterCommit(func() { calls = append(calls, read(t, db, 1)) })
			tx.AfterCommit(func() { calls = append(calls, -1) })
			return set(ctx, tx, 1, 5)
		})
		if err != nil || !slices.Equal(calls, []int{5, -1}) {
			t.Errorf("%v, calls %v: want the committed 5, then -1", err, calls)
		}
		calls = nil
		note := func(tx *sqldb.Tx) { tx.AfterCommit(func() { calls = append(calls, 0) }) }
		err = db.Write(ctx, func(tx *sqldb.Tx) error {
			note(tx)
			if err := set(ctx, tx, 1, 6); err != nil {
				return err
			}
			return refuse
		})
		if !errors.Is(err, refuse) {
			t.Errorf("the closure's error came back as %v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			db.Write(ctx, func(tx *sqldb.Tx) error {
				note(tx)
				if err := set(ctx, tx, 1, 7); err != nil {
					return err
				}
				panic("closure")
			})
		}()
		soon, cancel := context.WithCancel(ctx)
		err = db.Write(soon, func(tx *sqldb.Tx) error {
			note(tx)
			if err := set(soon, tx, 1, 8); err != nil {
				return err
			}
			cancel()
			return nil
		})
		if err == nil {
			t.Error("a transaction whose context ended was committed")
		}
		if n := read(t, db, 1); n != 5 || calls != nil {
			t.Errorf("n = %d, calls %v after nothing was committed", n, calls)
		}
	}, schema(counter))
}

// TestReadIsOneSnapshotAndWritesNothing writes between two reads of one Read.
func TestReadIsOneSnapshotAndWritesNothing(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		err := db.Read(ctx, func(tx *sqldb.Tx) error {
			for _, want := range []int{0, 0} {
				var n int
				if err := tx.QueryRow(ctx, `SELECT n FROM t WHERE k = 1`).Scan(&n); err != nil {
					return err
				}
				if n != want {
					t.Errorf("read %d, want %d", n, want)
				}
				if err := db.Write(ctx, func(tx *sqldb.Tx) error { return set(ctx, tx, 1, n+1) }); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Read(ctx, func(tx *sqldb.Tx) error { return set(ctx, tx, 1, 99) }); err == nil {
			t.Error("Read can write")
		}
		if n := read(t, db, 1); n != 1 {
			t.Errorf("n = %d", n)
		}
	}, schema(counter))
}

type thing struct{}

func (thing) Prefix() string { return "thg" }

func TestIDsAndUniqueness(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := t.Context()
		a, b := id.New[thing](time.Unix(1, 0)), id.New[thing](time.Unix(2, 0))
		insert := func(i, parent id.ID[thing]) error {
			return db.Write(ctx, func(tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO things (id, parent, name) VALUES ($1, $2, $3)`, i, parent, i.String())
				return err
			})
		}
		if err := errors.Join(insert(a, id.ID[thing]{}), insert(b, a)); err != nil {
			t.Fatal(err)
		}
		var got, parents []id.ID[thing]
		err := db.Read(ctx, func(tx *sqldb.Tx) error {
			rows, err := tx.Query(ctx, `SELECT id, parent FROM things ORDER BY id`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var i, p id.ID[thing]
				if err := rows.Scan(&i, &p); err != nil {
					return err
				}
				got, parents = append(got, i), append(parents, p)
			}
			return rows.Err()
		})
		if err != nil || !slices.Equal(got, []id.ID[thing]{a, b}) || !slices.Equal(parents, []id.ID[thing]{{}, a}) {
			t.Errorf("%v: read %v under %v", err, got, parents)
		}
		if err := insert(a, id.ID[thing]{}); !sqldb.IsUnique(err) {
			t.Errorf("a repeated primary key: %v", err)
		}
		err = db.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO things (id, name) VALUES ($1, $2)`, id.New[thing](time.Unix(3, 0)), a.String())
			return err
		})
		if !sqldb.IsUnique(err) {
			t.Errorf("a repeated name: %v", err)
		}
		if err := insert(id.ID[thing]{}, a); err == nil || sqldb.IsUnique(err) {
			t.Errorf("the zero id as a key: %v", err)
		}
		if err := insert(id.New[thing](time.Unix(4, 0)), id.New[thing](time.Unix(5, 0))); err == nil || sqldb.IsUnique(err) {
			t.Errorf("a reference to nothing: %v", err)
		}
		err = db.Write(ctx, func(tx *sqldb.Tx) error {
			var back id.ID[thing]
			err := tx.QueryRow(ctx, `INSERT INTO things (id, name) VALUES ($1, $1) ON CONFLICT (id) DO NOTHING RETURNING id`, a).Scan(&back)
			if !errors.Is(err, sql.ErrNoRows) {
				t.Errorf("ON CONFLICT DO NOTHING RETURNING: %v", err)
			}
			return nil
		})
		if err != nil || sqldb.IsUnique(nil) {
			t.Errorf("after a clash that was expected: %v", err)
		}
	}, schema(`CREATE TABLE things (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES things (id), name TEXT NOT NULL UNIQUE);`))
}

func TestTimesAreMicroseconds(t *testing.T) {
	at := time.Date(2026, 11, 22, 6, 9, 26, 123456789, time.FixedZone("x", 3600))
	back := sqldb.FromMicros(sqldb.Micros(at))
	if !back.Equal(at.Truncate(time.Microsecond)) || back.Location() != time.UTC {
		t.Errorf("%v came back as %v", at, back)
	}
	if sqldb.Micros(time.Time{}) != 0 || !sqldb.FromMicros(0).IsZero() {
		t.Error("the zero time does not round-trip")
	}
}

func TestDSNsAreRefusedWithoutTellingThem(t *testing.T) {
	for _, dsn := range []string{"", "sqlite:", "/x.db", "mysql://u:hunter2@h/d", "postgres://u:hunter2@h:bad/d", "postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=1"} {
		db, err := sqldb.Open(t.Context(), dsn)
		if err == nil {
			db.Close()
			t.Errorf("%q was opened", dsn)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %v", err)
		}
	}
}
