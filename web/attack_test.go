package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// cookie is the session's cookie, which no script can read.
func (a *actor) cookie(t *testing.T) string {
	t.Helper()
	found := get(t, a, func(ctx context.Context, target *chromedp.Target) (string, error) {
		r, err := cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{})
		for _, c := range r.Cookies {
			if strings.HasPrefix(c.Name, "__Host-") && c.HTTPOnly && c.Secure && c.SameSite == network.CookieSameSiteStrict {
				return c.Value, err
			}
		}
		return "", err
	})
	if found == "" {
		t.Fatal("no __Host- cookie with Secure, HttpOnly and SameSite=Strict")
	}
	return found
}

// TestT08 carries out framing, cross-site posting and fixation in a browser.
func TestT08_FramingForeignPostsAndFixation(t *testing.T) {
	r := the.confirmed(t, "framed")
	a := the.approvers[0]
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch q.URL.Path {
		case "/frame":
			fmt.Fprintf(w, `<h1>frame</h1><iframe src="%s/requests/%s/approve"></iframe>`, the.Console, r.ID)
		default:
			fmt.Fprintf(w, `<h1>post</h1><form id="f" method="post" action="%s/requests/%s/cancel"><input name="reason" value="stolen click"></form><script>document.getElementById("f").submit()</script>`, the.Console, r.ID)
		}
	}))
	defer foreign.Close()

	a.do(t, chromedp.Navigate(foreign.URL+"/frame"), chromedp.WaitVisible(chromedp.CSS("h1")))
	if inside := get(t, a, chromedp.Evaluate[bool](`(() => { try { return document.querySelector("iframe").contentDocument !== null && document.querySelector("iframe").contentDocument.body.innerText.includes("approve") } catch { return false } })()`)); inside {
		t.Error("the page let itself be framed")
	}
	if text := a.text(); strings.Contains(text, "You are about to approve") {
		t.Error("the framed page shows")
	}
	a.trouble = nil // the browser reports the refusal
	a.do(t, chromedp.Navigate(foreign.URL+"/post"))
	a.see(t, "foreign-origin")
	var now wire.Request
	a.open(t, "/")
	a.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
	if now.State != "open" {
		t.Errorf("a foreign page's post made the request %s", now.State)
	}
	a.trouble = nil

	// A session that an attacker planted is not the one after signing in.
	before := a.cookie(t)
	a.passwordOnly(t)
	between := a.cookie(t)
	a.press(t, "Use a passkey")
	a.see(t, "Queue")
	after := a.cookie(t)
	if before == between || between == after || before == after {
		t.Error("the session's secret did not rotate at sign-in and at the second factor")
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		for _, base := range []string{the.Portal, the.Console} {
			q, err := http.Get(base + "/sign-in")
			must(t, err)
			q.Body.Close()
			if got := q.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s is %q", base, name, got)
			}
		}
	}
}

// TestT06 replays the very form that a vote was sent with, to the same and to
// another decision.
func TestT06_VoteReplayedOnScreen(t *testing.T) {
	r := the.confirmed(t, "replayed")
	a := the.approvers[3]
	a.open(t, "/requests/"+r.ID+"/approve")
	// Keep what the form sends, and do not send it.
	a.do(t, chromedp.Evaluate[chromedp.Void](`HTMLFormElement.prototype.submit = function () { window.sent = new URLSearchParams(new FormData(this)).toString(); }`))
	a.press(t, "Approve")
	a.see(t, "Sending the answer")
	form := get(t, a, chromedp.Evaluate[string](`window.sent`))
	fields, err := url.ParseQuery(form)
	must(t, err)
	if fields.Get("credential") == "" {
		t.Fatal("no assertion in the form")
	}
	post := func(path string) string {
		return get(t, a, chromedp.Evaluate[string](fmt.Sprintf(`(async () => { const r = await fetch(%q, {method: "POST", body: new URLSearchParams(%q)}); return r.status + " " + r.url + " " + await r.text(); })()`, path, form), chromedp.EvalAwaitPromise))
	}
	votes := func() int {
		var now wire.Request
		a.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
		return len(now.Votes)
	}
	fields.Set("reason", "turned round")
	form = fields.Encode()
	if got := post("/requests/" + r.ID + "/deny"); votes() != 0 {
		t.Errorf("an approval's assertion denied: %.200s", got)
	}
	// That attempt used the ceremony up: even the right decision needs a new touch.
	for range 2 {
		if got := post("/requests/" + r.ID + "/approve"); votes() != 0 || !strings.Contains(got, "Begin again") {
			t.Errorf("a used assertion voted: %.200s", got)
		}
	}
	a.open(t, "/requests/"+r.ID+"/approve")
	a.press(t, "Approve")
	a.see(t, "What you signed")
	if votes() != 1 {
		t.Error("the honest vote is missing")
	}
}

// TestT07 proves presence for one thing and asks for another with it.
func TestT07_StepUpForAnotherAction(t *testing.T) {
	r := the.draft(t, "step-up")
	o := the.owner
	o.open(t, "/factors")
	o.fill(t, "#totp-name", "phone")
	o.press(t, "Add an app")
	o.see(t, "action factor.enrol")
	// The same proof, sent with the confirmation of a deletion.
	o.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector("form[data-passkey]").action = "/requests/%s/confirm"`, r.ID)))
	o.press(t, "Confirm with a passkey")
	o.see(t, "holdfast statement v1") // asked for its own step-up
	var now wire.Request
	o.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
	if now.State != "draft" {
		t.Errorf("a step-up for something else made the request %s", now.State)
	}
}

// TestT03 has a session, and no factor for what it asks.
func TestT03_DeletionWithoutStepUpOnScreen(t *testing.T) {
	r := the.draft(t, "stolen session")
	o := the.owner
	o.open(t, "/requests/"+r.ID)
	o.press(t, "Confirm the request…")
	o.see(t, "Confirm with your second factor", "holdfast statement v1")
	// The thief sends the page's form with nothing, and with a made-up answer.
	for _, fields := range []string{"", "step_up_code=000000", "step_up_credential={}"} {
		got := get(t, o, chromedp.Evaluate[string](fmt.Sprintf(`(async () => {
			const body = new URLSearchParams(%q);
			body.set("step_up", document.querySelector("[name=step_up]").value);
			const r = await fetch("/requests/%s/confirm", {method: "POST", body});
			return r.url + " " + await r.text();
		})()`, fields, r.ID), chromedp.EvalAwaitPromise))
		if !strings.Contains(got, "Confirm with your second factor") {
			t.Errorf("%q: %.300s", fields, got)
		}
	}
	var now wire.Request
	o.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
	if now.State != "draft" {
		t.Errorf("a session alone made the request %s", now.State)
	}
	o.quiet(t)
}

// TestT13 has a session, and enrols a factor of its own.
func TestT13_StolenSessionEnrolsNothingOnScreen(t *testing.T) {
	the.founded(t)
	o := the.owner
	var before, after []wire.Factor
	o.open(t, "/factors")
	o.api(t, "GET", "/v1/factors", nil, &before)
	o.fill(t, "#passkey-name", "the thief's key")
	o.press(t, "Add a passkey")
	o.see(t, "Confirm with your second factor", "the thief's key")
	// Whatever is sent after that without the owner's factor is asked for it again.
	for _, path := range []string{"/factors/passkey", "/factors/passkey/finish", "/factors/totp", "/factors/totp/confirm", "/recovery", "/password"} {
		got := get(t, o, chromedp.Evaluate[string](fmt.Sprintf(`(async () => {
			const r = await fetch(%q, {method: "POST", body: new URLSearchParams({name: "the thief's", ceremony: "x", credential: "{}", code: "000000"})});
			return await r.text();
		})()`, path), chromedp.EvalAwaitPromise))
		if !strings.Contains(got, "Confirm with your second factor") {
			t.Errorf("%s: %.300s", path, got)
		}
	}
	o.api(t, "GET", "/v1/factors", nil, &after)
	if len(after) != len(before) {
		t.Errorf("the thief has a factor: %+v", after)
	}
	o.quiet(t)
}

// TestT50 shows names with markup, look-alikes and invisible characters.
func TestT50_HostileNamesAreVisible(t *testing.T) {
	the.founded(t)
	o := the.owner
	o.open(t, "/")
	o.see(t, "pay<img src=x onerror=alert(2)>rollU+200BU+2060")
	r := the.draft(t, "please\u202e ton od")
	o.open(t, "/requests/"+r.ID)
	o.see(t, "U+202E", `pay<img src=x onerror=alert(2)>rollU+200BU+2060`, `roll\u{200b}\u{2060}"`)
	for _, c := range get(t, o, chromedp.TextContent(chromedp.CSS("pre.statement"))) {
		if c != '\n' && (c < ' ' || c > '~') {
			t.Errorf("the statement shows %U", c)
		}
	}
	if n := get(t, o, chromedp.Evaluate[int](`document.querySelectorAll("main img").length`)); n != 0 {
		t.Errorf("%d images came out of names", n)
	}
	o.quiet(t)
}
