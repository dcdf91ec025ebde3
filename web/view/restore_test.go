package view_test

import (
	"strings"
	"testing"
	"time"

	"holdfast/server/wire"
	"holdfast/web/view"
)

// TestRestoreOfOneFileLooksIntoItsFolder: a file is no folder, and "nothing here" would
// frighten whoever has lost it.
func TestRestoreOfOneFileLooksIntoItsFolder(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r := view.Restoring{Point: view.Point{Volume: wire.Volume{ID: "vol_x", Name: "sources", Kind: "files"}, At: at}, Chosen: true}
	for prefix, dir := range map[string]string{"letters/2026/may.txt": "letters%2F2026%2F", "letters/2026/": "letters%2F2026%2F"} {
		r.Prefix = prefix
		if page := rendered(t, view.RestorePage(view.Frame{Title: "Restore"}, r), at); !strings.Contains(page, "dir="+dir+`">Look at it</a>`) {
			t.Errorf("%s: the link does not lead to %s", prefix, dir)
		}
	}
	if page := rendered(t, view.RestorePage(view.Frame{Title: "Restore"}, r), at); !strings.Contains(page, "make another volume") {
		t.Error("where there is no other volume, nothing says how to restore beside what is there")
	}
	r.Others = []wire.Volume{{ID: "vol_y", Name: "saved"}}
	if page := rendered(t, view.RestorePage(view.Frame{Title: "Restore"}, r), at); strings.Contains(page, "make another volume") {
		t.Error("another volume is there, and the page asks for one")
	}
}
