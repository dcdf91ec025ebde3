package cli

import "time"

const (
	// logTimeout bounds the fetching of one file of the log.
	logTimeout = 30 * time.Second
	// maxKeyFile bounds a file of keys or a charter that a command reads, in bytes.
	maxKeyFile = 1 << 20
	// maxRefused bounds how many names of refused members a restore keeps for its report.
	maxRefused = 100
	// pushMemory is where the collector begins to work harder for a push, in bytes: what it holds is bounded well below.
	pushMemory = 160 << 20
)
