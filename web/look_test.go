package web_test

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"holdfast/web/static"
)

// shown are pages and who looks at them. prepare, if any, brings a page that no
// address leads to, and is called before the page is looked at.
type shown struct {
	who     *actor
	paths   []string
	name    string
	prepare func(t *testing.T)
}

// looks are what TestLook looks at. A file that adds pages adds a function here.
var looks []func(t *testing.T) []shown

func init() { looks = append(looks, commonPages) }

func commonPages(t *testing.T) []shown {
	r := the.confirmed(t, "We have moved to another service and want nothing left here.")
	d := the.draft(t, "a draft")
	nobody := the.actor(t, the.Portal)
	staff, owner := the.approvers[2], the.owner
	account := []string{"/account", "/factors", "/sessions", "/password", "/recovery", "/notices"}
	return []shown{
		{who: staff, paths: append([]string{"/", "/requests", "/requests/" + r.ID, "/requests/" + r.ID + "/approve", "/requests/" + r.ID + "/deny", "/requests/" + r.ID + "/body", "/freeze", "/charter", "/ceremony", "/nothing"}, account...)},
		{who: owner, paths: append([]string{"/", "/volumes/" + the.volume.ID, "/requests", "/requests/" + d.ID, "/freeze", "/charter"}, account...)},
		{who: owner, name: "/step-up", prepare: func(t *testing.T) {
			owner.open(t, "/requests/"+d.ID)
			owner.press(t, "Confirm the request…")
			owner.see(t, "Confirm with your second factor")
		}},
		{who: owner, name: "/recovery-codes", prepare: func(t *testing.T) {
			owner.open(t, "/recovery")
			owner.press(t, "Make new codes…")
			owner.press(t, "Confirm with a passkey")
			owner.see(t, "I have kept them")
		}},
		{who: owner, name: "/password-form", prepare: func(t *testing.T) {
			owner.open(t, "/password")
			owner.press(t, "Change the password…")
			owner.press(t, "Confirm with a passkey")
			owner.see(t, "Old password")
		}},
		{who: owner, name: "/add-totp", prepare: func(t *testing.T) {
			owner.open(t, "/factors")
			owner.fill(t, "#totp-name", "phone")
			owner.press(t, "Add an app")
			owner.press(t, "Confirm with a passkey")
			owner.see(t, "Scan this")
		}},
		{who: nobody, paths: []string{"/sign-in", "/invitation"}},
		{who: nobody, name: "/sign-in-wrong", prepare: func(t *testing.T) {
			nobody.open(t, "/sign-in")
			nobody.fill(t, "#email", "nobody@example.org")
			nobody.fill(t, "#password", "something wrong")
			nobody.press(t, "Continue")
			nobody.see(t, "do not match")
		}},
	}
}

// TestLook looks at every page: in both colour schemes axe finds nothing, at three
// widths nothing scrolls sideways, every stop of the keyboard is reached and is
// seen, no page is too heavy, and none writes an error, meets its content policy
// or asks another host. With HOLDFAST_SCREENSHOTS, a directory, it keeps pictures.
func TestLook(t *testing.T) {
	the.founded(t)
	for _, f := range looks {
		for _, s := range f(t) {
			for _, path := range s.paths {
				t.Run(s.who.place(path), func(t *testing.T) {
					s.who.open(t, path)
					s.who.look(t, path)
				})
			}
			if s.prepare != nil {
				t.Run(s.who.place(s.name), func(t *testing.T) {
					s.prepare(t)
					s.who.look(t, s.name)
				})
			}
		}
	}
}

// place names a page for people: its face and path.
func (a *actor) place(path string) string {
	face := "portal"
	if a.base == the.Console {
		face = "console"
	}
	return face + path
}

const maxPage = 100 << 10

// look looks at the page that is open.
func (a *actor) look(t *testing.T, path string) {
	t.Helper()
	a.keyboard(t)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 1280, 2560} {
			a.size(t, width, scheme)
			for _, f := range get(t, a, chromedp.Evaluate[[]string](faults)) {
				t.Errorf("%d px, %s: %s", width, scheme, f)
			}
			a.picture(t, path, width, scheme)
		}
		a.size(t, 1280, scheme)
		a.axe(t, scheme)
	}
	// Text at twice its size, on a small screen.
	a.size(t, 1280, "light")
	a.fontSize(t, 32)
	for _, f := range get(t, a, chromedp.Evaluate[[]string](faults)) {
		t.Errorf("text at 200 %%: %s", f)
	}
	a.fontSize(t, 16)
	if n := get(t, a, chromedp.Evaluate[int](`performance.getEntriesByType("navigation")[0].encodedBodySize`)); n > maxPage {
		t.Errorf("the page weighs %d bytes", n)
	}
	a.quiet(t)
}

func (a *actor) size(t *testing.T, width int64, scheme string) {
	t.Helper()
	a.do(t, chromedp.EmulateViewport(width, 800), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

func (a *actor) fontSize(t *testing.T, pixels int64) {
	t.Helper()
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.SetFontSizes, page.SetFontSizesParams{FontSizes: &page.FontSizes{Standard: pixels, Fixed: pixels}})
		return err
	}))
}

// faults are what axe does not say.
const faults = `(() => {
	const out = [], root = document.documentElement;
	if (root.scrollWidth > root.clientWidth) out.push("scrolls sideways: " + root.scrollWidth + ", by " + [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1).slice(0, 3).map((e) => e.tagName + "." + e.className).join(" "));
	if (document.querySelectorAll("h1").length !== 1) out.push("not one h1");
	if (!document.title.includes(document.querySelector("h1").textContent.trim())) out.push("the title does not say what the heading says");
	if (document.querySelectorAll("[style], style, script:not([src])").length) out.push("something inline");
	for (const e of document.querySelectorAll("main button, main .button, main input:not([type=hidden]), main select, main textarea, summary")) {
		const r = e.getBoundingClientRect();
		if (e.checkVisibility() && r.width > 1 && (r.height < 24 || r.width < 20)) out.push("too small to hit: " + e.outerHTML.slice(0, 80));
	}
	return out;
})()`

// keyboard presses Tab through the page, and compares where it stops with what can
// be used.
func (a *actor) keyboard(t *testing.T) {
	t.Helper()
	a.size(t, 1280, "light")
	stops := get(t, a, chromedp.Evaluate[int](`(() => {
		const can = (e) => e.checkVisibility() && !e.disabled && e.tabIndex >= 0 && getComputedStyle(e).visibility !== "hidden";
		window.stops = new Set([...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")].filter(can));
		// Of the radio buttons of one name only the chosen one is a stop.
		for (const e of [...stops]) if (e.type === "radio" && !e.checked) stops.delete(e);
		// A region that shows itself afresh meanwhile has other elements for the same things.
		window.what = (e) => [e.tagName, e.id, e.getAttribute("href"), e.name, e.textContent.replace(/\(.*?\)/g, "")].join("\n");
		window.reached = new Set();
		window.unseen = [];
		document.addEventListener("focusin", (event) => {
			const e = event.target;
			stops.delete(e);
			reached.add(what(e));
			requestAnimationFrame(() => {
				if (e === document.activeElement && getComputedStyle(e).outlineStyle === "none") unseen.push(e.outerHTML.slice(0, 80));
			});
		});
		document.activeElement.blur();
		return stops.size + 8 * document.querySelectorAll("input[type=datetime-local]").length; // each has a stop for every part
	})()`))
	for range stops + 5 {
		a.do(t, chromedp.KeyEvent(kb.Tab))
	}
	type result struct{ Missed, Unseen []string }
	r := get(t, a, chromedp.Evaluate[result](`new Promise((done) => requestAnimationFrame(() => done({Missed: [...stops].filter((e) => e.isConnected || !reached.has(what(e))).map((e) => e.outerHTML.slice(0, 80)), Unseen: unseen})))`, chromedp.EvalAwaitPromise))
	for _, s := range r.Missed {
		t.Errorf("the keyboard never reaches %s", s)
	}
	for _, s := range r.Unseen {
		t.Errorf("nobody sees that the focus is on %s", s)
	}
}

//go:embed testdata/axe.min.js
var axeFiles embed.FS

// axe runs axe-core over the page that is open. It alone may go round the page's
// content policy, which would not let it in.
func (a *actor) axe(t *testing.T, scheme string) {
	t.Helper()
	source, err := axeFiles.ReadFile("testdata/axe.min.js")
	must(t, err)
	a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
		return err
	}))
	defer a.do(t, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: false})
		return err
	}))
	if !get(t, a, chromedp.Evaluate[bool](`typeof axe === "object"`)) {
		a.do(t, chromedp.Evaluate[chromedp.Void](string(source)+";undefined"))
	}
	// What does not depend on colours is looked at once.
	only := `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`
	if scheme == "dark" {
		only = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
	}
	found := get(t, a, chromedp.Evaluate[string](`(async () => {
		const r = await axe.run(document, {resultTypes: ["violations"], runOnly: `+only+`});
		return JSON.stringify(r.violations.map((v) => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 4).map((n) => n.html.slice(0, 160) + " — " + n.failureSummary.split("\n").slice(1).join("; "))})));
	})()`, chromedp.EvalAwaitPromise))
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	must(t, json.Unmarshal([]byte(found), &violations))
	for _, v := range violations {
		t.Errorf("axe, %s: %s (%s):\n  %s", scheme, v.Help, v.ID, strings.Join(v.Nodes, "\n  "))
	}
}

var ids = regexp.MustCompile(`([a-z]{3})_[0-9a-z]{26}`)

// pictured are the pictures' names with the path that each shows, so that the page
// of a second volume does not overwrite the first one's.
var pictured = map[string]string{}

func (a *actor) picture(t *testing.T, path string, width int64, scheme string) {
	t.Helper()
	dir := os.Getenv("HOLDFAST_SCREENSHOTS")
	if dir == "" {
		return
	}
	name := strings.Trim(strings.ReplaceAll(a.place(path), "/", "-"), "-")
	name = ids.ReplaceAllString(name, "$1") // the same name in every run
	for n, first := 2, name; pictured[name] != "" && pictured[name] != path; n++ {
		name = fmt.Sprintf("%s-%d", first, n)
	}
	pictured[name] = path
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.%d.%s.png", name, width, scheme)), get(t, a, chromedp.FullScreenshot(100)), 0o600))
}

// TestWeight holds the styles and all scripts together to their budgets.
func TestWeight(t *testing.T) {
	if n := static.Weight(".css"); n > static.MaxStyles || n == 0 {
		t.Errorf("the styles weigh %d bytes", n)
	}
	if n := static.Weight(".js"); n > static.MaxScripts || n == 0 {
		t.Errorf("the scripts weigh %d bytes", n)
	}
}
