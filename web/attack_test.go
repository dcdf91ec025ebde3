package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
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

// post sends a form as the page that is open would, with what a thief puts into it,
// and stays on the page that answers.
func (a *actor) post(t *testing.T, path string, fields url.Values) {
	t.Helper()
	list, err := json.Marshal(fields)
	must(t, err)
	a.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.action = %q;
		for (const [name, values] of Object.entries(%s)) for (const value of values) {
			const field = document.createElement("input");
			field.type = "hidden";
			field.name = name;
			field.value = value;
			form.append(field);
		}
		document.body.append(form);
		window.sending = true;
		form.submit();
	})()`, path, list)))
	for deadline := time.Now().Add(patience); ; {
		there := false
		if err := a.try(func(ctx context.Context, target *chromedp.Target) (_ chromedp.Void, err error) {
			there, err = chromedp.Evaluate[bool](`window.sending !== true && document.readyState === "complete"`)(ctx, target)
			return
		}); err == nil && there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never answered:\n%s", path, a.text())
		}
		beat()
	}
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
	r, other, yes := the.confirmed(t, "replayed"), the.confirmed(t, "another"), true
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
		a.open(t, "/requests/"+r.ID+"/approve")
		a.post(t, "/requests/"+r.ID+"/approve", fields)
		if a.see(t, "Begin again", "You are about to approve"); votes() != 0 {
			t.Error("a used assertion voted")
		}
	}
	// A fresh one, for this statement, does not approve another.
	a.open(t, "/requests/"+r.ID+"/approve")
	a.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`document.querySelector("form[data-passkey]").action = "/requests/%s/approve"`, other.ID)))
	a.press(t, "Approve")
	a.see(t, "Begin again", other.ID)
	if now := the.state(t, a, other.ID); len(now.Votes) != 0 || votes() != 0 {
		t.Errorf("an assertion was moved: %+v", now.Votes)
	}
	defer a.tamper(t, webauthn.SetResponseOverrideBitsParams{})
	// An authenticator that does not ask who touches it, or signs something else.
	for _, bits := range []webauthn.SetResponseOverrideBitsParams{{IsBadUV: &yes}, {IsBogusSignature: &yes}} {
		a.tamper(t, bits)
		a.open(t, "/requests/"+r.ID+"/approve")
		a.press(t, "Approve")
		a.see(t, "The passkey's answer was refused.", "You are about to approve")
		if votes() != 0 {
			t.Errorf("it voted: %+v", bits)
		}
	}
	a.tamper(t, webauthn.SetResponseOverrideBitsParams{})
	a.open(t, "/requests/"+r.ID+"/approve")
	a.press(t, "Approve")
	a.see(t, "What you signed")
	if votes() != 1 {
		t.Error("the honest vote is missing")
	}
}

// tamper makes the actor's authenticator misbehave.
func (a *actor) tamper(t *testing.T, bits webauthn.SetResponseOverrideBitsParams) {
	t.Helper()
	bits.AuthenticatorID = a.key
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, webauthn.SetResponseOverrideBits, bits)
		return err
	}))
}

// TestT06 signs in with a copy of a passkey, whose counter is behind: it is refused on
// screen, and whose passkey it is reads that there may be a clone.
func TestT06_ClonedPasskeyOnScreen(t *testing.T) {
	t.Parallel()
	the.founded(t)
	a := the.actor(t, the.Console)
	invitation, err := the.operator.InviteStaff(t.Context(), wire.Invite{Name: "Cleo Clone", Email: "cleo@support.example", Role: "auditor"})
	must(t, err)
	a.accept(t, invitation)
	signOutAndIn := func(words string) {
		a.press(t, "Sign out")
		a.see(t, "You are signed out.")
		a.passwordOnly(t)
		a.press(t, "Use a passkey")
		a.see(t, words)
	}
	// counter has the key sign with the counter that a copy of it would have.
	counter := func(n int) {
		a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			r, err := cdp.Call(ctx, target, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.key})
			if err != nil || len(r.Credentials) != 1 {
				return fmt.Errorf("%d credentials: %v", len(r.Credentials), err)
			}
			k := r.Credentials[0]
			if _, err := cdp.Call(ctx, target, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{AuthenticatorID: a.key, CredentialID: k.CredentialID}); err != nil {
				return err
			}
			// Not cdproto's own parameters: they name an extension that the authenticator lacks.
			_, err = cdp.Call(ctx, target, cdp.Command[map[string]any, cdp.Empty]{Method: webauthn.CommandAddCredential}, map[string]any{"authenticatorId": a.key, "credential": map[string]any{
				"credentialId": k.CredentialID, "isResidentCredential": k.IsResidentCredential, "rpId": k.RpID, "privateKey": k.PrivateKey, "userHandle": k.UserHandle, "signCount": n,
			}})
			return err
		}))
	}
	counter(40)
	signOutAndIn("Queue")
	counter(20)
	signOutAndIn("The passkey's answer was refused.")
	if text := a.text(); !strings.Contains(text, "Second factor") || strings.Contains(text, "Queue") {
		t.Errorf("a clone signed in:\n%s", text)
	}
	counter(60)
	// The true key is ahead again: it comes in, and its owner is told.
	a.press(t, "Use a passkey")
	a.see(t, "Queue")
	a.open(t, "/notices")
	a.see(t, "there may be a clone of it")
	a.quiet(t)
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
	digest := get(t, o, chromedp.Value(chromedp.CSS("[name=step_up]")))
	for _, more := range []url.Values{{}, {"step_up_code": {"000000"}}, {"step_up_credential": {"{}"}, "step_up_ceremony": {"x"}}} {
		more.Set("step_up", digest)
		o.post(t, "/requests/"+r.ID+"/confirm", more)
		o.see(t, "Confirm with your second factor", "Your second factor is used for exactly these words", "holdfast statement v1")
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
	for path, action := range map[string]string{
		"/factors/passkey": "factor.enrol", "/factors/passkey/finish": "factor.enrol", "/factors/totp": "factor.enrol", "/factors/totp/confirm": "factor.enrol",
		"/recovery": "recovery", "/password": "password.change",
	} {
		o.post(t, path, url.Values{"name": {"the thief's"}, "ceremony": {"x"}, "credential": {"{}"}, "code": {"000000"}})
		o.see(t, "Confirm with your second factor", "action "+action)
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
