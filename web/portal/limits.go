package portal

import "time"

const (
	// entriesPage is how many entries a page of a folder has, snapshotsPage how many
	// snapshots, differencesPage how many differences.
	entriesPage     = 100
	snapshotsPage   = 40
	differencesPage = 100
	// keepPage is how many snapshots a page of the keep rule lists.
	keepPage = 50
	// recentSnapshots is how many snapshots are offered to choose from.
	recentSnapshots = 20
	// shownOfGroup is how many of the things that belong together are named.
	shownOfGroup = 10
	// glanceEntries and glanceFor bound the look at the newest act of deletion alone,
	// glancesFor that at all of an overview's; countFor bounds how long it is counted what a deletion would take.
	glanceEntries = 3000
	glanceFor     = 100 * time.Millisecond
	glancesFor    = 250 * time.Millisecond
	countFor      = 400 * time.Millisecond
	// maxPicked bounds the entries that one form deletes.
	maxPicked = 200
	// workFor bounds the work of one answer of a restore; the page asks for more.
	workFor = 700 * time.Millisecond
	// staleSnapshot is how old a volume's newest snapshot may be before the overview
	// says so; slowProof how long a copy may be unproven, slowSeal unsealed.
	staleSnapshot = 7 * 24 * time.Hour
	slowProof     = time.Hour
	slowSeal      = 10 * time.Minute
)
