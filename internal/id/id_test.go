package id_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/id"
)

type request struct{}

func (request) Prefix() string { return "req" }

type tenant struct{}

func (tenant) Prefix() string { return "ten" }

func gen() *rapid.Generator[id.ID[request]] {
	return rapid.Custom(func(t *rapid.T) id.ID[request] {
		var b [id.Size]byte
		copy(b[:], rapid.SliceOfN(rapid.Byte(), id.Size, id.Size).Draw(t, "bytes"))
		b[15] |= 1 // not the zero id
		return id.FromBytes[request](b)
	})
}

func TestTextIsKnown(t *testing.T) {
	var b [id.Size]byte
	for i := range b {
		b[i] = 0xff
	}
	if got, want := id.FromBytes[request](b).String(), "req_7"+strings.Repeat("z", 25); got != want {
		t.Errorf("all ones: %s, want %s", got, want)
	}
	// The ULID specification's alphabet, in lower case: 0x0123456789abcdef twice.
	b = [id.Size]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	if got, want := id.FromBytes[request](b).String(), "req_014d2pf2dbsqqg28t5cy4tqkff"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTextRoundTripsAndSorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen().Draw(t, "a"), gen().Draw(t, "b")
		back, err := id.Parse[request](a.String())
		if err != nil || back != a {
			t.Fatalf("%s came back as %s, %v", a, back, err)
		}
		if strings.Compare(a.String(), b.String()) != a.Compare(b) {
			t.Fatalf("%s and %s sort one way as text and another as ids", a, b)
		}
		if id.FromBytes[request](a.Bytes()) != a {
			t.Fatal("bytes do not round-trip")
		}
	})
}

func TestNewIsOrderedByTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	var made []id.ID[request]
	for i := range 200 {
		made = append(made, id.New[request](at.Add(time.Duration(i)*time.Millisecond)))
	}
	if !slices.IsSortedFunc(made, id.ID[request].Compare) {
		t.Error("later ids sort before earlier ones")
	}
	if got := made[7].Time(); !got.Equal(at.Add(7 * time.Millisecond)) {
		t.Errorf("Time is %v", got)
	}
	if a, b := id.New[request](at), id.New[request](at); a == b {
		t.Error("two ids of one moment are the same")
	}
	if i := id.New[request](time.Time{}); i.IsZero() || !i.Time().Equal(time.Unix(0, 0)) {
		t.Errorf("an id of the year 1 is %s", i)
	}
	if i := id.New[request](time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)); i.Time().Year() != 10889 {
		t.Errorf("an id of the far future is of %v", i.Time())
	}
}

func TestParseTakesOneSpellingOnly(t *testing.T) {
	good := id.New[request](time.Unix(1e9, 0)).String()
	zero := "req_" + strings.Repeat("0", 26)
	for _, bad := range []string{
		"", "req", "req_", good[:len(good)-1], good + "0", " " + good, good + "\n", strings.ToUpper(good), "REQ" + good[3:],
		zero, "req_8" + zero[5:], "req_" + strings.Repeat("0", 25) + "l", "req_" + strings.Repeat("0", 25) + "u",
		"req-" + good[4:], good[4:], "_" + good[4:], "req__" + good[5:],
	} {
		if i, err := id.Parse[request](bad); err == nil {
			t.Errorf("%q was read as %s", bad, i)
		} else if bad != "" && len(bad) > 8 && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the text: %v", err)
		}
	}
	if _, err := id.Parse[tenant](good); !errors.Is(err, id.ErrKind) {
		t.Errorf("a request's id as a tenant's: %v", err)
	}
}

func TestJSONAndMaps(t *testing.T) {
	type doc struct {
		ID   id.ID[request]            `json:"id"`
		None id.ID[tenant]             `json:"none"`
		Map  map[id.ID[request]]string `json:"map"`
	}
	a := id.New[request](time.Unix(5, 0))
	in := doc{ID: a, Map: map[id.ID[request]]string{a: "x"}}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out doc
	if err := json.Unmarshal(text, &out); err != nil || out.ID != a || !out.None.IsZero() || out.Map[a] != "x" {
		t.Errorf("%s came back as %+v, %v", text, out, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"`+id.New[tenant](time.Unix(5, 0)).String()+`"}`), &out); !errors.Is(err, id.ErrKind) {
		t.Errorf("an id of another kind in JSON: %v", err)
	}
}

func TestScanAndValue(t *testing.T) {
	a := id.New[request](time.Unix(5, 0))
	v, err := a.Value()
	if err != nil || v != a.String() {
		t.Errorf("Value %v, %v", v, err)
	}
	if v, err := (id.ID[request]{}).Value(); v != nil || err != nil {
		t.Errorf("the zero id is stored as %v, %v", v, err)
	}
	got := a
	for _, src := range []any{a.String(), []byte(a.String())} {
		got = id.ID[request]{}
		if err := got.Scan(src); err != nil || got != a {
			t.Errorf("Scan(%T) = %s, %v", src, got, err)
		}
	}
	if err := got.Scan(nil); err != nil || !got.IsZero() {
		t.Errorf("NULL is %s, %v", got, err)
	}
	for _, bad := range []any{"", "x", int64(0), id.New[tenant](time.Unix(1, 0)).String()} {
		got = a
		if err := got.Scan(bad); err == nil || got != a {
			t.Errorf("Scan(%v) = %s, %v", bad, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("req_014d2pf2dbsqqg28t5cy4tqkff")
	f.Add("req_7zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("req_8zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("ten_014d2pf2dbsqqg28t5cy4tqkff")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := id.Parse[request](s)
		if err == nil && i.String() != s {
			t.Errorf("%q is written as %q", s, i)
		}
		if err != nil && !i.IsZero() {
			t.Errorf("%q is refused and yet %s", s, i)
		}
	})
}
