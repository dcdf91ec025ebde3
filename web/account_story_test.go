package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// TestStoryEnrolAndKeepAnAccount: an app first, then a passkey that is in
// quarantine, sessions, and signing in by passkey alone.
func TestStoryEnrolAndKeepAnAccount(t *testing.T) {
	t.Parallel()
	the.founded(t)
	a, elsewhere := the.actor(t, the.Console), the.actor(t, the.Console)
	invitation, err := the.operator.InviteStaff(t.Context(), wire.Invite{Name: "Uma Urban", Email: "uma@support.example", Role: "auditor"})
	must(t, err)
	a.acceptTOTP(t, invitation)
	a.open(t, "/account")
	a.see(t, "Uma Urban", "1 factor", "One second factor is one loss away from none")

	// The form survives its step-up, and a wrong code on the way.
	a.open(t, "/factors")
	a.fill(t, "#passkey-name", "blue key")
	a.press(t, "Add a passkey")
	a.see(t, "action factor.enrol", "passkey blue key")
	a.fill(t, "#step-up-code", "000000")
	a.press(t, "Confirm with the code")
	a.see(t, "The code is not right", "passkey blue key")
	a.fill(t, "#step-up-code", a.code(t))
	a.press(t, "Confirm with the code")
	a.see(t, "Take the security key")
	a.press(t, "Create the passkey")
	a.see(t, "The factor is added.", "blue key", "can stop things, confirms nothing until")
	var factors []wire.Factor
	a.api(t, "GET", "/v1/factors", nil, &factors)
	if len(factors) != 2 || !factors[1].UsableFrom.After(factors[1].EnrolledAt) {
		t.Errorf("the new factor is in no quarantine: %+v", factors)
	}
	a.open(t, "/notices")
	a.see(t, "Factor enrolled", "new")
	a.press(t, "I have read it")
	a.see(t, "Factor enrolled")

	// The same account elsewhere, and its session ended from here.
	elsewhere.email, elsewhere.password = a.email, a.password
	elsewhere.passwordOnly(t)
	a.open(t, "/sessions")
	a.see(t, "this one", "password only")
	a.do(t, chromedp.Click(`//tr[contains(., "password only")]//button`))
	a.see(t, "That session is ended.")
	elsewhere.open(t, "/account")
	elsewhere.see(t, "Sign in", "With a passkey alone")
	elsewhere.quiet(t)

	a.press(t, "Sign out")
	a.see(t, "You are signed out.")
	// By passkey alone, to where one wanted to go.
	a.open(t, "/factors")
	a.see(t, "Sign in")
	a.press(t, "Sign in with a passkey")
	a.see(t, "Your second factors", "blue key")
	a.press(t, "Sign out")
	a.see(t, "You are signed out.")

	a.quiet(t)
}

// TestStoryPasswordAndRecoveryCodes: both by a passkey; a recovery code works once.
func TestStoryPasswordAndRecoveryCodes(t *testing.T) {
	t.Parallel()
	the.founded(t)
	a := the.actor(t, the.Console)
	invitation, err := the.operator.InviteStaff(t.Context(), wire.Invite{Name: "Vic Vale", Email: "vic@support.example", Role: "auditor"})
	must(t, err)
	a.accept(t, invitation)
	// A new password; the form with it is never kept in a page.
	a.open(t, "/password")
	a.press(t, "Change the password…")
	a.see(t, "action password.change")
	a.press(t, "Confirm with a passkey")
	a.see(t, "Old password")
	old := a.password
	// A slip costs no second confirmation.
	for _, slip := range []struct{ typed, again, says string }{
		{"another staple horse 8 battery", "another staple horse 8 batter", "The two new passwords differ"},
		{"aaaaaaaaaaaa", "aaaaaaaaaaaa", "The password is too weak"},
	} {
		a.fill(t, "#old-password", old)
		a.fill(t, "#new-password", slip.typed)
		a.fill(t, "#repeat", slip.again)
		a.press(t, "Change the password")
		a.see(t, slip.says, "Old password")
	}
	a.password = "another staple horse 8 battery"
	a.fill(t, "#old-password", old)
	a.fill(t, "#new-password", a.password)
	a.fill(t, "#repeat", a.password)
	a.press(t, "Change the password")
	a.see(t, "Your password is changed.")

	a.open(t, "/recovery")
	a.press(t, "Make new codes…")
	a.press(t, "Confirm with a passkey")
	a.see(t, "They are shown this once")
	codes := get(t, a, chromedp.Evaluate[[]string](`[...document.querySelectorAll("#codes code")].map((e) => e.textContent)`))
	if len(codes) < 8 || codes[0] == codes[1] {
		t.Errorf("recovery codes: %q", codes)
	}
	a.press(t, "I have kept them")
	a.press(t, "Sign out")
	a.see(t, "You are signed out.")

	// And by the new password with a recovery code, once.
	for i, want := range []string{"Sign out", "was not right"} {
		a.passwordOnly(t)
		a.press(t, "Neither works")
		a.fill(t, "#recovery", codes[0])
		a.press(t, "Use the recovery code")
		if i == 0 {
			a.see(t, want)
			a.press(t, "Sign out")
			a.see(t, "You are signed out.")
		} else if a.see(t, "Second factor"); strings.Contains(a.text(), "Sign out") {
			t.Error("a recovery code opened twice")
		}
	}
	a.quiet(t)
}

// TestStorySessionWarnsAndStays: two minutes before the end the page says so, and
// one press prolongs it; after the end nothing that was typed is lost.
func TestStorySessionWarnsAndStays(t *testing.T) {
	the.founded(t)
	a := the.approvers[4]
	pretend := func(idle, whole int) {
		a.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
			window.really = window.really || fetch;
			window.fetch = (path, how) => path === "/session/left" ? Promise.resolve(new Response(JSON.stringify({idle: %d, whole: %d}))) : really(path, how);
			window.clock = window.clock || Date.now;
			Date.now = () => clock() + 14 * 60e3;
		})()`, idle, whole)))
	}
	a.open(t, "/freeze")
	a.fill(t, "#reason", "half a sentence")
	pretend(100, 9999)
	a.see(t, "You will be signed out in two minutes")
	a.press(t, "Stay signed in")
	a.see(t, "You stay signed in.")
	if text := a.text(); strings.Contains(text, "You will be signed out") {
		t.Errorf("the warning stays:\n%s", text)
	}
	a.open(t, "/freeze")
	a.fill(t, "#reason", "half a sentence")
	pretend(0, 0)
	a.see(t, "You are signed out, because", "Sign in again")
	if got := get(t, a, chromedp.Value(chromedp.CSS("#reason"))); got != "half a sentence" {
		t.Errorf("what was typed is gone: %q", got)
	}
	a.quiet(t)
}

// TestStoryStartPage: a demonstration's start page has its people; nobody else has one.
func TestStoryStartPage(t *testing.T) {
	the.founded(t)
	a := the.actor(t, the.Console)
	invitation, err := the.operator.InviteStaff(t.Context(), wire.Invite{Name: "Gus Guide", Email: "gus@support.example", Role: "auditor"})
	must(t, err)
	a.acceptTOTP(t, invitation)
	a.press(t, "Sign out")
	a.see(t, "You are signed out.")
	a.open(t, "/demo")
	a.see(t, "There is no page at this address.")
	the.guide.Store(&wire.Guide{Portal: the.Portal, Console: the.Console, Volume: the.volume.ID, People: []wire.GuidePerson{
		{Name: "Olivia Owens", Role: "owner", Face: "portal", Email: the.owner.email, Password: the.owner.password},
		{Name: "Gus Guide", Role: "auditor", Face: "console", Email: a.email, Password: a.password, TOTP: a.secret, Code: a.code(t), Next: "000000", Turns: time.Now()},
	}})
	defer the.guide.Store(nil)
	a.open(t, "/")
	a.see(t, "Try Holdfast", "A guided path", "Gus Guide", "Sign in as Olivia at the portal")
	a.look(t, "/demo")
	a.press(t, "Sign in as Gus")
	a.see(t, "Demonstration: the app of Gus Guide shows")
	a.fill(t, "#code", get(t, a, chromedp.TextContent(chromedp.CSS(".hint code"))))
	a.press(t, "Use the code")
	a.see(t, "Queue", "People and guided path")
	a.quiet(t)
}
