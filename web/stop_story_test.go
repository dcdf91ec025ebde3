package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// tenantOf is a new tenant whose owner has a browser and has signed in.
func (w *world) tenantOf(t *testing.T, name, owner, email string) (wire.Tenant, *actor) {
	t.Helper()
	w.founded(t)
	created, err := w.operator.CreateTenant(t.Context(), wire.CreateTenant{Name: name, OwnerName: owner, OwnerEmail: email})
	must(t, err)
	a := w.actor(t, w.Portal)
	a.accept(t, created.Invitation)
	return created.Tenant, a
}

// listening opens a path and leaves the page to itself: what comes later came by news.
func (a *actor) listening(t *testing.T, path string) {
	t.Helper()
	a.open(t, path)
	a.do(t, chromedp.WaitReady(chromedp.CSS("html[data-listening]")), chromedp.Evaluate[chromedp.Void](`window.stayed = true`))
}

func (a *actor) stayed(t *testing.T) {
	t.Helper()
	if !get(t, a, chromedp.Evaluate[bool](`window.stayed === true`)) {
		t.Error("the page was loaded again")
	}
}

// askTheEnd asks for the end of a stop from the page that lists it, and confirms it.
func (a *actor) askTheEnd(t *testing.T, list, action, stop, reason string) string {
	t.Helper()
	a.open(t, list)
	a.do(t, chromedp.Click(chromedp.CSS(fmt.Sprintf(`a[href^="/stops/%s/%s"]`, action, stop))))
	a.see(t, "A quorum decides, and then everybody waits.", stop)
	a.fill(t, "#reason", reason)
	a.press(t, "Draft the request…")
	a.see(t, "This is a draft", "action "+action)
	a.press(t, "Confirm the request…")
	a.see(t, "Your second factor is used for exactly these words", "action "+action, stop)
	a.press(t, "Confirm with a passkey")
	a.see(t, "The request is confirmed and open for votes.")
	a.quiet(t)
	return strings.TrimPrefix(get(t, a, chromedp.Evaluate[string](`location.pathname`)), "/requests/")
}

// votes tries a decision by a touch, and waits for what the page says of it.
func (a *actor) votes(t *testing.T, request, decision, reason string, words ...string) {
	t.Helper()
	a.open(t, "/requests/"+request+"/"+decision)
	if reason != "" {
		a.fill(t, "#reason", reason)
	}
	a.press(t, strings.ToUpper(decision[:1])+decision[1:])
	a.see(t, words...)
	a.quiet(t)
}

// together runs a part of a story for several people at once, each in their own browser.
func together(t *testing.T, parts map[string]func(t *testing.T)) {
	t.Helper()
	ok := t.Run("together", func(t *testing.T) {
		for name, part := range parts {
			t.Run(name, func(t *testing.T) { t.Parallel(); part(t) })
		}
	})
	if !ok {
		t.FailNow()
	}
}

// One approver alone places a hold, suspends another and freezes everything, by
// press; what was decided before stands still on everybody's page. A quorum of the
// others ends each of them: nobody judges their own cause, the suspended vote on
// nothing, and then it goes on where it stood.
func TestT27_T55_StoryOfStopsAndTheirEnds(t *testing.T) {
	t.Parallel() // it waits long; whoever else is parallel leaves the approvers alone
	the.founded(t)
	ap := the.approvers
	tenant, hanna := the.tenantOf(t, "Held and Sons", "Hanna Held", "hanna@held.example")

	// The hold, and a request to release it that three have approved: one more, for staff asks for a tenant.
	holder := ap[0]
	holder.open(t, "/holds")
	holder.do(t, chromedp.SetValue(chromedp.CSS("#tenant"), tenant.ID))
	holder.fill(t, "#reason", "Their lawyer has called.")
	holder.press(t, "Place the hold")
	holder.confirmIfAsked(t, "The hold is in force.")
	holder.see(t, "Their lawyer has called.", tenant.ID)
	holds := func() (id string) {
		var list []wire.Hold
		holder.api(t, "GET", "/v1/holds", nil, &list)
		for _, h := range list {
			if h.Tenant == tenant.ID {
				id = h.ID
			}
		}
		return id
	}
	release := holder.askTheEnd(t, "/holds", "release-hold", holds(), "The lawyer has what he wanted.")
	together(t, map[string]func(*testing.T){
		"5": func(t *testing.T) { ap[4].approve(t, release) },
		"2": func(t *testing.T) { ap[1].approve(t, release) },
		"3": func(t *testing.T) { ap[2].approve(t, release) },
	})
	if r := the.state(t, holder, release); r.State != "cooling" || r.Need.Got != 3 {
		t.Fatalf("after three approvals: %+v", r)
	}
	watcher := ap[2]
	watcher.listening(t, "/requests/"+release)
	watcher.see(t, "3 so far.", "cooling off")

	// The suspension takes both at once, and their votes with them.
	s := ap[3]
	s.open(t, "/charter/approvers")
	s.do(t, chromedp.Click(chromedp.CSS(fmt.Sprintf(`a[href="/charter/approvers/%s/suspend"]`, ap[4].id))))
	s.see(t, "and yourself with them", "Approver 5")
	s.fill(t, "#reason", "Her key lay on the table.")
	s.press(t, "Suspend both of us…")
	s.see(t, "action approver.suspend", ap[4].id)
	s.press(t, "Confirm with a passkey")
	s.see(t, "Both of you are suspended.", "Her key lay on the table.")
	var suspensions []wire.Suspension
	s.api(t, "GET", "/v1/suspensions", nil, &suspensions)
	if len(suspensions) != 1 || suspensions[0].Subject.ID != ap[4].id || suspensions[0].By.ID != s.id {
		t.Fatalf("suspensions: %+v", suspensions)
	}
	suspended := func(a *actor) (n int) {
		var list []wire.Approver
		a.api(t, "GET", "/v1/approvers", nil, &list)
		for _, x := range list {
			if x.Suspension != nil {
				n++
			}
		}
		return n
	}
	if n := suspended(s); n != 2 {
		t.Errorf("%d approvers are suspended, not both", n)
	}
	watcher.see(t, "2 so far.", "votes that were cast do not count any more")

	// The freeze of everything stands on everybody's page.
	freezer := ap[1]
	freezer.open(t, "/freeze")
	freezer.fill(t, "#reason", "Logins that nobody knows, everywhere.")
	freezer.press(t, "Freeze now")
	freezer.see(t, "freeze everything")
	freezer.press(t, "Confirm with a passkey")
	freezer.see(t, "The freeze is in force.", "everything, everywhere", "Logins that nobody knows, everywhere.")
	var freezes []wire.Freeze
	freezer.api(t, "GET", "/v1/freezes", nil, &freezes)
	i := slices.IndexFunc(freezes, func(z wire.Freeze) bool { return z.Tenant == "" })
	if i < 0 {
		t.Fatalf("freezes: %+v", freezes)
	}
	frozen := freezes[i].ID
	watcher.see(t, "The time stands still: A freeze is in force")
	watcher.stayed(t)
	hanna.open(t, "/freeze")
	hanna.see(t, "Everything, everywhere", "Logins that nobody knows, everywhere.")
	hanna.open(t, "/holds")
	hanna.see(t, "everything that is yours", "Their lawyer has called.")

	// What ends them is asked for by two people, and decided by others.
	var lift, end string
	together(t, map[string]func(*testing.T){
		"lift": func(t *testing.T) {
			lift = ap[0].askTheEnd(t, "/freeze", "lift-freeze", frozen, "We know them now.")
		},
		"end": func(t *testing.T) {
			end = ap[2].askTheEnd(t, "/charter/approvers", "end-suspension", suspensions[0].ID, "It was her key, and she has it.")
		},
	})
	together(t, map[string]func(*testing.T){
		"the freezer": func(t *testing.T) {
			freezer.votes(t, lift, "deny", "It stays.", "Nobody can block their own removal, or the lifting of their own freeze.")
			freezer.approve(t, end)
			freezer.approve(t, lift)
		},
		"who suspended": func(t *testing.T) {
			ap[3].open(t, "/requests/"+end)
			ap[3].see(t, "You cannot vote on this", "Suspended.")
			ap[3].votes(t, end, "approve", "", "who are not suspended, vote")
		},
		"the suspended": func(t *testing.T) {
			ap[4].open(t, "/requests/"+lift)
			ap[4].see(t, "You cannot vote on this", "Suspended.")
			ap[4].votes(t, lift, "deny", "No.", "who are not suspended, vote")
		},
		"who asked for one":       func(t *testing.T) { ap[0].approve(t, end) },
		"who asked for the other": func(t *testing.T) { ap[2].approve(t, lift) },
	})
	for _, id := range []string{lift, end} {
		if r := the.state(t, ap[0], id); len(r.Votes) != 2 || r.Need.Got != 2 {
			t.Errorf("%s: the refused votes count: %+v", r.Action, r.Votes)
		}
	}
	if r := the.state(t, ap[0], release); r.State != "cooling" || holds() == "" {
		t.Errorf("under a freeze, with a vote too few: %s, hold %q", r.State, holds())
	}
	ap[2].listening(t, "/freeze")
	ap[4].listening(t, "/requests/"+release)
	the.until(t, ap[0], lift, "applied")
	the.until(t, ap[0], end, "applied")
	for deadline := 0; strings.Contains(ap[2].text(), "Logins that nobody knows, everywhere."); deadline++ {
		if deadline > 1000 {
			t.Fatal("the page still shows the freeze:\n" + ap[2].text())
		}
	}
	ap[2].stayed(t)
	ap[0].open(t, "/charter/approvers")
	if n, text := suspended(ap[0]), ap[0].text(); n != 0 || strings.Contains(text, "Her key lay on the table.") {
		t.Errorf("%d are still suspended:\n%s", n, text)
	}
	// The vote counts again, and the hold ends by itself.
	ap[4].see(t, "3 so far.")
	the.until(t, ap[0], release, "applied")
	ap[4].see(t, "done")
	ap[4].stayed(t)
	ap[0].open(t, "/holds")
	if text := ap[0].text(); holds() != "" || strings.Contains(text, "Their lawyer has called.") {
		t.Errorf("the hold is still there:\n%s", text)
	}
	hanna.open(t, "/holds")
	hanna.see(t, "No holds")
}

// TestStoryLockdown: an owner who believes that somebody else got in presses one
// button; the sessions of the tenant, the token and the young factor are gone, and the
// owner comes in again with the factor that pressed it.
func TestStoryLockdown(t *testing.T) {
	t.Parallel()
	tenant, o := the.tenantOf(t, "Locked Doors", "Lena Locke", "lena@locked.example")
	o.open(t, "/factors")
	o.fill(t, "#totp-name", "a thief's phone")
	o.press(t, "Add an app")
	o.press(t, "Confirm with a passkey")
	o.see(t, "Scan this")
	o.secret = get(t, o, chromedp.Text(chromedp.CSS("#totp-secret")))
	o.fill(t, "#code", o.code(t))
	o.press(t, "Add the app")
	o.see(t, "The factor is added.", "a thief's phone")
	o.mint(t, "a thief's token")
	o.see(t, "Shown this once")
	token := client.New(the.Portal, client.WithToken(get(t, o, chromedp.Text(chromedp.CSS("#token")))))
	var v wire.Volume
	o.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: "behind locked doors", Kind: "files"}, &v)
	o.put(t, v, "a.txt", "a")
	_, err := token.TakeSnapshot(t.Context(), v.ID, "while the token works")
	must(t, err)
	thief := the.actor(t, the.Portal)
	thief.email, thief.password = o.email, o.password
	thief.passwordOnly(t)
	thief.fill(t, "#code", o.code(t))
	thief.press(t, "Use the code")
	thief.see(t, "Your backups", "Lena Locke")

	o.open(t, "/freeze")
	o.fill(t, "#reason", "This was not me.")
	o.do(t, chromedp.Click(chromedp.CSS("#lockdown")))
	o.press(t, "Freeze now")
	o.see(t, "Confirm with your second factor", "lock down")
	o.press(t, "Confirm with a passkey")
	o.see(t, "Sign in", "The lockdown ended your own session too")
	thief.open(t, "/")
	thief.see(t, "Sign in", "With a passkey alone")
	if _, err := token.TakeSnapshot(t.Context(), v.ID, "too late"); err == nil {
		t.Error("a token works after the lockdown")
	}
	thief.passwordOnly(t)
	if text := thief.text(); strings.Contains(text, "Authenticator app") {
		t.Errorf("the young factor still opens:\n%s", text)
	}
	o.open(t, "/freeze")
	o.press(t, "Sign in with a passkey")
	o.see(t, "Frozen", "This was not me.")
	var freezes []wire.Freeze
	o.api(t, "GET", "/v1/freezes", nil, &freezes)
	if !slices.ContainsFunc(freezes, func(z wire.Freeze) bool { return z.Tenant == tenant.ID }) {
		t.Errorf("freezes: %+v", freezes)
	}
	var factors []wire.Factor
	o.api(t, "GET", "/v1/factors", nil, &factors)
	if len(factors) != 1 || factors[0].Kind != "passkey" {
		t.Errorf("factors after the lockdown: %+v", factors)
	}
	o.open(t, "/notices")
	o.see(t, "Lockdown")
	o.quiet(t)
	thief.quiet(t)
}

// moment puts a moment into the timeline's field, as a person's picker would.
func (a *actor) moment(t *testing.T, at string) {
	t.Helper()
	a.do(t, chromedp.WaitVisible(chromedp.CSS("#at")), chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector("#at").value = %q`, at)))
}

// TestStoryAnyMomentOfTheUndoWindow: a moment between two changes is chosen on the
// timeline, once by its mark and once by its second, seen before it comes, and back.
func TestStoryAnyMomentOfTheUndoWindow(t *testing.T) {
	t.Parallel() // of those that are, it alone uses the owner
	v := the.filled(t, "any moment", "diary.txt")
	o := the.owner
	// The second after the first content; the next content comes in a later one.
	second := get(t, o, chromedp.Evaluate[string](`new Date(Math.floor(Date.now() / 1000) * 1000 + 1000).toISOString().slice(0, 19)`))
	get(t, o, chromedp.Poll[bool](fmt.Sprintf(`Date.now() > Date.parse(%q + "Z") + 50`, second)))
	o.put(t, v, "diary.txt", "spoilt")
	o.put(t, v, "ransom.txt", "pay")

	o.open(t, "/volumes/"+v.ID)
	o.press(t, "Timeline")
	o.see(t, "Any moment of the undo window", "undo window", "any moment can be restored", "No snapshot in this time")
	// The mark of now: nothing differs from it but what came since the page.
	o.do(t, chromedp.Click(chromedp.CSS("svg a:has(rect.moment):last-of-type"), chromedp.NodeVisible))
	o.see(t, "From ", "How", "Where")
	o.open(t, "/volumes/"+v.ID+"/timeline")
	o.moment(t, second)
	o.press(t, "Restore to this moment…")
	o.see(t, "From ", strings.Replace(second, "T", " ", 1))
	o.press(t, "Look at it")
	o.see(t, "You look at the past", "diary.txt")
	if text := o.text(); strings.Contains(text, "ransom.txt") {
		t.Errorf("the past has what came later:\n%s", text)
	}
	o.open(t, "/volumes/"+v.ID+"/timeline")
	o.moment(t, second)
	o.press(t, "Restore to this moment…")
	o.see(t, "How")
	o.do(t, chromedp.Click(chromedp.CSS("#how-exact")))
	o.press(t, "Show what would change")
	o.see(t, "diary.txt", "is put back as it was", "ransom.txt", "is deleted; it stays in the undo window")
	if got := o.content(t, v, "diary.txt"); got != "spoilt" {
		t.Errorf("the preview did it: %q", got)
	}
	o.press(t, "Restore now")
	o.see(t, "Restored, and compared by digest", "1 entry")
	if got := o.content(t, v, "diary.txt") + " " + o.content(t, v, "ransom.txt"); got != "the content of diary.txt 404" {
		t.Errorf("restored %q", got)
	}
	// A moment before there was anything is refused in words, where it can be mended.
	o.open(t, "/volumes/"+v.ID+"/timeline")
	o.moment(t, "2020-01-01T00:00:00")
	o.press(t, "Restore to this moment…")
	o.see(t, "The volume did not exist then", "A moment of the undo window")
	o.quiet(t)
}
