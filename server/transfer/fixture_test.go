package transfer_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/server/api"
	"holdfast/server/control/controltest"
	"holdfast/server/transfer"
	"holdfast/server/wire"
)

// rig is the data path over a real connection, with two tenants.
type rig struct {
	*controltest.Env
	t            *testing.T
	server       *httptest.Server
	tenant       authz.TenantID
	owner, token controltest.Login
	other        controltest.Login // a token of another tenant
	files        wire.Volume
	stream       wire.Volume
}

var everything = []authz.Scope{apitoken.VolumeRead, apitoken.VolumeWrite, apitoken.SnapshotCreate, apitoken.SnapshotRead, apitoken.SnapshotRestore}

func newRig(t *testing.T, e *controltest.Env, options ...transfer.Options) *rig {
	t.Helper()
	r := &rig{Env: e, t: t}
	o := transfer.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if len(options) > 0 {
		o.Idle = options[0].Idle
	}
	x := echo.New()
	x.Use(api.Middleware(authz.FacePortal))
	if err := transfer.Mount(x, e.Control, o); err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewServer(x)
	t.Cleanup(r.server.Close)
	r.tenant = e.Tenant(t)
	r.owner = e.Member(t, r.tenant, authz.RoleOwner)
	r.token = e.Token(t, r.owner, nil, everything...)
	stranger := e.Member(t, e.Tenant(t), authz.RoleOwner)
	r.other = e.Token(t, stranger, nil, everything...)
	r.files = r.volume("docs", "files")
	r.stream = r.volume("dump", "stream")
	return r
}

func (r *rig) volume(name, kind string) wire.Volume {
	r.t.Helper()
	v, err := r.CreateVolume(r.t.Context(), r.owner.Caller, wire.CreateVolume{Name: name, Kind: kind})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) snapshot() wire.Snapshot {
	r.t.Helper()
	s, err := r.TakeSnapshot(r.t.Context(), r.owner.Caller, r.files.ID, wire.TakeSnapshot{Name: "first"})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

func (a answer) problem(t testing.TB) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("no problem: %d %q %v", a.status, a.body, err)
	}
	return p
}

// as sends a request with a bearer, and with headers in pairs.
func (r *rig) as(bearer, method, target string, body io.Reader, headers ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+target, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := r.server.Client().Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text), err}
}

func (r *rig) do(method, target, body string, headers ...string) answer {
	r.t.Helper()
	var in io.Reader
	if body != "" || method == http.MethodPut {
		in = strings.NewReader(body)
	}
	return r.as(r.token.Credentials.Bearer, method, target, in, headers...)
}

// put uploads and fails the test unless it is acknowledged.
func (r *rig) put(path, body string) wire.Uploaded {
	r.t.Helper()
	a := r.do(http.MethodPut, r.at(path), body)
	var u wire.Uploaded
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &u) != nil {
		r.t.Fatalf("PUT %s: %d %s", path, a.status, a.body)
	}
	return u
}

func (r *rig) at(path string) string { return "/v1/data/" + r.files.ID + "/files/" + path }

func (r *rig) want(a answer, status int, typ string) {
	r.t.Helper()
	if a.err != nil || a.status != status || a.problem(r.t).Type != typ {
		r.t.Fatalf("got %d %s %v, want %d %s", a.status, a.body, a.err, status, typ)
	}
}

func (r *rig) holds(path, body string) {
	r.t.Helper()
	if a := r.do(http.MethodGet, r.at(path), ""); a.status != http.StatusOK || a.body != body || a.err != nil {
		r.t.Fatalf("GET %s: %d %.80q %v, want %.80q", path, a.status, a.body, a.err, body)
	}
}

// noise is n bytes that no compression and no repetition make small.
func noise(n int, seed byte) []byte {
	out := make([]byte, n)
	x := uint64(seed) + 0x9E3779B97F4A7C15
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 32)
	}
	return out
}
