package web_test

import (
	"net/url"
	"strings"
	"testing"

	"holdfast/server/wire"
)

func init() { looks = append(looks, portalPages) }

// portalPages are the pages of members, with something on each of them.
func portalPages(t *testing.T) []shown {
	o := the.owner
	viewer := the.member(t, "Vera Vane", "viewer")
	v := the.filled(t, "<b>a tree with\u200b a name", "letters/one.txt", "letters/two.txt", "letters/old/three.txt", "photo\u200b.jpg", "notes.txt")
	s := the.sealed(t, v, "before the move")
	var empty wire.Volume
	o.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: "empty and a name that goes on and on and on, as names of volumes sometimes do", Kind: "files"}, &empty)
	o.remove(t, v, "letters/", "notes.txt")
	o.put(t, v, "photo\u200b.jpg", "another picture")
	o.put(t, v, "new.txt", "new")
	var held wire.Hold
	o.api(t, "POST", "/v1/holds", wire.PlaceHold{Volume: empty.ID, Reason: "an audit"}, &held)
	here := "/volumes/" + v.ID
	preview := here + "/restore?snapshot=" + s.ID + "&how=exact&step=preview"
	return []shown{
		{who: o, paths: []string{
			"/", "/volumes/new", here, here + "?snapshot=" + s.ID + "&dir=" + url.QueryEscape("letters/"), "/volumes/" + empty.ID,
			here + "/timeline", here + "/timeline?zoom=year", here + "/timeline?zoom=day", here + "/deleted", here + "/manage",
			here + "/restore", here + "/restore?snapshot=" + s.ID, preview, here + "/compare", here + "/compare?snapshot=" + s.ID,
			"/snapshots/" + s.ID, "/snapshots/" + s.ID + "/delete", "/people", "/people/" + viewer.id, "/tokens", "/activity", "/activity/" + lastEntry(t), "/freeze", "/holds",
		}},
		{who: o, paths: []string{"/stops/release-hold/" + held.ID}},
		{who: viewer, name: "/as-viewer", prepare: func(t *testing.T) { viewer.open(t, here) }},
		{who: o, name: "/delete-files", prepare: func(t *testing.T) {
			o.open(t, here)
			o.tick(t, "new.txt")
			o.press(t, "Delete what is ticked…")
			o.see(t, "It can be brought back")
		}},
		{who: o, name: "/restored", prepare: func(t *testing.T) {
			o.open(t, preview)
			o.press(t, "Restore now")
			o.see(t, "compared by digest")
		}},
		{who: o, name: "/ask-step-up", prepare: func(t *testing.T) {
			o.ask(t, s, "It holds what must not be kept.")
			o.see(t, "holdfast statement v1")
		}},
		{who: o, name: "/invited", prepare: func(t *testing.T) {
			o.open(t, "/people")
			o.fill(t, "#name", "Nils Newcomer")
			o.fill(t, "#email", "nils@acme.example")
			o.press(t, "Invite…")
			o.press(t, "Confirm with a passkey")
			o.see(t, "Shown this once")
		}},
		{who: o, name: "/minted", prepare: func(t *testing.T) {
			o.mint(t, "nightly backup")
			o.see(t, "Shown this once")
		}},
	}
}

// lastEntry is the index of the newest entry of the tenant.
func lastEntry(t *testing.T) string {
	t.Helper()
	the.owner.open(t, "/activity")
	href := the.owner.attribute(t, `main a[href^="/activity/"]`, "href")
	return strings.TrimPrefix(href, "/activity/")
}
