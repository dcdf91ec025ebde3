package snapshots_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/snapshots"
	"holdfast/snapshots/keep"
	"holdfast/snapshots/snapshotstest"
)

// I5, I4: one person lengthens at once; nothing in the engine shortens (T32).
func TestI4_T32_TheEngineOnlyLengthens(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx := t.Context()
		v := e.Volume(t, "docs", snapshots.Files)
		take := func(v snapshots.Volume) {
			t.Helper()
			put(t, e, v.ID, "f", "x")
			if _, err := e.TakeSnapshot(ctx, tenant, v.ID, "per_1", ""); err != nil {
				t.Fatal(err)
			}
		}
		k, err := e.KeepRule(ctx, tenant, v.ID)
		if err != nil || k.Number != 0 || k.Rule != "keep all" {
			t.Fatal(k, err)
		}
		set := func(rule string) error { _, err := e.SetKeepRule(ctx, tenant, v.ID, rule, "per_1"); return err }
		if err := set("keep nothing"); !errors.Is(err, keep.ErrMalformed) {
			t.Fatal(err)
		}
		if err := set("keep last 5"); err != nil { // no snapshot yet: nothing is given up
			t.Fatal(err)
		}
		take(v)
		for _, shorter := range []string{"keep last 4", "keep daily 100", "keep last 4, yearly 100"} {
			if err := set(shorter); !errors.Is(err, snapshots.ErrShorter) {
				t.Fatal(shorter, err)
			}
		}
		for _, longer := range []string{"keep last 5", "keep last 5, daily 2", "keep last 6, daily 2", "keep all"} {
			if err := set(longer); err != nil {
				t.Fatal(longer, err)
			}
		}
		if k, err = e.KeepRule(ctx, tenant, v.ID); err != nil || k.Rule != "keep all" || k.Number != 4 || k.SetBy != "per_1" {
			t.Fatal(k, err)
		}
		if err := set("keep last 10000"); !errors.Is(err, snapshots.ErrShorter) {
			t.Fatal(err)
		}
		if _, err := e.SetKeepRule(ctx, "ten_other", v.ID, "keep all", "x"); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal(err)
		}
		// A volume with a snapshot and without a rule keeps all of them.
		other := e.Volume(t, "other", snapshots.Files)
		take(other)
		if _, err := e.SetKeepRule(ctx, tenant, other.ID, "keep last 100", "x"); !errors.Is(err, snapshots.ErrShorter) {
			t.Fatal(err)
		}

		undo := func(d time.Duration) error { _, err := e.SetVolumeUndo(ctx, tenant, v.ID, d, "per_1"); return err }
		for _, d := range []time.Duration{0, -time.Hour, time.Hour + time.Millisecond, snapshots.MaxUndo + time.Second} {
			if err := undo(d); !errors.Is(err, snapshots.ErrFormat) {
				t.Fatal(d, err)
			}
		}
		if err := undo(snapshots.DefaultUndo - time.Second); !errors.Is(err, snapshots.ErrShorter) {
			t.Fatal(err)
		}
		if err := undo(30 * 24 * time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := undo(29 * 24 * time.Hour); !errors.Is(err, snapshots.ErrShorter) {
			t.Fatal(err)
		}
		if d, own, err := e.VolumeUndo(ctx, tenant, v.ID); err != nil || d != 30*24*time.Hour || own.Undo != d || own.Number != 1 {
			t.Fatal(d, own, err)
		}
		if d, own, err := e.VolumeUndo(ctx, tenant, other.ID); err != nil || d != snapshots.DefaultUndo || own.Number != 0 {
			t.Fatal(d, own, err)
		}
	})
}

// I11: what a volume's own, longer window shows is not reclaimed, and can be read; its neighbour keeps the charter's.
func TestI11_AVolumesOwnUndoWindowHolds(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx := t.Context()
		long, short := e.Volume(t, "long", snapshots.Files), e.Volume(t, "short", snapshots.Files)
		for _, days := range []time.Duration{5, 10} {
			if _, err := e.SetVolumeUndo(ctx, tenant, long.ID, snapshots.DefaultUndo+days*24*time.Hour, "per_1"); err != nil {
				t.Fatal(err)
			}
		}
		if own, err := e.OwnUndos(ctx, tenant); err != nil || len(own) != 1 || own[long.ID] != snapshots.DefaultUndo+10*24*time.Hour {
			t.Fatal(own, err)
		}
		if own, err := e.OwnUndos(ctx, "ten_other"); err != nil || len(own) != 0 {
			t.Fatal(own, err)
		}
		both := func(path, body string) {
			t.Helper()
			put(t, e, long.ID, path, body)
			put(t, e, short.ID, path, body)
		}
		both("f", "before")
		e.Clock.Advance(time.Second)
		at := e.Clock.Now()
		e.Clock.Advance(time.Second)
		both("f", "after")
		list := func() string {
			t.Helper()
			var out []string
			found, err := e.Reclaimable(ctx, tenant, snapshots.Version{}, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range found {
				out = append(out, map[snapshots.VolumeID]string{long.ID: "long", short.ID: "short"}[v.Volume])
			}
			slices.Sort(out) // two volumes of one moment have ids in any order
			return strings.Join(out, " ")
		}
		e.Clock.Advance(snapshots.DefaultUndo + time.Hour)
		both("g", "x")
		if got := list(); got != "short" {
			t.Fatalf("reclaimable: %q", got)
		}
		if _, err := e.Head(ctx, tenant, long.ID, "f", snapshots.Moment{Time: at}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Head(ctx, tenant, short.ID, "f", snapshots.Moment{Time: at}); !errors.Is(err, snapshots.ErrReclaimed) {
			t.Fatal(err)
		}
		e.Clock.Advance(10 * 24 * time.Hour)
		if got := list(); got != "long short" {
			t.Fatalf("reclaimable: %q", got)
		}
	})
}
