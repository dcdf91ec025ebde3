package record_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"holdfast/server/wire/record"
)

// item is one record with its bytes.
type item struct {
	record.Record
	Body []byte
}

func read(b []byte) (items []item, err error) {
	d := record.NewDecoder(bytes.NewReader(b))
	for {
		var n item
		if err := d.Next(&n.Record); err != nil {
			if errors.Is(err, io.EOF) && !errors.Is(err, record.ErrTorn) {
				err = nil
			}
			return items, err
		}
		if n.Type == record.TypeData {
			if n.Body, err = d.Body(nil); err != nil {
				return items, err
			}
		}
		items = append(items, n)
	}
}

func write(items []item) []byte {
	var out bytes.Buffer
	e := record.NewEncoder(&out)
	for _, n := range items {
		var err error
		switch n.Type {
		case record.TypeEntry:
			err = e.Entry(&n.Entry)
		case record.TypeData:
			err = e.Data(n.ID, n.Encoding, int(n.Length), n.Body)
		case record.TypeRef:
			err = e.Ref(n.ID, n.Length)
		case record.TypeHole:
			err = e.Hole(n.Length)
		case record.TypeEnd:
			err = e.End(n.Length)
		case record.TypeDelete:
			err = e.Delete(n.Text)
		case record.TypeStop:
			err = e.Stop()
		case record.TypeError:
			err = e.Error(n.Text)
		}
		if err != nil {
			panic(err)
		}
	}
	return out.Bytes()
}

func sample() []item {
	id := [32]byte{1, 2, 3, 31: 9}
	text := bytes.Repeat([]byte("holdfast "), 40)
	encoding, packed := record.Compress(nil, text)
	return []item{
		{Record: record.Record{Type: record.TypeEntry, Entry: record.Entry{Path: "a/\xff\nb", Type: 1, Mode: 0o4755, UID: 1000, GID: 1<<32 - 1, User: "ann", Group: "staff",
			MTime: -1, Xattrs: []record.Xattr{{Name: "user.a", Value: "\x00"}, {Name: "user.b"}}, ContentType: "text/plain"}}},
		{Record: record.Record{Type: record.TypeData, ID: id, Encoding: record.Raw, Length: 5, Stored: 5}, Body: []byte("hello")},
		{Record: record.Record{Type: record.TypeHole, Length: 1 << 40}},
		{Record: record.Record{Type: record.TypeRef, ID: id, Length: record.MaxPlain}},
		{Record: record.Record{Type: record.TypeData, ID: id, Encoding: encoding, Length: int64(len(text)), Stored: len(packed)}, Body: packed},
		{Record: record.Record{Type: record.TypeEnd, Length: 1<<40 + 5 + record.MaxPlain + int64(len(text))}},
		{Record: record.Record{Type: record.TypeEntry, Entry: record.Entry{Number: 1, Path: "dev", Type: 6, Major: 1, Minor: 3, MTime: 1, Size: 3, HasDigest: true, Digest: id}}},
		{Record: record.Record{Type: record.TypeDelete, Text: "gone"}},
		{Record: record.Record{Type: record.TypeStop, Length: 8}},
	}
}

func TestStreamRoundTrips(t *testing.T) {
	want := write(sample())
	items, err := read(want)
	if err != nil || len(items) != len(sample()) {
		t.Fatal(len(items), err)
	}
	if got := write(items); !bytes.Equal(got, want) {
		t.Fatalf("%x is not %x", got, want)
	}
	if items[0].Entry.Path != "a/\xff\nb" || items[0].Entry.MTime != -1 || len(items[0].Entry.Xattrs) != 2 || items[6].Entry.Digest[0] != 1 {
		t.Error(items[0].Entry)
	}
	plain, err := record.Decompress(nil, items[4].Body, int(items[4].Length))
	if err != nil || !bytes.HasPrefix(plain, []byte("holdfast holdfast")) {
		t.Error(err)
	}
	// Bytes that nobody asks for are passed over, however the reader cuts.
	d := record.NewDecoder(iotest.OneByteReader(bytes.NewReader(want)))
	n := 0
	for r := (record.Record{}); d.Next(&r) == nil; n++ {
	}
	if n != len(items) || d.Bytes() != int64(len(want)) {
		t.Error(n, d.Bytes())
	}
}

func TestWhatBreaksOffIsTorn(t *testing.T) {
	whole := write(sample())
	for n := range whole {
		if _, err := read(whole[:n]); !errors.Is(err, record.ErrTorn) {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	failed := write([]item{{Record: record.Record{Type: record.TypeError, Text: "the disk is gone"}}})
	if items, err := read(failed); err != nil || items[0].Text != "the disk is gone" {
		t.Error(err)
	}
}

func TestT50_HostileStreamsAreRefused(t *testing.T) {
	entry := record.Entry{Path: "a", Type: 1}
	with := func(change func(*record.Entry)) []byte {
		e := entry
		change(&e)
		return record.AppendEntry(record.AppendMagic(nil), &e)
	}
	head := record.AppendMagic(nil)
	after := func(b ...byte) []byte { return append(bytes.Clone(head), b...) }
	for name, b := range map[string][]byte{
		"magic":             []byte("HFREC\x00\x00\x02\x07\x01\x00"),
		"unknown type":      after(9, 0),
		"type zero":         after(0, 0),
		"endless length":    after(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"huge entry":        after(1, 0xff, 0xff, 0xff, 0x7f),
		"huge data":         after(2, 0xff, 0xff, 0xff, 0x7f),
		"long form":         after(4, 0x82, 0x00, 1, 0),
		"long form inside":  after(4, 2, 0x81, 0),
		"empty hole":        after(4, 1, 0),
		"empty path":        with(func(e *record.Entry) { e.Path = "" }),
		"long path":         with(func(e *record.Entry) { e.Path = strings.Repeat("a", record.MaxPath+1) }),
		"entry type":        with(func(e *record.Entry) { e.Type = 8 }),
		"mode":              with(func(e *record.Entry) { e.Mode = 0o10000 }),
		"xattrs unordered":  with(func(e *record.Entry) { e.Xattrs = []record.Xattr{{Name: "b"}, {Name: "a"}} }),
		"xattrs twice":      with(func(e *record.Entry) { e.Xattrs = []record.Xattr{{Name: "a"}, {Name: "a"}} }),
		"many xattrs":       with(func(e *record.Entry) { e.Xattrs = make([]record.Xattr, record.MaxXattrs+1) }),
		"raw of two sizes":  append(record.AppendDataHead(after(), [32]byte{}, record.Raw, 2, 1), 0),
		"zstd that grows":   append(record.AppendDataHead(after(), [32]byte{}, record.Zstd, 1, 1), 0),
		"unknown encoding":  append(record.AppendDataHead(after(), [32]byte{}, 2, 2, 1), 0),
		"piece too long":    append(record.AppendDataHead(after(), [32]byte{}, record.Zstd, record.MaxPlain+1, 1), 0),
		"ref of nothing":    record.AppendRef(after(), [32]byte{}, 0),
		"ref too long":      record.AppendRef(after(), [32]byte{}, record.MaxPlain+1),
		"delete of nothing": record.AppendDelete(after(), ""),
		"wrong count":       record.AppendStop(after(), 1),
		"behind the stop":   append(record.AppendStop(after(), 0), 0),
	} {
		if _, err := read(b); !errors.Is(err, record.ErrFormat) || errors.Is(err, record.ErrTorn) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A bomb: a short frame that says, or has, more than was announced.
	_, bomb := record.Compress(nil, make([]byte, record.MaxPlain))
	for _, plain := range []int{1, 100, record.MaxPlain - 1, record.MaxPlain + 1, 0, -1} {
		if out, err := record.Decompress(nil, bomb, plain); !errors.Is(err, record.ErrFormat) || len(out) != 0 {
			t.Errorf("a bomb passes for %d bytes: %v", plain, err)
		}
	}
}

func TestCompressGivesUpOnNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 1, 4096).Draw(t, "plain")
		plain = bytes.Repeat(plain, rapid.IntRange(1, 40).Draw(t, "times"))
		encoding, body := record.Compress([]byte("before"), plain)
		body = bytes.TrimPrefix(body, []byte("before"))
		if encoding == record.Raw {
			if !bytes.Equal(body, plain) {
				t.Fatal("raw bytes differ")
			}
			return
		}
		back, err := record.Decompress([]byte("x"), body, len(plain))
		if err != nil || !bytes.Equal(back[1:], plain) || len(body) >= len(plain) {
			t.Fatal("not the same bytes", err)
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add(write(sample()))
	f.Add(write(sample()[:5]))
	f.Add(write([]item{{Record: record.Record{Type: record.TypeStop}}}))
	f.Add(write([]item{{Record: record.Record{Type: record.TypeError, Text: "no"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := read(b)
		if err != nil {
			return
		}
		if got := write(items); !bytes.Equal(got, b) {
			t.Fatalf("%x is read and written as %x", b, got)
		}
	})
}

// update writes the vectors anew: only when the format gets a new version.
var update = flag.Bool("update", false, "write docs/spec/record.vectors.json anew")

const vectorFile = "../../../docs/spec/record.vectors.json"

type vector struct {
	Name   string `json:"name"`
	Stream string `json:"stream"`
	Error  string `json:"error,omitempty"`
}

func TestStoredVectors(t *testing.T) {
	if *update {
		var v []vector
		for i, n := range sample()[:8] {
			stop := item{Record: record.Record{Type: record.TypeStop, Length: 1}}
			v = append(v, vector{Name: []string{"entry", "data raw", "hole", "ref", "data zstd", "end", "entry with digest", "delete"}[i], Stream: hex.EncodeToString(write([]item{n, stop}))})
		}
		whole := write(sample())
		v = append(v, vector{Name: "whole", Stream: hex.EncodeToString(whole)},
			vector{Name: "error", Stream: hex.EncodeToString(write([]item{{Record: record.Record{Type: record.TypeError, Text: "gone"}}}))},
			vector{Name: "no stop", Stream: hex.EncodeToString(whole[:len(whole)-3]), Error: "torn"},
			vector{Name: "wrong count", Stream: hex.EncodeToString(append(whole[:len(whole)-1:len(whole)-1], 9)), Error: "format"},
			vector{Name: "long number", Stream: hex.EncodeToString(append(record.AppendMagic(nil), 4, 2, 0x81, 0)), Error: "format"})
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v []vector
	if err := json.Unmarshal(b, &v); err != nil || len(v) < 10 {
		t.Fatal(len(v), err)
	}
	for _, c := range v {
		in, err := hex.DecodeString(c.Stream)
		if err != nil {
			t.Fatal(err)
		}
		items, err := read(in)
		switch {
		case c.Error == "" && (err != nil || !bytes.Equal(write(items), in)):
			t.Errorf("%s: %v", c.Name, err)
		case c.Error == "torn" && !errors.Is(err, record.ErrTorn), c.Error == "format" && !errors.Is(err, record.ErrFormat):
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}
