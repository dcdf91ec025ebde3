package snapshots

import (
	"math"
	"time"

	"holdfast/snapshots/stream"
)

const (
	// Live is the died of a version that is alive, and the deleted_at of a volume that is.
	Live = math.MaxInt64

	// MaxPath bounds a path, in bytes; MaxComponent one name in it.
	MaxPath      = 4096
	MaxComponent = 255
	// MaxVolumeName bounds the name of a volume, in bytes.
	MaxVolumeName = 128
	// MaxVolumeBytes bounds the sum of the sizes of what lives in a volume, in bytes (1 EiB, as for one file): holes count,
	// though they take no room, and so do chunks that stand in many files.
	MaxVolumeBytes = stream.MaxSize
	// maxTarZeroes and maxTarRatio bound, in bytes, the zeroes that an archive's sparse members stand for: so many, and so
	// many more for each byte that came.
	maxTarZeroes = 64 << 30
	maxTarRatio  = 64
	// MaxNote bounds the note of a snapshot, the name of a pin and the names of who did something, in bytes.
	MaxNote = 256
	// MaxLink bounds the target of a link, in bytes.
	MaxLink = 4096
	// MaxXattrs, MaxXattrName and MaxXattrBytes bound the extended attributes of one file: how many, the bytes of a
	// name, the bytes of all names and values.
	MaxXattrs     = 256
	MaxXattrName  = 255
	MaxXattrBytes = 128 << 10

	// MaxPage bounds the entries of one listed page; DefaultPage is used when none is asked for.
	MaxPage     = 1000
	DefaultPage = 200

	// probe is how many rows are read first where a prefix may hide all but one of them.
	probe = 4
	// manyLater is how many files a volume has to have more than a snapshot for a listing to look at no more than
	// rowsAhead rows by one statement (or twice those that it is to find).
	manyLater = 20_000
	rowsAhead = 512

	// DefaultUndo is the undo window of a charter that has no other line.
	DefaultUndo = 14 * 24 * time.Hour
	// MaxUndo is the longest undo window that a volume has of its own.
	MaxUndo = 10 * 366 * 24 * time.Hour
	// stillSlack is how long the site may take to record a stop: a sweep that runs meanwhile does not see it yet.
	stillSlack = 5 * time.Second

	// GroupRows and GroupBytes bound one commit group: rows of one transaction, stored bytes under one fsync.
	GroupRows  = 4096
	GroupBytes = 32 << 20
	// JournalRecord is about how many bytes one journal record holds; a commit that needs more continues in the next.
	JournalRecord = 512 << 10
	// maxGroupTries bounds how often a group is assembled afresh because another node moved a volume's head.
	maxGroupTries = 8

	// maxBulkReads bounds the look-ups in the index that run at the same time to move bytes.
	maxBulkReads = 4
	// maxAppending bounds the packs of one tenant that are appended to at the same time.
	maxAppending = 4
	// lookupBatch bounds the known-chunk questions of one transaction.
	lookupBatch = 64
	// lookupLinger is how long a question about a piece of less than smallPiece bytes waits for more of them.
	lookupLinger = 200 * time.Microsecond
	smallPiece   = 32 << 10

	// LeaseAge is how long operations go on joining the same lease; LeaseRenew how often it is renewed while any
	// operation holds it; LeaseExpiry when others may consider its owner dead.
	LeaseAge    = time.Minute
	LeaseRenew  = time.Minute
	LeaseExpiry = 15 * time.Minute

	// PageEntries is about how many entries a catalogue page holds. Boundaries depend on the paths alone, so that
	// unchanged pages are the same in the next seal; a page never has more than PageMost entries, PageChildren
	// children or PageBytes of payload.
	PageEntries  = 256
	PageMost     = 2048
	PageChildren = 4096
	PageBytes    = 512 << 10
	// IndexFanout is about how many children an index node has, IndexMost the most.
	IndexFanout = 64
	IndexMost   = 1024
	// MaxTreeDepth bounds the levels of index nodes that a reader follows.
	MaxTreeDepth = 8

	// maxKeys bounds the key sets that one root commits to and one seal record wraps.
	maxKeys = 1024

	// restoreBatch bounds the entries that a server-side restore commits at once.
	restoreBatch = 2048
	// rowBatch is how many versions are read at once while walking a volume.
	rowBatch = 1000
)

const (
	// SegmentBytes bounds the plain bytes of data that one segment of a push brings, SegmentRecords its records, and
	// SegmentEntries its entries and deletions.
	SegmentBytes   = 64 << 20
	SegmentRecords = 128 << 10
	SegmentEntries = 4096
	// KnownBatch bounds the ids of one question whether they are known.
	KnownBatch = 8192
	// PartialLife is how long the chunks of a file whose push broke off stay for it to be begun again.
	PartialLife = 24 * time.Hour
	// UploadLife is how long after its last use an upload can go on: less than its partials stay, by more than the clocks
	// of nodes differ.
	UploadLife = PartialLife - time.Hour
	// UploadStep is about how many bytes of an upload become durable at a time. uploadPage is how many steps are put
	// together at once.
	UploadStep = 32 << 20
	uploadPage = 64
	// maxUploadSize bounds an upload, in bytes (64 TiB), and with it its steps.
	maxUploadSize = 64 << 40
	// maxUploadsOfOwner and maxUploadsOfTenant bound the open uploads.
	maxUploadsOfOwner  = 64
	maxUploadsOfTenant = 512

	// maxKnown bounds the ids of a volume that a node remembers, and of all volumes; maxUploaded those that a session
	// adds. What is above is sent again.
	maxKnown    = 2 << 20
	maxUploaded = 1 << 20
	// maxResolved bounds the known chunks whose place a session remembers.
	maxResolved = 4 * KnownBatch
	// maxOwnPaths bounds the paths that a session remembers to have put into a volume that was empty.
	maxOwnPaths = 1 << 20
	// maxPartials bounds the partials of a volume that a session looks at, newest first.
	maxPartials = 4096
	// pushAhead bounds the segments that may wait for the one that is being received, and the answers that are kept.
	pushAhead = 8
	// pushInflight and pushSmall bound the pieces of a segment that are at work at once, for each worker, and those of
	// less than pushSmallPiece bytes; pushWaiting those that wait for one before them.
	pushInflight, pushSmall = 4, 64
	pushSmallPiece          = 32 << 10
	pushWaiting             = 256
)
