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
	// shownOfGroup is how many of the paths that were deleted at one moment are named.
	shownOfGroup = 10
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
