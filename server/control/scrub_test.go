package control_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// T48: rot is told to staff, raises one alarm, and its copy counts no more; a member sees none of it, and only the
// host's operator has everything read.
func TestT48_RotRaisesAnAlarm(t *testing.T) {
	w := sqliteWorld(t, nil)
	w.put("docs", "doomed", strings.Repeat("rotten bytes ", 9000))
	s := w.snapshot("docs")
	packs, err := filepath.Glob(filepath.Join(w.BlobDir, "packs", "*", "pck_*"))
	w.ok(err)
	for _, p := range packs {
		b, err := os.ReadFile(p)
		w.ok(err)
		if len(b) > 1000 { // wraps stand in small packs of their own
			for i := 300; i < len(b)-300; i += 97 {
				b[i] ^= 1
			}
			w.ok(os.WriteFile(p, b, 0o600))
		}
	}
	w.Scrub(t)
	w.ok(w.EnterRot(t.Context()))
	size := w.logSize()
	w.ok(w.EnterRot(t.Context()))
	if w.logSize() != size {
		t.Fatal("one finding, two alarms")
	}
	w.leaf(s.ID, audit.KindAlarm, 1)

	staff, err := w.Control.Scrub(t.Context(), w.Approvers[0].Who())
	w.ok(err)
	named := false
	for _, a := range staff.Affected {
		named = named || a.Snapshot == s.ID
	}
	if staff.Clean || staff.Quarantined == 0 || !named || staff.State != "idle" {
		t.Fatalf("%+v", staff)
	}
	_, err = w.Control.Scrub(t.Context(), w.owner.Who())
	w.refused(err, wire.TypeDenied)
	_, err = w.BeginScrub(t.Context(), w.Approvers[0].Who(), wire.BeginScrub{})
	w.refused(err, wire.TypeDenied)
	if again, err := w.BeginScrub(t.Context(), w.Operator(t), wire.BeginScrub{Rate: 1 << 20, All: true}); err != nil || again.State != "running" || again.Rate != 1<<20 {
		t.Fatal(again, err)
	}
	w.owner.OK(func(who control.Caller) error {
		now, err := w.Snapshot(t.Context(), who, s.ID)
		if err == nil && (len(now.Copies) != 1 || !now.Copies[0].Suspect) {
			t.Fatalf("%+v", now)
		}
		return err
	})
}

// T57, I10: the site's database is lost and made again from packs and the recovery key; the control plane goes on with
// it: snapshots are listed and restore, nothing is destroyed until the operator adopts it, and a new request then runs
// through the whole gate.
func TestT57_TheControlPlaneGoesOnWithARebuiltSite(t *testing.T) {
	w := sqliteWorld(t, nil)
	list := w.history(3)
	count := func() (n int) {
		w.owner.OK(func(who control.Caller) error {
			found, err := w.Snapshots(t.Context(), who, "docs", "", 0)
			n = len(found)
			return err
		})
		return n
	}
	before := count()
	r := w.Rebuild(t, w.Recovery)
	if !r.Whole() {
		t.Fatalf("%+v", r)
	}
	if n := count(); n != before || n < len(list) {
		t.Fatalf("%d snapshots of %d", n, before)
	}
	w.unharmed()
	w.Work()
	if m, err := w.Primary.Marks(t.Context()); err != nil || m.Suspended == "" {
		t.Fatalf("%+v %v", m, err)
	}
	_, err := w.AdoptRebuilt(t.Context(), w.Approvers[0].Who())
	w.refused(err, wire.TypeDenied)
	a, err := w.AdoptRebuilt(t.Context(), w.Operator(t))
	w.ok(err)
	if m, err := w.Primary.Marks(t.Context()); err != nil || m.Suspended != "" || m.Epoch != a.Epoch {
		t.Fatalf("%+v %v", m, err)
	}
	w.unharmed()

	_, err = w.ProveSnapshots(t.Context(), time.Hour, 100) // a copy counts only if it is proven
	w.ok(err)
	w.Pass(2 * controltest.Quarantine)
	request := w.ask(list[0])
	w.approve(request.ID, 0, 1, 2)
	w.until(request.ID, "erased", controltest.Cooling+controltest.Grace+20*time.Second)
	w.unharmed()
	w.restores(list[1], "doomed", strings.Repeat("b", 3001))
}
