package site

import "time"

const (
	// MaxPage bounds one page of an Inventory.
	MaxPage = 1000
	// copiesAtOnce is how many copies are looked up by one statement.
	copiesAtOnce = 100
	// resubmit is after how long the site says again what it has not yet read in the log.
	resubmit = time.Minute
	// maxStale is how old the last tick of the clocks may be when something is destroyed.
	maxStale = time.Minute
	// maxPins bounds the file of the high-water marks in bytes.
	maxPins = 4 << 10
	// maxEvent bounds the text of an Event in bytes: 10,000 copies by some 40 bytes.
	maxEvent = 1 << 20
	// maxKeepLeaf bounds the body of a keep-rule-set leaf in bytes.
	maxKeepLeaf = 2 << 10
	// leavesAtOnce bounds the openings that are asked for at once.
	leavesAtOnce = 256
	// maxTries bounds how often a step begins again because another one came between.
	maxTries = 3
	// maxAlarm bounds the detail of an alarm in bytes.
	maxAlarm = 1 << 10
)
