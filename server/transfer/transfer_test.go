package transfer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

func TestFilesGoInAndOut(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		r := newRig(t, e)
		big := string(noise(5<<20, 1))
		u := r.put("a/big.bin", big)
		if u.Size != int64(len(big)) || u.Path != "a/big.bin" || u.Seq == 0 || u.At.IsZero() {
			t.Fatal(u)
		}
		r.put("empty", "")
		r.holds("a/big.bin", big)
		r.holds("empty", "")
		a := r.do(http.MethodHead, r.at("a/big.bin"), "")
		if a.status != 200 || a.header.Get("Content-Length") != fmt.Sprint(len(big)) || a.header.Get("ETag") != u.ETag || a.body != "" {
			t.Fatal(a.status, a.header)
		}
		if at, err := http.ParseTime(a.header.Get("Last-Modified")); err != nil || !at.Equal(u.At.Truncate(time.Second)) {
			t.Fatal(a.header.Get("Last-Modified"), u.At)
		}
		r.want(r.do(http.MethodGet, r.at("nothing"), ""), 404, wire.TypeNotFound)
		// By name, too.
		if got := r.do(http.MethodGet, "/v1/data/docs/files/a/big.bin", ""); got.body != big {
			t.Fatal(got.status)
		}
	})
}

// A stream of unknown length, as `pg_dump | curl -T -` sends it.
func TestStreamOfUnknownLength(t *testing.T) {
	r := newRig(t, controltest.New(t))
	want := noise(3<<20, 2)
	pr, pw := io.Pipe()
	go func() {
		for b := range slices.Chunk(want, 100_000) {
			if _, err := pw.Write(b); err != nil {
				return
			}
		}
		pw.Close()
	}()
	target := "/v1/data/dump/stream"
	if a := r.as(r.token.Credentials.Bearer, http.MethodPut, target, pr); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	if a := r.do(http.MethodGet, target, ""); a.body != string(want) {
		t.Fatal(a.status, len(a.body))
	}
	if a := r.do(http.MethodGet, target, "", "Range", "bytes=1000000-1000099"); a.status != 206 || a.body != string(want[1000000:1000100]) {
		t.Fatal(a.status, len(a.body))
	}
	r.want(r.do(http.MethodPut, "/v1/data/docs/stream", "x"), 409, wire.TypeConflict)
	r.want(r.do(http.MethodPut, "/v1/data/dump/files/x", "x"), 409, wire.TypeConflict)
	r.want(r.do(http.MethodGet, "/v1/data/docs/stream", ""), 409, wire.TypeConflict)
}

// Names are bytes: each segment is decoded once, and what comes back in a listing
// is what was put.
func TestNamesAreKeptByteForByte(t *testing.T) {
	r := newRig(t, controltest.New(t))
	for _, c := range []struct{ escaped, path string }{
		{"with%20space", "with space"},
		{"%41%2541", "A%41"},
		{"plus+plus", "plus+plus"},
		{"q%3Fh%23", "q?h#"},
		{"%C3%BCber", "über"},
		{"latin1-%FC", "latin1-\xfc"},
		{"back%5Cslash", `back\slash`},
		{"semi;colon", "semi;colon"},
		{"new%0Aline", "new\nline"},
		{"%E2%80%AEbidi", "\u202ebidi"},
		{"a%2Fb", "a/b"},
	} {
		r.put(c.escaped, c.path)
		r.holds(c.escaped, c.path)
		v, err := r.Engine.List(t.Context(), listOf(r, c.path))
		if err != nil || len(v.Entries) != 1 || v.Entries[0].Path != c.path {
			t.Errorf("%s: %v %v", c.escaped, v.Entries, err)
		}
	}
}

func TestT38_PathsThatLeaveAreRefused(t *testing.T) {
	r := newRig(t, controltest.New(t))
	for _, escaped := range []string{"%2e%2e/x", "a/%2e%2e/%2e%2e/x", "..%2fx", "%2Fetc/passwd", "/x", "a//b", "a/./b", "a/", "nul%00", strings.Repeat("x", 256), strings.Repeat("a/", 2100) + "b"} {
		a := r.do(http.MethodPut, r.at(escaped), "x")
		if a.status != 422 || a.problem(t).Type != wire.TypeInvalid {
			t.Errorf("PUT %.40s: %d %s", escaped, a.status, a.body)
		}
	}
	page, err := r.Engine.List(t.Context(), listOf(r, ""))
	if err != nil || len(page.Entries) != 0 {
		t.Fatal(page.Entries, err)
	}
}

func TestRangesAndConditions(t *testing.T) {
	r := newRig(t, controltest.New(t))
	const body = "0123456789"
	u := r.put("f", body)
	modified := u.At.UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
		rng    string
	}{
		{"first", []string{"Range", "bytes=0-3"}, 206, "0123", "bytes 0-3/10"},
		{"open", []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"suffix", []string{"Range", "bytes=-4"}, 206, "6789", "bytes 6-9/10"},
		{"long suffix", []string{"Range", "bytes=-99"}, 206, body, "bytes 0-9/10"},
		{"beyond the end", []string{"Range", "bytes=8-99999999999999999999"}, 206, "89", "bytes 8-9/10"},
		{"several", []string{"Range", "bytes=0-1,3-4"}, 200, body, ""},
		{"malformed", []string{"Range", "bytes=3-1"}, 200, body, ""},
		{"another unit", []string{"Range", "lines=1-2"}, 200, body, ""},
		{"none there", []string{"Range", "bytes=10-"}, 416, "", "bytes */10"},
		{"no suffix", []string{"Range", "bytes=-0"}, 416, "", "bytes */10"},
		{"if-range tag", []string{"Range", "bytes=0-0", "If-Range", u.ETag}, 206, "0", "bytes 0-0/10"},
		{"if-range other tag", []string{"Range", "bytes=0-0", "If-Range", `"other"`}, 200, body, ""},
		{"if-range weak tag", []string{"Range", "bytes=0-0", "If-Range", "W/" + u.ETag}, 200, body, ""},
		{"if-range time", []string{"Range", "bytes=0-0", "If-Range", modified}, 206, "0", "bytes 0-0/10"},
		{"if-match", []string{"If-Match", `"x", ` + u.ETag}, 200, body, ""},
		{"if-match any", []string{"If-Match", "*"}, 200, body, ""},
		{"if-match other", []string{"If-Match", `"x"`}, 412, "", ""},
		{"if-match weak", []string{"If-Match", "W/" + u.ETag}, 412, "", ""},
		{"if-none-match", []string{"If-None-Match", u.ETag}, 304, "", ""},
		{"if-none-match weak", []string{"If-None-Match", "W/" + u.ETag}, 304, "", ""},
		{"if-none-match other", []string{"If-None-Match", `"x"`}, 200, body, ""},
		{"if-none-match wins over time", []string{"If-None-Match", `"x"`, "If-Modified-Since", modified}, 200, body, ""},
		{"if-modified-since", []string{"If-Modified-Since", modified}, 304, "", ""},
		{"if-unmodified-since", []string{"If-Unmodified-Since", u.At.Add(-time.Hour).UTC().Format(http.TimeFormat)}, 412, "", ""},
	} {
		a := r.do(http.MethodGet, r.at("f"), "", c.header...)
		if a.status != c.status || c.body != "" && a.body != c.body || a.header.Get("Content-Range") != c.rng {
			t.Errorf("%s: %d %q %q, want %d %q %q", c.name, a.status, a.body, a.header.Get("Content-Range"), c.status, c.body, c.rng)
		}
	}
	r.want(r.do(http.MethodGet, r.at("f"), "", "If-Match", "nonsense"), 422, wire.TypeInvalid)

	// Writes: nothing changes when the condition does not hold.
	r.want(r.do(http.MethodPut, r.at("f"), "new", "If-None-Match", "*"), 412, wire.TypePrecondition)
	r.want(r.do(http.MethodPut, r.at("f"), "new", "If-Match", `"x"`), 412, wire.TypePrecondition)
	r.want(r.do(http.MethodDelete, r.at("f"), "", "If-Match", `"x"`), 412, wire.TypePrecondition)
	r.holds("f", body)
	if a := r.do(http.MethodPut, r.at("f"), "new", "If-Match", u.ETag); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	if a := r.do(http.MethodPut, r.at("g"), "g", "If-None-Match", "*"); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	r.holds("f", "new")
}

// What people upload never runs as a page of this origin.
func TestDownloadsAreHarmless(t *testing.T) {
	r := newRig(t, controltest.New(t))
	if a := r.do(http.MethodPut, r.at("x%22%0Ae%CC%81vil.html"), "<script>1</script>", "Content-Type", "text/html; charset=utf-8"); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	h := r.do(http.MethodGet, r.at("x%22%0Ae%CC%81vil.html"), "").header
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" ||
		h.Get("Content-Disposition") != `attachment; filename="x__e_vil.html"; filename*=UTF-8''x%22%0Ae%CC%81vil.html` ||
		h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Content-Encoding") != "" {
		t.Fatal(h)
	}
}

func TestDeletion(t *testing.T) {
	r := newRig(t, controltest.New(t))
	for _, p := range []string{"dir/a", "dir/sub/b", "dirx", "other"} {
		r.put(p, p)
	}
	removed := func(a answer) (out wire.Removed) {
		t.Helper()
		if a.status != 200 || json.Unmarshal([]byte(a.body), &out) != nil {
			t.Fatal(a.status, a.body)
		}
		return out
	}
	if got := removed(r.do(http.MethodDelete, r.at("other"), "")); got.Files != 1 || got.Recoverable.Sub(r.Clock.Now()) < 13*24*time.Hour {
		t.Fatal(got)
	}
	r.want(r.do(http.MethodDelete, r.at("other"), ""), 404, wire.TypeNotFound)
	r.want(r.do(http.MethodDelete, r.at("dir"), ""), 404, wire.TypeNotFound)
	if got := removed(r.do(http.MethodDelete, r.at("dir/")+"?recursive=true", "")); got.Files != 2 {
		t.Fatal(got)
	}
	r.holds("dirx", "dirx")
	r.want(r.do(http.MethodGet, r.at("dir/sub/b"), ""), 404, wire.TypeNotFound)
	r.want(r.do(http.MethodDelete, r.at("dirx")+"?recurse=true", ""), 422, wire.TypeInvalid)
	if got := removed(r.do(http.MethodDelete, r.at("")+"?recursive=true", "")); got.Files != 1 {
		t.Fatal(got)
	}
}

// The moment before is still there (I11), whoever deleted.
func TestT02_EveryMomentOfTheUndoWindowReads(t *testing.T) {
	r := newRig(t, controltest.New(t))
	first := r.put("f", "first")
	r.Clock.Advance(time.Minute)
	r.put("f", "second")
	r.Clock.Advance(time.Minute)
	if a := r.do(http.MethodDelete, r.at("")+"?recursive=true", ""); a.status != 200 {
		t.Fatal(a.body)
	}
	at := func(when time.Time) string { return "?at=" + when.UTC().Format(time.RFC3339Nano) }
	if a := r.do(http.MethodGet, r.at("f")+at(first.At), ""); a.body != "first" {
		t.Fatal(a.status, a.body)
	}
	if a := r.do(http.MethodGet, r.at("f")+at(first.At.Add(time.Minute)), ""); a.body != "second" {
		t.Fatal(a.status, a.body)
	}
	r.want(r.do(http.MethodGet, r.at("f"), ""), 404, wire.TypeNotFound)
	r.want(r.do(http.MethodGet, r.at("f")+"?at=yesterday", ""), 422, wire.TypeInvalid)
}

func TestSessionsReadAndWriteFromTheirOwnOriginOnly(t *testing.T) {
	r := newRig(t, controltest.New(t))
	cookie := []string{"Cookie", "__Host-portal=" + r.owner.Credentials.Session}
	with := func(more ...string) []string { return append(append([]string{}, cookie...), more...) }
	if a := r.as("", http.MethodPut, r.at("f"), strings.NewReader("mine"), with("Sec-Fetch-Site", "same-origin")...); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	r.want(r.as("", http.MethodPut, r.at("f"), strings.NewReader("theirs"), with("Sec-Fetch-Site", "cross-site")...), 403, wire.TypeForeignOrigin)
	r.want(r.as("", http.MethodDelete, r.at("f"), nil, with("Origin", "https://evil.example")...), 403, wire.TypeForeignOrigin)
	if a := r.as("", http.MethodGet, r.at("f"), nil, cookie...); a.body != "mine" {
		t.Fatal(a.status, a.body)
	}
	r.want(r.as("", http.MethodGet, r.at("f"), nil), 401, wire.TypeNotAuthenticated)
	viewer := r.Member(t, r.tenant, authz.RoleViewer)
	r.want(r.as("", http.MethodPut, r.at("f"), strings.NewReader("x"), "Cookie", "__Host-portal="+viewer.Credentials.Session), 403, wire.TypeDenied)
}
