package page

import "time"

const (
	// maxForm bounds a form, a passkey's answer included (bytes).
	maxForm = 128 << 10
	// maxNext bounds the path to return to after signing in (bytes).
	maxNext = 512
	// maxCredential bounds a passkey's answer inside a form (bytes).
	maxCredential = 64 << 10
	// bodyLines is how many targets of a statement a page shows.
	bodyLines = 100
	// RequestsPage is how many requests a page lists.
	RequestsPage = 40
)

// Waiting for news.
const (
	// maxListeners bounds the open connections, maxOwnListeners those of one person.
	// Pages that are not looked at close theirs.
	maxListeners    = 2000
	maxOwnListeners = 12
	// lookEvery is how often the log's size is read while anybody listens, and
	// lookTimeout how long one look may take.
	lookEvery   = time.Second
	lookTimeout = 5 * time.Second
	// beatEvery is how often an idle connection shows that it lives, and checks
	// that its session does.
	beatEvery = 15 * time.Second
	// listenFor bounds one connection; the browser opens the next by itself.
	listenFor = 10 * time.Minute
	// eventWrite bounds the writing of one event.
	eventWrite = 10 * time.Second
	// retryMillis is how long a browser waits before it comes back.
	retryMillis = 2000
)
