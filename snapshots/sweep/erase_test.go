package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/sweep"
)

func random(seed string, n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%s-%d-%x;", seed, i, i*7919)
	}
	return b.String()[:n]
}

// The exclusive bytes of an erased snapshot are nowhere on the disk afterwards; all that others need restores.
func TestEraseTakesExclusiveBytesAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx := context.Background()
		shared, only := random("shared", 90_000), random("only", 120_000)
		e.put(t, "shared", shared)
		e.put(t, "only", only)
		first := e.snap(t)
		e.del(t, "only")
		e.put(t, "later", "something else")
		second := e.snap(t)
		e.Clock.Advance(20 * day)
		before := e.frames(t)
		stored, _ := e.Usage(ctx, tenant)

		e.tombstone(t, "req_1", first)
		if e.state(t, first) != snapshots.Tombstoned {
			t.Fatal("not tombstoned")
		}
		if _, err := e.content(t, "only", snapshots.Moment{Snapshot: first.ID}); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal("a tombstoned copy is still shown:", err)
		}
		r, err := e.sweep.Erase(ctx, e.permit(t, "req_1", warrant.StageErase, first))
		if err != nil {
			t.Fatal(err)
		}
		if r.Copies != 1 || r.Bytes < 1000 {
			t.Fatalf("%+v", r)
		}
		after := e.frames(t)
		gone := 0
		for h, b := range before {
			if _, ok := after[h]; !ok {
				gone++
				if e.onDisk(t, b) {
					t.Fatal("bytes that the index let go are still on the disk")
				}
			}
		}
		if gone < 2 {
			t.Fatal("nothing exclusive went:", gone)
		}
		for path, want := range map[string]string{"shared": shared, "later": "something else"} {
			for _, m := range []snapshots.Moment{{}, {Snapshot: second.ID}} {
				if got, err := e.content(t, path, m); err != nil || got != want {
					t.Fatal(path, err)
				}
			}
		}
		if p, err := e.prove(second.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
		left, _ := e.Usage(ctx, tenant)
		if left.StoredBytes >= stored.StoredBytes {
			t.Fatal("the quota was not given back")
		}
		again, err := e.sweep.Erase(ctx, e.permit(t, "req_1", warrant.StageErase, first))
		if err != nil || again.Copies != 1 {
			t.Fatal("not idempotent:", again, err)
		}
	})
}

// I11: what a moment of the undo window shows stays, though the snapshot that shows it too is erased.
func TestI11_EraseKeepsTheUndoWindow(t *testing.T) {
	e := onSQLite(t)
	data := random("recent", 50_000)
	e.put(t, "f", data)
	at := e.Clock.Now()
	s := e.snap(t)
	e.del(t, "f")
	e.tombstone(t, "req_1", s)
	if _, err := e.sweep.Erase(context.Background(), e.permit(t, "req_1", warrant.StageErase, s)); err != nil {
		t.Fatal(err)
	}
	if got, err := e.content(t, "f", snapshots.Moment{Time: at}); err != nil || got != data {
		t.Fatal("an undo moment was lost:", err)
	}
}

func TestI1_NoPermitNoDestruction(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx := context.Background()
		e.put(t, "f", random("x", 40_000))
		s, other := e.snap(t), e.snap(t)
		e.tombstone(t, "req_1", s)
		other2, err := sweep.New(sweep.Config{DB: e.DB, Store: e.Store, Blobs: e.Blobs, Storage: sweep.Storage{Dir: e.dir}, Site: "berlin", Now: e.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := other2.Bind(e.guard); err != nil {
			t.Fatal(err)
		}
		stale := e.permit(t, "req_1", warrant.StageErase, s)
		before := e.frames(t)
		for name, try := range map[string]func() error{
			"zero permit": func() error { _, err := e.sweep.Erase(ctx, warrant.Permit{}); return err },
			"stage tombstone": func() error {
				_, err := e.sweep.Erase(ctx, e.permit(t, "req_1", warrant.StageTombstone, s))
				return err
			},
			"another site":    func() error { _, err := other2.Erase(ctx, e.permit(t, "req_1", warrant.StageErase, s)); return err },
			"another request": func() error { _, err := e.sweep.Erase(ctx, e.permit(t, "req_2", warrant.StageErase, s)); return err },
			"not tombstoned": func() error {
				_, err := e.sweep.Erase(ctx, e.permit(t, "req_1", warrant.StageErase, other))
				return err
			},
			"finish undecided": func() error { _, err := e.sweep.Finish(ctx, "req_1"); return err },
			"zero tombstone": func() error {
				return e.DB.Write(ctx, func(tx *sqldb.Tx) error { return e.sweep.Tombstone(ctx, tx, warrant.Permit{}) })
			},
			"erase permit for a tombstone": func() error {
				p := e.permit(t, "req_3", warrant.StageErase, other)
				return e.DB.Write(ctx, func(tx *sqldb.Tx) error { return e.sweep.Tombstone(ctx, tx, p) })
			},
		} {
			if err := try(); !errors.Is(err, sweep.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		e.Clock.Advance(5 * time.Minute)
		if _, err := e.sweep.Erase(ctx, stale); !errors.Is(err, sweep.ErrRefused) {
			t.Error("a stale permit:", err)
		}
		if e.state(t, s) != snapshots.Tombstoned || e.state(t, other) == snapshots.Tombstoned {
			t.Error("a refusal changed a state")
		}
		after := e.frames(t)
		for h := range before {
			if _, ok := after[h]; !ok {
				t.Fatal("a refusal took a frame")
			}
		}
		if err := e.DB.Write(ctx, func(tx *sqldb.Tx) error { _, err := e.sweep.Restore(ctx, tx, "req_1"); return err }); err != nil {
			t.Fatal(err)
		}
		for _, x := range []snapshots.Snapshot{s, other} {
			if p, err := e.prove(x.ID); err != nil || !p.OK {
				t.Fatal(p, err)
			}
		}
	})
}

var errKill = errors.New("killed")

// T47: killed at any step, an erasure has not begun, or completes after the restart; other copies restore throughout.
func TestT47_EraseKilledAtEveryStep(t *testing.T) {
	for _, step := range []string{"drop", "dropped", "versions", "take", "taking", "taken", "planned", "rewritten", "moving", "moved", "removed"} {
		for _, nth := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s-%d", step, nth), func(t *testing.T) {
				e := onSQLite(t)
				ctx := context.Background()
				keep := random("keep", 80_000)
				e.put(t, "keep", keep)
				e.put(t, "gone", random("gone", 80_000))
				s := e.snap(t)
				e.del(t, "gone")
				other := e.snap(t)
				e.Clock.Advance(20 * day)
				before := e.frames(t)
				e.tombstone(t, "req_1", s)
				seen := 0
				e.sweep.SetStall(func(at string) error {
					if at == step {
						if seen++; seen == nth {
							return errKill
						}
					}
					return nil
				})
				_, err := e.sweep.Erase(ctx, e.permit(t, "req_1", warrant.StageErase, s))
				if err != nil && !errors.Is(err, errKill) {
					t.Fatal(err)
				}
				if err != nil {
					if p, perr := e.prove(other.ID); perr != nil || !p.OK {
						t.Fatal("another copy was hurt:", p, perr)
					}
				}
				e.sweep = e.newSweeper(t)
				todo, uerr := e.sweep.Unfinished(ctx)
				if uerr != nil {
					t.Fatal(uerr)
				}
				switch {
				case e.state(t, s) == snapshots.Tombstoned:
					if len(todo) != 0 {
						t.Fatal("half decided")
					}
					if _, err := e.sweep.Erase(ctx, e.permit(t, "req_1", warrant.StageErase, s)); err != nil {
						t.Fatal(err)
					}
				default:
					if _, err := e.sweep.Finish(ctx, "req_1"); err != nil {
						t.Fatal(err)
					}
				}
				after := e.frames(t)
				for h, b := range before {
					if _, ok := after[h]; !ok && e.onDisk(t, b) {
						t.Fatal("bytes are left")
					}
				}
				if got, err := e.content(t, "keep", snapshots.Moment{Snapshot: other.ID}); err != nil || got != keep {
					t.Fatal(err)
				}
				if p, err := e.prove(other.ID); err != nil || !p.OK {
					t.Fatal(p, err)
				}
				checkPacks(t, e)
			})
		}
	}
}

// checkPacks: every pack on the disk is in the index, and every pack of the index is on the disk.
func checkPacks(t *testing.T, e *env) {
	t.Helper()
	known := map[string]bool{}
	if err := e.DB.Read(context.Background(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT id FROM packs`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			known[id] = true
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(e.dir, "packs", tenant))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Error("a pack that nobody knows:", f.Name())
		}
		delete(known, f.Name())
	}
	if len(known) > 0 {
		t.Error("packs are missing:", known)
	}
}

// I10: a pack that the database does not know is never garbage.
func TestI10_UnknownPackStays(t *testing.T) {
	e := onSQLite(t)
	e.put(t, "f", "data")
	stranger := filepath.Join(e.dir, "packs", tenant, "pck_06f3c8a0x5w7b9kq2m4n6p8r0t")
	if err := os.WriteFile(stranger, []byte("acknowledged by a life of this database that was lost"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.del(t, "f")
	e.Clock.Advance(30 * day)
	if _, err := e.sweep.Reclaim(context.Background(), tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Fatal(err)
	}
}

// T34: an upload that was told that a chunk is known keeps it, though its last reference goes meanwhile.
func TestT34_SweepMeetsIngest(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx := context.Background()
		data := random("wanted", 100_000)
		e.put(t, "old", data)
		e.del(t, "old")
		e.Clock.Advance(30 * day)
		// The upload finds its chunks known, and waits before its commit.
		reached, release := make(chan struct{}), make(chan struct{})
		done := make(chan error, 1)
		go func() {
			_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: e.vol.ID, Path: "new"}, &gate{data: data, reached: reached, release: release})
			done <- err
		}()
		<-reached
		if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
			t.Fatal(err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
			t.Fatal(err)
		}
		if got, err := e.content(t, "new", snapshots.Moment{}); err != nil || got != data {
			t.Fatal("the chunk went:", err)
		}
		s := e.snap(t)
		if p, err := e.prove(s.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
	})
}

// gate is a body that tells when all of it was read and ends when it may.
type gate struct {
	data             string
	at               int
	reached, release chan struct{}
}

func (g *gate) Read(p []byte) (int, error) {
	if g.at < len(g.data) {
		n := copy(p, g.data[g.at:])
		g.at += n
		return n, nil
	}
	close(g.reached)
	<-g.release
	return 0, errEOF
}

// Reclaim obeys the guard, holds, the undo window and the day's cap.
func TestReclaimObeys(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx := context.Background()
		data := random("dead", 60_000)
		e.put(t, "dead", data)
		alive := e.Clock.Now()
		e.del(t, "dead")
		there := func() bool {
			n := int64(0)
			if err := e.DB.Read(ctx, func(tx *sqldb.Tx) error {
				return tx.QueryRow(ctx, `SELECT COUNT(*) FROM chunks WHERE kind = 1`).Scan(&n)
			}); err != nil {
				t.Fatal(err)
			}
			return n > 0
		}
		reclaim := func() sweep.Result {
			r, err := e.sweep.Reclaim(ctx, tenant)
			if err != nil && e.guard.err == nil {
				t.Fatal(err)
			}
			return r
		}
		e.Clock.Advance(13 * day)
		reclaim()
		if got, err := e.content(t, "dead", snapshots.Moment{Time: alive}); err != nil || got != data {
			t.Fatal("inside the undo window:", err)
		}
		e.Clock.Advance(10 * day)
		e.guard.err = errors.New("frozen")
		if _, err := e.sweep.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) || !there() {
			t.Fatal("against the guard:", err)
		}
		e.guard.err = nil
		e.guard.leave.HeldAll = true
		if reclaim(); !there() {
			t.Fatal("held")
		}
		e.guard.leave.HeldAll, e.guard.leave.HeldVolumes = false, []string{e.vol.ID.String()}
		if reclaim(); !there() {
			t.Fatal("volume held")
		}
		e.guard.leave.HeldVolumes, e.guard.leave.DayBytes = nil, 1
		if reclaim(); !there() {
			t.Fatal("beyond the cap")
		}
		e.guard.leave.DayBytes = 1 << 40
		before := e.frames(t)
		if r := reclaim(); there() || r.Bytes == 0 {
			t.Fatalf("not reclaimed: %+v", r)
		}
		for h, b := range before {
			if _, ok := e.frames(t)[h]; !ok && e.onDisk(t, b) {
				t.Fatal("bytes are left")
			}
		}
		checkPacks(t, e)
	})
}
