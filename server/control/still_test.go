package control_test

import (
	"testing"
	"time"

	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// T31: while a freeze lasts, nothing is reclaimed, and every moment that could be restored when it was placed still can,
// however long it lasts; no earlier one is claimed, and the end of the freeze ends it.
func TestT31_AFreezeHoldsTheUndoWindow(t *testing.T) {
	const undo = 10 * time.Minute
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		w := newWorld(t, e, map[string]string{"undo": "10m"})
		ctx := t.Context()
		w.put(w.volume.ID, "f", "too old")
		w.Pass(time.Second)
		old := w.Clock.Now()
		w.Pass(time.Second)
		w.put(w.volume.ID, "f", "just in time")
		w.Pass(undo - 30*time.Second)
		w.put(w.volume.ID, "f", "now")
		w.put(w.volume.ID, "gone", "and gone")
		w.Pass(time.Second)
		in := w.Clock.Now()
		w.Pass(time.Second)
		_, err := w.DeleteFile(ctx, w.owner.Who(), control.Upload{Volume: w.volume.ID, Path: "gone"}, false)
		w.ok(err)
		w.Pass(40 * time.Second) // "too old" has left the window
		freeze, err := w.Freeze(ctx, w.owner.Who(), wire.PlaceFreeze{Reason: "look"})
		w.ok(err)
		w.Pass(2 * undo)
		if _, err := w.Primary.Reclaim(ctx, w.owner.Tenant); err == nil {
			t.Fatal("reclaimed under a freeze")
		}
		if got, err := w.read(control.From{Volume: w.volume.ID, At: in}, "gone"); err != nil || got != "and gone" {
			t.Fatal(got, err)
		}
		if got, err := w.read(control.From{Volume: w.volume.ID, At: in}, "f"); err != nil || got != "now" {
			t.Fatal(got, err)
		}
		_, err = w.read(control.From{Volume: w.volume.ID, At: old}, "f")
		w.refused(err, wire.TypeNotFound)
		v, err := w.Volume(ctx, w.owner.Who(), w.volume.ID)
		w.ok(err)
		if v.UndoHeldSince == nil || !v.UndoHeldSince.Equal(freeze.At) || v.UndoHeldBy != "freeze" || v.UndoFrom.After(in) || v.UndoFrom.Before(freeze.At.Add(-undo)) {
			t.Fatalf("%+v", v)
		}
		list, err := w.Volumes(ctx, w.owner.Who())
		w.ok(err)
		glances, _, err := w.Glances(ctx, w.owner.Who(), "")
		w.ok(err)
		if !list[0].UndoFrom.Equal(v.UndoFrom) || !glances[0].Volume.UndoFrom.Equal(v.UndoFrom) {
			t.Fatal(list, glances)
		}
		_, err = w.Restore(ctx, w.owner.Who(), w.volume.ID, wire.Restore{At: &in})
		w.ok(err)
		if got, err := w.read(control.From{Volume: w.volume.ID}, "gone"); err != nil || got != "and gone" {
			t.Fatal(got, err)
		}
		w.owner.SignInAgain()
		for _, a := range w.Approvers {
			a.SignInAgain()
		}
		w.decided(wire.AskRequest{Action: "lift-freeze", Subject: freeze.ID, Reason: "all is well"}, "applied")
		w.owner.SignInAgain()
		_, err = w.read(control.From{Volume: w.volume.ID, At: in}, "f")
		w.refused(err, wire.TypeNotFound)
		if v, err = w.Volume(ctx, w.owner.Who(), w.volume.ID); err != nil || v.UndoHeldSince != nil {
			t.Fatal(v, err)
		}
	}, controltest.Gated())
}
