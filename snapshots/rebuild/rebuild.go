package rebuild

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/key"
	"holdfast/snapshots/scrub"
)

var (
	// ErrConfig means that something is missing.
	ErrConfig = errors.New("rebuild: incomplete configuration")
	// ErrNotEmpty means that the database is not a new one: it is never written over.
	ErrNotEmpty = errors.New("rebuild: the database is not empty")
	// ErrNoKey means that no given key opens any tenant's keys.
	ErrNoKey = errors.New("rebuild: the key opens no tenant's keys")
)

// Store is what a rebuild needs of the site database. snapshots/sqlstore implements it.
type Store interface {
	snapshots.Store
	scrub.Store

	// Virgin reports whether nothing was ever written to the database.
	Virgin(ctx context.Context, tx *sqldb.Tx) (bool, error)
	// InsertFound inserts a pack that nobody writes to any more. A pack that is there stays as it is.
	InsertFound(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID, size, at int64) error
	// CountRefs counts edges, whether the frames at their ends are there or not.
	CountRefs(ctx context.Context, tx *sqldb.Tx, tenant string, edges map[snapshots.ChunkKey]int64) error
	// InsertErased inserts the copy of a snapshot that was erased.
	InsertErased(ctx context.Context, tx *sqldb.Tx, c snapshots.Copy) error
	// Dangling lists frames that edges point at and that are not there, from after the given one.
	Dangling(ctx context.Context, tx *sqldb.Tx, tenant string, after snapshots.ChunkKey, limit int) ([]snapshots.ChunkKey, error)
	// Roots lists the frames of root nodes.
	Roots(ctx context.Context, tx *sqldb.Tx, tenant string) ([]snapshots.Location, error)
	// MarkRebuilt records that, and when, the database was made from packs.
	MarkRebuilt(ctx context.Context, tx *sqldb.Tx, epoch, at int64, report string) error
}

// Config is what a rebuild is made from. Quota, Undo, Workers, Progress and Log may be zero.
type Config struct {
	DB    *sqldb.DB // new, with its schema
	Store Store
	Blobs blob.Store
	Site  string
	// Identities open the tenants' keys: a recovery key, or the site's own.
	Identities []age.Identity
	// Recipients are whom key sets must be wrapped for, so that the site can serve them: its own and the recovery
	// recipients of the charter. Wraps that are missing are made, and written into packs of their own.
	Recipients []string
	// Quota is given to every tenant, for packs do not hold it.
	Quota int64
	// Undo is the undo window of the charter.
	Undo     time.Duration
	Now      func() time.Time
	Workers  int
	Progress func(Progress)
	Log      *slog.Logger
}

// Progress says how far a rebuild is. Total is zero where it is not known.
type Progress struct {
	Phase       string // keys, packs, journals, snapshots, check
	Done, Total int64  // packs or volumes
	Bytes       int64
}

// Report is what was found, restored, and found damaged. Lists are bounded by maxNamed; their counts are not.
type Report struct {
	Site  string    `json:"site"`
	Epoch int64     `json:"epoch"`
	At    time.Time `json:"at"`

	Packs      int64 `json:"packs"`
	Bytes      int64 `json:"bytes"`
	Frames     int64 `json:"frames"`
	Duplicates int64 `json:"duplicate_frames"`
	// Torn are packs that end within a record, as a crash leaves them; nothing acknowledged is lost by that.
	Torn int64 `json:"torn_packs"`
	// Unreadable counts frames whose bytes are as they were written and that no key opens.
	Unreadable int64    `json:"unreadable_frames"`
	Damages    int64    `json:"damages"`
	Damaged    []Damage `json:"damaged,omitempty"`

	Tenants []*Tenant `json:"tenants"`
	// NotHeld names what no pack holds, so that somebody sets it again.
	NotHeld []string `json:"not_held_in_packs"`
}

// Damage is a stretch of a pack, or a pack, that could not be read. Length zero is the pack as a whole.
type Damage struct {
	Pack   string `json:"pack"`
	Offset int64  `json:"offset,omitempty"`
	Length int64  `json:"length,omitempty"`
	What   string `json:"what"`
}

// Tenant is what was restored of one tenant.
type Tenant struct {
	Tenant    string `json:"tenant"`
	Keys      int    `json:"keys"`
	Rewrapped int    `json:"rewrapped_keys,omitempty"`
	// Locked says that no given key opens the tenant's: its packs are indexed, and nothing else of it is restored.
	Locked    bool  `json:"locked,omitempty"`
	Volumes   int64 `json:"volumes"`
	Commits   int64 `json:"commits"`
	Versions  int64 `json:"versions"`
	Snapshots int64 `json:"snapshots"`
	Sealed    int64 `json:"sealed"`
	Unsealed  int64 `json:"unsealed"`
	Erased    int64 `json:"erased"`
	// Unfinished counts records at the ends of journals that were left out because frames which they name were never
	// written: of operations that failed and were not acknowledged.
	Unfinished int64 `json:"unfinished,omitempty"`
	// Gaps are journals with holes; what the next sealed snapshot shows was taken from it.
	Gaps []Gap `json:"gaps,omitempty"`
	// Missing counts frames that something needs and that are nowhere; Affected names what needs them.
	Missing  int64  `json:"missing_frames,omitempty"`
	Affected []Path `json:"affected,omitempty"`
	// Differs names snapshots whose tree is not what the journal says of that moment; the tree is what is sealed.
	Differs []string `json:"differs,omitempty"`

	damaged bool
}

// Gap is a hole in a journal: records After and Before are there, those between them are not.
type Gap struct {
	Volume string `json:"volume"`
	After  int64  `json:"after"`
	Before int64  `json:"before"`
}

// Path is one that needs what is missing; an empty Snapshot is the live tree and the undo window, an empty Path a
// catalogue.
type Path struct {
	Volume   string `json:"volume"`
	Snapshot string `json:"snapshot,omitempty"`
	Path     string `json:"path,omitempty"`
}

// Whole reports whether nothing is missing or damaged.
func (r Report) Whole() bool {
	if r.Damages > 0 || r.Unreadable > 0 {
		return false
	}
	for _, t := range r.Tenants {
		if t.Locked || t.Missing > 0 || len(t.Gaps) > 0 || len(t.Differs) > 0 {
			return false
		}
	}
	return true
}

var notHeld = []string{"quotas", "undo windows of tenants and volumes", "keep rules", "compression of volumes", "pins", "proofs", "unfinished uploads"}

// rebuild is one call of Run.
type rebuild struct {
	c       Config
	report  Report
	mu      sync.Mutex
	tenants map[string]*found
}

// found is what the packs hold of a tenant.
type found struct {
	tenant *Tenant
	ring   *key.Ring
	wraps  map[string]wrapped // by text
	sets   map[key.Number]*key.Tenant
	seals  map[string]snapshots.SealRecord // by text
	erased map[snapshots.SnapshotID]snapshots.ErasedRecord
	// journal is where the journal frames stand.
	journal []snapshots.Location
	bytes   int64
	first   time.Time
}

type wrapped struct {
	w    *key.Wraps
	text []byte
	at   time.Time
}

// Run makes the database. It never changes a pack that is there. The report is whole even where an error ends the run.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.DB == nil || c.Store == nil || c.Blobs == nil || c.Site == "" || len(c.Identities) == 0 || c.Now == nil {
		return Report{}, ErrConfig
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Workers <= 0 {
		c.Workers = 2
	}
	if c.Undo <= 0 {
		c.Undo = snapshots.DefaultUndo
	}
	r := &rebuild{c: c, tenants: map[string]*found{}, report: Report{Site: c.Site, At: c.Now(), NotHeld: notHeld}}
	err := r.run(ctx)
	return r.report, err
}

func (r *rebuild) run(ctx context.Context) error {
	virgin := false
	if err := r.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		virgin, err = r.c.Store.Virgin(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	if !virgin {
		return ErrNotEmpty
	}
	packs, err := r.list(ctx)
	if err != nil {
		return err
	}
	if err := r.keys(ctx, packs); err != nil {
		return err
	}
	if err := r.packs(ctx, packs); err != nil {
		return err
	}
	open := 0
	names := slices.Sorted(maps.Keys(r.tenants))
	for _, name := range names {
		f := r.tenants[name]
		r.report.Tenants = append(r.report.Tenants, f.tenant)
		if err := r.tenant(ctx, f); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
		if !f.tenant.Locked {
			open++
		}
	}
	if open == 0 && len(names) > 0 {
		return ErrNoKey
	}
	if err := r.check(ctx, names); err != nil {
		return err
	}
	// The epoch comes last: without it the database is no site's, and a rebuild that was stopped is begun anew.
	return r.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		site, err := r.c.Store.Site(ctx, tx, r.c.Site, rand.Int64N(1<<62)+1, sqldb.Micros(r.c.Now()))
		if err != nil {
			return err
		}
		r.report.Epoch = site.Epoch
		return r.c.Store.MarkRebuilt(ctx, tx, site.Epoch, sqldb.Micros(r.c.Now()), r.summary())
	})
}

func (r *rebuild) summary() string {
	state := "whole"
	if !r.report.Whole() {
		state = "not whole"
	}
	return fmt.Sprintf("%d packs, %d bytes, %d damages: %s", r.report.Packs, r.report.Bytes, r.report.Damages, state)
}

func (r *rebuild) of(tenant string) *found {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.tenants[tenant]
	if f == nil {
		f = &found{tenant: &Tenant{Tenant: tenant}, wraps: map[string]wrapped{}, sets: map[key.Number]*key.Tenant{},
			seals: map[string]snapshots.SealRecord{}, erased: map[snapshots.SnapshotID]snapshots.ErasedRecord{}}
		r.tenants[tenant] = f
	}
	return f
}

func (r *rebuild) damage(f *found, d Damage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Damages++
	if len(r.report.Damaged) < maxNamed {
		r.report.Damaged = append(r.report.Damaged, d)
	}
	if f != nil {
		f.tenant.damaged = true
	}
	r.c.Log.Warn("damage", "pack", d.Pack, "offset", d.Offset, "length", d.Length, "what", d.What)
}
