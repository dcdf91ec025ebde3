// Package sweep owns the only code that destroys bytes a site has acknowledged (I1). It has two doors: Erase, which a
// permit of quorum/warrant opens and which lets copies go; and Reclaim, which takes only what nothing needs. Both end in
// the same room: frames without references leave the index, packs without live records are removed, packs with some are
// rewritten first, and every step is in a durable queue, so that a killed process finishes later or has not begun.
//
// It must never take a frame that has a reference, an edge, a lease that may know it, or a copy that is not erased; never
// touch a pack that the database does not know (I10); and never remove a pack before what lives in it is durable elsewhere
// and indexed there. SQL that changes copies, chunks, packs and keys stands in internal/index, removal in internal/remove,
// and nowhere else in the program.
package sweep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/sweep/internal/remove"
)

var (
	// ErrRefused means that a permit does not open what was asked: zero, stale, of another site or stage, or naming what
	// is not there in the state that the stage demands. Nothing was changed.
	ErrRefused = errors.New("sweep: refused")
	// ErrBusy means that the work is not finished: a lease or an open pack is in the way. Call again later.
	ErrBusy = errors.New("sweep: not finished yet")
	// ErrCorrupt means that a pack or node to be swept is damaged. It is left as it is.
	ErrCorrupt = errors.New("sweep: damaged, left alone")
	// ErrSuspended means that there is no guard, or that it forbids sweeping now.
	ErrSuspended = errors.New("sweep: suspended")
)

// Eraser is the first door. Sweeper is the only implementation.
type Eraser interface {
	// Erase destroys the copies that a permit of stage erase names. It is idempotent and resumable.
	Erase(ctx context.Context, p warrant.Permit) (Result, error)
}

// Storage says where packs can be removed, with credentials of its own where the store has them. Exactly one is set.
type Storage struct {
	// Dir is the directory of the fs blob store.
	Dir string
}

// Config is what a Sweeper is made of. All fields but Writers and Logger are required.
type Config struct {
	DB    *sqldb.DB
	Store snapshots.Store
	Blobs blob.Store
	// Writers is the data path of this process; nil where the process has none.
	Writers Writers
	// Storage is where the sweep removes: the same packs that Blobs reads.
	Storage Storage
	// Site is the site's name; permits for others are refused.
	Site   string
	Now    func() time.Time
	Logger *slog.Logger
}

// Sweeper destroys. It is safe for concurrent use; sweeps of one tenant take turns.
type Sweeper struct {
	c      Config
	guard  Guard
	remove *remove.Remover
	turns  turns
	// stall, when not nil, is called at the named steps; its error stops there, as a crash would.
	stall func(step string) error
}

var _ Eraser = (*Sweeper)(nil)

// New opens the removing code from configuration.
func New(c Config) (*Sweeper, error) {
	if c.DB == nil || c.Store == nil || c.Blobs == nil || c.Site == "" || c.Now == nil || c.Storage.Dir == "" {
		return nil, errors.New("sweep: incomplete configuration")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	r, err := remove.Dir(c.Storage.Dir)
	if err != nil {
		return nil, err
	}
	return &Sweeper{c: c, remove: r}, nil
}

// Result says what went.
type Result struct {
	// Copies are snapshots whose copy here is erased.
	Copies int
	// Versions and Frames are rows that nothing needed any more.
	Versions, Frames int64
	// PacksRemoved and PacksRewritten count packs; Bytes is by how much the stored packs have shrunk.
	PacksRemoved, PacksRewritten int
	Bytes                        int64
}

// Leave is what a Guard allows for one tenant at one moment.
type Leave struct {
	// Now is the moment, by clocks that the guard vouches for.
	Now time.Time
	// Undo is the undo window of the charter; a tenant's or a volume's own counts where it is longer. Nothing that died later
	// is taken.
	Undo time.Duration
	// HeldAll keeps all versions of the tenant, HeldVolumes those of some volumes, whatever their age.
	HeldAll     bool
	HeldVolumes []string
	// DayBytes bounds what Reclaim takes of all tenants in any 24 hours; zero is nothing.
	DayBytes uint64
}

// Guard is the site's word on whether anything may be taken now: holds, freezes, clocks, marks and caps. It is asked in
// every transaction that takes something, under the tenant's lock; an error stops the sweep (I6).
type Guard interface {
	MaySweep(ctx context.Context, tx *sqldb.Tx, tenant string) (Leave, error)
}

// Writers is the process's own data path: *snapshots.Engine.
type Writers interface {
	// Quiesce ends idle packs and gives back idle leases. It answers the lease that owns the process's packs.
	Quiesce(ctx context.Context, tenant string) (snapshots.LeaseID, error)
}

// Bind gives the sweeper its guard, once. Without one nothing is swept.
func (s *Sweeper) Bind(g Guard) error {
	if g == nil || s.guard != nil {
		return errors.New("sweep: a sweeper has one guard")
	}
	s.guard = g
	return nil
}
