package app

import "time"

// Every bound of the edge. Transfers set their own deadlines (server/transfer).
const (
	// headerTimeout bounds the time in which a request's header must arrive.
	headerTimeout = 10 * time.Second
	// idleTimeout bounds how long a connection waits for its next request.
	idleTimeout = 2 * time.Minute
	// maxHeader bounds a request's header in bytes.
	maxHeader = 32 << 10
	// callRead and callWrite bound the reading of a request and the writing of
	// its answer outside the data path.
	callRead  = 30 * time.Second
	callWrite = 2 * time.Minute
	// drainTimeout bounds how long running transfers may go on after the service
	// was told to stop. What was acknowledged is durable; the rest resumes.
	drainTimeout = 20 * time.Second
	// probeTimeout bounds what /readyz asks of a database and of Redis.
	probeTimeout = 2 * time.Second
	// redisTimeout bounds every single call of Redis, so that its absence denies
	// quickly.
	redisTimeout = 2 * time.Second
	// passwordHashes bounds concurrent password hashes; each takes 19 MiB.
	passwordHashes = 4
	// batch is how many snapshots one run of a job seals or proves.
	batch = 16
	// proofAge is how old the newest proof of a copy may become before the copy
	// is restored and compared again.
	proofAge = 7 * 24 * time.Hour
	// scrubSlice bounds one run of the scrub job; the next goes on where it ended.
	scrubSlice = time.Hour
)

// mostPause bounds the pause of a job that fails, where it is not longer by itself.
const mostPause = 5 * time.Second
