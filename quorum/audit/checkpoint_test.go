package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"holdfast/quorum/audit"
)

// Strangers' implementations of the formats accept what we sign, and see the same key ids and times.
func TestForeignVerifiersAcceptOurCheckpoint(t *testing.T) {
	l, w := newLog(t, 5), signer(t, "witness.example/w1")
	signed := l.sign(5, epoch)
	line, err := w.Cosign(l.head(5), epoch.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	signed = audit.Attach(signed, line)
	vlog, err := note.NewVerifier(l.signer.LogKey().String())
	if err != nil {
		t.Fatal(err)
	}
	vtime, err := fnote.NewVerifierForCosignatureV1(l.signer.WitnessKey().String())
	if err != nil {
		t.Fatal(err)
	}
	vwit, err := fnote.NewVerifierForCosignatureV1(w.WitnessKey().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(vlog, vtime, vwit))
	if err != nil || len(n.Sigs) != 3 {
		t.Fatalf("%+v, %v", n, err)
	}
	for i, want := range []time.Time{epoch, epoch.Add(time.Minute)} {
		at, err := fnote.CoSigV1Timestamp(n.Sigs[i+1])
		if err != nil || !at.Equal(want) {
			t.Fatalf("signature %d says %v, %v", i+1, at, err)
		}
	}
	o, err := keysOf(t, l.signer, w).Open(signed)
	if err != nil || !o.At.Equal(epoch) || len(o.Cosignatures) != 1 || !o.Cosignatures[0].At.Equal(epoch.Add(time.Minute)) {
		t.Fatalf("%+v, %v", o, err)
	}
}

func TestFreshCountsOnlyNewerSignaturesOfKnownWitnesses(t *testing.T) {
	l := newLog(t, 3)
	a, b, stranger := signer(t, "a.example"), signer(t, "b.example"), signer(t, "c.example")
	keys := keysOf(t, l.signer, a, b)
	cosign := func(s *audit.Signer, at time.Time) string {
		line, err := s.Cosign(l.head(3), at)
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	end := epoch.Add(time.Hour)
	late, early := end.Add(time.Second), end
	for _, c := range []struct {
		name   string
		signed []byte
		want   int
		fresh  bool
	}{
		{"all late", audit.Attach(l.sign(3, late), cosign(a, late), cosign(b, late)), 2, true},
		{"one in the same second", audit.Attach(l.sign(3, late), cosign(a, late), cosign(b, early)), 1, false},
		{"one twice", audit.Attach(l.sign(3, late), cosign(a, late), cosign(a, late)), 1, false},
		{"a stranger", audit.Attach(l.sign(3, late), cosign(a, late), cosign(stranger, late)), 1, false},
		{"the log as its own witness", audit.Attach(l.sign(3, late), cosign(a, late), cosign(l.signer, late)), 1, false},
		{"log too early", audit.Attach(l.sign(3, early), cosign(a, late), cosign(b, late)), 2, false},
	} {
		o, err := keys.Open(c.signed)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := o.Witnessed(end); got != c.want {
			t.Errorf("%s: %d witnesses, want %d", c.name, got, c.want)
		}
		if err := o.Fresh(end, 2); (err == nil) != c.fresh || (err != nil && !errors.Is(err, audit.ErrStale)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	l, w := newLog(t, 4), signer(t, "w.example")
	keys := keysOf(t, l.signer, w)
	good := string(l.sign(4, epoch))
	text, sigs, _ := strings.Cut(good, "\n\n")
	line, err := w.Cosign(l.head(3), epoch) // over another head
	if err != nil {
		t.Fatal(err)
	}
	timedOnly := sigs[strings.Index(sigs, "\n")+1:]
	imposter := audit.Attach([]byte(nil), strings.ReplaceAll(string(newLogNamed(t, "other.example").sign(0, epoch)), "x", "x"))
	for name, bad := range map[string]string{
		"empty":              "",
		"other text":         strings.Replace(good, "\n4\n", "\n5\n", 1),
		"no signatures":      text + "\n\n",
		"only the time":      text + "\n\n" + timedOnly,
		"wrong cosignature":  good + line,
		"extension line":     text + "\nextra\n\n" + sigs,
		"another log's":      string(imposter),
		"too many":           good + strings.Repeat("— x.example AAAAAAAA\n", audit.MaxCosignatures),
		"size with zero":     strings.Replace(good, "\n4\n", "\n04\n", 1),
		"a witness, no log":  text + "\n\n" + mustCosign(t, w, l.head(4)),
		"trailing after sig": good + "x",
	} {
		if o, err := keys.Open([]byte(bad)); err == nil {
			t.Errorf("%s: opened %+v", name, o)
		}
	}
}

func newLogNamed(t *testing.T, name string) namedLog { return namedLog{t, signer(t, name)} }

type namedLog struct {
	t *testing.T
	s *audit.Signer
}

func (l namedLog) sign(int, time.Time) []byte {
	signed, err := l.s.SignCheckpoint(audit.Checkpoint{Origin: l.s.Name(), Root: audit.EmptyRoot}, epoch)
	if err != nil {
		l.t.Fatal(err)
	}
	return signed
}

func mustCosign(t *testing.T, s *audit.Signer, c audit.Checkpoint) string {
	line, err := s.Cosign(c, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestKeysRefuseWitnessesThatAreNotDistinct(t *testing.T) {
	log, a := signer(t, origin), signer(t, "a.example")
	alias := func(s *audit.Signer, name string) string {
		k := s.WitnessKey()
		k.Name = name
		return k.String()
	}
	good := a.WitnessKey().String()
	for name, vkeys := range map[string][]string{
		"the log itself":        {log.WitnessKey().String()},
		"the log's key renamed": {alias(log, "innocent.example")},
		"one key, two names":    {good, alias(a, "b.example")},
		"one name twice":        {good, good},
		"a log key as witness":  {a.LogKey().String()},
		"wrong id":              {strings.Replace(good, "a.example+", "b.example+", 1)},
		"reserved name":         {alias(a, "cosignature/v1")},
		"space":                 {alias(a, "a b")},
	} {
		if _, err := audit.NewKeys(log.LogKey().String(), vkeys...); !errors.Is(err, audit.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := audit.NewKeys(log.LogKey().String(), good); err != nil {
		t.Error(err)
	}
}

func TestSignerPrintsNoKey(t *testing.T) {
	s := signer(t, origin)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, s); got != "audit.Signer("+origin+")" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	text, _ := newLog(f, 3).head(3).Render()
	f.Add(text)
	f.Add([]byte("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := audit.ParseCheckpoint(text)
		if err != nil {
			return
		}
		if again, err := c.Render(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q renders %q, %v", text, again, err)
		}
	})
}

func FuzzParseVerifierKey(f *testing.F) {
	f.Add(signer(f, origin).LogKey().String())
	f.Add(signer(f, "w.example").WitnessKey().String())
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := audit.ParseVerifierKey(s); err == nil && k.String() != s {
			t.Fatalf("%q renders %q", s, k)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	l, w := newLog(f, 3), signer(f, "w.example")
	keys := keysOf(f, l.signer, w)
	f.Add(l.sign(3, epoch))
	f.Add(audit.Attach(l.sign(3, epoch), "— w.example AAAA\n"))
	want := l.head(3)
	f.Fuzz(func(t *testing.T, signed []byte) {
		// The fuzzer has no key: nothing but the one head that was signed may ever open.
		if o, err := keys.Open(signed); err == nil && (o.Checkpoint != want || len(o.Cosignatures) != 0) {
			t.Fatalf("forged %+v", o)
		}
	})
}
