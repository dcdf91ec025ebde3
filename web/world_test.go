package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"holdfast/server/app"
	"holdfast/server/client"
	"holdfast/server/config"
	"holdfast/server/wire"
)

// patience is how long a step of a story may take on a busy machine.
const patience = 30 * time.Second

// beat is the pause of a loop that asks until something is so: one that asks without
// a pause takes the processor from what it waits for.
func beat() { <-time.After(20 * time.Millisecond) }

// world is one running service and one browser, shared by all stories.
type world struct {
	app.Addresses
	operator *client.Client
	browser  context.Context
	mu       sync.Mutex
	end      []func()

	founding  sync.Mutex
	approvers []*actor
	owner     *actor
	tenant    wire.Tenant
	volume    wire.Volume
	ready     []wire.Snapshot
	guide     atomic.Pointer[wire.Guide] // a demonstration's, while a test shows one
}

var the *world

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	var err error
	the, err = open()
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "the service or the browser did not start:", err)
	} else {
		code = m.Run()
	}
	the.close()
	os.Exit(code)
}

func open() (w *world, err error) {
	w = &world{}
	dir, err := os.MkdirTemp("", "holdfast-web")
	if err != nil {
		return w, err
	}
	w.end = append(w.end, func() { _ = os.RemoveAll(dir) })

	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan app.Addresses, 1), make(chan error, 1)
	cfg := config.Config{Dir: filepath.Join(dir, "data"), Listen: "localhost:0", ListenConsole: "localhost:0"}
	go func() { ended <- app.Run(ctx, cfg, func(a app.Addresses) { ready <- a }, app.WithGuide(w.guided)) }()
	select {
	case w.Addresses = <-ready:
	case err := <-ended:
		stop()
		return w, err
	}
	w.end = append(w.end, func() { stop(); <-ended })
	secret, err := app.ReadOperator(cfg.Dir)
	if err != nil {
		return w, err
	}
	w.operator = client.New(w.Portal, client.WithToken(secret))

	alloc, closeAlloc := chromedp.NewExecAllocator(context.Background(),
		append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(filepath.Join(dir, "chromium")),
			chromedp.Flag("no-sandbox", os.Geteuid() == 0), chromedp.Flag("disable-gpu", true),
			chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))...)
	w.end = append(w.end, closeAlloc)
	// A deadline on the first context would end the browser with it.
	browser, closeBrowser := chromedp.NewContext(alloc)
	w.browser = browser
	w.end = append(w.end, closeBrowser)
	return w, chromedp.Do(browser, chromedp.Navigate("about:blank"))
}

func (w *world) guided() (wire.Guide, bool) {
	if g := w.guide.Load(); g != nil {
		return *g, true
	}
	return wire.Guide{}, false
}

func (w *world) close() {
	for i := len(w.end) - 1; i >= 0; i-- {
		w.end[i]()
	}
}

// actor is a person with a browser of their own: own cookies, own authenticator.
type actor struct {
	base, email, password, id string
	secret                    string // of the TOTP factor
	step                      int64  // last TOTP step that was used
	tab                       context.Context
	key                       webauthn.AuthenticatorID

	mu      sync.Mutex
	trouble []string
}

// actor opens a browser for somebody on a face. What the console reports ends
// the test that is running.
func (w *world) actor(t *testing.T, base string) *actor {
	t.Helper()
	a := &actor{base: base, password: "correct horse battery staple 7"}
	tab, closeTab := chromedp.NewContext(w.browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			a.note("exception: " + e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
				text, _ := json.Marshal(e.Args)
				a.note("console: " + string(text))
			}
		case *log.EventEntryAdded:
			// An error status of a page that explains it is no trouble.
			if e.Entry.Source != log.EntrySourceNetwork && (e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity) {
				a.note(fmt.Sprintf("log (%s): %s", e.Entry.Source, e.Entry.Text))
			}
		case *network.EventRequestWillBeSent:
			// Nothing that our pages load comes from anywhere else (data: is the QR code).
			if u := e.Request.URL; strings.HasPrefix(e.DocumentURL, a.base) && !strings.HasPrefix(u, a.base+"/") && !strings.HasPrefix(u, "data:image/") {
				a.note("request to somebody else: " + u)
			}
		case *page.EventJavascriptDialogOpening:
			a.note("dialog: " + e.Message)
		}
	}))
	a.tab = tab
	t.Cleanup(func() { a.quiet(t) })
	w.mu.Lock()
	w.end = append(w.end, closeTab)
	w.mu.Unlock()
	if err := chromedp.Do(tab, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		// Every page of the one browser believes that it has the focus.
		if _, err := cdp.Call(ctx, t, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
			return err
		}
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		made, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		a.key = made.AuthenticatorID
		return err
	})); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *actor) note(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = append(a.trouble, s)
}

// quiet fails if a page wrote an error or met its content policy.
func (a *actor) quiet(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.trouble {
		t.Errorf("%s at %s: %s", a.email, a.base, s)
	}
	a.trouble = nil
}

func (a *actor) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := a.try(actions...); err != nil {
		t.Fatalf("%v\n--- the page:\n%s", err, a.text())
	}
}

func (a *actor) try(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(a.tab, patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

// get runs an action that answers something.
func get[T any](t *testing.T, a *actor, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(a.tab, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("%v\n--- the page:\n%s", err, a.text())
	}
	return out
}

func (a *actor) text() (out string) {
	ctx, cancel := context.WithTimeout(a.tab, 5*time.Second)
	defer cancel()
	out, _ = chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + document.body.innerText`))
	return out
}

// open goes to a path and waits for the page's own heading.
func (a *actor) open(t *testing.T, path string) {
	t.Helper()
	a.do(t, chromedp.Navigate(a.base+path), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// see waits until the page says all of this.
func (a *actor) see(t *testing.T, words ...string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		text, missing := a.text(), ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the page never said %q:\n%s", missing, text)
		}
		beat()
	}
}

// press clicks the button or link with this text.
func (a *actor) press(t *testing.T, label string) {
	t.Helper()
	a.do(t, chromedp.Click(fmt.Sprintf(`//*[self::button or self::a or self::summary][normalize-space()=%q]`, label)))
}

func (a *actor) fill(t *testing.T, selector, value string) {
	t.Helper()
	a.do(t, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.SetValue(chromedp.CSS(selector), value))
}

// code is a code that the actor's app shows and nobody has used. In the first half of
// a step it may be the one before, so that two follow without a wait; later that one
// could end on its way. One that is not accepted yet is waited for, as a person would.
func (a *actor) code(t *testing.T) string {
	t.Helper()
	now := time.Now()
	step := now.Unix() / codeSeconds
	if now.Unix()%codeSeconds < codeSeconds/2 {
		step--
	}
	a.step = max(step, a.step+1)
	select {
	case <-t.Context().Done():
	case <-time.After(time.Until(time.Unix((a.step-1)*codeSeconds, 0))):
	}
	code, err := totp.GenerateCode(a.secret, time.Unix(a.step*codeSeconds, 0))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// codeSeconds is how long an app shows one code; the service accepts the one before
// and the one after as well.
const codeSeconds = 30

// api calls the JSON API with the session of the page.
func (a *actor) api(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	type reply struct {
		Status int
		Text   string
	}
	script := fmt.Sprintf(`(async () => { const r = await fetch(%q, {method: %q, headers: {"Content-Type": "application/json"}, body: %q === "null" ? undefined : %q});
		return {Status: r.status, Text: await r.text()}; })()`, path, method, body, body)
	answer := get(t, a, chromedp.Evaluate[reply](script, chromedp.EvalAwaitPromise))
	if out != nil {
		if answer.Status >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Text)
		}
		if err := json.Unmarshal([]byte(answer.Text), out); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, answer.Text)
		}
	}
	return answer.Status
}

// accept accepts an invitation with a passkey.
func (a *actor) accept(t *testing.T, i wire.Invitation) {
	t.Helper()
	a.email, a.id = i.Person.Email, i.Person.ID
	a.open(t, "/invitation#"+i.Secret)
	a.press(t, "Continue")
	a.see(t, "Name of the factor")
	a.fill(t, "#new-password", a.password)
	a.fill(t, "#repeat", a.password)
	a.fill(t, "#name", "blue key")
	a.press(t, "Create the passkey and the account")
	a.see(t, "Sign out")
}

// acceptTOTP accepts an invitation with an authenticator app.
func (a *actor) acceptTOTP(t *testing.T, i wire.Invitation) {
	t.Helper()
	a.email, a.id = i.Person.Email, i.Person.ID
	a.open(t, "/invitation")
	a.fill(t, "#secret", i.Secret)
	a.do(t, chromedp.Click(chromedp.CSS("#kind-totp")))
	a.press(t, "Continue")
	a.see(t, "Scan this")
	a.secret = get(t, a, chromedp.Text(chromedp.CSS("#totp-secret")))
	a.fill(t, "#new-password", a.password)
	a.fill(t, "#repeat", a.password)
	a.fill(t, "#code", a.code(t))
	a.press(t, "Create the account")
	a.see(t, "Sign out")
}

func (a *actor) passwordOnly(t *testing.T) {
	t.Helper()
	a.open(t, "/sign-in")
	a.fill(t, "#email", a.email)
	a.fill(t, "#password", a.password)
	a.press(t, "Continue")
	a.see(t, "Now show your second factor")
}

// founded makes the installation that most stories need: five approvers in two
// teams whose passkeys were made and have signed in browsers, a tenant and its
// owner, and snapshots.
func (w *world) founded(t *testing.T) {
	t.Helper()
	// No story ends with an error on a page, a report of its content policy or a
	// request to somebody else that nobody has looked at.
	t.Cleanup(func() {
		w.founding.Lock()
		defer w.founding.Unlock()
		for _, a := range append(slices.Clone(w.approvers), w.owner) {
			if a != nil {
				a.quiet(t)
			}
		}
	})
	w.founding.Lock()
	defer w.founding.Unlock()
	if w.owner != nil {
		return
	}
	ctx := t.Context()
	proposal := wire.ProposeGenesis{Purpose: "demo"}
	recovery, err := age.GenerateX25519Identity()
	must(t, err)
	proposal.Recipients = []string{recovery.Recipient().String()}
	for i, team := range []string{"berlin", "berlin", "berlin", "lisbon", "lisbon"} {
		a := w.actor(t, w.Console)
		invitation, err := w.operator.InviteStaff(ctx, wire.Invite{Name: fmt.Sprintf("Approver %d", i+1), Email: fmt.Sprintf("approver%d@support.example", i+1), Role: "approver"})
		must(t, err)
		a.accept(t, invitation)
		a.see(t, "There is no charter yet")
		w.approvers = append(w.approvers, a)
		proposal.Approvers = append(proposal.Approvers, wire.GenesisApprover{Person: a.id, Team: team})
	}
	_, err = w.operator.ProposeGenesis(ctx, proposal)
	must(t, err)
	for i, a := range w.approvers {
		a.open(t, "/")
		a.see(t, "The first charter is being signed")
		a.press(t, "Read the proposal and sign it")
		a.see(t, "holdfast charter v1", "purpose demo")
		a.press(t, "Sign the charter")
		if i < len(w.approvers)-1 {
			a.see(t, "Your signature is on the charter")
		} else {
			a.see(t, "The charter is sealed")
		}
		a.quiet(t)
	}
	created, err := w.operator.CreateTenant(ctx, wire.CreateTenant{Name: hostileTenant, OwnerName: "Olivia Owens", OwnerEmail: "olivia@acme.example"})
	must(t, err)
	w.tenant = created.Tenant
	w.owner = w.actor(t, w.Portal)
	w.owner.accept(t, created.Invitation)
	w.owner.quiet(t)
	w.snapshots(t)
}

// snapshots gives the owner a volume with as many snapshots as the stories ask to
// delete, and one more. All are taken first: each is proven a moment later.
func (w *world) snapshots(t *testing.T) {
	t.Helper()
	o := w.owner
	o.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: hostileVolume, Kind: "files"}, &w.volume)
	var ticket wire.Ticket
	o.api(t, "POST", "/v1/volumes/"+w.volume.ID+"/ticket", wire.AskTicket{Operations: []string{"put"}}, &ticket)
	_, err := client.New(w.Portal, client.WithToken(ticket.Ticket)).PutFile(t.Context(), w.volume.ID, "a/letter.txt", strings.NewReader("Dear all,\n"))
	must(t, err)
	for range stories + 1 {
		var s wire.Snapshot
		o.api(t, "POST", "/v1/volumes/"+w.volume.ID+"/snapshots", wire.TakeSnapshot{Name: "before the move"}, &s)
		w.ready = append(w.ready, s)
	}
	for deadline := time.Now().Add(2 * patience); ; {
		waiting := 0
		for i := range w.ready {
			if s := &w.ready[i]; len(s.Copies) == 0 || s.Copies[0].Proven == nil {
				waiting++
				o.api(t, "GET", "/v1/snapshots/"+s.ID, nil, s)
			}
		}
		if waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d snapshots were never proven", waiting)
		}
		beat()
	}
}

// stories is how many requests the stories draft.
const stories = 19

// hostileTenant is a tenant's name that would run a script if it were let, and
// begins with a letter that only looks like an A.
const hostileTenant = "\u0410cme<img src=x onerror=alert(1)>"

// draft drafts a request for the deletion of a snapshot that no other story uses.
func (w *world) draft(t *testing.T, reason string) wire.Request {
	t.Helper()
	w.founded(t)
	if len(w.ready) < 2 {
		t.Fatal("more stories than snapshots: raise the constant")
	}
	s := w.ready[0]
	w.ready = w.ready[1:]
	var r wire.Request
	w.owner.api(t, "POST", "/v1/requests", wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: s.ID}}, Reason: reason}, &r)
	return r
}

// hostileVolume is a name with markup and characters that draw nothing,
// which volumes may have.
const hostileVolume = "pay<img src=x onerror=alert(2)>roll\u200b\u2060"

// confirmed is draft with the owner's confirmation by a passkey.
func (w *world) confirmed(t *testing.T, reason string) wire.Request {
	t.Helper()
	r := w.draft(t, reason)
	o := w.owner
	o.open(t, "/requests/"+r.ID)
	o.see(t, "This is a draft")
	o.press(t, "Confirm the request…")
	o.see(t, "holdfast statement v1", r.ID, "Your second factor is used for exactly these words")
	o.press(t, "Confirm with a passkey")
	o.see(t, "The request is confirmed and open for votes.", "Nobody has voted.")
	o.quiet(t)
	var fresh wire.Request
	o.api(t, "GET", "/v1/requests/"+r.ID, nil, &fresh)
	return fresh
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
