package scrub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
)

// ErrConfig means that a Scrubber or a rate cannot be used.
var ErrConfig = errors.New("scrub: not usable")

// Store is what scrubbing needs of the site database. snapshots/sqlstore implements it. Every method works inside the
// transaction that it is given.
type Store interface {
	snapshots.TenantStore
	snapshots.VolumeStore
	snapshots.SnapshotStore
	snapshots.ChunkStore
	snapshots.QuarantineStore

	// Passes lists passes, the newest first.
	Passes(ctx context.Context, tx *sqldb.Tx, limit int) ([]Pass, error)
	BeginPass(ctx context.Context, tx *sqldb.Tx, number, at int64) error
	EndPass(ctx context.Context, tx *sqldb.Tx, number, at int64) error
	// DuePacks lists packs of the index that the pass has not read, in the order of their ids, from after the given one.
	DuePacks(ctx context.Context, tx *sqldb.Tx, pass int64, after snapshots.PackID, limit int) ([]snapshots.OpenPack, error)
	// PackFrames answers what the index has in a pack, in the order of the places; known says whether it has the pack,
	// ended that nobody appends to it any more.
	PackFrames(ctx context.Context, tx *sqldb.Tx, tenant string, p snapshots.PackID) (frames []snapshots.Location, known, ended bool, err error)
	// KnownPack reports whether the database has heard of a pack, by whatever table.
	KnownPack(ctx context.Context, tx *sqldb.Tx, p snapshots.PackID) (bool, error)
	// RecordPack stores the newest reading of a pack in place of the one before.
	RecordPack(ctx context.Context, tx *sqldb.Tx, r PackResult) error
	// ForgetPacks forgets the readings of packs that no pass since the given one has met.
	ForgetPacks(ctx context.Context, tx *sqldb.Tx, pass int64) error
	// PackResults lists readings that found something.
	PackResults(ctx context.Context, tx *sqldb.Tx, limit int) ([]PackResult, error)
	// Tally sums the readings of a pass.
	Tally(ctx context.Context, tx *sqldb.Tx, pass int64) (Tally, error)

	// Quarantine marks frames as bad. New data never builds on them from the commit on.
	Quarantine(ctx context.Context, tx *sqldb.Tx, tenant string, bad []Rot, at int64) error
	// Release takes the mark from a frame that was read whole.
	Release(ctx context.Context, tx *sqldb.Tx, tenant string, k snapshots.ChunkKey) error
	Quarantined(ctx context.Context, tx *sqldb.Tx, tenant string) ([]Rot, error)
	QuarantinedTenants(ctx context.Context, tx *sqldb.Tx) ([]string, error)
	CountQuarantined(ctx context.Context, tx *sqldb.Tx) (int64, error)

	// AllVersions lists versions of a volume, living and dead, in the order (path, born), from after the given one.
	AllVersions(ctx context.Context, tx *sqldb.Tx, v snapshots.VolumeID, after snapshots.Version, limit int) ([]snapshots.Version, error)
	Affect(ctx context.Context, tx *sqldb.Tx, list []Affected, at int64) error
	Heal(ctx context.Context, tx *sqldb.Tx, a Affected, at int64) error
	// AffectedNow lists what is affected and not healed. An empty tenant lists all.
	AffectedNow(ctx context.Context, tx *sqldb.Tx, tenant string, limit int) ([]Affected, error)
}

// Pass is one reading of everything. FinishedAt is zero while it is under way.
type Pass struct {
	Number                int64
	StartedAt, FinishedAt time.Time
}

// State is what the newest reading of a pack said. The zero State is invalid.
type State string

const (
	// Good: everything that the index has in the pack was read as it was written.
	Good State = "good"
	// Damaged: something in the pack was not, whether anything needs it or not.
	Damaged State = "damaged"
	// Missing: the index has frames in a pack that is not there.
	Missing State = "missing"
	// Unknown: the pack is there, and the database has not heard of it. It is left alone: it may be all that is left of
	// something. A rebuild takes it in.
	Unknown State = "unknown"
)

// PackResult is the reading of one pack. Bad counts, of Frames, those that are quarantined.
type PackResult struct {
	Pack        snapshots.PackID
	Tenant      string
	Pass        int64
	At          time.Time
	Bytes       int64
	Frames, Bad int64
	State       State
	Detail      string
}

// Rot is a quarantined frame. Healed says that there is another frame with the same id, which readers take.
type Rot struct {
	Frame   snapshots.ChunkKey
	Pack    snapshots.PackID
	FoundAt time.Time
	Reason  string
	Healed  bool
}

// Affected is a path that needs a rotten frame of which there is no other: in a snapshot, or (zero Snapshot) in the live
// tree or the undo window. An empty Path is the catalogue itself, hence any path.
type Affected struct {
	Tenant   string
	Volume   snapshots.VolumeID
	Snapshot snapshots.SnapshotID
	Path     string
	FoundAt  time.Time
}

// Tally sums a pass: packs and bytes read, frames of the index read and bad ones among them, packs by what was wrong.
// OfPacks and OfBytes are what the index has in all; packs that are still written to count no bytes.
type Tally struct {
	Packs, Bytes, Frames, Bad, Damaged, Missing, Unknown int64
	OfPacks, OfBytes                                     int64
}

// Config is what a Scrubber is made of. DB, Store, Blobs, Site and Now are required.
type Config struct {
	DB    *sqldb.DB
	Store Store
	Blobs blob.Store
	// Site is the name of the site whose copies are flagged.
	Site string
	// Keys opens the keys of a tenant. Without it, or where it fails, only ciphertext is compared.
	Keys func(ctx context.Context, tenant string) (*key.Ring, error)
	// Rate is how many bytes a second are read at most; DefaultRate if zero.
	Rate int64
	// Busy reports whether people transfer data just now: scrubbing then steps back.
	Busy func() bool
	// Undo is the undo window of the charter; dead versions that are older than it and that no snapshot shows are nobody's.
	Undo func() time.Duration
	Now  func() time.Time
	Log  *slog.Logger
}

// Scrubber reads. It is safe for concurrent use; passes of one process take turns.
type Scrubber struct {
	c     Config
	rate  atomic.Int64
	turn  sync.Mutex
	debt  atomic.Int64 // nanoseconds that reading has been ahead of its rate
	read  atomic.Int64 // bytes since the start of the process
	found atomic.Int64 // frames found bad since then
}

// New makes a Scrubber. ErrConfig.
func New(c Config) (*Scrubber, error) {
	if c.DB == nil || c.Store == nil || c.Blobs == nil || c.Site == "" || c.Now == nil {
		return nil, fmt.Errorf("%w: incomplete configuration", ErrConfig)
	}
	if c.Busy == nil {
		c.Busy = func() bool { return false }
	}
	if c.Undo == nil {
		c.Undo = func() time.Duration { return snapshots.DefaultUndo }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Scrubber{c: c}
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	return s, s.SetRate(c.Rate)
}

// SetRate changes how many bytes a second are read, at once. ErrConfig.
func (s *Scrubber) SetRate(bytes int64) error {
	if bytes < MinRate || bytes > MaxRate {
		return fmt.Errorf("%w: a rate of %d bytes a second", ErrConfig, bytes)
	}
	s.rate.Store(bytes)
	return nil
}

// Rate answers it.
func (s *Scrubber) Rate() int64 { return s.rate.Load() }

// Counters are the bytes read and the frames found bad since the process began.
func (s *Scrubber) Counters() (bytes, bad int64) { return s.read.Load(), s.found.Load() }

// Due goes on with the pass that is under way, or begins the next if the last one began an Interval ago. It answers
// false when nothing was due.
func (s *Scrubber) Due(ctx context.Context) (bool, error) {
	var last Pass
	if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		list, err := s.c.Store.Passes(ctx, tx, 1)
		if len(list) > 0 {
			last = list[0]
		}
		return err
	}); err != nil {
		return false, err
	}
	if !last.FinishedAt.IsZero() && s.c.Now().Sub(last.StartedAt) < Interval {
		return false, nil
	}
	_, err := s.Run(ctx, nil)
	return true, err
}

// Begin begins a pass, unless one is under way that nobody wants to begin anew.
func (s *Scrubber) Begin(ctx context.Context, anew bool) (p Pass, err error) {
	err = s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		p = Pass{}
		list, err := s.c.Store.Passes(ctx, tx, 1)
		if err != nil {
			return err
		}
		if len(list) > 0 {
			p = list[0]
			if p.FinishedAt.IsZero() && !anew {
				return nil
			}
		}
		now := sqldb.Micros(s.c.Now())
		if p.Number > 0 && p.FinishedAt.IsZero() {
			// Given up: what it has read stands for itself, pack by pass.
			if err := s.c.Store.EndPass(ctx, tx, p.Number, sqldb.Micros(p.StartedAt)); err != nil {
				return err
			}
		}
		p = Pass{Number: p.Number + 1, StartedAt: sqldb.FromMicros(now)}
		return s.c.Store.BeginPass(ctx, tx, p.Number, now)
	})
	return p, err
}

// Run goes on with the pass that is under way, or begins one, and reads on until it is finished. It can be stopped at
// any time: the next call goes on behind the last pack that was read whole. progress, which may be nil, is told of every
// pack.
func (s *Scrubber) Run(ctx context.Context, progress func(PackResult)) (Pass, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	p, err := s.Begin(ctx, false)
	if err != nil {
		return p, err
	}
	if progress == nil {
		progress = func(PackResult) {}
	}
	r := &run{s: s, pass: p, rings: map[string]*key.Ring{}, progress: progress}
	if err := r.packs(ctx); err != nil {
		return p, err
	}
	if err := r.unknown(ctx); err != nil {
		return p, err
	}
	if err := s.Assess(ctx); err != nil {
		return p, err
	}
	p.FinishedAt = sqldb.FromMicros(max(sqldb.Micros(s.c.Now()), sqldb.Micros(p.StartedAt)+1))
	return p, s.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if err := s.c.Store.EndPass(ctx, tx, p.Number, sqldb.Micros(p.FinishedAt)); err != nil {
			return err
		}
		return s.c.Store.ForgetPacks(ctx, tx, p.Number)
	})
}

// run is one call of Run.
type run struct {
	s        *Scrubber
	pass     Pass
	rings    map[string]*key.Ring
	progress func(PackResult)
}

// packs reads every pack of the index that the pass has not read. Packs that come up meanwhile have greater ids.
func (r *run) packs(ctx context.Context) error {
	var after snapshots.PackID
	rotten := false
	for {
		var list []snapshots.OpenPack
		if err := r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			list, err = r.s.c.Store.DuePacks(ctx, tx, r.pass.Number, after, batchPacks)
			return err
		}); err != nil {
			return err
		}
		for _, p := range list {
			result, err := r.pack(ctx, p)
			if err != nil {
				return fmt.Errorf("pack %s: %w", p.Pack, err)
			}
			if result.Bad > 0 {
				rotten = true
			}
			r.progress(result)
			after = p.Pack
		}
		if rotten {
			// Whoever looks shall not have to wait for the end of the pass.
			if err := r.s.Assess(ctx); err != nil {
				return err
			}
			rotten = false
		}
		if len(list) < batchPacks {
			return nil
		}
	}
}

// ring opens the keys of a tenant, once a run; nil where they are not there.
func (r *run) ring(ctx context.Context, tenant string) *key.Ring {
	if r.s.c.Keys == nil {
		return nil
	}
	if k, ok := r.rings[tenant]; ok {
		return k
	}
	k, err := r.s.c.Keys(ctx, tenant)
	if err != nil {
		r.s.c.Log.Warn("scrubbing without the keys of a tenant: only ciphertext is compared", "tenant", tenant, "error", err)
		k = nil
	}
	r.rings[tenant] = k
	return k
}

// verify compares stored bytes with what the index says of them.
func verify(l snapshots.Location, ring *key.Ring, b []byte) error {
	if int64(len(b)) != int64(l.Child.Length) || frame.HashOf(b) != l.Child.Hash {
		return errors.New("not the bytes that the index names")
	}
	return open(l, ring, b)
}

// open decrypts a frame whose hash was compared, if the keys are there: a set may be new, or destroyed.
func open(l snapshots.Location, ring *key.Ring, b []byte) error {
	if ring != nil {
		if _, err := ring.Key(l.Child.Key); err != nil {
			ring = nil
		}
	}
	if l.Child.Kind == chunk.KindData || l.Child.Kind == chunk.KindJournal {
		if ring == nil {
			return nil
		}
		box := plains.Get().(*[]byte)
		defer plains.Put(box)
		plain, err := frame.Open((*box)[:0], ring, l.Child.ID, l.Child.Kind, b, frame.MaxPlaintext)
		if err == nil {
			*box = plain
		}
		return err
	}
	return openNode(l, ring, b)
}

var plains = sync.Pool{New: func() any { return new([]byte) }}
