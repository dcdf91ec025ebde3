package key_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/key"

	"filippo.io/age"
)

const tenant = "ten_01"

func generate(t testing.TB) *key.Tenant {
	t.Helper()
	k, err := key.Generate(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestEveryRecipientOpensTheSameSet(t *testing.T) {
	k, site, recovery := generate(t), identity(t), identity(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{site.Recipient().String(), recovery.Recipient().String(), hybrid.Recipient().String()}
	w, err := key.Wrap(k, names...)
	if err != nil {
		t.Fatal(err)
	}
	text := w.Render()
	back, err := key.ParseWraps(text)
	if err != nil || !bytes.Equal(back.Render(), text) {
		t.Fatalf("parse: %v", err)
	}
	if err := back.Covers(names...); err != nil {
		t.Error(err)
	}
	if err := back.Covers(identity(t).Recipient().String()); !errors.Is(err, key.ErrMissing) {
		t.Errorf("covers a stranger: %v", err)
	}
	want := k.Identifier().ID(chunk.KindData, []byte("x"))
	for _, i := range []age.Identity{site, recovery, hybrid} {
		got, err := back.Open(i)
		if err != nil {
			t.Fatal(err)
		}
		if got.Commitment() != k.Commitment() || !bytes.Equal(got.Encryption().Bytes(), k.Encryption().Bytes()) || got.Identifier().ID(chunk.KindData, []byte("x")) != want {
			t.Error("another set came out")
		}
	}
	if _, err := back.Open(identity(t)); !errors.Is(err, key.ErrNoIdentity) {
		t.Errorf("a stranger opens: %v", err)
	}
	if _, err := back.Open(); !errors.Is(err, key.ErrNoIdentity) {
		t.Errorf("nobody opens: %v", err)
	}
}

// TestT56_WrapsReplacedByGarbageAreNoticed replaces wraps by garbage, by those of another set, and removes one.
func TestT56_WrapsReplacedByGarbageAreNoticed(t *testing.T) {
	k, site, recovery := generate(t), identity(t), identity(t)
	w, err := key.Wrap(k, site.Recipient().String(), recovery.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := key.Wrap(generate(t), site.Recipient().String(), recovery.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	lines, others := strings.SplitAfter(string(w.Render()), "\n"), strings.SplitAfter(string(other.Render()), "\n")

	swapped := strings.Join(append(lines[:4:4], others[4:]...), "")
	s, err := key.ParseWraps([]byte(swapped))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(site); !errors.Is(err, key.ErrCommitment) {
		t.Errorf("the wraps of another set: %v", err)
	}

	garbage, err := key.ParseWraps([]byte(strings.Join(lines[:4], "") + "wrap " + site.Recipient().String() + " Z2FyYmFnZQ==\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := garbage.Open(site); !errors.Is(err, key.ErrNoIdentity) {
		t.Errorf("garbage: %v", err)
	}
	if err := garbage.Covers(recovery.Recipient().String()); !errors.Is(err, key.ErrMissing) {
		t.Errorf("a removed wrap: %v", err)
	}
	// The other set with its own commitment is consistent in itself; the logged commitment tells.
	whole, err := other.Open(site)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.CheckCommitment(whole, k.Commitment()); !errors.Is(err, key.ErrCommitment) {
		t.Errorf("another set under the logged commitment: %v", err)
	}
	if err := key.CheckCommitment(nil, k.Commitment()); !errors.Is(err, key.ErrCommitment) {
		t.Errorf("no set: %v", err)
	}
	for _, from := range []string{"tenant ten_01", "key 1"} {
		to := map[string]string{"tenant ten_01": "tenant ten_02", "key 1": "key 2"}[from]
		lie, err := key.ParseWraps(bytes.Replace(w.Render(), []byte(from), []byte(to), 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lie.Open(recovery); !errors.Is(err, key.ErrCommitment) {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestT35_RotationKeepsOldSets(t *testing.T) {
	first := generate(t)
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	r, err := key.NewRing(first)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.With(second); err != nil {
		t.Fatal(err)
	}
	if r.Current() != second {
		t.Error("the ring does not seal with the newest")
	}
	if old, err := r.Key(1); err != nil || old != first {
		t.Errorf("the old set is gone: %v", err)
	}
	if bytes.Equal(first.Encryption().Bytes(), second.Encryption().Bytes()) || first.Commitment() == second.Commitment() {
		t.Error("rotation kept the encryption key")
	}
	if first.Identifier().ID(chunk.KindData, nil) != second.Identifier().ID(chunk.KindData, nil) {
		t.Error("rotation changed the ids: everything would be stored again")
	}
	if _, err := r.Key(3); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("set 3: %v", err)
	}
	stranger, err := key.Generate("ten_02")
	if err != nil {
		t.Fatal(err)
	}
	for _, sets := range [][]*key.Tenant{nil, {nil}, {first, first}, {first, stranger}} {
		if _, err := key.NewRing(sets...); !errors.Is(err, key.ErrRing) {
			t.Errorf("ring of %v: %v", sets, err)
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k := generate(t)
	var log bytes.Buffer
	l := slog.New(slog.NewJSONHandler(&log, nil))
	c := k.Client()
	l.Info("x", "tenant", k, "secret", k.Encryption(), "client", c, "pointer", &c)
	out := log.String()
	for _, v := range []any{k, *new(key.Secret), k.Encryption(), c, &c} {
		out += fmt.Sprintf("%v %+v %#v %x %s %d", v, v, v, v, v, v)
	}
	for _, s := range []key.Secret{k.Encryption(), c.Chunking, c.Identity} {
		for _, form := range []string{"%x", "%X", "%v", "%d", "%q"} {
			if f := fmt.Sprintf(form, s.Bytes()); strings.Contains(out, f[:16]) {
				t.Errorf("a key is printed as %s", form)
			}
		}
	}
	if _, err := k.Encryption().MarshalText(); err == nil {
		t.Error("a key has a text")
	}
}

func TestBadTenantsAndRecipientsAreRefused(t *testing.T) {
	for _, s := range []string{"", "Ten", "a b", "a/b", "a\n", strings.Repeat("a", 65)} {
		if _, err := key.Generate(s); !errors.Is(err, key.ErrTenant) {
			t.Errorf("%q: %v", s, err)
		}
	}
	k, good := generate(t), identity(t).Recipient().String()
	for _, rs := range [][]string{nil, {""}, {"age1"}, {strings.ToUpper(good)}, {good, good}, {identity(t).String()}} {
		if _, err := key.Wrap(k, rs...); !errors.Is(err, key.ErrRecipient) {
			t.Errorf("%d recipients: %v", len(rs), err)
		}
	}
}

func FuzzWraps(f *testing.F) {
	i := identity(f)
	w, err := key.Wrap(generate(f), i.Recipient().String())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(w.Render())
	f.Add([]byte("holdfast wraps v2\n"))
	f.Add(bytes.Replace(w.Render(), []byte("key 1"), []byte("key 01"), 1))
	f.Add(append(w.Render(), '\n'))
	f.Fuzz(func(t *testing.T, in []byte) {
		w, err := key.ParseWraps(in)
		if err != nil {
			if !errors.Is(err, key.ErrFormat) {
				t.Errorf("error without a sentinel: %v", err)
			}
			return
		}
		if !bytes.Equal(w.Render(), in) {
			t.Error("rendering gives other bytes")
		}
		if k, err := w.Open(i); err == nil && k.Commitment() != w.Commitment() {
			t.Error("opened against the commitment")
		}
	})
}
