package transfer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz/apitoken"
	"holdfast/server/control/controltest"
	"holdfast/server/transfer"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/mem"
)

func listOf(r *rig, prefix string) snapshots.ListRequest {
	v, err := snapshots.ParseVolumeID(r.files.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return snapshots.ListRequest{Tenant: r.tenant.String(), Volume: v, Prefix: prefix}
}

// routes are all of the data path, for a volume and a snapshot.
func routes(volume, snapshot string) [][2]string {
	v, s := "/v1/data/"+volume, "/v1/data/snapshots/"+snapshot
	return [][2]string{
		{"GET", v + "/files/f"}, {"HEAD", v + "/files/f"}, {"PUT", v + "/files/f"}, {"DELETE", v + "/files/f"},
		{"DELETE", v + "/files/?recursive=true"}, {"PUT", v + "/tar"}, {"PUT", v + "/tar?delete=true"}, {"GET", v + "/tar"},
		{"PUT", v + "/stream"}, {"GET", v + "/stream"}, {"HEAD", v + "/stream"}, {"GET", v + "/files/f?at=2026-11-22T12:00:05Z"},
		{"GET", s + "/files/f"}, {"HEAD", s + "/files/f"}, {"GET", s + "/tar"}, {"GET", s + "/stream"},
		{"PUT", s + "/files/f"}, {"DELETE", s + "/files/f"}, {"DELETE", s + "/files/?recursive=true"},
	}
}

// Every route answers another tenant's id as one that does not exist.
func TestT11_AnotherTenantsIdIsNoId(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		r.put("f", "secret")
		s := r.snapshot()
		real, none := routes(r.files.ID, s.ID), routes("vol_00000000000000000000000000", "snp_00000000000000000000000000")
		named := routes("docs", s.ID) // a name of another tenant's volume is nobody's
		for i := range real {
			get := func(route [2]string) answer {
				var body io.Reader
				if route[0] == http.MethodPut {
					body = strings.NewReader("x")
				}
				return r.as(r.other.Credentials.Bearer, route[0], route[1], body)
			}
			a, b, c := get(real[i]), get(none[i]), get(named[i])
			if a.status != 404 || a.status != b.status || a.body != b.body || c.status != 404 || c.body != b.body || a.header.Get("Content-Type") != b.header.Get("Content-Type") {
				t.Errorf("%v: %d %s; none: %d %s; named: %d %s", real[i], a.status, a.body, b.status, b.body, c.status, c.body)
			}
		}
		r.holds("f", "secret")
	})
}

// A token of one volume sees another volume of its own tenant as none.
func TestT11_TokenOutsideItsVolumes(t *testing.T) {
	r := newRig(t, controltest.New(t))
	r.put("f", "secret")
	narrow := r.Token(t, r.owner, []string{r.stream.ID}, everything...)
	for _, route := range routes(r.files.ID, r.snapshot().ID) {
		var body io.Reader
		if route[0] == http.MethodPut {
			body = strings.NewReader("x")
		}
		if a := r.as(narrow.Credentials.Bearer, route[0], route[1], body); a.status != 404 {
			t.Errorf("%v: %d %s", route, a.status, a.body)
		}
	}
}

func TestTicketsOpenWhatTheyName(t *testing.T) {
	r := newRig(t, controltest.New(t))
	r.put("f", "x")
	s := r.snapshot()
	mint := func(volume string, ops ...string) string {
		t.Helper()
		got, err := r.MintTicket(t, r.owner, volume, ops...)
		if err != nil {
			t.Fatal(err)
		}
		if life := got.ExpiresAt.Sub(r.Clock.Now()); life <= 0 || life > 15*time.Minute {
			t.Fatal("lives", life)
		}
		return got.Ticket
	}
	read := mint(r.files.ID, "get")
	if a := r.as(read, http.MethodGet, r.at("f"), nil); a.body != "x" {
		t.Fatal(a.status, a.body)
	}
	r.want(r.as(read, http.MethodPut, r.at("f"), strings.NewReader("y")), 403, wire.TypeDenied)
	r.want(r.as(read, http.MethodDelete, r.at("f"), nil), 403, wire.TypeDenied)
	r.want(r.as(read, http.MethodGet, "/v1/data/snapshots/"+s.ID+"/files/f", nil), 403, wire.TypeDenied)
	if a := r.as(mint("docs", "restore"), http.MethodGet, "/v1/data/snapshots/"+s.ID+"/files/f", nil); a.body != "x" {
		t.Fatal(a.status, a.body)
	}
	write := mint(r.files.ID, "put", "delete")
	if a := r.as(write, http.MethodPut, r.at("g"), strings.NewReader("y")); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	r.want(r.as(write, http.MethodGet, r.at("g"), nil), 403, wire.TypeDenied)
	r.holds("f", "x")
	r.Clock.Advance(16 * time.Minute)
	r.want(r.as(read, http.MethodGet, r.at("f"), nil), 401, wire.TypeNotAuthenticated)
}

// Redis gone: tokens and tickets go on (T46).
func TestT46_TransfersGoOnWithoutRedis(t *testing.T) {
	r := newRig(t, controltest.New(t))
	r.Redis.Close()
	r.put("f", "still")
	r.holds("f", "still")
	a := r.as("", http.MethodGet, r.at("f"), nil, "Cookie", "__Host-portal="+r.owner.Credentials.Session)
	r.want(a, 503, wire.TypeUnavailable)
}

func TestT10_ForgedTicketsAreRefused(t *testing.T) {
	r := newRig(t, controltest.New(t))
	r.put("f", "secret")
	good, err := r.MintTicket(t, r.owner, r.files.ID, "get", "put", "delete")
	if err != nil {
		t.Fatal(err)
	}
	if a := r.as(good.Ticket, http.MethodGet, r.at("f"), nil); a.body != "secret" {
		t.Fatal("the forger's start is not accepted", a.body)
	}
	parts := strings.Split(good.Ticket, ".")
	b64 := base64.RawURLEncoding
	swap := func(part int, change func(map[string]any)) string {
		raw, err := b64.DecodeString(parts[part])
		var m map[string]any
		if err != nil || json.Unmarshal(raw, &m) != nil {
			t.Fatal(err)
		}
		change(m)
		text, _ := json.Marshal(m)
		p := slices.Clone(parts)
		p[part] = b64.EncodeToString(text)
		return strings.Join(p, ".")
	}
	none := strings.Split(swap(0, func(m map[string]any) { m["alg"] = "none" }), ".")
	for name, forged := range map[string]string{
		"alg none":         none[0] + "." + none[1] + ".",
		"alg none, signed": strings.Join(none, "."),
		"HS256":            swap(0, func(m map[string]any) { m["alg"] = "HS256" }),
		"no exp":           swap(1, func(m map[string]any) { delete(m, "exp") }),
		"later exp":        swap(1, func(m map[string]any) { m["exp"] = 1 << 40 }),
		"more ops":         swap(1, func(m map[string]any) { m["ops"] = "put get delete list restore" }),
		"another audience": swap(1, func(m map[string]any) { m["aud"] = []string{"replica"} }),
		"another volume":   swap(1, func(m map[string]any) { m["volume"] = r.stream.ID }),
		"no signature":     parts[0] + "." + parts[1] + ".",
		"nonsense":         "x.y.z",
		"an operator's":    controltest.Operator + "x",
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			if a := r.as(forged, method, r.at("f"), nil); a.status != 401 {
				t.Errorf("%s %s: %d %s", name, method, a.status, a.body)
			}
		}
	}
	// Good tickets for elsewhere: the same as nothing there.
	elsewhere, err := r.MintTicket(t, r.owner, r.stream.ID, "get", "put", "delete", "restore")
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range routes(r.files.ID, r.snapshot().ID) {
		var body io.Reader
		if route[0] == http.MethodPut {
			body = strings.NewReader("x")
		}
		if a := r.as(elsewhere.Ticket, route[0], route[1], body); a.status != 404 {
			t.Errorf("%v: %d %s", route, a.status, a.body)
		}
	}
	r.holds("f", "secret")
}

func TestT10_NobodyMintsMoreThanHeMay(t *testing.T) {
	r := newRig(t, controltest.New(t))
	reader := r.Token(t, r.owner, nil, apitoken.VolumeRead)
	if _, err := r.MintTicket(t, reader, r.files.ID, "get", "list"); err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{"put", "delete", "restore", "", "erase", "get put"} {
		if got, err := r.MintTicket(t, reader, r.files.ID, op); err == nil {
			t.Errorf("%q: %v", op, got)
		}
	}
	if got, err := r.MintTicket(t, r.other, r.files.ID, "get"); err == nil {
		t.Error("another tenant's volume", got)
	}
}

// The first content of a snapshot stands, whatever is sent again.
func TestT33_WhatASnapshotHasStands(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		body := string(noise(2<<20, 3))
		r.put("f", body)
		s := r.snapshot()
		if n, err := r.SealSnapshots(t.Context(), 10); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		sealed, err := r.Env.Snapshot(t.Context(), r.owner.Caller, s.ID)
		if err != nil || sealed.State != "sealed" || sealed.Digest == "" {
			t.Fatal(sealed, err)
		}
		in := "/v1/data/snapshots/" + s.ID
		r.want(r.do(http.MethodPut, in+"/files/f", "evil"), 409, wire.TypeImmutable)
		r.want(r.do(http.MethodDelete, in+"/files/f", ""), 409, wire.TypeImmutable)
		r.put("f", "overwritten")
		if a := r.do(http.MethodDelete, r.at("")+"?recursive=true", ""); a.status != 200 {
			t.Fatal(a.body)
		}
		if _, err := r.SealSnapshots(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		again, err := r.Env.Snapshot(t.Context(), r.owner.Caller, s.ID)
		if err != nil || again.Digest != sealed.Digest {
			t.Fatal(again, err)
		}
		if a := r.do(http.MethodGet, in+"/files/f", ""); a.body != body {
			t.Fatal(a.status, len(a.body))
		}
	})
}

// A re-send that breaks off leaves the first content.
func TestT33_TruncatedUploadLeavesNothing(t *testing.T) {
	r := newRig(t, controltest.New(t))
	r.put("f", "first")
	for _, name := range []string{"f", "new"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "PUT "+r.at(name)+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+r.token.Credentials.Bearer+"\r\nContent-Length: 1000000\r\n\r\ntruncated")
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(conn)
		conn.Close()
		if bytes.HasPrefix(text, []byte("HTTP/1.1 200")) {
			t.Fatalf("acknowledged: %s", text)
		}
	}
	r.holds("f", "first")
	r.want(r.do(http.MethodGet, r.at("new"), ""), 404, wire.TypeNotFound)
	r.want(r.do(http.MethodPut, r.at("f"), "part", "Content-Range", "bytes 0-3/10"), 422, wire.TypeInvalid)
	r.holds("f", "first")
}

func TestT37_QuotaRefusesClearlyAndPrunesNothing(t *testing.T) {
	r := newRig(t, controltest.New(t))
	keep := string(noise(1<<20, 4))
	r.put("keep", keep)
	usage, err := r.Engine.Usage(t.Context(), r.tenant.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Engine.SetQuota(t.Context(), r.tenant.String(), usage.StoredBytes+1000); err != nil {
		t.Fatal(err)
	}
	r.want(r.do(http.MethodPut, r.at("more"), string(noise(8<<20, 5))), 507, wire.TypeQuota)
	r.want(r.do(http.MethodGet, r.at("more"), ""), 404, wire.TypeNotFound)
	r.holds("keep", keep)
}

func TestT37_FullStorageRefusesClearly(t *testing.T) {
	r := newRig(t, controltest.New(t, controltest.WithBlobs(mem.NewQuota(4<<20))))
	keep := string(noise(1<<20, 6))
	r.put("keep", keep)
	r.want(r.do(http.MethodPut, r.at("more"), string(noise(8<<20, 7))), 507, wire.TypeStorageFull)
	r.want(r.do(http.MethodGet, r.at("more"), ""), 404, wire.TypeNotFound)
	r.holds("keep", keep)
}

// A transfer that stands still is given up; one that moves is not.
func TestTransfersMayNotStandStill(t *testing.T) {
	r := newRig(t, controltest.New(t), transfer.Options{Idle: 150 * time.Millisecond})
	pr, pw := io.Pipe()
	defer pw.Close()
	go io.WriteString(pw, "then nothing")
	a := r.as(r.token.Credentials.Bearer, http.MethodPut, r.at("slow"), pr)
	if a.err == nil && a.status != http.StatusRequestTimeout {
		t.Fatal(a.status, a.body)
	}
	r.want(r.do(http.MethodGet, r.at("slow"), ""), 404, wire.TypeNotFound)
}

// slowDisk takes longer to make anything durable than a transfer may stand still.
type slowDisk struct{ blob.Store }

type slowWriter struct{ blob.Writer }

func (s slowDisk) Create(ctx context.Context, name string) (blob.Writer, error) {
	w, err := s.Store.Create(ctx, name)
	return slowWriter{w}, err
}

func (w slowWriter) Sync() error {
	time.Sleep(1500 * time.Millisecond)
	return w.Writer.Sync()
}

func TestACommitIsNotStandingStill(t *testing.T) {
	r := newRig(t, controltest.New(t, controltest.WithBlobs(slowDisk{mem.New()})), transfer.Options{Idle: time.Second})
	r.put("f", "slowly durable")
	r.put("g", "on the same connection")
	r.holds("f", "slowly durable")
}

func archive(t testing.TB, members ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		body := h.Name
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		h.Mode, h.Format = 0o640, tar.FormatPAX
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.WriteString(w, body)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg} }

func names(t testing.TB, body string) (out []string) {
	t.Helper()
	r := tar.NewReader(strings.NewReader(body))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || h.Typeflag == tar.TypeReg && string(text) != h.Name {
			t.Fatal(h.Name, string(text), err)
		}
		out = append(out, h.Name)
	}
}

func TestArchivesGoInAndOut(t *testing.T) {
	r := newRig(t, controltest.New(t))
	put := func(query string, members ...*tar.Header) (u wire.UploadedTree) {
		t.Helper()
		a := r.do(http.MethodPut, "/v1/data/docs/tar"+query, string(archive(t, members...)))
		if a.status != 200 || json.Unmarshal([]byte(a.body), &u) != nil {
			t.Fatal(a.status, a.body)
		}
		return u
	}
	dir := &tar.Header{Name: "d/", Typeflag: tar.TypeDir}
	link := &tar.Header{Name: "d/link", Typeflag: tar.TypeSymlink, Linkname: "../../anywhere"}
	if u := put("", dir, file("d/a"), file("d/b"), link, file("z")); u.Entries != 5 || u.Deleted != 0 || u.Seq == 0 {
		t.Fatal(u)
	}
	got := r.do(http.MethodGet, "/v1/data/docs/tar", "")
	if n := names(t, got.body); !slices.Equal(n, []string{"d/", "d/a", "d/b", "d/link", "z"}) || got.header.Get("Content-Type") != "application/x-tar" {
		t.Fatal(n, got.header)
	}
	if n := names(t, r.do(http.MethodGet, "/v1/data/docs/tar?prefix=d/a", "").body); !slices.Equal(n, []string{"d/a"}) {
		t.Fatal(n)
	}
	s := r.snapshot()
	if u := put("?delete=true", dir, file("d/a"), file("new")); u.Entries != 3 || u.Unchanged != 2 || u.Deleted != 3 {
		t.Fatal(u)
	}
	if n := names(t, r.do(http.MethodGet, "/v1/data/docs/tar", "").body); !slices.Equal(n, []string{"d/", "d/a", "new"}) {
		t.Fatal(n)
	}
	if n := names(t, r.do(http.MethodGet, "/v1/data/snapshots/"+s.ID+"/tar", "").body); len(n) != 5 {
		t.Fatal(n)
	}
}

// A refused or torn archive never deletes.
func TestT38_ArchivesThatLeaveAreRefusedAndDeleteNothing(t *testing.T) {
	r := newRig(t, controltest.New(t))
	r.put("keep", "keep")
	for name, h := range map[string]*tar.Header{
		"up":        file("../up"),
		"absolute":  file("/etc/passwd"),
		"inside":    file("a/../../b"),
		"hard link": {Name: "hard", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"},
	} {
		a := r.do(http.MethodPut, "/v1/data/docs/tar?delete=true", string(archive(t, h, file("good"))))
		if a.status != 422 || a.problem(t).Type != wire.TypeInvalid {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	whole := archive(t, file("x"), file("y"))
	r.want(r.do(http.MethodPut, "/v1/data/docs/tar?delete=true", string(whole[:len(whole)/2-100])), 422, wire.TypeInvalid)
	r.want(r.do(http.MethodPut, "/v1/data/docs/tar?delete=true", strings.Repeat("no archive ", 200)), 422, wire.TypeInvalid)
	r.holds("keep", "keep")
	page, err := r.Engine.List(t.Context(), listOf(r, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page.Entries {
		if strings.Contains(e.Path, "..") || strings.HasPrefix(e.Path, "/") {
			t.Error(e.Path)
		}
	}
}
