package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/quorum/audit"
)

func anyFacts(rt *rapid.T, k audit.Kind) []audit.Fact {
	switch k {
	case audit.KindCharterSealed, audit.KindCharterChanged:
		return audit.CharterFacts(rapid.Uint64Range(1, 1<<62).Draw(rt, "number"), [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "hash")))
	case audit.KindWitnessAdded, audit.KindWitnessRemoved:
		return audit.WitnessFacts("w.example/" + rapid.StringMatching(`[a-z]{1,9}`).Draw(rt, "witness"))
	case audit.KindSiteAttached, audit.KindSiteDetached:
		return audit.SiteFacts(rapid.StringMatching(`[a-z][a-z0-9]{0,9}`).Draw(rt, "site"))
	case audit.KindEpoch:
		return audit.EpochFacts("north", rapid.Uint64Range(1, 1<<40).Draw(rt, "epoch"))
	}
	return nil
}

func TestLeafRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(audit.Kinds()).Draw(rt, "kind")
		d := audit.Draft{
			Kind: kind, At: time.UnixMicro(rapid.Int64Range(0, 253402300799999999).Draw(rt, "at")), Facts: anyFacts(rt, kind),
			Body: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "body"),
		}
		e, err := d.Enter(rapid.Int64Range(0, audit.MaxSize-1).Draw(rt, "index"), &counter{})
		if err != nil {
			rt.Fatal(err)
		}
		l, err := e.Open()
		if err != nil {
			rt.Fatal(err)
		}
		if l.Kind != kind || !l.At.Equal(d.At) || fmt.Sprint(l.Facts) != fmt.Sprint(d.Facts) {
			rt.Fatalf("read %+v from %+v", l, d)
		}
		again, err := l.Render()
		if err != nil || !bytes.Equal(again, e.Leaf) {
			rt.Fatalf("render gave %q, %v", again, err)
		}
		o, err := e.Opening().Render()
		if err != nil {
			rt.Fatal(err)
		}
		back, err := audit.ParseOpening(o)
		if err != nil || back.Index != e.Index || back.Salt != e.Salt || !bytes.Equal(back.Body, e.Body) {
			rt.Fatalf("opening: %+v, %v", back, err)
		}
		// Whatever bit of salt or body is turned, the opening fails.
		back.Salt[rapid.IntRange(0, 31).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if _, err := back.Check(e.Leaf); !errors.Is(err, audit.ErrOpening) {
			rt.Fatalf("another salt opened the leaf: %v", err)
		}
	})
}

func TestLeafRefusesOtherSpellings(t *testing.T) {
	e := newLog(t, 1).entries[0]
	good := string(e.Leaf)
	if _, err := audit.ParseLeaf([]byte(good)); err != nil {
		t.Fatal(err)
	}
	commitment := good[strings.Index(good, "commitment ")+11 : len(good)-1]
	for name, bad := range map[string]string{
		"version":      strings.Replace(good, "leaf v1", "leaf v2", 1),
		"upper hex":    strings.Replace(good, commitment, strings.ToUpper(commitment), 1),
		"zone":         strings.Replace(good, "Z\n", "+00:00\n", 1),
		"decimals":     strings.Replace(good, ".000000Z", ".000Z", 1),
		"comma":        strings.Replace(good, ".000000Z", ",000000Z", 1),
		"no newline":   strings.TrimSuffix(good, "\n"),
		"two newlines": good + "\n",
		"cr":           strings.ReplaceAll(good, "\n", "\r\n"),
		"fact":         good + "tenant ten_x\n",
		"site fact":    good + "site north\n",
		"kind":         strings.Replace(good, "kind snapshot-taken", "kind Snapshot", 1),
		"empty kind":   strings.Replace(good, "kind snapshot-taken", "kind ", 1),
		"year":         strings.Replace(good, "at 2026", "at 1969", 1),
		"order":        strings.Replace(good, "kind snapshot-taken\nat", "at snapshot-taken\nkind", 1),
	} {
		if l, err := audit.ParseLeaf([]byte(bad)); !errors.Is(err, audit.ErrLeaf) {
			t.Errorf("%s: parsed %+v, %v", name, l, err)
		}
	}
}

func TestDraftRefusals(t *testing.T) {
	hash := [32]byte{1}
	for name, d := range map[string]audit.Draft{
		"zero kind":            {},
		"unknown kind":         {Kind: "snapshot-vanished"},
		"facts about a tenant": {Kind: audit.KindFreeze, Tenant: "ten_x", Facts: audit.EverywhereFacts()},
		"facts on a private":   {Kind: audit.KindSnapshotTaken, Facts: audit.SiteFacts("north")},
		"charter without":      {Kind: audit.KindCharterSealed},
		"charter half":         {Kind: audit.KindCharterSealed, Facts: audit.CharterFacts(1, hash)[:1]},
		"charter swapped":      {Kind: audit.KindCharterSealed, Facts: []audit.Fact{audit.CharterFacts(1, hash)[1], audit.CharterFacts(1, hash)[0]}},
		"charter zero":         {Kind: audit.KindCharterSealed, Facts: audit.CharterFacts(0, hash)},
		"fact twice":           {Kind: audit.KindFreeze, Facts: append(audit.EverywhereFacts(), audit.EverywhereFacts()...)},
		"scope of a tenant":    {Kind: audit.KindFreeze, Facts: []audit.Fact{{Name: audit.FactScope, Value: "ten_x"}}},
		"newline":              {Kind: audit.KindWitnessAdded, Facts: audit.WitnessFacts("a\nb")},
		"huge body":            {Kind: audit.KindStop, Body: make([]byte, audit.MaxBody+1)},
	} {
		if err := d.Validate(); !errors.Is(err, audit.ErrDraft) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := d.Enter(0, &counter{}); err == nil {
			t.Errorf("%s: entered", name)
		}
	}
}

func TestUnknownKindIsReadAndNotKnown(t *testing.T) {
	text := strings.Replace(string(newLog(t, 1).entries[0].Leaf), "snapshot-taken", "snapshot-dreamt", 1)
	l, err := audit.ParseLeaf([]byte(text))
	if err != nil || l.Kind.Known() {
		t.Fatalf("%+v, %v", l, err)
	}
}

func FuzzParseLeaf(f *testing.F) {
	l := newLog(f, 2)
	f.Add(l.entries[0].Leaf)
	e, _ := audit.Draft{Kind: audit.KindCharterSealed, At: epoch, Facts: audit.CharterFacts(3, [32]byte{9})}.Enter(0, &counter{})
	f.Add(e.Leaf)
	f.Add([]byte("holdfast leaf v1\nkind a\nat 2026-01-01T00:00:00.000000Z\ncommitment 00\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := audit.ParseLeaf(text)
		if err != nil {
			return
		}
		if again, err := l.Render(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q renders %q, %v", text, again, err)
		}
	})
}

func FuzzParseOpening(f *testing.F) {
	o, _ := newLog(f, 1).entries[0].Opening().Render()
	f.Add(o)
	f.Add([]byte("holdfast opening v1\nindex 0\nsalt 00\nbody 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := audit.ParseOpening(text)
		if err != nil {
			return
		}
		if again, err := o.Render(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q renders %q, %v", text, again, err)
		}
	})
}
