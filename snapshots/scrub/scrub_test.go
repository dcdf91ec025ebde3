package scrub_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/blobtest/fault"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/scrub"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

const tenant = snapshotstest.Tenant

type env struct {
	*snapshotstest.Env
	dir   string
	store *sqlstore.Store
	vol   snapshots.Volume
}

func each(t *testing.T, f func(t *testing.T, e *env)) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, newEnv(t, db)) }, sqlstore.Migrations())
}

func onSQLite(t *testing.T) *env {
	return newEnv(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()))
}

func newEnv(t *testing.T, db *sqldb.DB) *env {
	t.Helper()
	e := &env{dir: t.TempDir(), store: sqlstore.New()}
	blobs, err := blobfs.Open(e.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	e.Env = snapshotstest.New(t, db, blobs)
	e.vol = e.Volume(t, "files", snapshots.Files)
	return e
}

func (e *env) scrubber(t *testing.T, change ...func(*scrub.Config)) *scrub.Scrubber {
	t.Helper()
	c := scrub.Config{DB: e.DB, Store: e.store, Blobs: e.Blobs, Site: snapshotstest.Site, Keys: e.OpenKeys, Rate: scrub.MaxRate, Now: e.Clock.Now}
	for _, f := range change {
		f(&c)
	}
	s, err := scrub.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pass has one pass of a new process read everything.
func (e *env) pass(t *testing.T) scrub.Status {
	t.Helper()
	e.Clock.Advance(time.Second)
	s := e.scrubber(t)
	if _, err := s.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	st, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Pass.FinishedAt.IsZero() {
		t.Fatal("a pass that ended is under way")
	}
	e.Clock.Advance(time.Second)
	return st
}

func (e *env) put(t *testing.T, path, data string) snapshots.Version {
	t.Helper()
	e.Clock.Advance(time.Second)
	v, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: e.vol.ID, Path: path}, strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (e *env) snap(t *testing.T) snapshots.Snapshot {
	t.Helper()
	e.Clock.Advance(time.Second)
	s, err := e.TakeSnapshot(t.Context(), tenant, e.vol.ID, "test", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Seal(t.Context(), tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = e.Snapshot(t.Context(), tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	e.Clock.Advance(time.Second)
	if p, err := e.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
		t.Fatal(p, err)
	}
	return s
}

func (e *env) content(t *testing.T, path string, m snapshots.Moment) (string, error) {
	t.Helper()
	o, err := e.Open(t.Context(), tenant, e.vol.ID, path, m)
	if err != nil {
		return "", err
	}
	defer o.Close()
	r, err := o.Range(t.Context(), 0, o.Size)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func (e *env) copy(t *testing.T, s snapshots.Snapshot) snapshots.Copy {
	t.Helper()
	list, err := e.Copies(t.Context(), tenant, s.ID)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0]
}

// place is where the first piece of a version stands.
func (e *env) place(t *testing.T, v snapshots.Version) snapshots.Location {
	t.Helper()
	c := v.Recipe.Children()[0]
	var at []snapshots.Location
	if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
		at, err = e.store.Locate(t.Context(), tx, tenant, []snapshots.ChunkKey{{ID: c.ID, Hash: c.Hash}})
		return err
	}); err != nil || len(at) != 1 {
		t.Fatal(at, err)
	}
	return at[0]
}

func (e *env) file(p snapshots.PackID) string {
	return filepath.Join(e.dir, filepath.FromSlash(snapshots.PackBlob(tenant, p)))
}

// flip turns one bit on the disk.
func (e *env) flip(t *testing.T, p snapshots.PackID, at int64) {
	t.Helper()
	f, err := os.OpenFile(e.file(p), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func noise(seed uint64, n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func (e *env) files(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	if err := filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		out[path] = i.Size()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestACleanStoreIsClean(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.put(t, "a", noise(1, 3<<20))
		e.put(t, "b", strings.Repeat("x", 100_000))
		s := e.snap(t)
		before := e.files(t)
		st := e.pass(t)
		if !st.Clean() || st.Tally.Packs == 0 || st.Tally.Frames < 5 || st.Tally.Bytes < 3<<20 || len(st.Packs) != 0 {
			t.Fatalf("%+v", st)
		}
		if after := e.files(t); len(after) != len(before) {
			t.Fatal("scrubbing changed the store")
		}
		at, err := e.scrubber(t).Verified(t.Context(), s)
		if err != nil || !at.Equal(st.Pass.StartedAt) {
			t.Fatal(at, err)
		}
		if c := e.copy(t, s); c.Suspect != "" || c.State != snapshots.Proven {
			t.Fatal(c)
		}
		if due, err := e.scrubber(t).Due(t.Context()); err != nil || due {
			t.Fatal("a pass just after a pass", due, err)
		}
		e.Clock.Advance(scrub.Interval)
		if due, err := e.scrubber(t).Due(t.Context()); err != nil || !due {
			t.Fatal("no pass after the interval", due, err)
		}
	})
}

// T48: a flipped bit is found, the frame quarantined, snapshot and paths named, the copy no restore point; the same bytes
// stored again heal it, without anything having been removed.
func TestT48_RotIsFoundNamedAndHealed(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		body := noise(2, 300_000)
		v := e.put(t, "dir/rotten", body)
		e.put(t, "dir/whole", noise(3, 300_000))
		s := e.snap(t)
		e.put(t, "later", "not in the snapshot")
		l := e.place(t, v)
		e.flip(t, l.Pack, l.Pos+int64(l.Child.Length)/2)

		st := e.pass(t)
		if st.Clean() || st.Quarantined != 1 || st.Tally.Bad != 1 || st.Tally.Damaged != 1 || len(st.Packs) != 1 || st.Packs[0].Pack != l.Pack {
			t.Fatalf("%+v", st)
		}
		var named []string
		for _, a := range st.Affected {
			where := "live"
			if a.Snapshot == s.ID {
				where = "snapshot"
			}
			named = append(named, where+" "+a.Path)
		}
		slices.Sort(named)
		if !slices.Equal(named, []string{"live dir/rotten", "snapshot dir/rotten"}) {
			t.Fatal(named)
		}
		if c := e.copy(t, s); !strings.Contains(c.Suspect, "scrub") {
			t.Fatal("a copy with rot counts as a restore point", c)
		}
		if at, err := e.scrubber(t).Verified(t.Context(), s); err != nil || !at.IsZero() {
			t.Fatal("verified", at, err)
		}
		if _, err := e.content(t, "dir/rotten", snapshots.Moment{}); !errors.Is(err, snapshots.ErrCorrupt) {
			t.Fatal("rot was read", err)
		}
		files := e.files(t)

		// The same content comes again under another name, in a new process.
		e.Engine = e.Another(t)
		if again := e.put(t, "copy", body); again.Recipe.Children()[0].Hash == l.Child.Hash {
			t.Fatal("new data builds on a quarantined frame")
		}
		for _, m := range []snapshots.Moment{{}, {Snapshot: s.ID}} {
			if got, err := e.content(t, "dir/rotten", m); err != nil || got != body {
				t.Fatalf("not healed at %v: %v", m, err)
			}
		}
		if err := e.scrubber(t).Assess(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c := e.copy(t, s); c.Suspect != "" {
			t.Fatal("healed and still suspect", c)
		}
		if p, err := e.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
		for f, size := range files {
			if now := e.files(t)[f]; now < size {
				t.Fatal("something was taken away", f)
			}
		}
		// The next pass finds the rotten frame again, and nothing that needs it.
		if st := e.pass(t); st.Quarantined != 1 || len(st.Affected) != 0 {
			t.Fatalf("%+v", st)
		}
		// The disk gives the right bytes again: the frame itself is released.
		e.flip(t, l.Pack, l.Pos+int64(l.Child.Length)/2)
		if st := e.pass(t); !st.Clean() {
			t.Fatalf("%+v", st)
		}
	})
}

// T48: rot in the tree of a snapshot, where no file's bytes are, is named as the snapshot's catalogue; the next seal does
// not build on it.
func TestT48_RotInACatalogueIsFound(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.put(t, "a", "small")
		s := e.snap(t)
		var root []snapshots.Location
		if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
			root, err = e.store.Locate(t.Context(), tx, tenant, []snapshots.ChunkKey{{ID: s.Seal.Root.ID, Hash: s.Seal.Root.Hash}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		e.flip(t, root[0].Pack, root[0].Pos+100)
		st := e.pass(t)
		if len(st.Affected) != 1 || st.Affected[0].Snapshot != s.ID || st.Affected[0].Path != "" {
			t.Fatalf("%+v", st.Affected)
		}
		if c := e.copy(t, s); c.Suspect == "" {
			t.Fatal("not flagged")
		}
		if p, err := e.Prove(t.Context(), tenant, s.ID); err != nil || p.OK {
			t.Fatal(p, err)
		}
	})
}

// T48, I10: a pack that is gone is told of with all that needed it; one that nobody knows is told of and never garbage.
func TestT48_MissingAndUnknownPacks(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		v := e.put(t, "a", noise(4, 200_000))
		s := e.snap(t)
		l := e.place(t, v)
		stranger := filepath.Join(filepath.Dir(e.file(l.Pack)), "pck_0123456789abcdefghjkmnpqrs")
		if err := os.WriteFile(stranger, []byte("who knows"), 0o600); err != nil {
			t.Fatal(err)
		}
		if st := e.pass(t); !st.Clean() || st.Tally.Unknown != 1 || len(st.Packs) != 1 || st.Packs[0].State != scrub.Unknown {
			t.Fatalf("%+v", st)
		}
		if err := os.Rename(e.file(l.Pack), filepath.Join(t.TempDir(), "away")); err != nil {
			t.Fatal(err)
		}
		st := e.pass(t)
		if st.Tally.Missing != 1 || st.Quarantined < 3 || st.Clean() {
			t.Fatalf("%+v", st)
		}
		if c := e.copy(t, s); c.Suspect == "" {
			t.Fatal("not flagged")
		}
		if b, err := os.ReadFile(stranger); err != nil || string(b) != "who knows" {
			t.Fatal("an unknown pack was touched", err)
		}
	})
}

// T48: what flips on its way from the disk, and a read that fails once, is no rot.
func TestT48_AFlipOnTheWayIsNoRot(t *testing.T) {
	e := onSQLite(t)
	e.put(t, "a", noise(5, 3<<20))
	e.snap(t)
	for n := 1; ; n++ {
		struck := 0
		for _, mode := range []fault.Mode{fault.Flip, fault.Before, fault.Short, fault.After} {
			bad := fault.New(e.Blobs, fault.Fault{Op: fault.Read, Nth: n, Mode: mode})
			s := e.scrubber(t, func(c *scrub.Config) { c.Blobs = bad })
			if _, err := s.Run(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			struck += bad.Struck()
			if st, err := s.Status(t.Context()); err != nil || st.Quarantined != 0 || len(st.Affected) != 0 {
				t.Fatalf("read %d, mode %d: %+v %v", n, mode, st, err)
			}
		}
		if struck == 0 {
			break
		}
	}
}

// A pass that is stopped goes on behind what it has read, in another process.
func TestAPassGoesOnAfterARestart(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		for i := range 4 {
			e.put(t, "a", noise(uint64(10+i), 100_000))
			if _, err := e.Quiesce(t.Context(), tenant); err != nil { // a pack each
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		first := 0
		if _, err := e.scrubber(t).Run(ctx, func(scrub.PackResult) {
			if first++; first == 2 {
				cancel()
			}
		}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		second := 0
		s := e.scrubber(t)
		p, err := s.Run(t.Context(), func(scrub.PackResult) { second++ })
		if err != nil || p.Number != 1 {
			t.Fatal(p, err)
		}
		st, err := s.Status(t.Context())
		if err != nil || int64(first+second) != st.Tally.Packs || second == 0 || st.Tally.Packs < 4 {
			t.Fatalf("%d and %d of %+v, %v", first, second, st.Tally, err)
		}
		if p, err := s.Begin(t.Context(), true); err != nil || p.Number != 2 {
			t.Fatal(p, err)
		}
		if p, err := s.Begin(t.Context(), true); err != nil || p.Number != 3 {
			t.Fatal(p, err)
		}
		if p, err := s.Run(t.Context(), nil); err != nil || p.Number != 3 || p.FinishedAt.IsZero() {
			t.Fatal(p, err)
		}
	})
}

// While people transfer data scrubbing steps back, and it never reads faster than its rate.
func TestTheRateHolds(t *testing.T) {
	e := onSQLite(t)
	e.put(t, "a", noise(6, 2<<20))
	took := func(rate int64, busy bool) time.Duration {
		s := e.scrubber(t, func(c *scrub.Config) { c.Rate, c.Now = rate, time.Now; c.Busy = func() bool { return busy } })
		start := time.Now()
		if _, err := s.Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	idle, busy := took(16<<20, false), took(64<<20, true)
	if idle < 100*time.Millisecond || busy < 200*time.Millisecond {
		t.Fatalf("2 MiB at 16 MiB/s took %s; at an eighth of 64 MiB/s %s", idle, busy)
	}
	if _, err := scrub.New(scrub.Config{DB: e.DB, Store: e.store, Blobs: e.Blobs, Site: "x", Now: time.Now, Rate: 1}); !errors.Is(err, scrub.ErrConfig) {
		t.Fatal(err)
	}
}

// T34: uploads and seals that go on while a pass reads are never taken for rot.
func TestT34_ScrubBesideLiveIngest(t *testing.T) {
	e := onSQLite(t)
	done := make(chan error, 1)
	go func() {
		for i := range 30 {
			if _, err := e.Put(context.Background(), snapshots.PutRequest{Tenant: tenant, Volume: e.vol.ID, Path: "p"}, strings.NewReader(noise(uint64(i), 200_000))); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
			if st := e.pass(t); !st.Clean() {
				t.Fatalf("%+v", st)
			}
		}
	}
	if st := e.pass(t); !st.Clean() {
		t.Fatalf("%+v", st)
	}
}

var _ blob.Store = (*fault.Store)(nil)
