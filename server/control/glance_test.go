package control_test

import (
	"fmt"
	"testing"
	"time"

	"holdfast/server/wire"
)

// However many of the newest snapshots are hidden or erased, the overview finds the
// one that a restore would begin with.
func TestAGlanceSeesPastWhatIsErased(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.history(0)
		var doomed []wire.Snapshot
		for i := range 5 {
			w.put(w.volume.ID, "doomed", fmt.Sprint("doomed ", i))
			doomed = append(doomed, w.snapshot(w.volume.ID))
			w.Pass(time.Second)
		}
		w.Pass(undo)
		glance := func(latest, sealed wire.Snapshot) {
			t.Helper()
			g, err := w.Glance(t.Context(), w.owner.Who(), w.volume.ID)
			w.ok(err)
			if g.Latest == nil || g.Latest.ID != latest.ID || g.Sealed == nil || g.Sealed.ID != sealed.ID {
				t.Fatalf("latest %+v, sealed %+v; want %s and %s", g.Latest, g.Sealed, latest.ID, sealed.ID)
			}
		}
		glance(doomed[4], doomed[4])
		r := w.ask(doomed...)
		w.approve(r.ID, 1, 2)
		w.until(r.ID, "tombstoned", 2*time.Minute)
		glance(doomed[4], w.kept)
		w.until(r.ID, "erased", 4*time.Minute)
		glance(w.kept, w.kept)
	})
}
