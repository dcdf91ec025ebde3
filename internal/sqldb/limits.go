package sqldb

import "time"

const (
	// maxAttempts bounds how often [DB.Write] runs a closure that loses
	// against another transaction.
	maxAttempts = 12
	// backoffFirst and backoffMost bound the random pause before the next
	// attempt; it doubles from the first to the most.
	backoffFirst = 2 * time.Millisecond
	backoffMost  = 250 * time.Millisecond

	// busyTimeout is how long SQLite waits for another process's lock before
	// it answers SQLITE_BUSY.
	busyTimeout = 10 * time.Second
	// maxStatements bounds the prepared statements that one SQLite connection keeps.
	maxStatements = 160
	// sqliteCache bounds the page cache of the writing connection, in bytes; sqliteCheckpoint is how many pages the WAL
	// gathers before a checkpoint.
	sqliteCache      = 32 << 20
	sqliteCheckpoint = 8192
	// sqliteReaders bounds the pool of read-only SQLite connections.
	sqliteReaders = 8
	// postgresConns bounds the pool of PostgreSQL connections.
	postgresConns = 16

	// migrationPoll and migrationPolls bound how long a starter waits for
	// another one that is migrating the same PostgreSQL database: 5 minutes.
	migrationPoll  = 200 * time.Millisecond
	migrationPolls = 1500
)
