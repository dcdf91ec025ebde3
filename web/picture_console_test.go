package web_test

import (
	"bytes"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"holdfast/server/wire"
)

// TestStoryOfTheTourAtTheConsole is the console's half of docs/tour.md: a request
// comes in, is read, and two approvers decide. It keeps pictures as
// TestStoryOfTheTour does.
func TestStoryOfTheTourAtTheConsole(t *testing.T) {
	the.founded(t)
	created, err := the.operator.CreateTenant(t.Context(), wire.CreateTenant{Name: "Fjord Foods", OwnerName: "Ingrid Foss", OwnerEmail: "ingrid@fjord.example"})
	must(t, err)
	o := the.actor(t, the.Portal)
	o.accept(t, created.Invitation)
	var recipes wire.Volume
	o.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: "recipes", Kind: "files"}, &recipes)
	var snapshots []wire.Snapshot
	for _, name := range []string{"spring", "summer", "autumn", "winter", "new year"} {
		o.put(t, recipes, name+".txt", name)
		snapshots = append(snapshots, o.proven(t, recipes, name))
	}
	var r wire.Request
	o.api(t, "POST", "/v1/requests", wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: snapshots[0].ID}, {Snapshot: snapshots[1].ID}}, Reason: "The recipes of a customer who has left us."}, &r)
	o.open(t, "/requests/"+r.ID)
	o.press(t, "Confirm the request…")
	o.press(t, "Confirm with a passkey")
	o.see(t, "The request is confirmed and open for votes.")
	o.quiet(t)

	a := the.approvers[1]
	a.open(t, "/")
	a.see(t, "The recipes of a customer who has left us.")
	a.keepTop(t, "console-queue", 1280, "light", 800)
	a.open(t, "/requests/"+r.ID)
	a.see(t, "What would be gone", "2 snapshots go", "Worth a phone call", "What is signed", "Your decision")
	a.keepTop(t, "console-request", 1280, "light", 1700)
	a.open(t, "/requests/"+r.ID+"/deny")
	a.see(t, "You are about to deny", "What would be gone", "Deny with your passkey")
	a.approve(t, r.ID)
	a.keepTop(t, "console-signed", 1280, "light", 1000)
	a.open(t, "/charter")
	a.see(t, "Its text, which alone counts")
	a.keepTop(t, "console-charter", 1280, "light", 900)
	a.open(t, "/sites")
	a.see(t, "Site primary", "Clocks")
	a.keepTop(t, "console-sites", 1280, "dark", 1000)
	a.quiet(t)
}

// keepTop is keep of the page's beginning, at most so many pixels of it.
func (a *actor) keepTop(t *testing.T, name string, width int64, scheme string, height int) {
	t.Helper()
	a.keep(t, name, width, scheme)
	dir := os.Getenv("HOLDFAST_PICTURES")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, name+".png")
	whole, err := os.ReadFile(path)
	must(t, err)
	picture, err := png.Decode(bytes.NewReader(whole))
	must(t, err)
	top := image.NewRGBA(image.Rect(0, 0, picture.Bounds().Dx(), min(height, picture.Bounds().Dy())))
	draw.Draw(top, top.Bounds(), picture, image.Point{}, draw.Src)
	var out bytes.Buffer
	must(t, png.Encode(&out, top))
	must(t, os.WriteFile(path, out.Bytes(), 0o600))
}
