package web_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// TestStoryOfTheTour is the worst morning as docs/tour.md tells it, of a customer
// with ordinary names: a folder is gone, is found and brought back, and a snapshot
// cannot be. With HOLDFAST_PICTURES, a directory, it keeps the documents' pictures
// (make pictures).
func TestStoryOfTheTour(t *testing.T) {
	the.founded(t)
	created, err := the.operator.CreateTenant(t.Context(), wire.CreateTenant{Name: "Harbour Ceramics", OwnerName: "Nora Lind", OwnerEmail: "nora@harbour.example"})
	must(t, err)
	o := the.actor(t, the.Portal)
	o.accept(t, created.Invitation)

	var shop, books wire.Volume
	o.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: "web shop", Kind: "files"}, &shop)
	o.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: "accounts", Kind: "files"}, &books)
	for _, path := range []string{"orders/2026/0917.csv", "orders/2026/0918.csv", "orders/2026/0919.csv", "photos/blue-bowl.jpg", "photos/vase.jpg", "index.html"} {
		o.put(t, shop, path, string(make([]byte, 4096+len(path)*977)))
	}
	o.put(t, books, "ledger.ods", string(make([]byte, 65_536)))
	first := o.proven(t, shop, "before the autumn sale")
	o.put(t, shop, "orders/2026/0920.csv", string(make([]byte, 9000)))
	o.proven(t, shop, "after the autumn sale")
	o.proven(t, books, "end of the quarter")
	o.remove(t, shop, "orders/")
	o.put(t, shop, "index.html", "we are moving")

	o.open(t, "/")
	o.see(t, "web shop", "accounts", "proven", "Bring back what was deleted")
	o.keep(t, "overview", 1280, "light")
	o.keep(t, "overview-phone", 360, "dark")
	o.open(t, "/volumes/"+shop.ID+"/timeline?zoom=day")
	o.see(t, "2 snapshots from")
	o.keep(t, "timeline", 1280, "light")

	o.open(t, "/volumes/"+shop.ID+"/deleted")
	o.see(t, "4 files deleted")
	o.keep(t, "bring-back", 1280, "light")
	o.press(t, "Bring all of it back")
	o.see(t, "Restored, and compared by digest", "4 files")
	o.open(t, "/volumes/"+shop.ID+"/restore?snapshot="+first.ID+"&how=exact&step=preview")
	o.see(t, "is put back as it was", "is deleted; it stays in the undo window")
	o.keep(t, "restore-preview", 1280, "light")

	o.open(t, "/snapshots/"+first.ID+"/delete")
	o.see(t, "This is not like deleting files", "Newest restore point left")
	o.keep(t, "ask-deletion", 1280, "light")
	o.open(t, "/freeze")
	o.see(t, "Freeze now")
	o.keep(t, "freeze", 1280, "light")
	o.quiet(t)
}

// proven takes a snapshot and waits until a copy of it is proven.
func (a *actor) proven(t *testing.T, v wire.Volume, name string) (s wire.Snapshot) {
	t.Helper()
	a.api(t, "POST", "/v1/volumes/"+v.ID+"/snapshots", wire.TakeSnapshot{Name: name}, &s)
	for deadline := time.Now().Add(2 * patience); len(s.Copies) == 0 || s.Copies[0].Proven == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the snapshot was never proven")
		}
		beat()
		a.api(t, "GET", "/v1/snapshots/"+s.ID, nil, &s)
	}
	return s
}

// keep keeps a picture of the open page for the documents.
func (a *actor) keep(t *testing.T, name string, width int64, scheme string) {
	t.Helper()
	dir := os.Getenv("HOLDFAST_PICTURES")
	if dir == "" {
		return
	}
	a.size(t, width, scheme)
	defer a.size(t, 1280, "light")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, name+".png"), get(t, a, chromedp.FullScreenshot(100)), 0o600))
}
