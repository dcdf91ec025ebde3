package sqldb

// SetStall has f called before every COMMIT of a Write.
func SetStall(db *DB, f func()) { db.stall = f }

// MaxAttempts is the bound on tries of one Write.
const MaxAttempts = maxAttempts

// Waiting is how many Writes wait for the writing connection.
func Waiting(db *DB) int64 { return db.writer.Stats().WaitCount }

// Unnumbered is unnumbered.
func Unnumbered(q string) string { return unnumbered(q) }
