package web_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
	"holdfast/web/view"
)

func TestStoryFirstFactorsAndSignIn(t *testing.T) {
	the.founded(t)
	a := the.approvers[0]
	a.open(t, "/")
	a.see(t, "Demonstration.", "Queue", "Approver 1", "approver")
	a.press(t, "Sign out")
	a.see(t, "You are signed out.")
	a.open(t, "/requests")
	a.see(t, "Sign in") // and then back to where we wanted to go
	a.fill(t, "#email", a.email)
	a.fill(t, "#password", "not the password at all")
	a.press(t, "Continue")
	a.see(t, "E-mail address and password do not match.")
	if got := get(t, a, chromedp.Value(chromedp.CSS("#email"))); got != a.email {
		t.Errorf("the address was not kept: %q", got)
	}
	a.fill(t, "#password", a.password)
	a.press(t, "Continue")
	a.see(t, "Now show your second factor")
	a.press(t, "Use a passkey")
	a.see(t, "/requests\n", "Requests", "Sign out")
	a.quiet(t)
}

// One story, for its codes come out of one app: three every ninety seconds.
func TestStoryAuthenticatorAppThenPasskey(t *testing.T) {
	t.Parallel()
	the.founded(t)
	created, err := the.operator.CreateTenant(t.Context(), wire.CreateTenant{Name: hostileTenant, OwnerName: "Olaf Other", OwnerEmail: "olaf@other.example"})
	must(t, err)
	o := the.actor(t, the.Portal)
	o.acceptTOTP(t, created.Invitation)
	o.press(t, "Sign out")
	o.see(t, "You are signed out.")
	o.passwordOnly(t)
	o.fill(t, "#code", "000000")
	o.press(t, "Use the code")
	o.see(t, "The code is not right")
	o.fill(t, "#code", o.code(t))
	o.press(t, "Use the code")
	o.see(t, "Your backups", "Olaf Other")

	o.open(t, "/factors")
	o.see(t, "Authenticator app")
	o.fill(t, "#passkey-name", "laptop")
	o.press(t, "Add a passkey")
	o.see(t, "Confirm with your second factor", "holdfast operation v1", "action factor.enrol", `detail "passkey laptop"`)
	o.fill(t, "#step-up-code", "000000")
	o.press(t, "Confirm with the code")
	o.see(t, "The code is not right", "action factor.enrol") // asked again, in the same place
	o.fill(t, "#step-up-code", o.code(t))
	o.press(t, "Confirm with the code")
	o.see(t, "Create the passkey")
	o.press(t, "Create the passkey")
	o.see(t, "The factor is added.", "laptop")
	o.quiet(t)
	var factors []wire.Factor
	o.api(t, "GET", "/v1/factors", nil, &factors)
	if len(factors) != 2 || factors[1].Kind != "passkey" || factors[1].Name != "laptop" {
		t.Errorf("factors: %+v", factors)
	}
}

func TestStoryTwoApproversInTwoBrowsers(t *testing.T) {
	r := the.confirmed(t, "moved to another service")
	a, b := the.approvers[0], the.approvers[3]
	a.open(t, "/")
	a.see(t, "Waiting for votes", "moved to another service", r.Fingerprint)
	a.open(t, "/requests/"+r.ID)
	// Byte for byte what is signed, and both decisions alike.
	if got := get(t, a, chromedp.TextContent(chromedp.CSS("pre.statement"))); got != r.Statement {
		t.Errorf("the page shows\n%q\nand\n%q is signed", got, r.Statement)
	}
	same := `(() => { const [a, b] = document.querySelectorAll(".pair a"); const f = (e) => { const s = getComputedStyle(e), r = e.getBoundingClientRect();
		return [s.color, s.backgroundColor, s.fontSize, s.fontWeight, s.borderColor, Math.round(r.width), Math.round(r.height)].join(); }; return f(a) === f(b) ? "" : f(a) + " / " + f(b); })()`
	if diff := get(t, a, chromedp.Evaluate[string](same)); diff != "" {
		t.Errorf("approve and deny do not look alike: %s", diff)
	}
	a.press(t, view.Count(int64(r.BodyLines), "line", "lines")+" of targets")
	a.see(t, "Targets", the.volume.ID, r.Fingerprint)

	var both sync.WaitGroup
	for _, who := range []*actor{a, b} {
		who.open(t, "/requests/"+r.ID+"/approve")
		who.see(t, "You are about to approve", r.Digest)
	}
	for _, who := range []*actor{a, b} {
		both.Go(func() {
			if err := who.try(chromedp.Click(`//button[normalize-space()="Approve"]`)); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for _, who := range []*actor{a, b} {
		who.see(t, "What you signed", "Your decision is recorded", r.Fingerprint, "(you)")
		who.quiet(t)
	}
	var now wire.Request
	a.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
	if len(now.Votes) != 2 || now.Need.Got != 2 {
		t.Errorf("after both votes: %s, %+v", now.State, now.Votes)
	}
	// The owner's passkey is younger than the quarantine: one approval more.
	for _, who := range the.approvers[1:3] {
		if now.Need.Got < now.Need.Approvals {
			who.open(t, "/requests/"+r.ID+"/approve")
			who.press(t, "Approve")
			who.see(t, "What you signed")
			who.quiet(t)
			a.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
		}
	}
	if now.State == "open" {
		t.Errorf("the quorum did not complete: %+v", now)
	}
	o := the.owner
	o.open(t, "/requests/"+r.ID)
	o.see(t, "Approver 1", "Approver 4")
	o.quiet(t)
}

func TestStoryDenyWithReason(t *testing.T) {
	r := the.confirmed(t, "no longer wanted")
	a := the.approvers[1]
	a.open(t, "/requests/"+r.ID)
	a.press(t, "Deny…")
	a.see(t, "You are about to deny")
	a.press(t, "Deny") // the browser insists on a reason
	if invalid := get(t, a, chromedp.Evaluate[bool](`document.querySelector("#reason:invalid") !== null`)); !invalid {
		t.Error("a deny without reason would be sent")
	}
	a.fill(t, "#reason", "The customer knows nothing of it.")
	a.press(t, "Deny")
	a.see(t, "What you signed", "denied")
	a.quiet(t)
	var now wire.Request
	a.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
	if now.State != "denied" {
		t.Errorf("state %s", now.State)
	}
}

func TestStoryCancelAndFreeze(t *testing.T) {
	r := the.confirmed(t, "by mistake")
	o := the.owner
	o.open(t, "/requests/"+r.ID)
	o.fill(t, "#cancel-reason", "I clicked the wrong one.")
	o.press(t, "Cancel the request")
	o.confirmIfAsked(t, "The request is cancelled.")
	if now := the.state(t, o, r.ID); now.State != "cancelled" {
		t.Errorf("state %s", now.State)
	}
	// What one person does stands on another's page a moment later, which loses
	// nothing that was typed.
	watcher := the.approvers[4]
	watcher.open(t, "/freeze")
	watcher.do(t, chromedp.WaitReady(chromedp.CSS("html[data-listening]")))
	watcher.do(t, chromedp.Evaluate[chromedp.Void](`window.stayed = true`))
	watcher.fill(t, "#reason", "half a sentence")
	o.open(t, "/freeze")
	o.fill(t, "#reason", "We saw a login that nobody knows.")
	o.press(t, "Freeze now")
	o.confirmIfAsked(t, "The freeze is in force.")
	o.see(t, "We saw a login that nobody knows.")
	o.quiet(t)
	watcher.see(t, "We saw a login that nobody knows.", "The freezes in force have changed.")
	if !get(t, watcher, chromedp.Evaluate[bool](`window.stayed === true && document.querySelector("#reason").value === "half a sentence"`)) {
		t.Error("the page was loaded again, or lost what was typed")
	}
	watcher.quiet(t)
	a := the.approvers[2]
	a.open(t, "/freeze")
	a.see(t, the.tenant.ID, "We saw a login that nobody knows.")
	var freezes []wire.Freeze
	a.api(t, "GET", "/v1/freezes", nil, &freezes)
	if !slices.ContainsFunc(freezes, func(z wire.Freeze) bool { return z.Tenant == the.tenant.ID && z.By.ID == o.id }) {
		t.Errorf("freezes: %+v", freezes)
	}
	a.quiet(t)
}

// confirmIfAsked proves a step-up where the power wants one.
func (a *actor) confirmIfAsked(t *testing.T, after string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		text := a.text()
		switch {
		case strings.Contains(text, after):
			return
		case strings.Contains(text, "Confirm with your second factor"):
			a.press(t, "Confirm with a passkey")
			a.see(t, after)
			return
		case time.Now().After(deadline):
			t.Fatalf("neither %q nor a step-up:\n%s", after, text)
		}
		beat()
	}
}

func TestPagesOfNobodyAndNothing(t *testing.T) {
	the.founded(t)
	a := the.approvers[4]
	a.open(t, "/there/is/no/such/page")
	a.see(t, "Not found", "There is no page at this address.")
	a.open(t, "/requests/req_00000000000000000000000000")
	a.see(t, "Not found")
	r, err := http.Get(the.Console + "/v1/nothing")
	must(t, err)
	defer r.Body.Close()
	if kind := r.Header.Get("Content-Type"); !strings.Contains(kind, "json") {
		t.Errorf("an unknown path of the API answers %q", kind)
	}
}
