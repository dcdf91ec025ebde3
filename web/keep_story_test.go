package web_test

import (
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

func init() { looks = append(looks, keepPages) }

// ruled is a volume with a keep rule and snapshots that are restore points: older than
// the demo charter's undo window.
func (w *world) ruled(t *testing.T, name string) (v wire.Volume) {
	t.Helper()
	v = w.filled(t, name, "ledger.txt")
	if status := w.owner.api(t, "PUT", "/v1/volumes/"+v.ID+"/retention", wire.SetRetention{Rule: "keep last 2"}, nil); status != 200 {
		t.Fatalf("the first rule of a volume without snapshots: %d", status)
	}
	for _, name := range []string{"first", "second", "third"} {
		w.sealed(t, v, name)
	}
	return v
}

// keepPages are the pages of what is kept.
func keepPages(t *testing.T) []shown {
	o := the.owner
	v := the.ruled(t, "ledger <i>of\u200b all")
	bare := the.filled(t, "no rule yet", "one.txt")
	long := the.filled(t, "a longer window", "one.txt")
	if status := o.api(t, "PUT", "/v1/volumes/"+long.ID+"/retention", wire.SetRetention{Undo: "30d"}, nil); status != 200 {
		t.Fatalf("a longer window: %d", status)
	}
	here := "/volumes/" + v.ID + "/keep"
	return []shown{{who: o, paths: []string{
		here, here + "?last=1", here + "?last=3&daily=7&show=kept", "/volumes/" + bare.ID + "/keep", "/volumes/" + bare.ID + "/keep?daily=14&weekly=8",
		here + "/shorten?rule=" + url.QueryEscape("keep last 1"), here + "/ask",
		"/volumes/" + long.ID + "/keep/shorten?undo=3d",
	}}, {who: o, name: "/shorten-step-up", prepare: func(t *testing.T) {
		o.open(t, "/volumes/"+long.ID+"/keep/shorten?undo=3d")
		o.fill(t, "#reason", "Three days are enough.")
		o.fill(t, "#typed", "shorten "+long.ID[len(long.ID)-6:])
		o.press(t, "Ask for it…")
		o.see(t, "request.draft-weakening")
		o.red(t)
		o.press(t, "Confirm with a passkey")
		o.see(t, "holdfast statement v1", "shorten-undo")
		o.red(t)
	}}}
}

// red wants the open page to be the other world: it leads to destruction.
func (a *actor) red(t *testing.T) {
	t.Helper()
	if !get(t, a, chromedp.Evaluate[bool](`document.body.classList.contains("other-world")`)) {
		t.Error("the page does not look like what it leads to")
	}
}

// TestStoryKeepRule: the page of a volume without a rule teaches; a rule is tried
// before it is set; a longer one is set at once; a shorter one leads into the gate,
// as an own undo window does; what the rule does not keep is asked for in one request.
func TestStoryKeepRule(t *testing.T) {
	v := the.ruled(t, "kept by rule")
	o := the.owner
	here := "/volumes/" + v.ID
	o.open(t, here+"/timeline")
	o.press(t, "Keep rule and undo window")
	o.see(t, "The rule in force", "the newest 2 restore points", "keep last 2", "Olivia Owens")

	// Shorter at the API: refused, with the way to ask.
	if status := o.api(t, "PUT", "/v1/volumes/"+v.ID+"/retention", wire.SetRetention{Rule: "keep last 1"}, nil); status != 403 {
		t.Errorf("a shorter rule at once: %d", status)
	}

	// Longer: at once.
	o.fill(t, "#last", "3")
	o.fill(t, "#daily", "7")
	o.press(t, "Show what it would keep")
	o.see(t, "This rule keeps at least as much", "the newest of each of the latest 7 days that have one", "By the rule that you try")
	var kept wire.Retention
	o.api(t, "GET", "/v1/volumes/"+v.ID+"/retention", nil, &kept)
	if kept.Rule != "keep last 2" {
		t.Fatalf("trying a rule set it: %q", kept.Rule)
	}
	o.press(t, "Set this rule")
	o.see(t, "The keep rule is set.", "keep last 3, daily 7")

	// Shorter: another world, a draft, the own second factor, a request.
	o.fill(t, "#last", "1")
	o.fill(t, "#daily", "")
	o.press(t, "Show what it would keep")
	o.see(t, "This rule would keep less", "Nobody shortens what is kept alone")
	o.press(t, "Ask for this shorter rule…")
	o.see(t, "This gives snapshots up", "What would be shorter", "keep last 3, daily 7", "keep last 1")
	o.fill(t, "#reason", "The disks are full.")
	o.fill(t, "#typed", "shorten "+v.ID[len(v.ID)-6:])
	o.press(t, "Ask for it…")
	o.see(t, "request.draft-weakening") // the draft of a weakening asks for a factor of its own
	o.press(t, "Confirm with a passkey")
	o.see(t, "holdfast statement v1", "shorten-retention", "keep last 1")
	o.press(t, "Confirm with a passkey")
	o.see(t, "The request is confirmed and open for votes.", "Shorten retention")
	o.api(t, "GET", "/v1/volumes/"+v.ID+"/retention", nil, &kept)
	if kept.Rule != "keep last 3, daily 7" {
		t.Errorf("asking shortened it: %q", kept.Rule)
	}

	// The undo window: longer at once, shorter leads to its request, below the charter's is refused in words.
	o.open(t, here+"/keep")
	o.fill(t, "#undo", "30d")
	o.press(t, "Set the window…")
	o.see(t, "The undo window is longer now.", "30 days")
	o.fill(t, "#undo", "3d")
	o.press(t, "Set the window…")
	o.see(t, "This gives moments of the past up", "30d", "3d")
	o.fill(t, "#reason", "Three days are enough.")
	o.fill(t, "#typed", "shorten "+v.ID[len(v.ID)-6:])
	o.press(t, "Ask for it…")
	o.see(t, "request.draft-weakening")
	o.press(t, "Confirm with a passkey")
	o.see(t, "holdfast statement v1", "shorten-undo")
	o.open(t, here+"/keep")
	o.fill(t, "#undo", "1s")
	o.press(t, "Set the window…")
	o.see(t, "No volume’s undo window is shorter than the charter’s")
	o.quiet(t)

	// A viewer sees all of it and is offered nothing.
	viewer := the.member(t, "Kim Keeler", "viewer")
	viewer.open(t, here+"/keep?last=1")
	viewer.see(t, "An owner of the tenant can ask for it.", "Owners of the tenant set it.")
	viewer.quiet(t)
}
