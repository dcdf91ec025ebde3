package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/blobtest/fault"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/scrub"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

// world is an env whose storage fails, with what was acknowledged.
type world struct {
	*env
	bad   *fault.Store
	power *fault.Volatile
	// live is what each path may have: one content, or two after a write that failed; "" is no file.
	live map[string][]string
	// sealed is what snapshots showed when their seals were acknowledged.
	sealed map[snapshots.SnapshotID]map[string][]string
	erased snapshots.SnapshotID
	errs   []error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{env: &env{dir: t.TempDir()}, live: map[string][]string{}, sealed: map[snapshots.SnapshotID]map[string][]string{}}
	disk, err := blobfs.Open(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	w.power = fault.NewVolatile(disk)
	w.bad = fault.New(w.power)
	w.Env = snapshotstest.New(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()), w.bad)
	w.guard = &guard{clock: w.Clock, leave: sweep.Leave{Undo: 14 * day, DayBytes: 1 << 50}}
	w.sweep = w.newSweeper(t)
	w.vol = w.Volume(t, "files", snapshots.Files)
	return w
}

func (w *world) failed(step string, err error) bool {
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf("%s: %w", step, err))
	}
	return err != nil
}

func (w *world) write(path, data string) {
	w.Clock.Advance(time.Second)
	_, err := w.Put(context.Background(), snapshots.PutRequest{Tenant: tenant, Volume: w.vol.ID, Path: path}, strings.NewReader(data))
	if w.failed("put", err) {
		w.live[path] = append(w.known(path), data)
		return
	}
	w.live[path] = []string{data}
}

func (w *world) known(path string) []string {
	if l := w.live[path]; l != nil {
		return l
	}
	return []string{""}
}

func (w *world) remove(path string) {
	w.Clock.Advance(time.Second)
	err := w.Delete(context.Background(), snapshots.DeleteRequest{Tenant: tenant, Volume: w.vol.ID, Path: path})
	if errors.Is(err, snapshots.ErrNotFound) {
		return
	}
	if w.failed("delete", err) {
		w.live[path] = append(w.known(path), "")
		return
	}
	w.live[path] = []string{""}
}

func (w *world) take() (s snapshots.Snapshot, ok bool) {
	w.Clock.Advance(time.Second)
	ctx := context.Background()
	s, err := w.TakeSnapshot(ctx, tenant, w.vol.ID, "test", "")
	if w.failed("take", err) {
		return s, false
	}
	shows := maps.Clone(w.live)
	if _, err := w.Seal(ctx, tenant, s.ID); w.failed("seal", err) {
		return s, false
	}
	w.sealed[s.ID] = shows
	if s, err = w.Snapshot(ctx, tenant, s.ID); err != nil {
		return s, false
	}
	return s, true
}

// work is the whole life of some data: ingest, seals, an erasure with its sweep, the end of the undo window, a scrub.
func (w *world) work(t *testing.T) {
	ctx := context.Background()
	w.write("a", noiseOf(1, 700_000))
	w.write("b", noiseOf(2, 30_000))
	first, ok := w.take()
	w.write("a", noiseOf(3, 200_000))
	w.write("c", "small")
	w.take()
	w.remove("b")
	w.write("d", noiseOf(4, 9_000))
	if ok {
		w.tombstone(t, "req_m", first)
		delete(w.sealed, first.ID)
		_, err := w.sweep.Erase(ctx, w.permit(t, "req_m", warrant.StageErase, first))
		w.failed("erase", err)
		w.erased = first.ID
	}
	w.Clock.Advance(20 * day)
	_, err := w.sweep.Reclaim(ctx, tenant)
	w.failed("reclaim", err)
	w.write("e", noiseOf(5, 50_000))
}

func noiseOf(seed byte, n int) string {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return string(b)
}

// heal ends the faults and starts the processes anew, as after a crash: nothing was closed.
func (w *world) heal(t *testing.T) {
	t.Helper()
	w.bad.Set()
	w.Clock.Advance(snapshots.LeaseExpiry + time.Minute)
	w.Engine = w.Another(t)
	w.sweep = w.newSweeper(t)
}

// check asserts that everything acknowledged is there byte for byte, that nothing is half destroyed, and that work goes on.
func (w *world) check(t *testing.T, what string) {
	t.Helper()
	ctx := t.Context()
	same := func(shows map[string][]string, m snapshots.Moment) {
		t.Helper()
		for path, may := range shows {
			got, err := w.content(t, path, m)
			if errors.Is(err, snapshots.ErrNotFound) {
				got, err = "", nil
			}
			fits := false
			for _, x := range may {
				fits = fits || x == got
			}
			if err != nil || !fits {
				t.Fatalf("%s: %q at %+v: %d bytes, %v; after %v", what, path, m, len(got), err, w.errs)
			}
			shows[path] = []string{got} // from now on it is known
		}
	}
	same(w.live, snapshots.Moment{})
	for id, shows := range w.sealed {
		same(shows, snapshots.Moment{Snapshot: id})
		if p, err := w.prove(id); err != nil || !p.OK {
			t.Fatalf("%s: %+v %v; after %v", what, p, err, w.errs)
		}
	}
	// What was decided is finished, what was not is not begun.
	if !w.erased.IsZero() {
		for range 3 {
			w.Clock.Advance(time.Hour)
			list, err := w.sweep.Unfinished(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				if _, err := w.sweep.Finish(ctx, r); err != nil && !errors.Is(err, sweep.ErrBusy) {
					t.Fatalf("%s: finish: %v; after %v", what, err, w.errs)
				}
			}
		}
		if list, err := w.sweep.Unfinished(ctx); err != nil || len(list) != 0 {
			t.Fatalf("%s: not finished: %v %v; after %v", what, list, err, w.errs)
		}
	}
	if _, err := w.sweep.Reclaim(ctx, tenant); err != nil {
		t.Fatalf("%s: reclaim: %v; after %v", what, err, w.errs)
	}
	w.errs = nil
	w.write("after", noiseOf(7, 40_000))
	if _, ok := w.take(); !ok {
		t.Fatalf("%s: work does not go on: %v", what, w.errs)
	}
	same(w.live, snapshots.Moment{})
	for id, shows := range w.sealed {
		same(shows, snapshots.Moment{Snapshot: id})
	}
	s, err := scrub.New(scrub.Config{DB: w.DB, Store: sqlstore.New(), Blobs: w.Blobs, Site: snapshotstest.Site, Keys: w.OpenKeys, Rate: scrub.MaxRate, Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(ctx, nil); err != nil {
		t.Fatal(err)
	}
	st, err := s.Status(ctx)
	if err != nil || st.Quarantined != 0 || len(st.Affected) != 0 || st.Tally.Missing != 0 {
		t.Fatalf("%s: half destroyed: %+v %v; after %v", what, st, err, w.errs)
	}
}

// calls is how many calls of an op the whole work makes without faults.
func calls(t *testing.T) map[fault.Op]int {
	w := newWorld(t)
	w.bad.Set()
	w.work(t)
	if len(w.errs) > 0 {
		t.Fatal(w.errs)
	}
	out := map[fault.Op]int{}
	for _, op := range []fault.Op{fault.Create, fault.Write, fault.Sync, fault.Commit, fault.Read, fault.Stat} {
		out[op] = w.bad.Calls(op)
	}
	w.heal(t)
	w.check(t, "no fault")
	return out
}

// every thins a matrix out, but for a soak.
func every(n int) int {
	if os.Getenv("SOAK") != "" {
		return 1
	}
	return n
}

// T47, T48: at every call of the storage in the life of some data that call fails: not done, done in part, or done and
// reported as failed. Whatever was acknowledged is there, nothing is half destroyed, and work goes on after a restart.
func TestT47_T48_EveryCallFails(t *testing.T) {
	total := calls(t)
	if total[fault.Write] < 5 || total[fault.Commit] < 3 || total[fault.Read] < 3 {
		t.Fatalf("the work does too little: %v", total)
	}
	rounds := 0
	for op, n := range total {
		for nth := 1; nth <= n; nth++ {
			for _, mode := range []fault.Mode{fault.Before, fault.Short, fault.After} {
				if mode == fault.Short && op != fault.Write && op != fault.Read {
					continue
				}
				if rounds++; rounds%every(5) != 0 {
					continue
				}
				what := fmt.Sprintf("op %d, call %d of %d, mode %d", op, nth, n, mode)
				w := newWorld(t)
				w.bad.Set(fault.Fault{Op: op, Nth: nth, Mode: mode, Err: syscall.EIO})
				w.work(t)
				if w.bad.Struck() > 0 && len(w.errs) == 0 && op != fault.Read && op != fault.Stat {
					t.Logf("%s: nobody was told", what)
				}
				for _, err := range w.errs {
					if errors.Is(err, snapshots.ErrCorrupt) {
						t.Fatalf("%s: an I/O error was called rot: %v", what, err)
					}
				}
				w.heal(t)
				w.check(t, what)
			}
		}
	}
}

// T37, T48: the disk is full from some write on, for everything. Errors say so, what is there can be read, nothing is
// pruned; and when there is room again the same process goes on.
func TestT37_T48_FullAndEmptyAgain(t *testing.T) {
	total := calls(t)
	for _, op := range []fault.Op{fault.Create, fault.Write, fault.Sync} {
		for nth := 1; nth <= total[op]; nth += every(3) {
			for _, mode := range []fault.Mode{fault.Before, fault.Short} {
				if mode == fault.Short && op != fault.Write {
					continue
				}
				what := fmt.Sprintf("full from op %d, call %d of %d, mode %d", op, nth, total[op], mode)
				w := newWorld(t)
				w.bad.Set(fault.Fault{Op: op, Nth: nth, Mode: mode, Err: blob.ErrFull, Sticky: true})
				w.work(t)
				for _, err := range w.errs {
					if !errors.Is(err, blob.ErrFull) && !errors.Is(err, sweep.ErrBusy) {
						t.Fatalf("%s: not called full: %v", what, err)
					}
				}
				if w.bad.Struck() > 0 && len(w.errs) == 0 {
					t.Fatalf("%s: nobody was told", what)
				}
				for path, may := range maps.Clone(w.live) { // read on a full disk
					if got, err := w.content(t, path, snapshots.Moment{}); len(may) == 1 && may[0] != "" && (err != nil || got != may[0]) {
						t.Fatalf("%s: %q: %v", what, path, err)
					}
				}
				w.bad.Set()
				w.check(t, what)
			}
		}
	}
}

// T47: the power fails after every call of the storage: what was not synced is gone, or half of it is there.
func TestT47_PowerLossAfterEveryCall(t *testing.T) {
	total := calls(t)
	all := 0
	for _, op := range []fault.Op{fault.Create, fault.Write, fault.Sync, fault.Commit} {
		all += total[op]
	}
	for nth := 1; nth <= all; nth += every(4) {
		for _, torn := range []bool{false, true} {
			what := fmt.Sprintf("power lost at call %d of %d, torn %v", nth, all, torn)
			w := newWorld(t)
			w.bad.Set(fault.Fault{Nth: nth, Mode: fault.Before, Err: fault.ErrPower, Sticky: true})
			w.work(t)
			if err := w.power.PowerLoss(torn); err != nil {
				t.Fatal(err)
			}
			w.heal(t)
			w.check(t, what)
		}
	}
}

// T48: what the disk gives back is flipped or cut short once: nobody is served wrong bytes, and nothing is destroyed for it.
func TestT48_WrongBytesAreNeverServed(t *testing.T) {
	total := calls(t)
	for nth := 1; nth <= total[fault.Read]; nth += every(2) {
		for _, mode := range []fault.Mode{fault.Flip, fault.Truncate} {
			what := fmt.Sprintf("read %d of %d, mode %d", nth, total[fault.Read], mode)
			w := newWorld(t)
			w.bad.Set(fault.Fault{Op: fault.Read, Nth: nth, Mode: mode})
			w.work(t)
			for path, may := range w.live {
				w.bad.Set(fault.Fault{Op: fault.Read, Nth: 1, Mode: mode, Sticky: true})
				if got, err := w.content(t, path, snapshots.Moment{}); err == nil && got != may[0] && got != may[len(may)-1] {
					t.Fatalf("%s: wrong bytes of %q were served", what, path)
				}
			}
			w.heal(t)
			w.check(t, what)
		}
	}
}
