package sqldb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
)

func files(sql ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i, s := range sql {
		m["migrations/0000"+string(rune('1'+i))+"_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + s)}
	}
	return m
}

var (
	one = `CREATE TABLE a (k BIGINT PRIMARY KEY);`
	two = `INSERT INTO a (k) VALUES (1);`
)

// TestConcurrentStartersMigrateOnce starts four on one database, without telling
// them of each other: first an empty one, then one to upgrade.
func TestConcurrentStartersMigrateOnce(t *testing.T) {
	sqldbtest.EachDSN(t, func(t *testing.T, dsn string) {
		// Nothing but the lock keeps a row from being written twice: no key refuses
		// it, and PostgreSQL takes its time before it.
		table, row := `CREATE TABLE a (k BIGINT);`, two
		if strings.HasPrefix(dsn, "postgres:") {
			row = `SELECT pg_sleep(0.2); ` + two
		}
		for round, steps := range [][]string{{table, row}, {table, row, row}} {
			sets := []sqldb.MigrationSet{{Name: "one", FS: files(steps...)}, {Name: "two", FS: files(`CREATE TABLE b (k BIGINT PRIMARY KEY);`)}}
			var wg sync.WaitGroup
			start := make(chan struct{})
			errs := make([]error, 4)
			dbs := make([]*sqldb.DB, 4)
			for i := range errs {
				wg.Go(func() {
					<-start
					dbs[i], errs[i] = sqldb.Open(t.Context(), dsn, sets...)
				})
			}
			close(start)
			wg.Wait()
			for i, err := range errs {
				if err != nil {
					t.Errorf("starter %d: %v", i, err)
					continue
				}
				var n int
				err := dbs[i].Read(t.Context(), func(tx *sqldb.Tx) error {
					return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM a LEFT JOIN b ON b.k = a.k`).Scan(&n)
				})
				if err != nil || n != round+1 {
					t.Errorf("round %d: starter %d sees %d rows, %v", round, i, n, err)
				}
				if err := dbs[i].Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

func TestUpgradeRunsOnlyWhatIsNew(t *testing.T) {
	sqldbtest.EachDSN(t, func(t *testing.T, dsn string) {
		open := func(sql ...string) error {
			db, err := sqldb.Open(t.Context(), dsn, sqldb.MigrationSet{Name: "one", FS: files(sql...)})
			if err != nil {
				return err
			}
			return db.Close()
		}
		if err := open(one); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(open(one, two), open(one, two)); err != nil {
			t.Fatal(err)
		}
		if err := open(one); !errors.Is(err, sqldb.ErrNewer) {
			t.Errorf("an older program opened the newer database: %v", err)
		}
		if err := open(one, two, `INSERT INTO a (k) VALUES (2); INSERT INTO nothing (k) VALUES (1);`); err == nil {
			t.Error("a broken migration was accepted")
		}
		db := sqldbtest.Open(t, dsn, sqldb.MigrationSet{Name: "one", FS: files(one, two)})
		var n int
		err := db.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM a`).Scan(&n) })
		if err != nil || n != 1 {
			t.Errorf("%d rows after a migration that failed half way, %v", n, err)
		}
	})
}

func TestSetsAreNamedWell(t *testing.T) {
	for _, sets := range [][]sqldb.MigrationSet{
		{{Name: "", FS: files(one)}},
		{{Name: "x; DROP TABLE a", FS: files(one)}},
		{{Name: "a", FS: files(one)}, {Name: "a", FS: files(two)}},
		{{Name: "a", FS: fstest.MapFS{}}},
	} {
		if db, err := sqldb.Open(t.Context(), sqldbtest.SQLiteDSN(t), sets...); err == nil {
			db.Close()
			t.Errorf("%d sets beginning with %q were accepted", len(sets), sets[0].Name)
		}
	}
}

// TestSQLiteIsAsPromised asks the open database for what the design rests on.
func TestSQLiteIsAsPromised(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?b%20 c#d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.db")
	db := sqldbtest.Open(t, "sqlite:"+path, sqldb.MigrationSet{Name: "one", FS: files(one, two)})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		for name, run := range map[string]func(f func(tx *sqldb.Tx) error) error{
			"Write": func(f func(tx *sqldb.Tx) error) error { return db.Write(t.Context(), f) },
			"Read":  func(f func(tx *sqldb.Tx) error) error { return db.Read(t.Context(), f) },
		} {
			var got string
			err := run(func(tx *sqldb.Tx) error { return tx.QueryRow(t.Context(), "PRAGMA "+pragma).Scan(&got) })
			if err != nil || !strings.EqualFold(got, want) {
				t.Errorf("%s: %s is %q, want %q (%v)", name, pragma, got, want, err)
			}
		}
	}
}

// TestPartsForOneEngine runs what is marked for SQLite there, and nowhere else.
func TestPartsForOneEngine(t *testing.T) {
	sqldbtest.EachDSN(t, func(t *testing.T, dsn string) {
		set := sqldb.MigrationSet{Name: "one", FS: files("CREATE TABLE a (k BIGINT PRIMARY KEY) /*sqlite: WITHOUT ROWID */;\n/*sqlite:\nINSERT INTO a (k) VALUES (1);\nINSERT INTO a (k) VALUES (2);\n*/\nSELECT 1;")}
		db, err := sqldb.Open(t.Context(), dsn, set)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		want := 0
		if db.Engine() == sqldb.SQLite {
			want = 2
		}
		var n int
		err = db.Read(t.Context(), func(tx *sqldb.Tx) error {
			if db.Engine() == sqldb.SQLite {
				if err := tx.QueryRow(t.Context(), `SELECT COUNT(rowid) FROM a`).Scan(&n); err == nil {
					t.Error("the table has row ids")
				}
			}
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM a`).Scan(&n)
		})
		if err != nil || n != want {
			t.Errorf("%d rows, %v; want %d", n, err, want)
		}
	})
}
