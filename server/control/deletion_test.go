package control_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// A deletion from the request to the bytes: asked for, voted by code and by
// passkey, cooled off, hidden, brought back; asked for again, hidden, erased.
func TestDeletionFromRequestToBytes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		doomed := w.history(2)
		r := w.ask(doomed[0])
		if r.State != "open" || r.Impact == nil || r.Impact.Copies != 1 || r.Impact.Files != 1 || !strings.Contains(r.Statement, "holdfast statement v1") {
			t.Fatalf("%+v", r)
		}
		r, err := w.Approvers[0].VoteCode(r.ID, "approve")
		w.ok(err)
		if r.State != "open" || r.Need.Got != 1 {
			t.Fatalf("%+v", r)
		}
		if r = w.approve(r.ID, 1); r.State != "cooling" {
			t.Fatalf("%+v", r)
		}
		w.Pass(controltest.Cooling - 2*time.Second)
		w.is(r.ID, "cooling")
		w.unharmed(doomed...)
		w.until(r.ID, "tombstoned", 10*time.Second)
		if _, err := w.read(control.From{Snapshot: doomed[0].ID}, "doomed"); err == nil {
			t.Fatal("a tombstoned copy can be read")
		}
		w.Pass(controltest.Grace / 2)
		w.is(r.ID, "tombstoned")
		w.owner.OK(func(who control.Caller) error {
			_, err := w.UndoRequest(t.Context(), who, r.ID, "a mistake")
			return err
		})
		w.is(r.ID, "restored")
		w.unharmed(doomed...)
		w.leaf(r.ID, audit.KindRequestRestored, 1)
		// A spent warrant brings nothing back to life, or to death.
		w.Pass(2 * (controltest.Cooling + controltest.Grace))
		w.is(r.ID, "restored")
		w.unharmed(doomed...)

		again := w.ask(doomed[0])
		w.approve(again.ID, 2, 3)
		w.until(again.ID, "erased", controltest.Cooling+controltest.Grace+20*time.Second)
		for _, kind := range []audit.Kind{audit.KindRequestOpened, audit.KindRequestCooling, audit.KindRequestExecuting} {
			w.leaf(again.ID, kind, 1)
		}
		w.leaf(again.ID, audit.KindRequestVoted, 2)
		w.leaf(again.ID, audit.KindRequestErased, 2) // the control plane's and the site's own
		s, err := w.Snapshot(t.Context(), w.owner.Who(), doomed[0].ID)
		w.ok(err)
		if len(s.Copies) != 1 || s.Copies[0].State != "erased" {
			t.Fatal(s)
		}
		if got := w.atSite(again.ID); got.State != "erased" {
			t.Fatal(got)
		}
		w.unharmed()
		w.restores(doomed[1], "doomed", strings.Repeat("b", 3001))
		_, err = w.owner.Ask(deletion(doomed[0]))
		w.refused(err, wire.TypeConflict)
	})
}
