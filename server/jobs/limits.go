package jobs

import "time"

const (
	// MaxJobs bounds the jobs of one Runner.
	MaxJobs = 64
	// MinEvery is the shortest pause between two runs of a job.
	MinEvery = 10 * time.Millisecond
	// MaxBackoff bounds the pause after failures of a job that runs more often.
	MaxBackoff = time.Minute
	// DefaultTimeout bounds a run of a job that does not say.
	DefaultTimeout = time.Minute
)
