package pull

import "time"

const (
	// DefaultPulls is how many pulls are in flight at once.
	DefaultPulls = 3
	// window bounds the plain bytes that came and are not written yet, of all pulls. An interrupted file is whole up to
	// its length less this.
	window = 32 << 20
	// batchBytes and batchJobs are how much a worker is given at once.
	batchBytes = 256 << 10
	batchJobs  = 32
	// queued is how many batches wait for a worker, and how many chunks of a stream for their turn to be written.
	queued = 16
	// slack is room behind a chunk which lets zstd decompress without looking for the end at each step.
	slack = 64
	// unitBytes and unitFiles are about how much one pull asks for.
	unitBytes = 32 << 20
	unitFiles = 2048
	// bigFile is the size, in bytes, from which a file has a pull of its own and goes on after an interruption.
	bigFile = 4 << 20
	// heldBytes is about how much of the entries that wait for all the others is in memory, for each kind of them.
	heldBytes = 4 << 20
	// maxPath and maxName bound a path and a name in it, in bytes; maxLink a link's target.
	maxPath = 4096
	maxName = 255
	maxLink = 4096
	// maxDirs is how many directories are held open.
	maxDirs = 256
	// zeroRun is how many bytes of zeroes become a hole.
	zeroRun = 16 << 10
	// maxMarker bounds the file that says what an unfinished restore is.
	maxMarker = 64 << 10
	// DefaultPatience is how long a restore goes on trying without getting anything; retryFirst and retryMost are how
	// long it waits between two tries.
	DefaultPatience = time.Minute
	retryFirst      = 100 * time.Millisecond
	retryMost       = 5 * time.Second
	// maxTries is how often content that fails its check is asked for.
	maxTries = 2
)
