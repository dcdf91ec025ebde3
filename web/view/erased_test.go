package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/wire"
	"holdfast/web/view"
)

func rendered(t *testing.T, c templ.Component, now time.Time) string {
	t.Helper()
	var page strings.Builder
	if err := c.Render(view.WithNow(t.Context(), now), &page); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(page.String()), " ")
}

// TestErasedSnapshotOffersNothing: what is erased is not shown as if it were there.
func TestErasedSnapshotOffersNothing(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := wire.Snapshot{ID: "snp_x", Name: "first", State: "sealed", Files: 3, TakenAt: at, Copies: []wire.Copy{{Site: "primary", State: "erased", Since: at}}}
	show := func() string {
		return rendered(t, view.SnapshotPage(view.Frame{Title: "Snapshot"}, wire.Volume{ID: "vol_x", Name: "sources"}, s, view.May{Work: true, Run: true}), at)
	}
	offers := []string{"Restore…", "Browse its files", "Ask for its deletion…", "durable", ">Holds<"}
	page := show()
	for _, words := range offers {
		if strings.Contains(page, words) {
			t.Errorf("an erased snapshot's page says %q", words)
		}
	}
	if !strings.Contains(page, "<strong>Erased</strong>") {
		t.Error("the page does not say that it is erased")
	}
	s.Copies[0].State = "proven"
	page = show()
	for _, words := range offers {
		if !strings.Contains(page, words) {
			t.Errorf("a living snapshot's page does not say %q", words)
		}
	}
}

// TestT26_YoungerSnapshotsAreSaid: where no restore point is left that counts, whoever
// votes reads which proven snapshots stay, and why they do not count.
func TestT26_YoungerSnapshotsAreSaid(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	v := wire.VolumeImpact{Volume: "vol_x", Name: "sources", Copies: 1, Snapshot: "snp_x", SnapshotName: "first", TakenAt: &at}
	r := wire.Request{ID: "req_x", Action: "delete-copies", State: "open", Impact: &wire.Impact{Copies: 1, Volumes: []wire.VolumeImpact{v}}}
	if page := rendered(t, view.Impact(r, nil), at); !strings.Contains(page, "nothing could be restored") {
		t.Error("nothing is left, and the page does not say so")
	}
	r.Impact.Volumes[0].Younger, r.Impact.Volumes[0].YoungerAt, r.Impact.Volumes[0].UndoSeconds = 1, &at, 600
	for now, words := range map[time.Time]string{at.Add(time.Minute): "so no restore point yet. ", at.Add(time.Hour): "when this was asked"} {
		page := rendered(t, view.Impact(r, nil), now)
		if strings.Contains(page, "nothing could be restored") || !strings.Contains(page, "1 snapshot stays") || !strings.Contains(page, "(10 min)") || !strings.Contains(page, words) {
			t.Errorf("%q is not said: %s", words, page)
		}
	}
	page := rendered(t, view.Request(view.Frame{Title: "Delete copies"}, view.RequestPage{Request: r}), at)
	if !strings.Contains(page, "Delete snapshot “<bdi>first</bdi>") || !strings.Contains(page, "of volume <bdi>sources</bdi>") {
		t.Errorf("the request's page does not name the snapshot: %.3000s", page[max(0, strings.Index(page, "<h1")):])
	}
}

// TestAgoRoundsWhatIsToCome: seven days are not six a second later.
func TestAgoRoundsWhatIsToCome(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{7*24*time.Hour - time.Second: "in 7 days", 10*time.Minute - time.Second: "in 10 min", -(7*24*time.Hour - time.Second): "6 days ago"} {
		if got := view.Ago(now.Add(d), now); got != want {
			t.Errorf("%v: %q, not %q", d, got, want)
		}
	}
}
