package api_test

import (
	"archive/tar"
	"bytes"
	"errors"
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
	"holdfast/server/client"
	"holdfast/server/control/controltest"
	"holdfast/server/transfer"
	"holdfast/server/wire"
)

// portal serves the portal's face of e, with the data path.
func portal(t *testing.T, e *controltest.Env) *httptest.Server {
	t.Helper()
	x := echo.New()
	x.Use(api.Middleware(authz.FacePortal))
	api.Mount(x, e.Control, authz.FacePortal, "test")
	if err := transfer.Mount(x, e.Control, transfer.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(x)
	t.Cleanup(s.Close)
	return s
}

func bearer(t *testing.T, e *controltest.Env, s *httptest.Server) *client.Client {
	t.Helper()
	owner := e.Member(t, e.Tenant(t), authz.RoleOwner)
	return client.New(s.URL, client.WithToken(e.Token(t, owner, nil, apitoken.AllScopes()...).Credentials.Bearer))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, r io.ReadCloser, err error) string {
	t.Helper()
	ok(t, err)
	defer r.Close()
	text, err := io.ReadAll(r)
	ok(t, err)
	return string(text)
}

// The client's whole way over data: what it sends is what the routes take.
func TestTheClientSpeaksToTheRoutes(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		ctx, c := t.Context(), bearer(t, e, portal(t, e))
		const name = "ünusual; name (50%)"
		v, err := c.CreateVolume(ctx, wire.CreateVolume{Name: name, Kind: "files"})
		ok(t, err)
		if got, err := c.Volume(ctx, name); err != nil || got.ID != v.ID || got.Name != name {
			t.Fatal(got, err)
		}
		_, err = c.PutFile(ctx, name, "d/a b;c", strings.NewReader("one"))
		ok(t, err)
		e.Clock.Advance(time.Minute)
		at := e.Clock.Now()
		e.Clock.Advance(time.Minute)
		s, err := c.TakeSnapshot(ctx, v.ID, "first")
		ok(t, err)
		if _, err := e.SealSnapshots(ctx, 10); err != nil {
			t.Fatal(err)
		}
		u, err := c.PutFile(ctx, v.ID, "d/a b;c", strings.NewReader("two"))
		if err != nil || u.Size != 3 {
			t.Fatal(u, err)
		}
		for want, from := range map[string]client.Source{"one": {Snapshot: s.ID}, "two": {Volume: v.ID}} {
			r, err := c.GetFile(ctx, from, "d/a b;c")
			if got := content(t, r, err); got != want {
				t.Fatal(got, from)
			}
		}
		r, err := c.GetFile(ctx, client.Source{Volume: v.ID, At: at}, "d/a b;c")
		if got := content(t, r, err); got != "one" {
			t.Fatal(got)
		}
		page, err := c.Entries(ctx, v.ID, "d/", "", at)
		if err != nil || len(page.Entries) != 1 || page.Entries[0].Path != "d/a b;c" || page.Entries[0].Size != 3 || page.Entries[0].Type != "file" {
			t.Fatal(page, err)
		}
		if page, err = c.SnapshotEntries(ctx, s.ID, "", ""); err != nil || len(page.Entries) != 1 {
			t.Fatal(page, err)
		}
		r, err = c.GetTar(ctx, client.Source{Snapshot: s.ID}, "d/")
		archive := content(t, r, err)
		if h, err := tar.NewReader(strings.NewReader(archive)).Next(); err != nil || h.Name != "d/a b;c" {
			t.Fatal(h, err)
		}
		tree, err := c.PutTar(ctx, v.ID, strings.NewReader(archive), true)
		if err != nil || tree.Entries != 1 || tree.Deleted != 0 {
			t.Fatal(tree, err)
		}
		removed, err := c.RemoveFile(ctx, v.ID, "d", true)
		if err != nil || removed.Files != 1 {
			t.Fatal(removed, err)
		}
		acts, err := c.Acts(ctx, name, "")
		if err != nil || len(acts.Acts) != 1 || acts.Acts[0].Files != 1 || acts.Acts[0].Until.IsZero() {
			t.Fatal(acts, err)
		}
		for want := int64(1); want >= 0; want-- { // the second time it is there
			back, err := c.BringBack(ctx, name, wire.BringBack{Until: acts.Acts[0].Until, From: acts.Acts[0].From, Prefix: "d/"}, nil)
			if err != nil || back.Files != want || back.Differ != 0 {
				t.Fatal(back, err)
			}
		}
		r, err = c.GetFile(ctx, client.Source{Volume: v.ID}, "d/a b;c")
		if got := content(t, r, err); got != "one" {
			t.Fatal(got)
		}
		_, err = c.RemoveFile(ctx, v.ID, "d", true)
		ok(t, err)
		restored, err := c.Restore(ctx, v.ID, wire.Restore{Snapshot: s.ID}, nil)
		if err != nil || restored.Files != 1 {
			t.Fatal(restored, err)
		}
		list, err := c.Snapshots(ctx, name)
		if err != nil || len(list) != 1 || list[0].State != "sealed" || list[0].Name != "first" || list[0].Digest == "" {
			t.Fatal(list, err)
		}
		ticket, err := c.Ticket(ctx, v.ID, "get")
		ok(t, err)
		r, err = c.With(client.WithToken(ticket.Ticket)).GetFile(ctx, client.Source{Volume: v.ID}, "d/a b;c")
		if got := content(t, r, err); got != "one" {
			t.Fatal(got)
		}
		st, err := c.CreateVolume(ctx, wire.CreateVolume{Name: "dump", Kind: "stream"})
		ok(t, err)
		_, err = c.PutStream(ctx, st.ID, bytes.NewReader(make([]byte, 1<<20)))
		ok(t, err)
		r, err = c.GetStream(ctx, client.Source{Volume: "dump"})
		if got := content(t, r, err); len(got) != 1<<20 {
			t.Fatal(len(got))
		}
		volumes, err := c.Volumes(ctx)
		if err != nil || len(volumes) != 2 || volumes[0].Files != 1 {
			t.Fatal(volumes, err)
		}
	})
}

func TestT09_ATokenDeletesNoSnapshot(t *testing.T) {
	e := controltest.New(t)
	ctx, c := t.Context(), bearer(t, e, portal(t, e))
	_, err := c.CreateVolume(ctx, wire.CreateVolume{Name: "docs", Kind: "files"})
	ok(t, err)
	s, err := c.TakeSnapshot(ctx, "docs", "")
	ok(t, err)
	var refused *client.Error
	if err := c.DeleteSnapshot(ctx, s.ID); !errors.As(err, &refused) || refused.Type != wire.TypeGateRequired || refused.Status != 403 ||
		refused.Ask == nil || refused.Ask.Method != "POST" || !strings.Contains(refused.Ask.Example, s.ID) {
		t.Fatal(err)
	}
	if got, err := c.Snapshot(ctx, s.ID); err != nil || got.ID != s.ID {
		t.Fatal(got, err)
	}
}

// Every JSON route over data answers another tenant's id, byte for byte, as one
// that does not exist.
func TestT11_EveryDataRoute(t *testing.T) {
	e := controltest.New(t)
	server := portal(t, e)
	ctx, mine := t.Context(), bearer(t, e, server)
	v, err := mine.CreateVolume(ctx, wire.CreateVolume{Name: "docs", Kind: "files"})
	ok(t, err)
	s, err := mine.TakeSnapshot(ctx, v.ID, "")
	ok(t, err)
	owner := e.Member(t, e.Tenant(t), authz.RoleOwner)
	token := e.Token(t, owner, nil, apitoken.AllScopes()...).Credentials.Bearer
	call := func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, server.URL+path, strings.NewReader(body))
		ok(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := server.Client().Do(req)
		ok(t, err)
		return resp.StatusCode, content(t, resp.Body, nil)
	}
	for _, route := range [][3]string{
		{"GET", "/v1/volumes/V", ""}, {"DELETE", "/v1/volumes/V", ""}, {"GET", "/v1/volumes/V/entries", ""}, {"GET", "/v1/volumes/V/entries?at=2026-11-22T12:00:05Z", ""},
		{"POST", "/v1/volumes/V/restore", `{"at":"2026-11-22T12:00:05Z"}`}, {"POST", "/v1/volumes/V/ticket", `{"operations":["get"]}`},
		{"GET", "/v1/volumes/V/acts", ""}, {"POST", "/v1/volumes/V/bring-back", `{"until":"2026-11-22T12:00:05Z"}`},
		{"GET", "/v1/volumes/V/snapshots", ""}, {"POST", "/v1/volumes/V/snapshots", `{}`},
		{"GET", "/v1/snapshots/S", ""}, {"DELETE", "/v1/snapshots/S", ""}, {"GET", "/v1/snapshots/S/entries", ""},
	} {
		theirs := strings.NewReplacer("V", v.ID, "S", s.ID)
		none := strings.NewReplacer("V", "vol_00000000000000000000000000", "S", "snp_00000000000000000000000000")
		named := strings.NewReplacer("V", "docs", "S", s.ID)
		path := strings.TrimPrefix(route[1], "/v1/")
		a, x := call(route[0], "/v1/"+theirs.Replace(path), route[2])
		b, y := call(route[0], "/v1/"+none.Replace(path), route[2])
		n, z := call(route[0], "/v1/"+named.Replace(path), route[2])
		if a != 404 || a != b || x != y || n != 404 || z != y {
			t.Errorf("%v: %d %s; none: %d %s; named: %d %s", route, a, x, b, y, n, z)
		}
	}
}
