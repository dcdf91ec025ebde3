package web_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// TestStoryOwnerAsksForTheEndOfAHold: everybody places a hold; its end only an owner asks
// for, on the same page, and a quorum decides.
func TestStoryOwnerAsksForTheEndOfAHold(t *testing.T) {
	the.founded(t)
	viewer := the.member(t, "Viktor Vale", "viewer")
	v := the.filled(t, "counted", "stock.txt")
	viewer.open(t, "/holds")
	viewer.do(t, chromedp.SetValue(chromedp.CSS("#volume"), v.ID))
	viewer.fill(t, "#reason", "An inventory is taken.")
	viewer.press(t, "Place the hold")
	viewer.confirmIfAsked(t, "The hold is in force.")
	viewer.see(t, "An owner of the tenant can ask for the release of one.")
	var held []wire.Hold
	viewer.api(t, "GET", "/v1/holds", nil, &held)
	i := slices.IndexFunc(held, func(h wire.Hold) bool { return h.Reason == "An inventory is taken." })
	if i < 0 {
		t.Fatalf("the hold is not listed: %+v", held)
	}
	if got := viewer.send(t, "/stops/release-hold/"+held[i].ID, "reason=x"); !strings.HasPrefix(got, "403") {
		t.Errorf("a viewer asks for the end of a hold: %.200s", got)
	}
	viewer.trouble = nil
	the.owner.open(t, "/holds")
	the.owner.do(t, chromedp.Click(chromedp.CSS(`a[href="/stops/release-hold/`+held[i].ID+`"]`)))
	the.owner.see(t, "A quorum decides, and then everybody waits.", held[i].ID, "An inventory is taken.")
	the.owner.fill(t, "#reason", "All is counted.")
	the.owner.press(t, "Draft the request…")
	the.owner.confirmIfAsked(t, "This is a draft")
	the.owner.see(t, "action release-hold")
	the.owner.quiet(t)
}
