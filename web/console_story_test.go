package web_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// held is a hold over one volume of the tenant's that no story deletes from.
func (w *world) held(t *testing.T) (h wire.Hold) {
	t.Helper()
	w.founded(t)
	var v wire.Volume
	w.owner.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: fmt.Sprintf("held %d", len(w.ready)), Kind: "files"}, &v)
	w.owner.api(t, "POST", "/v1/holds", wire.PlaceHold{Volume: v.ID, Reason: "a dispute about <b>the\u200b lease"}, &h)
	return h
}

// approve has an approver approve, from the request's page.
func (a *actor) approve(t *testing.T, request string) {
	t.Helper()
	a.open(t, "/requests/"+request)
	a.press(t, "Approve…")
	a.see(t, "You are about to approve")
	a.press(t, "Approve")
	a.see(t, "What you signed", "Your decision is recorded")
	a.quiet(t)
}

func (w *world) state(t *testing.T, a *actor, request string) (r wire.Request) {
	t.Helper()
	a.api(t, "GET", "/v1/requests/"+request, nil, &r)
	return r
}

// Two approvers decide in two browsers; the queue and the request in a third show
// it without being loaded again; then a member stops it within the cooling-off.
func TestStoryQueueLivesAndTheMemberCancels(t *testing.T) {
	the.founded(t)
	watcher, queue := the.approvers[4], the.approvers[2]
	queue.open(t, "/")
	queue.do(t, chromedp.WaitReady(chromedp.CSS("html[data-listening]")), chromedp.Evaluate[chromedp.Void](`window.stayed = true`))
	r := the.confirmed(t, "the queue lives")
	queue.see(t, "the queue lives", r.Fingerprint)
	watcher.open(t, "/requests/"+r.ID)
	watcher.do(t, chromedp.WaitReady(chromedp.CSS("html[data-listening]")), chromedp.Evaluate[chromedp.Void](`window.stayed = true`))
	watcher.see(t, "Who asked, and how", "Olivia Owens", "owner", "passkey", "On the page of", the.Portal, "From", "Worth a phone call", "The account that asked was made",
		"Factor enrolled", "snapshot goes", "may vote", "from 1 team; 0 so far.")
	// The statement can be taken along, byte for byte.
	if got := get(t, watcher, chromedp.Evaluate[string](fmt.Sprintf(`(async () => { const r = await fetch("/requests/%s/statement?download=yes"); return r.headers.get("content-disposition") + "\n" + await r.text(); })()`, r.ID), chromedp.EvalAwaitPromise)); !strings.HasPrefix(got, `attachment; filename="`+r.ID+`.txt"`+"\n"+r.Statement) {
		t.Errorf("the download is %.300q", got)
	}
	voters := []*actor{the.approvers[0], the.approvers[3], the.approvers[1]}
	for i := 0; the.state(t, watcher, r.ID).State == "open" && i < len(voters); i++ {
		voters[i].approve(t, r.ID)
		watcher.see(t, fmt.Sprintf("; %d so far.", i+1), "has approved")
	}
	watcher.see(t, "cooling off: anyone concerned can still stop it", "left of")
	queue.see(t, "Decided, and still to be stopped", "cooling")
	the.owner.open(t, "/requests/"+r.ID)
	the.owner.fill(t, "#cancel-reason", "We need it after all.")
	the.owner.press(t, "Cancel the request")
	the.owner.confirmIfAsked(t, "The request is cancelled.")
	watcher.see(t, "cancelled", "It is not carried out")
	for _, a := range []*actor{watcher, queue} {
		if !get(t, a, chromedp.Evaluate[bool](`window.stayed === true`)) {
			t.Error("the page was loaded again")
		}
		a.quiet(t)
	}
	// What was signed can be checked elsewhere.
	a := voters[0]
	a.open(t, "/requests/"+r.ID)
	a.see(t, "holdfast request statement "+r.ID+" | sha256sum", "holdfast warrant verify")
	warrant := get(t, a, chromedp.Evaluate[string](fmt.Sprintf(`(async () => await (await fetch("/requests/%s/warrant")).text())()`, r.ID), chromedp.EvalAwaitPromise))
	if !strings.HasPrefix(warrant, "holdfast warrant v1\n") {
		t.Errorf("the warrant is %.200q", warrant)
	}
}

// A charter change that adds an approver is composed, shown as a difference, asked
// for, voted on, signed with the new key and in force; the one before stays readable.
// Who asked does not vote on it (T15), the newcomer not on what is older (T19).
func TestT15_T19_StoryCharterChangeWithANewKey(t *testing.T) {
	older := the.confirmed(t, "older than the newcomer")
	a, nora := the.approvers[1], the.actor(t, the.Console)
	invitation, err := the.operator.InviteStaff(t.Context(), wire.Invite{Name: "Nora Newkey", Email: "nora@support.example", Role: "approver"})
	must(t, err)
	nora.accept(t, invitation)
	nora.open(t, "/requests/"+older.ID)
	nora.see(t, "You cannot vote on this")
	a.open(t, "/charter")
	a.see(t, "2 people approve the very statement", "never who asked for it", "10 s")
	a.press(t, "Propose a change")
	a.fill(t, "#line-approvals", "1")
	a.press(t, "Show the difference")
	a.see(t, "The charter is refused", "below") // by name of the case
	a.open(t, "/charter/change")
	a.fill(t, "#line-grace", "95s")
	a.do(t, chromedp.SetValue(chromedp.CSS("#add"), nora.id), chromedp.SetValue(chromedp.CSS("#team"), "lisbon"))
	a.press(t, "Show the difference")
	a.see(t, "site primary grace", "95s", "does not weaken", "Nora Newkey", "Ask the approvers for it")
	a.fill(t, "#reason", "A little more time to bring things back.")
	a.press(t, "Draft the request…")
	a.see(t, "This is a draft", "What the charter would change", "site primary grace")
	a.press(t, "Confirm the request…")
	a.see(t, "action change-charter")
	a.press(t, "Confirm with a passkey")
	a.see(t, "The request is confirmed and open for votes.", "Only passkeys count.")
	id := strings.TrimPrefix(get(t, a, chromedp.Evaluate[string](`location.pathname`)), "/requests/")
	// Who asked does not vote, and the page says why; nor does a forced address help (T15).
	a.see(t, "You cannot vote on this", "Asked for this")
	a.open(t, "/requests/"+id+"/approve")
	if text := a.text(); strings.Contains(text, "Use a code instead") {
		t.Error("a one-time code is offered for a charter")
	}
	a.press(t, "Approve")
	a.see(t, "does not vote on it")
	if r := the.state(t, a, id); len(r.Votes) != 0 {
		t.Errorf("who asked has voted: %+v", r.Votes)
	}
	for _, voter := range []*actor{the.approvers[0], the.approvers[3]} {
		voter.approve(t, id)
	}
	// Votes do not stand in for the new key's signature, nor does another's key.
	a.listening(t, "/requests/"+id)
	a.see(t, "New keys have to sign it", "Nora Newkey", "a key that the next charter adds has not signed it")
	a.post(t, "/requests/"+id+"/sign", url.Values{"ceremony": {"x"}, "credential": {"{}"}})
	a.see(t, "Begin again", "New keys have to sign it")
	nora.open(t, "/requests/"+id)
	nora.see(t, "You cannot vote on this", "Show that the new key is yours", "it is no vote")
	// Her session was opened with a key in quarantine: it signs nothing, and the page says what to do.
	nora.press(t, "Sign with the new key")
	nora.see(t, "opened with a factor that was too new", "Sign out and in again")
	nora.press(t, "Sign out")
	nora.see(t, "You are signed out.")
	nora.press(t, "Sign in with a passkey")
	nora.see(t, "Queue")
	nora.open(t, "/requests/"+id)
	nora.press(t, "Sign with the new key")
	nora.see(t, "Your signature is on the charter.", "signed")
	if text := nora.text(); strings.Contains(text, "New keys have to sign it") {
		t.Errorf("a signature is still missing:\n%s", text)
	}
	a.listening(t, "/requests/"+id)
	the.until(t, a, id, "applied")
	a.see(t, "done", "It is in force") // shown by itself
	a.stayed(t)
	nora.open(t, "/charter/approvers")
	nora.see(t, "Nora Newkey", "team lisbon", "(you)")
	var named []wire.Approver
	nora.api(t, "GET", "/v1/approvers", nil, &named)
	if len(named) != 6 || !slices.ContainsFunc(named, func(x wire.Approver) bool { return x.Person.ID == nora.id && len(x.Keys) == 1 }) {
		t.Errorf("approvers: %+v", named)
	}
	nora.open(t, "/requests/"+older.ID)
	nora.see(t, "You cannot vote on this", "Came into the charter too late for this request.")
	nora.votes(t, older.ID, "approve", "", "came into the charter too recently for this request")
	if r := the.state(t, nora, older.ID); len(r.Votes) != 0 {
		t.Errorf("a newcomer has voted: %+v", r.Votes)
	}
	nora.quiet(t)
	a.open(t, "/charter")
	a.see(t, "What number 2 changed", "site primary grace", "1 min 35 s")
	a.press(t, "The charter before")
	a.see(t, "An earlier charter", "1 min 30 s")
	a.quiet(t)
}

// until waits for a request's state: longer than the demonstration's cooling-off.
func (w *world) until(t *testing.T, a *actor, request, state string) {
	t.Helper()
	for deadline := time.Now().Add(6 * patience); w.state(t, a, request).State != state; {
		if time.Now().After(deadline) {
			t.Fatalf("the request never became %s: %+v", state, w.state(t, a, request))
		}
		beat()
	}
}

// One approver places a hold and a freeze over a tenant, and asks for their end:
// the asking is a statement that others decide on.
func TestStoryStaffStops(t *testing.T) {
	h := the.held(t)
	a := the.approvers[3]
	a.open(t, "/holds")
	a.see(t, "a dispute about <b>theU+200B lease", `spelled "a dispute about <b>the\u{200b} lease"`, h.Volume)
	a.do(t, chromedp.Click(chromedp.CSS(fmt.Sprintf(`a[href^="/stops/release-hold/%s"]`, h.ID))))
	a.see(t, "Ask to release a hold", "Without the hold")
	a.fill(t, "#reason", "The dispute is over.")
	a.press(t, "Draft the request…")
	a.see(t, "This is a draft", "Release hold", "action release-hold", "staff")
	a.open(t, "/stops/release-hold/hld_nothing")
	a.see(t, "Not found")
	for path, words := range map[string]string{"/sites": "They agree", "/log": "The log’s key", "/tenants": "Their data you do not see", "/tenants/" + the.tenant.ID: "Factor enrolled", "/charter/approvers": "bound to its device"} {
		a.open(t, path)
		a.see(t, words)
	}
	a.open(t, "/log")
	a.fill(t, "#entry", "3")
	a.press(t, "Show")
	a.see(t, "Entry 3 of the log", "Verified", "holdfast log prove 3", "Back to the log")
	a.quiet(t)
}

// TestT50 shows a name that looks like another on every page of the console that
// says it: spelled out, and never as markup.
func TestT50_ConsoleSpellsNamesOut(t *testing.T) {
	r := the.confirmed(t, "p\u0430ypal \u202eton")
	a := the.approvers[0]
	for _, path := range []string{"/requests/" + r.ID, "/requests/" + r.ID + "/approve", "/requests/" + r.ID + "/deny", "/", "/tenants", "/tenants/" + the.tenant.ID} {
		a.open(t, path)
		want := []string{"<img src=x onerror=alert(1)>"}
		switch {
		case strings.HasPrefix(path, "/requests/") && strings.HasSuffix(path, r.ID):
			want = []string{`p\u{430}ypal \u{202e}ton`, `\u{200b}\u{2060}`, "U+202E", "pay<img"}
		case strings.HasPrefix(path, "/requests/"):
			want = []string{`p\u{430}ypal \u{202e}ton`, `\u{200b}\u{2060}`}
		case path != "/":
			want = append(want, `\u{410}cme`)
		}
		a.see(t, want...)
		if n := get(t, a, chromedp.Evaluate[int](`document.querySelectorAll("main img").length`)); n != 0 {
			t.Errorf("%s: %d images came out of names", path, n)
		}
	}
	a.quiet(t)
}

// TestT07 has an approver's step-up for one thing open another's door: a proof for
// the freeze of everything does not suspend a colleague.
func TestT07_StepUpForAnotherDeedOnTheConsole(t *testing.T) {
	the.founded(t)
	a, colleague := the.approvers[2], the.approvers[4]
	a.open(t, "/freeze")
	a.fill(t, "#reason", "an exercise")
	a.press(t, "Freeze now")
	a.see(t, "Confirm with your second factor", "freeze everything")
	a.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector("form[data-passkey]").action = "/charter/approvers/%s/suspend"`, colleague.id)))
	a.press(t, "Confirm with a passkey")
	a.see(t, "Confirm with your second factor", "approver.suspend") // asked for its own
	var list []wire.Suspension
	a.api(t, "GET", "/v1/suspensions", nil, &list)
	var freezes []wire.Freeze
	a.api(t, "GET", "/v1/freezes", nil, &freezes)
	for _, z := range freezes {
		if z.Tenant == "" {
			t.Errorf("everything is frozen: %+v", z)
		}
	}
	if len(list) != 0 {
		t.Errorf("suspended: %+v", list)
	}
}
