package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/internal/durable"
)

// openSQLite opens one writing connection and a pool of reading ones. The
// directory must exist; the file is made, readable by its owner alone, when it
// is missing.
func openSQLite(path string) (*DB, error) {
	if path == "" {
		return nil, ErrDSN
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqldb: %w", err)
	}
	// Only create, never open an existing file: closing it would drop the POSIX
	// locks that another DB of this process holds on it. SQLite gives -wal and
	// -shm the mode of the file.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case err == nil:
		err = errors.Join(f.Sync(), f.Close(), durable.SyncDir(filepath.Dir(abs)))
		if err != nil {
			return nil, fmt.Errorf("sqldb: %w", err)
		}
	case !errors.Is(err, fs.ErrExist):
		return nil, fmt.Errorf("sqldb: %w", err)
	}
	writer := openPool(sqliteDSN(abs, "_txlock", "immediate") + sqliteWriter)
	writer.SetMaxOpenConns(1)
	writer.SetMaxIdleConns(1)
	reader := openPool(sqliteDSN(abs, "_pragma", "query_only(1)"))
	reader.SetMaxOpenConns(sqliteReaders)
	reader.SetMaxIdleConns(sqliteReaders)
	return &DB{engine: SQLite, writer: writer, reader: reader}, nil
}

// sqliteWriter gives the writing connection room: keys are pseudo-random, so that a commit of many touches many pages, and
// a checkpoint after each of them would write most of them twice. What takes a statement back that fails half way is kept
// in memory, not in a file. What is durable, and when, is as before.
var sqliteWriter = fmt.Sprintf("&_pragma=cache_size(-%d)&_pragma=wal_autocheckpoint(%d)&_pragma=temp_store(2)", sqliteCache>>10, sqliteCheckpoint)

func sqliteDSN(path, key, value string) string {
	q := url.Values{}
	q.Add("_pragma", "busy_timeout("+strconv.FormatInt(busyTimeout.Milliseconds(), 10)+")")
	q.Add("_pragma", "journal_mode(WAL)")
	q.Add("_pragma", "synchronous(FULL)")
	q.Add("_pragma", "foreign_keys(1)")
	q.Add(key, value)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// lockFile holds an exclusive flock on a file of its own while a database is
// being migrated. (A lock on the database file itself would be lost, see
// above.) The empty file stays.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqldb: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("sqldb: lock %s: %w", path, err)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			f.Close()
			return nil, err
		}
	}
}
