package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"holdfast/server/wire"
)

// events opens the stream of a face with a session's cookie, and returns its
// status and a function that reads the next event's lines.
func events(t *testing.T, a *actor, cookie, last string) (int, string, func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+"/events", nil)
	must(t, err)
	name := "__Host-portal"
	if a.base == the.Console {
		name = "__Host-console"
	}
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: name, Value: cookie})
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	return answer.StatusCode, answer.Header.Get("Content-Type"), func() string {
		var event []string
		for lines.Scan() {
			if lines.Text() == "" {
				break
			}
			event = append(event, lines.Text())
		}
		return strings.Join(event, "\n")
	}
}

// The stream of news answers who has signed in with both factors, on their own
// face, says what was missed, and bounds how many listen.
func TestEventsAreForTheSignedIn(t *testing.T) {
	the.founded(t)
	a := the.approvers[3]
	a.open(t, "/")
	cookie := a.cookie(t)
	status, kind, next := events(t, a, cookie, "")
	if first := next(); status != http.StatusOK || kind != "text/event-stream" || !strings.Contains(first, "event: at") || !strings.Contains(first, "retry: ") {
		t.Fatalf("%d %s: %q", status, kind, first)
	}
	_, _, next = events(t, a, cookie, "0")
	if first, second := next(), next(); !strings.Contains(first, "event: at") || !strings.Contains(second, "event: news") {
		t.Errorf("who missed something is told %q, %q", first, second)
	}
	for name, c := range map[string]struct {
		who    *actor
		cookie string
	}{"nobody": {a, ""}, "a guess": {a, strings.Repeat("A", len(cookie))}, "the other face's session": {the.owner, cookie}} {
		status, kind, next := events(t, c.who, c.cookie, "")
		var p wire.Problem
		if err := json.Unmarshal([]byte(next()), &p); status != http.StatusUnauthorized || err != nil {
			t.Errorf("%s: %d %s", name, status, kind)
		}
	}
	half := the.actor(t, the.Console)
	half.email, half.password = a.email, a.password
	half.passwordOnly(t)
	if status, _, _ := events(t, half, half.cookie(t), ""); status == http.StatusOK {
		t.Error("a password alone listens")
	}
	refused := 0
	for range 14 {
		if status, _, _ := events(t, a, cookie, ""); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 || refused > 6 {
		t.Errorf("%d of 14 more pages were refused", refused)
	}
}

// What a story's end asks of every page is heard: an error, a report of the content
// policy, and a request to somebody else.
func TestNoTroubleGoesUnheard(t *testing.T) {
	a := the.actor(t, the.Portal)
	a.open(t, "/sign-in")
	heard := func(name, script string) {
		t.Helper()
		a.do(t, chromedp.Evaluate[chromedp.Void](script))
		there := func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return slices.ContainsFunc(a.trouble, func(s string) bool { return strings.HasPrefix(s, name) })
		}
		for deadline := time.Now().Add(patience); !there(); beat() {
			if time.Now().After(deadline) {
				t.Fatalf("%s was not heard: %q", name, a.trouble)
			}
		}
	}
	for name, script := range map[string]string{
		"console: ":                  `console.error("oh")`,
		"exception: ":                `setTimeout(() => { throw new Error("oh") })`,
		"log (security)":             `document.body.append(Object.assign(document.createElement("style"), {textContent: "b {}"}))`,
		"log (security): Connecting": `void fetch("http://127.0.0.1:9/").catch(() => {})`,
	} {
		heard(name, script)
	}
	// What the policy does not stop would be heard when it is sent.
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
		return err
	}))
	a.open(t, "/sign-in")
	heard("request to somebody else: http://127.0.0.1:9/", `void fetch("http://127.0.0.1:9/").catch(() => {})`)
	a.trouble = nil
}
