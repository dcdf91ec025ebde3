package control

import "time"

// Every numeric bound of the use cases.
const (
	// InvitationLife is how long an invitation can be answered.
	InvitationLife = 7 * 24 * time.Hour
	// DefaultPage and MaxPage bound listings.
	DefaultPage = 100
	MaxPage     = 1000
)

const (
	// DefaultQuota is how many bytes a new tenant's packs may hold, garbage included.
	DefaultQuota = 1 << 40
	// askAgain is for how long it is believed of who sends a body that he may.
	askAgain = 10 * time.Second
	// actsPage is how many acts of deletion a page has, actEntries how many deleted paths it counts, actsFor how long it looks.
	actsPage   = 20
	actEntries = 50_000
	actsFor    = 1500 * time.Millisecond
	// maxNames bounds the members of an archive that also deletes: 64 MiB of memory.
	maxNames = 4 << 20
	// repairPage is how many deeds are compared with the log at once.
	repairPage = 500
)

const (
	// voteWindow is how long approvers have; silence then means no.
	voteWindow = 7 * 24 * time.Hour
	// executeWindow is how long after that a decided request may still be executed.
	executeWindow = 60 * 24 * time.Hour
	// freshStatement is how old a rendered statement may be when a person begins
	// to confirm it; older ones are rendered again, with the facts of the moment.
	freshStatement = 4 * time.Minute
	// maxListedRequests bounds a listing of requests.
	maxListedRequests = 200
	// lockdownReach is how far back a lockdown revokes sessions, tokens and factors.
	lockdownReach = 72 * time.Hour
	// MaxRestore bounds the paths that one call of Restore compares: well under the
	// time that a connection waits for its answer, on the slowest engine.
	MaxRestore = 20_000
	// outboxLease is how long a job stays with the worker that claimed it.
	// A process that died gives its jobs back after that; a job that is done twice does no harm.
	outboxLease = 15 * time.Second
	// pulseTenants bounds how many tenants one look for news names.
	pulseTenants = 100
)

const (
	// pushIdle is how long a push may be idle before it ends by itself.
	pushIdle = 2 * time.Minute
	// pushTurn is how long a segment waits for those before it.
	pushTurn = time.Minute
	// maxPushesOfCaller, maxPushesOfTenant and maxPushes bound the open pushes of one credential, of one tenant and of a
	// process.
	maxPushesOfCaller = 64
	maxPushesOfTenant = 128
	maxPushes         = 1024
)

// The lines of a founding charter that says no others.
const (
	genesisApprovals, genesisTeams = 2, 2

	genesisUndo       = 14 * 24 * time.Hour
	genesisQuarantine = 7 * 24 * time.Hour
	genesisStagger    = time.Hour
	genesisClocks     = 1
	genesisCooling    = 3 * 24 * time.Hour
	genesisGrace      = 7 * 24 * time.Hour
	genesisLastExtra  = 4 * 24 * time.Hour

	genesisRequestCopies, genesisRequestBytes = 1000, 1 << 44
	genesisDayCopies, genesisDayBytes         = 5000, 1 << 46

	// A demonstration is short. Five people in two teams cannot spare any two and still have both teams; the grace leaves
	// time for the next one-time code.
	demoTeams      = 1
	demoUndo       = 10 * time.Minute
	demoQuarantine = 2 * time.Second
	demoCooling    = 10 * time.Second
	demoGrace      = 90 * time.Second
	demoLastExtra  = 5 * time.Second
)

// What a brief gathers.
const (
	// briefReach is how far back changes to accounts are shown, signalReach how far back they count as worth a call.
	briefReach  = 30 * 24 * time.Hour
	signalReach = 7 * 24 * time.Hour
	// maxBriefAccounts, maxBriefChanges, maxBriefVolumes and maxBriefPoints (snapshots of a volume) bound it.
	maxBriefAccounts = 200
	maxBriefChanges  = 40
	maxBriefVolumes  = 10
	maxBriefPoints   = 120
	// maxAgent bounds what is kept of how a browser calls itself (bytes).
	maxAgent = 200
	// maxAlarms is how many of the newest alarms a site shows.
	maxAlarms = 20
)
