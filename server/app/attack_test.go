package app_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"

	"holdfast/authz/totp"
	"holdfast/internal/redistest"
	"holdfast/server/client"
	"holdfast/server/config"
	"holdfast/server/wire"
)

func problemIn(t *testing.T, resp *http.Response) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil {
		t.Fatalf("%d: %v", resp.StatusCode, err)
	}
	return p
}

func cookieHeader(c *client.Client) string {
	var parts []string
	for name, value := range c.Cookies() {
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, "; ")
}

// T08: another site's page rides on the browser's cookies.
func TestT08_CrossSiteRequestsAreRefused(t *testing.T) {
	r := start(t, config.Config{})
	owner := r.owner(t)
	ask := func(method, path, body string, h http.Header) *http.Response {
		h = h.Clone()
		h.Set("Cookie", cookieHeader(owner.Client))
		h.Set("Content-Type", "application/json")
		return send(t, method, r.Portal+path, body, h)
	}
	for name, h := range map[string]http.Header{
		"another origin":                 {"Origin": {"https://evil.example"}},
		"the console's origin":           {"Origin": {r.Console}},
		"an opaque origin":               {"Origin": {"null"}},
		"an empty origin":                {"Origin": {""}},
		"a look-alike":                   {"Origin": {r.Portal + ".evil.example"}},
		"another scheme":                 {"Origin": {strings.Replace(r.Portal, "http:", "https:", 1)}},
		"two origins":                    {"Origin": {r.Portal, "https://evil.example"}},
		"fetch metadata: cross-site":     {"Sec-Fetch-Site": {"cross-site"}},
		"fetch metadata: a sister site":  {"Sec-Fetch-Site": {"same-site"}},
		"right origin, wrong fetch site": {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}},
	} {
		for _, call := range [][3]string{
			{"POST", "/v1/volumes", `{"name":"planted","kind":"files"}`},
			{"DELETE", "/v1/session", ""},
			{"POST", "/v1/freezes", `{"reason":"x"}`},
			{"PUT", "/v1/data/planted/files/a", "x"},
		} {
			resp := ask(call[0], call[1], call[2], h)
			if p := problemIn(t, resp); resp.StatusCode != http.StatusForbidden || p.Type != wire.TypeForeignOrigin {
				t.Errorf("%s: %s %s: %d %s", name, call[0], call[1], resp.StatusCode, p.Type)
			}
		}
	}
	volumes, err := owner.Volumes(t.Context())
	if err != nil || len(volumes) != 0 {
		t.Fatalf("after the attack: %+v, %v", volumes, err)
	}
	// The portal's own page may.
	resp := ask("POST", "/v1/volumes", `{"name":"own","kind":"files"}`, http.Header{"Origin": {r.Portal}, "Sec-Fetch-Site": {"same-origin"}})
	if resp.StatusCode != http.StatusOK {
		t.Errorf("own page: %d %+v", resp.StatusCode, problemIn(t, resp))
	}
}

// T08: no page of anybody frames these pages, and no answer carries anything
// that a browser would run, sniff, cache or tell others.
func TestT08_EveryAnswerCarriesTheHeaders(t *testing.T) {
	r := start(t, config.Config{})
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"X-Frame-Options":              "DENY",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	for _, base := range []string{r.Portal, r.Console} {
		for _, path := range []string{"/v1/session", "/v1/nothing", "/openapi.json", "/healthz", "/v1/data/x/files/y", "/checkpoint"} {
			resp := get(t, base+path, http.Header{"Origin": {"https://evil.example"}})
			for name, value := range want {
				if got := resp.Header.Get(name); got != value {
					t.Errorf("%s%s: %s is %q", base, path, name, got)
				}
			}
			if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "default-src 'none'") {
				t.Errorf("%s%s: policy %q", base, path, csp)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s%s: other sites may read this", base, path)
			}
		}
	}
}

// T08: a session that an attacker planted before the sign-in is not the one that
// is signed in, and each rise of privilege changes the secret.
func TestT08_SessionsAreNotFixed(t *testing.T) {
	r := start(t, config.Config{})
	owner := r.owner(t)
	full := owner.Cookies()["__Host-portal"]
	planted := client.New(r.Portal, client.WithCookies(map[string]string{"__Host-portal": full}))
	if _, err := planted.SignIn(t.Context(), owner.email, password); err != nil {
		t.Fatal(err)
	}
	low := planted.Cookies()["__Host-portal"]
	if low == full || low == "" {
		t.Fatal("the sign-in kept the planted secret")
	}
	code, err := totp.Code(owner.secret, time.Now().Add(totp.Period))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := planted.VerifyTOTP(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	if planted.Cookies()["__Host-portal"] == low {
		t.Error("the secret survived the rise of privilege")
	}
	old := client.New(r.Portal, client.WithCookies(map[string]string{"__Host-portal": low}))
	if _, err := old.Session(t.Context()); !client.Is(err, wire.TypeNotAuthenticated) {
		t.Errorf("the secret from before the second factor: %v", err)
	}
	// The other face refuses it under either name.
	for _, name := range []string{"__Host-portal", "__Host-console"} {
		c := client.New(r.Console, client.WithCookies(map[string]string{name: planted.Cookies()["__Host-portal"]}))
		if _, err := c.Session(t.Context()); err == nil {
			t.Errorf("a portal session works on the console as %s", name)
		}
	}
}

// backup is a volume with a snapshot, and a token that reads and writes it.
type backup struct {
	token    *client.Client
	volume   wire.Volume
	snapshot wire.Snapshot
	content  map[string]string
}

func (p *person) backup(t *testing.T, r *running, name string) *backup {
	t.Helper()
	b := &backup{content: map[string]string{"a.txt": "alpha", "dir/b.txt": strings.Repeat("beta ", 50_000), "dir/empty": ""}}
	var err error
	if b.volume, err = p.CreateVolume(t.Context(), wire.CreateVolume{Name: name, Kind: "files"}); err != nil {
		t.Fatal(err)
	}
	token, err := p.With(client.WithProver(p)).MintToken(t.Context(), wire.MintToken{
		Name: name, Scopes: []string{"volume:read", "volume:write", "snapshot:create", "snapshot:read"}, ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.token = client.New(r.Portal, client.WithToken(token.Secret))
	for path, text := range b.content {
		if _, err := b.token.PutFile(t.Context(), name, path, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if b.snapshot, err = b.token.TakeSnapshot(t.Context(), name, "first"); err != nil {
		t.Fatal(err)
	}
	return b
}

// restores fails the test unless the snapshot comes back bit for bit.
func (b *backup) restores(t *testing.T) {
	t.Helper()
	for path, text := range b.content {
		if got := read(t, b.token, client.Source{Snapshot: b.snapshot.ID}, path); sha256.Sum256([]byte(got)) != sha256.Sum256([]byte(text)) {
			t.Errorf("%s does not come back from the snapshot", path)
		}
	}
}

// T46: Redis is killed, comes back empty, and is poisoned.
func TestT46_RedisGone(t *testing.T) {
	redis := redistest.Start(t)
	r := start(t, config.Config{RedisURL: redis.URL()})
	owner := r.owner(t)
	b := owner.backup(t, r, "documents")
	redis.Kill()

	if _, err := client.New(r.Portal).SignIn(t.Context(), owner.email, password); !client.Is(err, wire.TypeUnavailable) {
		t.Errorf("signing in: %v", err)
	}
	if _, err := owner.Session(t.Context()); !client.Is(err, wire.TypeUnavailable) {
		t.Errorf("a session: %v", err)
	}
	if resp := get(t, r.Portal+"/readyz", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("the node left service: %d", resp.StatusCode)
	}
	// Tokens go on.
	if _, err := b.token.PutFile(t.Context(), "documents", "while-gone.txt", strings.NewReader("still here")); err != nil {
		t.Errorf("a token's backup: %v", err)
	}
	if _, err := b.token.TakeSnapshot(t.Context(), "documents", "while gone"); err != nil {
		t.Errorf("a token's snapshot: %v", err)
	}
	if got := read(t, b.token, client.Source{Volume: "documents"}, "while-gone.txt"); got != "still here" {
		t.Errorf("read back: %q", got)
	}
	b.restores(t)

	// It comes back at the same place, with nothing in it.
	redis.Restart(t)
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err = owner.Session(t.Context()); client.Is(err, wire.TypeNotAuthenticated) {
			break
		}
	}
	if !client.Is(err, wire.TypeNotAuthenticated) {
		t.Errorf("a session after the flush: %v", err)
	}
	again := client.New(r.Portal)
	if _, err := again.SignIn(t.Context(), owner.email, password); err != nil {
		t.Fatalf("signing in again: %v", err)
	}
	// The code that was burnt at the enrolment stays burnt (T04).
	code, err := totp.Code(owner.secret, time.Now().Add(-totp.Period))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.VerifyTOTP(t.Context(), code); err == nil {
		t.Error("an old code was accepted after the flush")
	}

	// Poison: every value becomes junk of the wrong type.
	poison := exec.Command("redis-cli", "-s", redis.Socket, "EVAL", `for _, k in ipairs(redis.call('KEYS', '*')) do redis.call('DEL', k); redis.call('RPUSH', k, 'junk') end return 1`, "0")
	if out, err := poison.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := again.Session(t.Context()); err == nil {
		t.Error("a poisoned session is good")
	}
	b.restores(t)
}

// T49: every operation of the API, with the snapshot's, its volume's and the
// tenant's ids wherever one fits, by an owner who answers every step-up, by the
// host's operator and by a token, leaves the snapshot as it was.
func TestT49_NoRouteDestroysACopyAlone(t *testing.T) {
	r := start(t, config.Config{})
	owner := r.owner(t)
	b := owner.backup(t, r, "documents")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		x, err := b.token.Snapshot(t.Context(), b.snapshot.ID)
		if err != nil {
			t.Fatal(err)
		}
		if x.Digest != "" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the snapshot is not sealed")
		}
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.NewDecoder(get(t, r.Portal+"/openapi.json", nil).Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var calls [][2]string
	for path, methods := range doc.Paths {
		for method := range methods {
			calls = append(calls, [2]string{strings.ToUpper(method), path})
		}
	}
	// What ends the owner's own session comes last.
	sort.Slice(calls, func(i, j int) bool {
		a, b := strings.Contains(calls[i][1], "session"), strings.Contains(calls[j][1], "session")
		return a != b && b || a == b && calls[i][1]+calls[i][0] < calls[j][1]+calls[j][0]
	})
	if len(calls) < 40 {
		t.Fatalf("only %d operations are described", len(calls))
	}
	for _, rest := range []string{"/v1/data/snapshots/{snapshot}/files/a.txt", "/v1/data/snapshots/{snapshot}/tar", "/v1/data/snapshots/{snapshot}/stream", "/v1/data/snapshots/{snapshot}", "/v1/data/{volume}/files/a.txt", "/v1/data/{volume}/files/dir/?recursive=true", "/v1/data/{volume}/tar?delete=true", "/v1/data/{volume}/stream"} {
		for _, method := range []string{"PUT", "DELETE", "POST", "PATCH"} {
			calls = append(calls, [2]string{method, rest})
		}
	}
	session := cookieHeader(owner.Client)
	secret, err := operatorSecret(r)
	if err != nil {
		t.Fatal(err)
	}
	callers := map[string]http.Header{"owner": {"Cookie": {session}}, "operator": {"Authorization": {"Bearer " + secret}}, "nobody": {}}
	ids := []string{b.snapshot.ID, b.volume.ID, b.volume.Tenant, "primary", owner.email}
	for _, call := range calls {
		if call[0] == "GET" || call[0] == "HEAD" {
			continue
		}
		for who, h := range callers {
			for _, id := range ids {
				path := fill(call[1], b, id)
				for _, body := range bodies(b) {
					h = h.Clone()
					h.Set("Content-Type", "application/json")
					resp := send(t, call[0], r.Portal+path, body, h)
					io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
					resp.Body.Close()
					if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
						t.Errorf("%s: %s %s %s: %d", who, call[0], path, body, resp.StatusCode)
					}
				}
				if !strings.Contains(call[1], "{") {
					break
				}
			}
		}
	}
	b.restores(t)
	copies, err := b.token.Snapshot(t.Context(), b.snapshot.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range copies.Copies {
		if c.State != "held" && c.State != "proven" {
			t.Errorf("the copy at %s is %s", c.Site, c.State)
		}
	}
}

// fill puts ids into a path's template.
func fill(path string, b *backup, id string) string {
	path = strings.NewReplacer("{snapshot}", b.snapshot.ID, "{volume}", b.volume.ID).Replace(path)
	for {
		i := strings.Index(path, "{")
		if i < 0 {
			return path
		}
		path = path[:i] + id + path[i+strings.Index(path[i:], "}")+1:]
	}
}

// bodies are what an attacker would send.
func bodies(b *backup) []string {
	return []string{
		"", "{}",
		fmt.Sprintf(`{"action":"delete-copies","reason":"x","copies":[{"snapshot":%q}]}`, b.snapshot.ID),
		fmt.Sprintf(`{"snapshot":%q,"reason":"x","force":true}`, b.snapshot.ID),
		`{"action":"destroy-key","reason":"x","subject":"primary"}`,
		`{"role":"viewer"}`,
		fmt.Sprintf(`{"at":%q,"exact":true}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)),
	}
}
