package transfer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

const dated = "2026-02-03T04:05:06.007Z"

func (r *rig) uploads(rest string) string { return "/v1/data/" + r.files.ID + "/uploads" + rest }

func announcement(path string, size int) string {
	return fmt.Sprintf(`{"path":%q,"size":%d,"modified":%q}`, path, size, dated)
}

func (r *rig) begun(a answer, status int) (u wire.Upload) {
	r.t.Helper()
	if a.status != status || json.Unmarshal([]byte(a.body), &u) != nil {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	return u
}

// A connection that is cut in the middle of a file costs what was on its way: the same announcement finds the rest.
func TestT47_APlainUploadGoesOnAfterACut(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		body := noise(12<<20, 1)
		u := r.begun(r.do(http.MethodPost, r.uploads(""), announcement("dir/big", len(body))), http.StatusCreated)
		conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n", r.uploads("/"+u.ID), r.token.Credentials.Bearer, len(body))
		if _, err := conn.Write(body[:8<<20]); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); u.Offset == 0; {
			if time.Now().After(deadline) {
				t.Fatal("nothing was kept")
			}
			u = r.begun(r.do(http.MethodGet, r.uploads("/"+u.ID), ""), http.StatusOK)
		}
		again := r.begun(r.do(http.MethodPost, r.uploads(""), announcement("dir/big", len(body))), http.StatusOK)
		if !again.Found || again.ID != u.ID || again.Offset != u.Offset || u.Offset < 8<<20-4<<20 {
			t.Fatalf("%+v, was %+v", again, u)
		}
		if a := r.do(http.MethodGet, r.at("dir/big"), ""); a.status != http.StatusNotFound {
			t.Error("half of it is visible")
		}
		done := r.begun(r.do(http.MethodPatch, r.uploads("/"+u.ID), string(body[u.Offset:]), "Upload-Offset", fmt.Sprint(u.Offset)), http.StatusOK)
		if whole := r.put("whole", string(body)); done.State != "done" || done.ETag != whole.ETag {
			t.Errorf("%+v, whole %s", done, whole.ETag)
		}
		if a := r.do(http.MethodGet, r.at("dir/big"), ""); a.body != string(body) {
			t.Error("other bytes")
		}
		if list := r.do(http.MethodGet, r.uploads(""), ""); strings.TrimSpace(list.body) != "[]" {
			t.Errorf("open: %s", list.body)
		}
	})
}

// An upload is its owner's: nobody else's, of whatever tenant, and for nothing but its volume.
func TestT11_AnothersUploadIsNoUpload(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		u := r.begun(r.do(http.MethodPost, r.uploads(""), announcement("f", 3)), http.StatusCreated)
		none := "upl_00000000000000000000000000"
		same := func(bearer, real, invented string) {
			t.Helper()
			for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
				a, b := r.as(bearer, method, real, strings.NewReader("abc"), "Upload-Offset", "0"), r.as(bearer, method, invented, strings.NewReader("abc"), "Upload-Offset", "0")
				if a.status != http.StatusNotFound || a.body != b.body {
					t.Errorf("%s: %d %s, invented %d %s", method, a.status, a.body, b.status, b.body)
				}
			}
		}
		same(r.other.Credentials.Bearer, r.uploads("/"+u.ID), r.uploads("/"+none))
		second := e.Token(t, r.owner, nil, everything...)
		same(second.Credentials.Bearer, r.uploads("/"+u.ID), r.uploads("/"+none))
		same(r.token.Credentials.Bearer, "/v1/data/"+r.stream.ID+"/uploads/"+u.ID, "/v1/data/"+r.stream.ID+"/uploads/"+none)
		if a := r.as(second.Credentials.Bearer, http.MethodGet, r.uploads(""), nil); strings.TrimSpace(a.body) != "[]" {
			t.Errorf("another sees %s", a.body)
		}
		if got := r.begun(r.as(second.Credentials.Bearer, http.MethodPost, r.uploads(""), strings.NewReader(announcement("f", 3))), http.StatusCreated); got.ID == u.ID || got.Found || got.Changed {
			t.Errorf("another's was found: %+v", got)
		}
		reader := e.Token(t, r.owner, nil, everything[0])
		if a := r.as(reader.Credentials.Bearer, http.MethodPost, r.uploads(""), strings.NewReader(announcement("g", 3))); a.status != http.StatusForbidden {
			t.Errorf("a reader announces: %d", a.status)
		}
		if got := r.begun(r.do(http.MethodGet, r.uploads("/"+u.ID), ""), http.StatusOK); got.Offset != 0 || got.State != "open" {
			t.Errorf("%+v", got)
		}
	})
}

// What is wrongly announced, wrongly continued or longer than announced is refused by name.
func TestT47_AnUploadsLiesAreRefused(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		for _, body := range []string{"", `{"path":"f","size":0,"modified":"` + dated + `"}`, `{"path":"f","size":-1,"modified":"` + dated + `"}`,
			`{"path":"f","size":9223372036854775807,"modified":"` + dated + `"}`, `{"path":"f","size":1,"modified":"0001-01-01T00:00:00Z"}`,
			`{"path":"../f","size":1,"modified":"` + dated + `"}`, `{"path":"f","size":1,"modified":"` + dated + `","offset":1}`,
			announcement("f", 1) + announcement("g", 1), announcement(strings.Repeat("f", 40<<10), 1)} {
			if a := r.do(http.MethodPost, r.uploads(""), body); a.status != http.StatusUnprocessableEntity {
				t.Errorf("%.60s: %d %s", body, a.status, a.body)
			}
		}
		u := r.begun(r.do(http.MethodPost, r.uploads(""), announcement("f", 3)), http.StatusCreated)
		for _, h := range [][]string{nil, {"Upload-Offset", "-1"}, {"Upload-Offset", "+0"}, {"Upload-Offset", "00"}, {"Upload-Offset", ""}, {"Upload-Offset", "0", "Upload-Offset", "0"}} {
			if a := r.do(http.MethodPatch, r.uploads("/"+u.ID), "abc", h...); a.status != http.StatusUnprocessableEntity {
				t.Errorf("%q: %d %s", h, a.status, a.body)
			}
		}
		r.want(r.do(http.MethodPatch, r.uploads("/"+u.ID), "bc", "Upload-Offset", "1"), http.StatusConflict, wire.TypeConflict)
		r.want(r.do(http.MethodPatch, r.uploads("/"+u.ID), "abcd", "Upload-Offset", "0"), http.StatusRequestEntityTooLarge, wire.TypeTooLarge)
		if a := r.do(http.MethodGet, r.at("f"), ""); a.status != http.StatusNotFound {
			t.Error("what was longer is visible")
		}
		if a := r.do(http.MethodPut, r.uploads("/"+u.ID), "abc"); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, PATCH, DELETE" {
			t.Error(a.status, a.header)
		}
		if done := r.begun(r.do(http.MethodPatch, r.uploads("/"+u.ID), "abc", "Upload-Offset", "0"), http.StatusOK); done.State != "done" {
			t.Errorf("%+v", done)
		}
		if a := r.do(http.MethodDelete, r.uploads("/"+u.ID), ""); a.status != http.StatusNoContent {
			t.Error(a.status)
		}
		if a := r.do(http.MethodGet, r.at("f"), ""); a.body != "abc" {
			t.Error("giving a finished upload up took its file away")
		}
	})
}

// A page of another site cannot announce, continue or end with somebody's session.
func TestT08_AForeignPageUploadsNothing(t *testing.T) {
	r := newRig(t, controltest.New(t))
	cookie := "__Host-portal=" + r.owner.Credentials.Session
	u := r.begun(r.as("", http.MethodPost, r.uploads(""), strings.NewReader(announcement("f", 3)), "Cookie", cookie, "Sec-Fetch-Site", "same-origin"), http.StatusCreated)
	for _, try := range [][2]string{{http.MethodPost, r.uploads("")}, {http.MethodPatch, r.uploads("/" + u.ID)}, {http.MethodDelete, r.uploads("/" + u.ID)}} {
		for _, from := range []string{"cross-site", "same-site"} {
			a := r.as("", try[0], try[1], strings.NewReader("abc"), "Cookie", cookie, "Sec-Fetch-Site", from, "Upload-Offset", "0")
			r.want(a, http.StatusForbidden, wire.TypeForeignOrigin)
		}
	}
	if got := r.begun(r.as("", http.MethodGet, r.uploads("/"+u.ID), nil, "Cookie", cookie), http.StatusOK); got.State != "open" || got.Offset != 0 {
		t.Errorf("%+v", got)
	}
}

// Whose token is revoked in the middle of an upload sends no more than the step that is under way.
func TestARevokedTokensUploadStops(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		block := noise(1<<20, 9)
		steps := 4 * snapshots.UploadStep / len(block)
		u := r.begun(r.do(http.MethodPost, r.uploads(""), announcement("f", steps*len(block))), http.StatusCreated)
		in, out := io.Pipe()
		answered := make(chan answer, 1)
		go func() {
			answered <- r.as(r.token.Credentials.Bearer, http.MethodPatch, r.uploads("/"+u.ID), in, "Upload-Offset", "0")
			in.Close()
		}()
		for i := range steps {
			if i == steps/2 {
				if err := r.RevokeToken(t.Context(), r.owner.Caller, r.token.ID()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := out.Write(block); err != nil {
				break
			}
		}
		out.Close()
		a := <-answered
		if a.err == nil && a.status != http.StatusUnauthorized { // or the connection was closed before all was sent
			t.Errorf("%d %s", a.status, a.body)
		}
		id, err := snapshots.ParseUploadID(u.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Data.Upload(t.Context(), r.tenant.String(), id)
		if err != nil || got.State != snapshots.UploadOpen || got.Offset > int64(steps*len(block)/2)+2*snapshots.UploadStep {
			t.Errorf("%+v %v", got, err)
		}
		if page, err := r.Data.List(t.Context(), listOf(r, "")); err != nil || len(page.Entries) != 0 {
			t.Error("the file is there", err)
		}
	})
}
