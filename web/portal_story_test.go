package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// member is somebody new in the tenant, who has a browser and has signed in.
func (w *world) member(t *testing.T, name, role string) *actor {
	t.Helper()
	w.founded(t)
	o := w.owner
	o.open(t, "/people")
	o.fill(t, "#name", name)
	o.fill(t, "#email", strings.ToLower(strings.Fields(name)[0])+"@acme.example")
	o.fill(t, "#role", role)
	o.press(t, "Invite…")
	o.press(t, "Confirm with a passkey")
	o.see(t, "Shown this once")
	secret := get(t, o, chromedp.Text(chromedp.CSS("#code")))
	a := w.actor(t, w.Portal)
	a.accept(t, wire.Invitation{Secret: secret, Person: wire.Person{Email: strings.ToLower(strings.Fields(name)[0]) + "@acme.example"}})
	var people []wire.Person
	o.api(t, "GET", "/v1/members", nil, &people)
	for _, p := range people {
		if p.Email == a.email {
			a.id = p.ID
		}
	}
	return a
}

// filled is a new volume of the owner's with some files.
func (w *world) filled(t *testing.T, name string, paths ...string) (v wire.Volume) {
	t.Helper()
	w.founded(t)
	w.owner.api(t, "POST", "/v1/volumes", wire.CreateVolume{Name: name, Kind: "files"}, &v)
	for _, p := range paths {
		w.owner.put(t, v, p, "the content of "+p)
	}
	return v
}

func (a *actor) data(t *testing.T, v wire.Volume, operation string) *client.Client {
	t.Helper()
	var ticket wire.Ticket
	a.api(t, "POST", "/v1/volumes/"+v.ID+"/ticket", wire.AskTicket{Operations: []string{operation}}, &ticket)
	return client.New(the.Portal, client.WithToken(ticket.Ticket))
}

func (a *actor) put(t *testing.T, v wire.Volume, path, content string) {
	t.Helper()
	_, err := a.data(t, v, "put").PutFile(t.Context(), v.ID, path, strings.NewReader(content))
	must(t, err)
}

// remove deletes paths; what ends in a slash with all below it.
func (a *actor) remove(t *testing.T, v wire.Volume, paths ...string) {
	t.Helper()
	for _, p := range paths {
		path := "/v1/data/" + v.ID + "/files/" + strings.TrimSuffix(p, "/")
		if strings.HasSuffix(p, "/") {
			path += "?recursive=true"
		}
		if status := a.api(t, "DELETE", path, nil, nil); status != 200 {
			t.Fatalf("DELETE %s: %d", path, status)
		}
	}
}

// sealed takes a snapshot and waits until a copy of it is proven.
func (w *world) sealed(t *testing.T, v wire.Volume, name string) (s wire.Snapshot) {
	t.Helper()
	w.owner.api(t, "POST", "/v1/volumes/"+v.ID+"/snapshots", wire.TakeSnapshot{Name: name}, &s)
	for deadline := time.Now().Add(2 * patience); len(s.Copies) == 0 || s.Copies[0].Proven == nil; {
		if time.Now().After(deadline) {
			t.Fatal("the snapshot was never proven")
		}
		beat()
		w.owner.api(t, "GET", "/v1/snapshots/"+s.ID, nil, &s)
	}
	return s
}

// tick chooses an entry of the folder that is open.
func (a *actor) tick(t *testing.T, name string) {
	t.Helper()
	a.do(t, chromedp.Click(fmt.Sprintf(`//input[@type="checkbox"][@aria-label=%q]`, "Choose "+name)))
}

func (a *actor) attribute(t *testing.T, selector, name string) string {
	t.Helper()
	return get(t, a, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).getAttribute(%q)`, selector, name)))
}

// wordOf confirms the asking for one snapshot: its name where that is plain.
func wordOf(s wire.Snapshot) string {
	if s.Name != "" && !strings.ContainsAny(s.Name, " <>") {
		return "delete " + s.Name
	}
	return "delete " + s.ID[len(s.ID)-6:]
}

// ask asks for a snapshot's deletion, up to the step-up.
func (a *actor) ask(t *testing.T, s wire.Snapshot, reason string) {
	t.Helper()
	a.open(t, "/snapshots/"+s.ID)
	a.press(t, "Ask for its deletion…")
	a.see(t, "This is not like deleting files")
	a.fill(t, "#reason", reason)
	a.fill(t, "#typed", wordOf(s))
	a.press(t, "Ask for its deletion…")
}

// mint makes a token that takes snapshots, and proves the step-up.
func (a *actor) mint(t *testing.T, name string) {
	t.Helper()
	a.open(t, "/tokens")
	a.fill(t, "#name", name)
	a.do(t, chromedp.Click(chromedp.CSS(`[id="scope-snapshot:create"]`)), chromedp.Click(chromedp.CSS("#where-all")))
	a.press(t, "Make the token…")
	a.see(t, "scopes snapshot:create volumes all until")
	a.press(t, "Confirm with a passkey")
}

// disk writes files for a browser to upload.
func disk(t *testing.T, files map[string]string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// script turns the page's script off or on.
func (a *actor) script(t *testing.T, on bool) {
	t.Helper()
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

func (a *actor) content(t *testing.T, v wire.Volume, path string) string {
	t.Helper()
	type reply struct {
		Status int
		Text   string
	}
	got := get(t, a, chromedp.Evaluate[reply](fmt.Sprintf(`(async () => { const r = await fetch(%q); return {Status: r.status, Text: await r.text()}; })()`, "/v1/data/"+v.ID+"/files/"+path), chromedp.EvalAwaitPromise))
	if got.Status != 200 {
		return fmt.Sprint(got.Status)
	}
	return got.Text
}

// TestStoryUploadDeleteRestore: files go up with progress and without script, what
// is there is not sent again, a folder is deleted and is back two clicks from the
// overview, and a snapshot is restored after its preview.
func TestStoryUploadDeleteRestore(t *testing.T) {
	v := the.filled(t, "uploads", "docs/kept.txt", "docs/deep/er.txt")
	o := the.owner
	files := disk(t, map[string]string{"first.txt": "one", "second & third.txt": "two"})
	here := "/volumes/" + v.ID
	upload := func(paths []string) {
		o.do(t, chromedp.WaitVisible(chromedp.CSS("#upload-files")), chromedp.SetUploadFiles(chromedp.CSS("#upload-files"), paths))
		o.press(t, "Upload")
		o.see(t, "Uploaded. It is durable.")
	}
	o.open(t, here)
	upload(files)
	o.see(t, "first.txt", "second & third.txt", "docs/")
	if got := o.content(t, v, "second%20%26%20third.txt"); got != "two" {
		t.Errorf("uploaded %q", got)
	}
	var before, after wire.Volume
	o.api(t, "GET", "/v1/volumes/"+v.ID, nil, &before)
	o.open(t, here)
	upload(files)
	o.api(t, "GET", "/v1/volumes/"+v.ID, nil, &after)
	if after.Head != before.Head {
		t.Error("what was there already was sent again")
	}
	o.quiet(t)

	// The same as a plain form.
	o.script(t, false)
	plain := disk(t, map[string]string{"plain.txt": "without a script"})
	o.open(t, here+"?dir=docs/")
	upload(plain)
	o.script(t, true)
	o.open(t, here+"?dir=docs/")
	o.see(t, "plain.txt", "kept.txt", "deep/")
	if got := o.content(t, v, "docs/plain.txt"); got != "without a script" {
		t.Errorf("the plain form stored %q", got)
	}
	s := the.sealed(t, v, "all of it")

	// A folder is deleted, after a clear word about what stays.
	o.open(t, here)
	o.tick(t, "docs/")
	o.press(t, "Delete what is ticked…")
	o.see(t, "docs/ and everything below it", "It can be brought back", "What is in a snapshot stays there")
	o.press(t, "Delete 3 files and 1 folder")
	o.see(t, "Deleted. Until the undo window ends", "3 files deleted, and can be brought back", "first.txt")
	if text := o.text(); strings.Contains(text, "docs/") {
		t.Errorf("the folder is still there:\n%s", text)
	}
	// Two clicks from the overview.
	o.open(t, "/")
	o.do(t, chromedp.Click(fmt.Sprintf(`//a[@href=%q]`, here+"/deleted")))
	o.see(t, "docs/kept.txt", "docs/deep/", "3 files deleted")
	o.press(t, "Bring all of it back")
	o.see(t, "Restored, and compared by digest", "3 files", "Nothing is missing any more")
	if got := o.content(t, v, "docs/kept.txt"); got != "the content of docs/kept.txt" {
		t.Errorf("brought back as %q", got)
	}
	o.open(t, here+"/deleted")
	o.see(t, "Nothing is missing")

	// A snapshot, exactly: the preview says what would be overwritten and deleted.
	o.put(t, v, "first.txt", "spoilt")
	o.put(t, v, "ransom.txt", "pay")
	o.remove(t, v, "docs/kept.txt")
	o.open(t, "/snapshots/"+s.ID)
	o.see(t, "sealed", "proven")
	o.press(t, "Restore…")
	o.see(t, "From the snapshot of", "How")
	o.do(t, chromedp.Click(chromedp.CSS("#how-exact")))
	o.press(t, "Show what would change")
	o.see(t, "comes back", "is put back as it was", "is deleted; it stays in the undo window", "ransom.txt")
	if got := o.content(t, v, "ransom.txt"); got != "pay" {
		t.Error("the preview did it already")
	}
	o.press(t, "Restore now")
	o.see(t, "Restored, and compared by digest")
	if got := o.content(t, v, "first.txt") + o.content(t, v, "ransom.txt") + o.content(t, v, "docs/kept.txt"); got != "one404the content of docs/kept.txt" {
		t.Errorf("restored %q", got)
	}
	// The past is browsed as if it were live, and compared.
	o.open(t, here+"?snapshot="+s.ID+"&dir=docs/")
	o.see(t, "You look at the past", "plain.txt")
	o.open(t, here+"/compare?snapshot="+s.ID)
	o.see(t, "Nothing differs")
	o.quiet(t)
}

// TestStoryVolumeGoneAndBack: a volume is made, deleted and brought back.
func TestStoryVolumeGoneAndBack(t *testing.T) {
	the.founded(t)
	o := the.owner
	o.open(t, "/volumes/new")
	o.fill(t, "#name", "comes and goes")
	o.press(t, "Make the volume")
	o.see(t, "The volume is made.", "Nothing here")
	id := strings.TrimPrefix(get(t, o, chromedp.Evaluate[string](`location.pathname`)), "/volumes/")
	o.put(t, wire.Volume{ID: id}, "a.txt", "a")
	o.open(t, "/volumes/"+id+"/manage")
	o.press(t, "Delete the volume…")
	o.see(t, "There is no snapshot of this volume")
	o.press(t, "Delete the volume with 1 file")
	o.see(t, "Deleted volumes", "comes and goes")
	o.do(t, chromedp.Click(`//button[@aria-label="Bring it back: comes and goes"]`))
	o.see(t, "The volume is back", "a.txt")
	o.quiet(t)
}

// TestStoryAskCancelLive: asking for a deletion is another world, needs what was
// typed and a factor for exactly this; a colleague's open page shows it at once,
// and the colleague, a viewer, stops it.
func TestStoryAskCancelLive(t *testing.T) {
	v := the.filled(t, "to be asked about", "a.txt")
	s := the.sealed(t, v, "")
	viewer := the.member(t, "Will Watcher", "viewer")
	viewer.open(t, "/")
	viewer.see(t, "to be asked about")
	o := the.owner
	o.open(t, "/snapshots/"+s.ID+"/delete")
	o.see(t, "What would be gone", "Newest restore point left", "None. After this nothing of the volume could be restored")
	o.fill(t, "#reason", "A test of the asking.")
	o.fill(t, "#typed", "delete something else")
	o.press(t, "Ask for its deletion…")
	if !get(t, o, chromedp.Evaluate[bool](`document.querySelector("#typed:invalid") !== null`)) {
		t.Error("a wrong confirmation would be sent")
	}
	o.ask(t, s, "A test of the asking.")
	o.see(t, "holdfast statement v1", s.ID, "A test of the asking.", "Your second factor is used for exactly these words")
	o.press(t, "Confirm with a passkey")
	o.see(t, "The request is confirmed and open for votes.")
	request := strings.TrimPrefix(get(t, o, chromedp.Evaluate[string](`location.pathname`)), "/requests/")
	// Nobody has loaded this page again.
	viewer.see(t, "Somebody has asked for the deletion of a snapshot.", "A test of the asking.")
	viewer.press(t, "Look at the request")
	viewer.see(t, request)
	viewer.fill(t, "#cancel-reason", "Nobody told me.")
	viewer.press(t, "Cancel the request")
	viewer.confirmIfAsked(t, "The request is cancelled.")
	var now wire.Request
	o.api(t, "GET", "/v1/requests/"+request, nil, &now)
	if now.State != "cancelled" {
		t.Errorf("state %s", now.State)
	}
	o.quiet(t)
	viewer.quiet(t)
}

// TestStoryViewerCannotWhatOwnersCan: a viewer's pages offer reading and stopping,
// and what is sent all the same is refused on screen.
func TestStoryViewerCannotWhatOwnersCan(t *testing.T) {
	v := the.filled(t, "only to be read", "a.txt")
	s := the.sealed(t, v, "")
	viewer := the.member(t, "Vito Viewer", "viewer")
	viewer.open(t, "/volumes/"+v.ID)
	viewer.see(t, "a.txt")
	viewer.open(t, "/snapshots/"+s.ID)
	if text := viewer.text(); strings.Contains(text, "Ask for its deletion") {
		t.Error("a viewer is offered to ask for a deletion")
	}
	for path, form := range map[string]string{
		"/volumes/" + v.ID + "/delete":        "path=a.txt&sure=yes",
		"/volumes/" + v.ID + "/delete-volume": "sure=yes",
		"/volumes/" + v.ID + "/snapshot":      "name=x",
		"/volumes/" + v.ID + "/restore":       "snapshot=" + s.ID,
		"/volumes/new":                        "name=x&kind=files",
		"/snapshots/" + s.ID + "/delete":      "reason=x&typed=" + url.QueryEscape(wordOf(s)),
		"/people":                             "name=x&email=x@acme.example&role=owner",
		"/tokens":                             "name=x&scope=volume:read&where=all&ends=2027-01-01T00:00:00Z",
		"/freeze":                             "reason=x&lockdown=yes",
	} {
		if got := viewer.send(t, path, form); !strings.HasPrefix(got, "403") && !strings.HasPrefix(got, "404") {
			t.Errorf("%s: %.200s", path, got)
		}
	}
	if got := viewer.content(t, v, "a.txt"); got != "the content of a.txt" {
		t.Errorf("the file is %q", got)
	}
	// Everybody can stop.
	viewer.open(t, "/holds")
	viewer.fill(t, "#reason", "An auditor comes on Monday.")
	viewer.press(t, "Place the hold")
	viewer.confirmIfAsked(t, "The hold is in force.")
	viewer.see(t, "An auditor comes on Monday.")
	viewer.trouble = nil // the browser reports the refusals
}

// send posts a form by script, and answers the status and the text of the page.
func (a *actor) send(t *testing.T, path, form string) string {
	t.Helper()
	return get(t, a, chromedp.Evaluate[string](fmt.Sprintf(`(async () => { const r = await fetch(%q, {method: "POST", body: new URLSearchParams(%q)}); return r.status + " " + await r.text(); })()`, path, form), chromedp.EvalAwaitPromise))
}

// TestT03_StolenSessionOfAMemberDoesNothingThatLasts plays a thief who has the
// owner's session and no factor of theirs.
func TestT03_StolenSessionOfAMemberDoesNothingThatLasts(t *testing.T) {
	v := the.filled(t, "in a stolen session", "a.txt")
	s := the.sealed(t, v, "")
	o := the.owner
	requests := func() (open int) {
		var list []wire.Request
		o.api(t, "GET", "/v1/requests", nil, &list)
		for _, r := range list {
			if r.State != "draft" {
				open++
			}
		}
		return open
	}
	o.open(t, "/")
	before := requests()
	for path, form := range map[string]string{
		"/snapshots/" + s.ID + "/delete": "reason=ransom&typed=" + url.QueryEscape(wordOf(s)),
		"/people":                        "name=Thief&email=thief@evil.example&role=owner",
		"/tokens":                        "name=thief&scope=volume:write&where=all&ends=" + time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z"),
		"/freeze":                        "reason=x&lockdown=yes",
	} {
		// A code that was guessed does not help.
		for _, more := range []string{"", "&step_up=sha256:" + strings.Repeat("0", 64) + "&step_up_code=123456"} {
			fields, err := url.ParseQuery(form + more)
			must(t, err)
			o.post(t, path, fields)
			o.see(t, "Confirm with your second factor", "Your second factor is used for exactly these words")
		}
	}
	if now := requests(); now != before {
		t.Errorf("%d requests were opened", now-before)
	}
	var people []wire.Person
	o.api(t, "GET", "/v1/members", nil, &people)
	for _, p := range people {
		if p.Email == "thief@evil.example" {
			t.Error("the thief is a member")
		}
	}
	// What the thief can do, delete files, is undone.
	o.open(t, "/volumes/"+v.ID)
	o.tick(t, "a.txt")
	o.press(t, "Delete what is ticked…")
	o.press(t, "Delete 1 file")
	o.see(t, "Deleted.")
	o.open(t, "/volumes/"+v.ID+"/deleted")
	o.press(t, "Bring it back")
	o.see(t, "compared by digest")
	o.quiet(t)
}

// TestT08_ForeignUploadIsRefused sends a form with files from another site's page,
// which browsers do without asking.
func TestT08_ForeignUploadIsRefused(t *testing.T) {
	v := the.filled(t, "not for strangers", "a.txt")
	o := the.owner
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<h1>post</h1><form id="f" method="post" enctype="multipart/form-data" action="%s/volumes/%s/upload"><input type="file" name="file" id="file"></form>
			<script>const d = new DataTransfer(); d.items.add(new File(["evil"], "a.txt")); document.getElementById("file").files = d.files; document.getElementById("f").submit()</script>`, the.Portal, v.ID)
	}))
	defer foreign.Close()
	o.do(t, chromedp.Navigate(foreign.URL))
	o.see(t, "foreign-origin")
	o.open(t, "/volumes/"+v.ID)
	if got := o.content(t, v, "a.txt"); got != "the content of a.txt" {
		t.Errorf("a foreign page wrote %q", got)
	}
	o.trouble = nil // the browser reports the refusal
}

// TestT15_MembersHaveNoVote looks for the approvers' pages on the portal.
func TestT15_MembersHaveNoVote(t *testing.T) {
	r := the.confirmed(t, "a vote of its own")
	o := the.owner
	o.open(t, "/requests/"+r.ID)
	for _, decision := range []string{"approve", "deny"} {
		o.open(t, "/requests/"+r.ID+"/"+decision)
		o.see(t, "Not found")
		if got := o.send(t, "/requests/"+r.ID+"/"+decision, "code=123456&digest="+r.Digest); !strings.HasPrefix(got, "404") {
			t.Errorf("%s: %.200s", decision, got)
		}
	}
	if status := o.api(t, "POST", "/v1/requests/"+r.ID+"/votes", wire.CastVote{Decision: "approve", Code: "123456"}, nil); status < 400 {
		t.Errorf("a member's vote: %d", status)
	}
	var now wire.Request
	o.api(t, "GET", "/v1/requests/"+r.ID, nil, &now)
	if len(now.Votes) != 0 {
		t.Errorf("votes: %+v", now.Votes)
	}
	o.trouble = nil
}

// TestStoryTokenShownOnceAndLogVerified: a token works, is shown once and revoked;
// the log notes it, and the page proves it.
func TestStoryTokenShownOnceAndLogVerified(t *testing.T) {
	v := the.filled(t, "for a token", "a.txt")
	o := the.owner
	o.mint(t, "nightly job")
	o.see(t, "Shown this once", "snapshot:create", "every volume", "Ends")
	secret := get(t, o, chromedp.Text(chromedp.CSS("#token")))
	var tokens []wire.Token
	o.api(t, "GET", "/v1/tokens", nil, &tokens)
	i := slices.IndexFunc(tokens, func(x wire.Token) bool { return x.Name == "nightly job" })
	if i < 0 || tokens[i].ExpiresAt.Before(time.Now()) || !slices.Equal(tokens[i].Scopes, []string{"snapshot:create"}) {
		t.Fatalf("tokens: %+v", tokens)
	}
	ends := tokens[i].ExpiresAt.UTC().Format("2006-01-02 15:04:05")
	o.see(t, ends)
	token := client.New(the.Portal, client.WithToken(secret))
	_, err := token.TakeSnapshot(t.Context(), v.ID, "by the job")
	must(t, err)
	o.open(t, "/tokens")
	o.see(t, "nightly job", "snapshot:create", ends)
	if _, err := token.DeleteVolume(t.Context(), v.ID); err == nil {
		t.Error("a token did what it has no scope for")
	}
	if strings.Contains(o.text(), secret) {
		t.Error("the secret is shown again")
	}
	o.do(t, chromedp.Click(`//button[@aria-label="Revoke nightly job"]`))
	o.see(t, "The token is revoked.")
	if _, err := token.TakeSnapshot(t.Context(), v.ID, "too late"); err == nil {
		t.Error("a revoked token works")
	}
	o.open(t, "/activity")
	o.see(t, "Token revoked", "Token created")
	o.do(t, chromedp.Click(`(//a[normalize-space()="Verify"])[1]`))
	o.see(t, "Verified", "holdfast log prove")
	o.quiet(t)
}
