package view

import (
	"encoding/base64"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"holdfast/server/wire"
)

// Point is a state of a volume: as it is now, at a moment of the undo window, or a
// snapshot.
type Point struct {
	Volume   wire.Volume
	At       time.Time // zero: not a moment
	Snapshot *wire.Snapshot
}

// Live says whether the point is now.
func (p Point) Live() bool { return p.At.IsZero() && p.Snapshot == nil }

// Query are the parameters that name the point, with more in pairs of name and value.
func (p Point) Query(more ...string) string {
	q := url.Values{}
	switch {
	case p.Snapshot != nil:
		q.Set("snapshot", p.Snapshot.ID)
	case !p.At.IsZero():
		q.Set("at", Exactly(p.At))
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			q.Set(more[i], more[i+1])
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// Path is a page of the point's volume, such as "/restore".
func (p Point) Path(page string, more ...string) string {
	return "/volumes/" + p.Volume.ID + page + p.Query(more...)
}

// Browse is the page of a directory at the point: empty, or ending in a slash.
func (p Point) Browse(dir string) string { return p.Path("", "dir", Packed(dir)) }

// File is where the data path serves a file.
func (p Point) File(name string) string {
	if p.Volume.Kind == "stream" {
		return p.data() + "/stream" + p.dataQuery()
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return p.data() + "/files/" + strings.Join(parts, "/") + p.dataQuery()
}

// Archive is where the data path serves everything below a prefix.
func (p Point) Archive(prefix string) string {
	q := url.Values{}
	if prefix != "" {
		q.Set("prefix", prefix)
	}
	if !p.At.IsZero() {
		q.Set("at", Exactly(p.At))
	}
	return p.data() + "/tar?" + q.Encode()
}

func (p Point) data() string {
	if p.Snapshot != nil {
		return "/v1/data/snapshots/" + p.Snapshot.ID
	}
	return "/v1/data/" + p.Volume.ID
}

func (p Point) dataQuery() string {
	if p.At.IsZero() {
		return ""
	}
	return "?" + url.Values{"at": {Exactly(p.At)}}.Encode()
}

// Words name the point in the middle of a sentence.
func (p Point) Words() string {
	words, at := p.words()
	if !at.IsZero() {
		words += " " + Time(at)
	}
	return words
}

func (p Point) words() (string, time.Time) {
	switch {
	case p.Snapshot != nil:
		return "the snapshot of", p.Snapshot.TakenAt
	case !p.At.IsZero():
		return "the moment", p.At
	}
	return "now", time.Time{}
}

// Exactly is a moment with all its digits.
func Exactly(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Local is a moment for <input type="datetime-local">, in UTC.
func Local(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

// Exact is an entry's path byte for byte, and for a common prefix with its slash.
func Exact(e wire.Entry) string {
	if e.PathBase64 == "" {
		return e.Path
	}
	raw, err := base64.StdEncoding.DecodeString(e.PathBase64)
	if err != nil {
		return e.Path
	}
	return string(raw)
}

// packed begins a path that is not plain text.
const packed = "%:"

// Packed is a path, whatever its bytes are, as a form can carry it: a browser
// mends what is no UTF-8 and rewrites line ends.
func Packed(path string) string {
	plain := utf8.ValidString(path) && !strings.HasPrefix(path, packed) && !strings.ContainsFunc(path, unicode.IsControl)
	if plain {
		return path
	}
	return packed + url.QueryEscape(path)
}

// Unpacked is the inverse of Packed; what cannot be unpacked is no path.
func Unpacked(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, packed)
	if !ok {
		return text, true
	}
	p, err := url.QueryUnescape(rest)
	return p, err == nil
}

// Above are the links from a volume's top to a directory.
func (p Point) Above(dir string) []Link {
	out := []Link{{p.Browse(""), p.Volume.Name}}
	at := ""
	for name := range strings.SplitSeq(strings.TrimSuffix(dir, "/"), "/") {
		if name == "" {
			continue
		}
		at += name + "/"
		out = append(out, Link{p.Browse(at), name})
	}
	return out
}

func base(p string) string { return path.Base(strings.TrimSuffix(p, "/")) }

// VolumeTabs are the pages of a volume.
func VolumeTabs(v wire.Volume) []Link {
	p := "/volumes/" + v.ID
	return []Link{{p, "Files"}, {p + "/timeline", "Timeline"}, {p + "/deleted", "Bring back"}, {p + "/restore", "Restore"}, {p + "/compare", "Compare"}, {p + "/keep", "Keep rule"}, {p + "/manage", "Manage"}}
}

// May is what a member's role offers. The powers decide again.
type May struct {
	Work bool // owners and operators: write, delete, restore, snapshot, ask
	Run  bool // owners: people, tokens, lockdown, weakenings
	Me   string
}

var kindWords = map[string]string{"file": "file", "dir": "folder", "prefix": "folder", "symlink": "link", "hardlink": "file", "fifo": "pipe", "char": "device", "block": "device"}

// undoHeld says why the undo window of a volume is longer than usual just now, or nothing.
func undoHeld(v wire.Volume) string {
	if v.UndoHeldSince == nil {
		return ""
	}
	return ", held by the " + v.UndoHeldBy + " since " + Time(*v.UndoHeldSince)
}
