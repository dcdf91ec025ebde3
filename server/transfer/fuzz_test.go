package transfer_test

import (
	"fmt"
	"mime"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"holdfast/server/transfer"
)

// A range that is served lies within the content, and says itself again.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes=0-3", "bytes=7-", "bytes=-4", "bytes=10-", "bytes=3-1", "bytes=0-1,3-4", "bytes=", "bytes=--1", "bytes=99999999999999999999-", "bytes= 1-2 "} {
		f.Add(s, int64(10))
	}
	f.Add("bytes=-5", int64(0))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		off, n, ok, err := transfer.ParseRange(header, size)
		if err != nil || !ok {
			return
		}
		if off < 0 || n < 1 || off+n > size || off+n < off {
			t.Fatalf("%q of %d: %d+%d", header, size, off, n)
		}
		off2, n2, ok, err := transfer.ParseRange(fmt.Sprintf("bytes=%d-%d", off, off+n-1), size)
		if off2 != off || n2 != n || !ok || err != nil {
			t.Fatal(off2, n2, ok, err)
		}
	})
}

// What is written in an URL comes out as it was, byte for byte.
func FuzzTarget(f *testing.F) {
	for _, p := range []string{"a", "a/b", "with space", "%41", "..", "a//b", "\xff", "semi;colon?#", "snapshots"} {
		f.Add("docs", p)
	}
	f.Fuzz(func(t *testing.T, volume, path string) {
		parts := strings.Split(path, "/")
		for i := range parts {
			parts[i] = url.PathEscape(parts[i])
		}
		text := transfer.Prefix + url.PathEscape(volume) + "/files/" + strings.Join(parts, "/")
		v, s, kind, got, err := transfer.ParseTarget(text)
		if volume == "" || volume == "snapshots" || len(text) > transfer.MaxTarget {
			return
		}
		if err != nil || v != volume || s != "" || kind != "files" || got != path {
			t.Fatalf("%q: %q %q %q %q %v", text, v, s, kind, got, err)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, p := range []string{"/v1/data/", "/v1/data/v/files/", "/v1/data/snapshots/s/tar", "/v1/data/v/tar/x", "/v1/data/%", "/v1/data/v/stream", "/v1/data//files/x", "/v1/data/snapshots"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, s, kind, path, err := transfer.ParseTarget(text)
		if err != nil {
			return
		}
		if (v == "") == (s == "") || kind != "files" && path != "" || kind != "files" && kind != "tar" && kind != "stream" {
			t.Fatalf("%q: %q %q %q %q", text, v, s, kind, path)
		}
	})
}

func FuzzParseCondition(f *testing.F) {
	tag := `"` + strings.Repeat("0a", 32) + `"`
	for _, s := range []string{"*", tag, "W/" + tag, tag + ", " + tag, `"x"`, `"`, ",", "", `W/`, tag + tag} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, header string, weak bool) {
		c, err := transfer.ParseCondition(header, weak)
		if err != nil || c == nil {
			return
		}
		for _, tag := range c.ETags {
			if !strings.Contains(header, fmt.Sprintf(`"%x"`, tag[:])) {
				t.Fatalf("%q gave %x", header, tag)
			}
		}
	})
}

// No name of a file makes a header that means something else.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"plain.txt", `quo"te`, "new\nline", "über", "\xff", "a;b", "%41", `back\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		text := transfer.Disposition(name)
		kind, params, err := mime.ParseMediaType(text)
		if err != nil || kind != "attachment" || strings.ContainsAny(text, "\r\n") {
			t.Fatalf("%q: %q %v", name, text, err)
		}
		if utf8.ValidString(name) && name != "" && params["filename"] != name {
			t.Fatalf("%q: %q", name, params["filename"])
		}
	})
}
