package main

import "time"

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
	gib = int64(1) << 30

	// minSize and maxSize bound --size.
	minSize = 8 * mib
	maxSize = 64 * gib
	// maxRuns bounds --runs.
	maxRuns = 25
	// treeFiles is how many files a tree of 1 GiB has.
	treeFiles = 30_000
	// coreSize is the part of a generated stream that repeats.
	coreSize = 2 * gib
	// soakSize is the long stream of --soak.
	soakSize = 32 * gib
	// memoryBar is what a process may need with one stream.
	memoryBar = 256 * mib
	// roomForTrees is how many times --size must be free for restored trees to be left until the end.
	roomForTrees = 12
	// concurrent is how many uploads and restores run at once, half of each.
	concurrent = 32
	// maxStart bounds the start of a server.
	maxStart = time.Minute
	// maxSettle bounds how long background work is waited for.
	maxSettle = 10 * time.Minute
	// maxErase bounds how long space may take to be returned.
	maxErase = 10 * time.Minute
	// reclaimTurn is longer than the pause between two turns of the service's reclaim.
	reclaimTurn = 75 * time.Second
	// backedSpare: of free memory all is used beforehand but one part in so many; backedPiece is how much at a time.
	backedSpare = 5
	backedPiece = 64 * mib
	// maxOutput bounds what is kept of a program's output, in bytes.
	maxOutput = 64 << 10
	// ticksPerSecond is the unit of /proc/PID/stat (USER_HZ, which Linux never changes).
	ticksPerSecond = 100
)
