package demo_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/quorum/warrant"
	"holdfast/server/app"
	"holdfast/server/client"
	"holdfast/server/demo"
	"holdfast/server/wire"
)

// running is a seeded demonstration that a test goes through as a person with two terminals would.
type running struct {
	t       *testing.T
	dir     string
	portal  string
	console string
}

// seeded starts a demonstration on small data; it ends with the test.
func seeded(t *testing.T) *running {
	t.Helper()
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "a.txt"), []byte(strings.Repeat("holdfast ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "demo")
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := demo.Run(ctx, demo.Options{
			Dir: dir, Data: data, JSON: true, Out: w, Start: startService, Operator: app.ReadOperator, Listen: "localhost:0", ListenConsole: "localhost:0",
		})
		w.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var out struct{ Portal, Console string }
	if err := json.NewDecoder(r).Decode(&out); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return &running{t, dir, out.Portal, out.Console}
}

// as signs somebody in and proves presence with one-time codes, as a browser's user does.
func (r *running) as(who string) *client.Client {
	r.t.Helper()
	base, cookies, _, err := demo.SignIn(r.t.Context(), r.dir, who)
	if err != nil {
		r.t.Fatal(err)
	}
	return client.New(base, client.WithCookies(cookies), client.WithProver(coder{r, who}))
}

// coder proves presence with one-time codes.
type coder struct {
	r   *running
	who string
}

func (c coder) Prove(ctx context.Context, _ wire.StepUpChallenge, _ func(context.Context) (wire.PasskeyOptions, error)) (wire.StepUp, error) {
	code, err := demo.Code(ctx, c.r.dir, c.who, nil)
	return wire.StepUp{Code: code}, err
}

// decided asks as somebody, refuses a one-time code as an approval, and lets software keys approve until it is done.
func (r *running) decided(who string, ask wire.AskRequest, voters ...string) {
	t := r.t
	t.Helper()
	ctx := t.Context()
	c := r.as(who)
	d, err := c.Draft(ctx, ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ConfirmRequest(ctx, d.ID); err != nil {
		t.Fatal(err)
	}
	code, err := demo.Code(ctx, r.dir, voters[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.as(voters[0]).CastVote(ctx, d.ID, wire.CastVote{Decision: "approve", Code: code}); !client.Is(err, wire.TypeNotEligible) {
		t.Errorf("a one-time code approves %s in a demonstration: %v", ask.Action, err)
	}
	open := true
	for _, v := range voters {
		out, err := demo.Decide(ctx, r.dir, v, d.ID, "approve", "")
		if err != nil {
			t.Fatal(err)
		}
		whole, err := c.Statement(ctx, d.ID)
		digest := sha256.Sum256([]byte(whole))
		s := out.Signed
		if err != nil || s.Statement != whole || s.Digest != "sha256:"+hex.EncodeToString(digest[:]) || s.Digest != out.Request.Digest || s.Fingerprint != out.Request.Fingerprint {
			t.Errorf("signed was %+v, the request has %s, %s (%v)", s, out.Request.Digest, out.Request.Fingerprint, err)
		}
		if s.Decision != "approve" || s.Key == "" || s.Challenge == "" || s.Origin != r.console || !strings.Contains(s.Statement, "action "+ask.Action) {
			t.Errorf("signed was %+v", s)
		}
		if open = out.State == "open"; !open {
			break
		}
	}
	if open {
		t.Fatalf("%s: %d approvals are not enough", ask.Action, len(voters))
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		now, err := c.Request(ctx, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.State == "applied" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %s: %v", ask.Action, now.State, now.Blocked)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Whoever tries a demonstration goes through all that takes passkeys alone: the end of a freeze, a change of the charter,
// a shorter keep rule. One-time codes approve none of it there either.
func TestDemonstrationGoesThroughWhatTakesPasskeys(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	ctx := t.Context()
	olivia := r.as("olivia")
	// What is refused has used the key all the same, and must not make it look like a clone (T06).
	for range 2 {
		if _, err := demo.Decide(ctx, r.dir, "ada", "req_x", "approve", ""); err == nil {
			t.Error("a vote on a request that is not there")
		}
	}
	f, err := olivia.Freeze(ctx, wire.PlaceFreeze{Reason: "to try it"})
	if err != nil {
		t.Fatal(err)
	}
	r.decided("olivia", wire.AskRequest{Action: "lift-freeze", Subject: f.ID, Reason: "all is well"}, "ada", "dana", "ben", "enzo")
	if list, err := olivia.Freezes(ctx); err != nil || len(list) != 0 {
		t.Errorf("still frozen: %+v (%v)", list, err)
	}
	composed, err := r.as("ada").ComposeCharter(ctx, wire.ComposeCharter{Lines: map[string]string{"grace": "95s"}})
	if err != nil {
		t.Fatal(err)
	}
	r.decided("ada", wire.AskRequest{Action: "change-charter", Charter: composed.Text, Reason: "a longer grace"}, "ben", "dana", "enzo", "mara")
	if ch, err := olivia.Charter(ctx); err != nil || ch.Number != 2 || ch.Purpose != "demo" {
		t.Errorf("in force: %+v (%v)", ch, err)
	}
	r.decided("olivia", wire.AskRequest{Action: "shorten-retention", Subject: "sources", Facts: map[string]string{"to": "keep last 1"}, Reason: "less is enough"}, "mara", "enzo", "dana", "ben")
	if k, err := olivia.Retention(ctx, "sources"); err != nil || k.Rule != "keep last 1" {
		t.Errorf("the rule is %+v (%v)", k, err)
	}
	if _, err := demo.Decide(ctx, r.dir, "olivia", "req_x", "approve", ""); err == nil {
		t.Error("an owner votes")
	}
}

// impostor is a service that takes every sign-in, and asks for signatures as it likes. It notes whether a vote came.
type impostor struct {
	purpose   string
	challenge []byte // of a vote
	begun     int
	cast      int
}

func (i *impostor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	options := func(challenge []byte) map[string]any {
		return map[string]any{
			"ceremony": "c", "nonce": strings.Repeat("00", 32), "digest": "sha256:" + strings.Repeat("00", 32),
			"public_key": map[string]any{"publicKey": map[string]any{"challenge": base64.RawURLEncoding.EncodeToString(challenge), "rpId": "localhost"}},
		}
	}
	out := any(map[string]any{})
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/session/passkey/begin"):
		out = options(make([]byte, 32))
	case path == "/v1/charter":
		out = map[string]any{"purpose": i.purpose}
	case strings.HasSuffix(path, "/statement"):
		_, _ = io.WriteString(w, "holdfast statement v1\naction lift-freeze\n")
		return
	case strings.HasSuffix(path, "/votes/begin"):
		i.begun++
		out = options(i.challenge)
	case strings.HasSuffix(path, "/votes"):
		i.cast++
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// borrowed writes a demonstration's directory whose people sign in at the impostor.
func (i *impostor) borrowed(t *testing.T) (dir string) {
	t.Helper()
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	base := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	device := softkey.New()
	if _, err := device.Enrol("localhost", []byte("per_ada")); err != nil {
		t.Fatal(err)
	}
	key, err := device.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"v": 1, "addresses": map[string]string{"Portal": base, "Console": base},
		"people": []map[string]any{{"name": "Ada Adler", "email": "ada@support.example", "role": "approver", "password": "x", "key": json.RawMessage(key)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "demo.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The software keys vote nowhere but in a demonstration: a directory of anything else has none, where the charter in
// force does not say purpose demo nothing is begun, let alone signed, and they sign nothing but what the statement makes.
func TestSoftwareKeysVoteOnlyInADemonstration(t *testing.T) {
	t.Parallel()
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "control.db"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Decide(t.Context(), other, "ada", "req_x", "approve", ""); err == nil || errors.Is(err, demo.ErrPurpose) {
		t.Errorf("a directory that no demonstration made: %v", err)
	}
	earnest := &impostor{purpose: "production"}
	if _, err := demo.Decide(t.Context(), earnest.borrowed(t), "ada", "req_x", "approve", ""); !errors.Is(err, demo.ErrPurpose) || earnest.begun+earnest.cast > 0 {
		t.Errorf("a charter in earnest: %v, after %d begun and %d cast", err, earnest.begun, earnest.cast)
	}
	liar := &impostor{purpose: "demo", challenge: make([]byte, 32)}
	if _, err := demo.Decide(t.Context(), liar.borrowed(t), "ada", "req_x", "approve", ""); !errors.Is(err, demo.ErrDeceived) || liar.begun != 1 || liar.cast > 0 {
		t.Errorf("another challenge than the statement's: %v, after %d begun and %d cast", err, liar.begun, liar.cast)
	}
	digest := sha256.Sum256([]byte("holdfast statement v1\naction lift-freeze\n"))
	want, err := warrant.VoteChallenge(warrant.Nonce{}, warrant.Approve, digest)
	if err != nil {
		t.Fatal(err)
	}
	honest := &impostor{purpose: "demo", challenge: want[:]}
	if out, err := demo.Decide(t.Context(), honest.borrowed(t), "ada", "req_x", "approve", ""); err != nil || honest.cast != 1 || out.Signed.Key == "" {
		t.Errorf("what the statement makes is signed: %+v, %v", out, err)
	}
}
