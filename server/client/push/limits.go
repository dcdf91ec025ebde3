package push

import "time"

const (
	// DefaultConnections is how many segments are on their way at once; the service
	// takes them in their order. MaxConnections is the most.
	DefaultConnections = 2
	MaxConnections     = 4

	// segmentTarget is about how many bytes a segment has. It is what a broken
	// connection costs.
	segmentTarget = 16 << 20
	// batchBytes and batchIDs are how much is asked about at once.
	batchBytes = 8 << 20
	batchIDs   = 4096
	// batchOps bounds the records to be of a batch: entries have ends, and those without content no ids. unaskedBytes is
	// how much is gathered where nothing can be known, and so nothing is asked.
	batchOps     = 4 * batchIDs
	unaskedBytes = batchBytes / 8
	// leastRecords and leastEntries are what the service has to take in a segment; spareRecords are kept free in one, for
	// the records that end it.
	leastRecords = 64
	leastEntries = 2
	spareRecords = 8
	// longData is from how many bytes on data is not copied into a segment.
	longData = 16 << 10
	// flushAfter is how long what was read waits for more, so that a slow stream is
	// durable soon.
	flushAfter = 5 * time.Second

	// loadedBytes bounds the small files that were read and wait for their turn.
	loadedBytes = 16 << 20
	// smallFile is what is read as a whole; larger files come piece by piece.
	smallFile = 1 << 20
	// maxSmallPieces bounds the pieces of a small file that grows while it is read.
	maxSmallPieces = 128
	// pieceQueue bounds the pieces of a large file or stream that wait.
	pieceQueue = 8
	// itemQueue bounds the entries that were found and wait.
	itemQueue = 1024

	// firstDelay and mostDelay are how long a lost connection is waited for before
	// the next attempt; DefaultPatience is how long in all.
	firstDelay      = 100 * time.Millisecond
	mostDelay       = 5 * time.Second
	DefaultPatience = 15 * time.Minute
	// maxTries bounds how often the first calls are made when nothing answers.
	maxTries = 4
	// maxFaults bounds how often something is tried again that the service fails at.
	maxFaults = 8
	// maxRestarts bounds how often a tree is walked again because the volume changed
	// meanwhile.
	maxRestarts = 3

	// workers read, cut and name files.
	workers = 2

	// clockTick is longer than a tick of the clock that dates files. A file younger
	// than that is read a tick later, so that a change after it was read shows.
	clockTick = 12 * time.Millisecond

	// cacheBuffer is how much of a cache is read or written at once, in bytes; maxCachedPath bounds a path in it.
	cacheBuffer   = 256 << 10
	maxCachedPath = 64 << 10
	// pipeBuffer is what a pipe on standard input is asked to hold, in bytes.
	pipeBuffer = 1 << 20

	// maxReports bounds the files that are named because something was wrong.
	maxReports = 1000

	// skipUnit is what a hole is shortened by in multiples; leadZeroes stays of it
	// before, and at least as much behind.
	skipUnit   = 64 << 10
	leadZeroes = 64 << 10
)
