package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/authz/totp"
	"holdfast/internal/redistest"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/server/app"
	"holdfast/server/client"
	"holdfast/server/config"
	"holdfast/server/wire"
)

func TestMain(m *testing.M) {
	level := slog.LevelError
	if os.Getenv("HOLDFAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	os.Exit(m.Run())
}

// running is a service of a test.
type running struct {
	app.Addresses
	cfg  config.Config
	stop func() error
}

// start runs a service until the test ends or stop is called, which returns what
// Run returned.
func start(t *testing.T, cfg config.Config) *running {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(t.TempDir(), "data")
	}
	if cfg.Listen == "" {
		cfg.Listen, cfg.ListenConsole = "localhost:0", "localhost:0"
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan app.Addresses, 1), make(chan error, 1)
	go func() { done <- app.Run(ctx, cfg, func(a app.Addresses) { ready <- a }) }()
	r := &running{cfg: cfg}
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	select {
	case r.Addresses = <-ready:
	case err := <-done:
		cancel()
		t.Fatalf("the service did not start: %v", err)
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the service did not stop well: %v", err)
		}
	})
	return r
}

func (r *running) operator(t *testing.T) *client.Client {
	t.Helper()
	secret, err := app.ReadOperator(r.cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return client.New(r.Portal, client.WithToken(secret))
}

// person is somebody with a TOTP generator and a session.
type person struct {
	*client.Client
	secret totp.Secret
	steps  int
	email  string
}

const password = "correct horse battery staple 9"

// accept answers an invitation at the face with base.
func accept(t *testing.T, base string, i wire.Invitation) *person {
	t.Helper()
	p := &person{Client: client.New(base), email: i.Person.Email}
	begun, err := p.BeginInvitation(t.Context(), i.Secret, "totp")
	if err != nil {
		t.Fatal(err)
	}
	if p.secret, err = totp.ParseSecret(begun.TOTP.Secret); err != nil {
		t.Fatal(err)
	}
	code, err := totp.Code(p.secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AcceptInvitation(t.Context(), wire.AcceptInvitation{
		Secret: i.Secret, Password: password, TOTP: &wire.Code{Code: code, Ceremony: begun.TOTP.Ceremony, Name: "phone"},
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// owner makes a tenant and signs its owner in.
func (r *running) owner(t *testing.T) *person {
	t.Helper()
	made, err := r.operator(t).CreateTenant(t.Context(), wire.CreateTenant{Name: "Acme", OwnerName: "Olga Owner", OwnerEmail: "olga@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, r.Portal, made.Invitation)
}

func read(t *testing.T, c *client.Client, from client.Source, path string) string {
	t.Helper()
	body, err := c.GetFile(t.Context(), from, path)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// engines runs f with embedded parts, and with PostgreSQL and a real Redis.
func engines(t *testing.T, f func(t *testing.T, cfg config.Config)) {
	t.Run("embedded", func(t *testing.T) { f(t, config.Config{}) })
	t.Run("postgres and redis", func(t *testing.T) {
		f(t, config.Config{ControlDSN: sqldbtest.PostgresDSN(t), SiteDSN: sqldbtest.PostgresDSN(t), RedisURL: redistest.Start(t).URL()})
	})
}

// A service starts on an empty directory, and a second start carries on where
// the first ended: same keys, same people, same bytes.
func TestASecondStartCarriesOn(t *testing.T) {
	engines(t, func(t *testing.T, cfg config.Config) {
		cfg.Dir = filepath.Join(t.TempDir(), "data")
		first := start(t, cfg)
		owner := first.owner(t)
		if _, err := owner.CreateVolume(t.Context(), wire.CreateVolume{Name: "documents", Kind: "files"}); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.PutFile(t.Context(), "documents", "a/b.txt", strings.NewReader("one")); err != nil {
			t.Fatal(err)
		}
		snapshot, err := owner.TakeSnapshot(t.Context(), "documents", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := owner.PutFile(t.Context(), "documents", "a/b.txt", strings.NewReader("two")); err != nil {
			t.Fatal(err)
		}
		if err := first.stop(); err != nil {
			t.Fatal(err)
		}
		// The origins are part of what is remembered: the same ports again.
		cfg.Listen, cfg.ListenConsole = first.PortalAddr, first.ConsoleAddr
		second := start(t, cfg)
		again := client.New(second.Portal)
		if _, err := again.SignIn(t.Context(), owner.email, password); err != nil {
			t.Fatal(err)
		}
		code, err := totp.Code(owner.secret, time.Now().Add(totp.Period)) // the step before is burnt
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.VerifyTOTP(t.Context(), code); err != nil {
			t.Fatal(err)
		}
		if got := read(t, again, client.Source{Volume: "documents"}, "a/b.txt"); got != "two" {
			t.Errorf("live: %q", got)
		}
		if got := read(t, again, client.Source{Snapshot: snapshot.ID}, "a/b.txt"); got != "one" {
			t.Errorf("snapshot: %q", got)
		}
		info, err := os.Stat(cfg.Dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("data directory: %v, %v", info.Mode(), err)
		}
	})
}

func TestAPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dir := filepath.Join(t.TempDir(), "data")
	err = app.Run(t.Context(), config.Config{Dir: dir, Listen: l.Addr().String(), ListenConsole: "localhost:0"}, nil)
	if !errors.Is(err, app.ErrTaken) || !strings.Contains(err.Error(), port) || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("%v", err)
	}
	err = app.Run(t.Context(), config.Config{Dir: dir, Listen: "localhost:0", ListenConsole: l.Addr().String()}, nil)
	if !errors.Is(err, app.ErrTaken) || !strings.Contains(err.Error(), "--listen-console") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a start that failed left a data directory")
	}
}

func TestTwoServicesNeverShareADirectory(t *testing.T) {
	first := start(t, config.Config{})
	err := app.Run(t.Context(), config.Config{Dir: first.cfg.Dir, Listen: "localhost:0", ListenConsole: "localhost:0"}, nil)
	if !errors.Is(err, app.ErrDirInUse) {
		t.Fatalf("%v", err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	start(t, config.Config{Dir: first.cfg.Dir})
}

func TestKeysThatOthersCanReadAreRefused(t *testing.T) {
	first := start(t, config.Config{})
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keys/log.ed25519", "operator.secret", "keys/primary.age"} {
		path := filepath.Join(first.cfg.Dir, name)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		err := app.Run(t.Context(), config.Config{Dir: first.cfg.Dir, Listen: "localhost:0", ListenConsole: "localhost:0"}, nil)
		if err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(first.cfg.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := app.Run(t.Context(), config.Config{Dir: first.cfg.Dir, Listen: "localhost:0", ListenConsole: "localhost:0"}, nil); err == nil {
		t.Error("a directory that everybody can write was accepted")
	}
}

// T24: what weakens the gate is refused before anything is opened.
func TestT24_AServiceRefusesUnsafeFaces(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for name, cfg := range map[string]config.Config{
		"one host for both":  {PortalURL: "https://b.example", ConsoleURL: "https://b.example:444"},
		"plain http outside": {PortalURL: "http://portal.b.example", ConsoleURL: "https://console.b.example", RPID: "b.example"},
		"one database":       {ControlDSN: "sqlite:" + dir + "x", SiteDSN: "sqlite:" + dir + "x"},
	} {
		cfg.Dir, cfg.Listen, cfg.ListenConsole = dir, "localhost:0", "localhost:0"
		if err := app.Run(t.Context(), cfg, nil); !errors.Is(err, config.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("a refused start left a data directory")
	}
}

func TestProbesAndUnknownRoutes(t *testing.T) {
	r := start(t, config.Config{})
	for _, base := range []string{r.Portal, r.Console} {
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/nothing": 404, "/v1/session": 401} {
			resp := get(t, base+path, nil)
			if resp.StatusCode != want {
				t.Errorf("%s%s: %d", base, path, resp.StatusCode)
			}
			if want >= 400 {
				var p wire.Problem
				if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || !strings.HasPrefix(p.Type, "urn:holdfast:problem:") || p.Status != want {
					t.Errorf("%s: %+v, %v", path, p, err)
				}
				if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") {
					t.Errorf("%s: %s", path, ct)
				}
			}
		}
	}
	if resp := get(t, r.Console+"/metrics", nil); resp.StatusCode != 200 {
		t.Errorf("metrics on the console: %d", resp.StatusCode)
	}
	if resp := get(t, r.Console+"/metrics", http.Header{"X-Forwarded-For": {"203.0.113.7"}}); resp.StatusCode != 404 {
		t.Errorf("metrics through a proxy: %d", resp.StatusCode)
	}
	if resp := get(t, r.Portal+"/metrics", nil); resp.StatusCode != 404 {
		t.Errorf("metrics on the portal: %d", resp.StatusCode)
	}
}

func get(t *testing.T, url string, h http.Header) *http.Response {
	t.Helper()
	return send(t, http.MethodGet, url, "", h)
}

func send(t *testing.T, method, url, body string, h http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range h {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func operatorSecret(r *running) (string, error) { return app.ReadOperator(r.cfg.Dir) }

// Prove answers a step-up with the next code of the person's generator.
func (p *person) Prove(ctx context.Context, challenge wire.StepUpChallenge, _ func(context.Context) (wire.PasskeyOptions, error)) (wire.StepUp, error) {
	p.steps++
	code, err := totp.Code(p.secret, time.Now().Add(time.Duration(p.steps)*totp.Period))
	return wire.StepUp{Code: code}, err
}
