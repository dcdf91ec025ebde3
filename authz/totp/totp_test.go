package totp_test

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"pgregory.net/rapid"

	"holdfast/authz/totp"
)

var start = time.Date(2026, 3, 1, 12, 0, 10, 0, time.UTC)

// rfcSecret is the key of RFC 6238 appendix B (SHA-1).
func rfcSecret(t testing.TB) totp.Secret {
	t.Helper()
	s, err := totp.SecretFrom([]byte("12345678901234567890"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func codeAt(t testing.TB, s totp.Secret, at time.Time) string {
	t.Helper()
	c, err := totp.Code(s, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVectorsOfRFC6238(t *testing.T) {
	s := rfcSecret(t)
	for unix, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := codeAt(t, s, time.Unix(unix, 0)); got != want {
			t.Errorf("%d: %s, want %s", unix, got, want)
		}
	}
}

func TestWindow(t *testing.T) {
	s := rfcSecret(t)
	for shift, want := range map[int]error{-2: totp.ErrMismatch, -1: nil, 0: nil, 1: nil, 2: totp.ErrMismatch} {
		code := codeAt(t, s, start.Add(time.Duration(shift)*totp.Period))
		got, err := totp.Verify(s, code, start, totp.State{})
		if !errors.Is(err, want) {
			t.Errorf("%d: %v", shift, err)
		}
		if want == nil && got.Highest() != totp.Step(start)+int64(shift) {
			t.Errorf("%d: burned %d", shift, got.Highest())
		}
		if want != nil && got.Highest() != 0 {
			t.Errorf("%d: a refusal burned a step", shift)
		}
	}
}

func TestT04_SameCodeAgain(t *testing.T) {
	s := rfcSecret(t)
	code := codeAt(t, s, start)
	state, err := totp.Verify(s, code, start, totp.State{})
	if err != nil {
		t.Fatal(err)
	}
	// At once, in the next step and as long as the window admits the code.
	for _, later := range []time.Duration{0, time.Second, totp.Period, 2*totp.Period - 11*time.Second} {
		if _, err := totp.Verify(s, code, start.Add(later), state); !errors.Is(err, totp.ErrReplayed) {
			t.Errorf("after %v: %v", later, err)
		}
	}
	if _, err := totp.Verify(s, code[:3]+" "+code[3:], start, state); !errors.Is(err, totp.ErrReplayed) {
		t.Errorf("spelled otherwise: %v", err)
	}
	// A clock that went back does not bring the code back.
	if _, err := totp.Verify(s, code, start.Add(-totp.Period), state); !errors.Is(err, totp.ErrReplayed) {
		t.Errorf("clock back: %v", err)
	}
	if _, err := totp.Verify(s, codeAt(t, s, start.Add(totp.Period)), start.Add(totp.Period), state); err != nil {
		t.Errorf("the next code: %v", err)
	}
}

func TestT04_NeighbouringStepInsideTheSkew(t *testing.T) {
	s := rfcSecret(t)
	state, err := totp.Verify(s, codeAt(t, s, start), start, totp.State{})
	if err != nil {
		t.Fatal(err)
	}
	// Overheard a step earlier and never used: burning a step burns the ones before.
	if _, err := totp.Verify(s, codeAt(t, s, start.Add(-totp.Period)), start, state); !errors.Is(err, totp.ErrReplayed) {
		t.Fatal("step before:", err)
	}
	ahead, err := totp.Verify(s, codeAt(t, s, start.Add(totp.Period)), start, totp.State{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := totp.Verify(s, codeAt(t, s, start), start, ahead); !errors.Is(err, totp.ErrReplayed) {
		t.Fatal("step before one from ahead:", err)
	}
}

func TestT04_AfterRestartOrOnAnotherNode(t *testing.T) {
	s := rfcSecret(t)
	code := codeAt(t, s, start)
	state, err := totp.Verify(s, code, start, totp.State{})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := state.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := totp.ParseState(stored)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := totp.Verify(s, code, start.Add(totp.Period), loaded); !errors.Is(err, totp.ErrReplayed) {
		t.Fatal(err)
	}
	// State that got lost or damaged denies; it never reads as a fresh factor.
	for _, bad := range [][]byte{nil, {}, stored[:len(stored)-1], append(bytes.Clone(stored), 0), append([]byte{2}, stored[1:]...)} {
		if _, err := totp.ParseState(bad); !errors.Is(err, totp.ErrState) {
			t.Fatalf("%x: %v", bad, err)
		}
	}
}

// twoStepCode is a code that belongs by chance to two steps, two apart: once in
// a million steps. The secret was found by search; the test checks the chance.
func twoStepCode(t testing.TB) (s totp.Secret, at time.Time, code string) {
	t.Helper()
	s, err := totp.SecretFrom([]byte("secret for chance 000035"))
	if err != nil {
		t.Fatal(err)
	}
	at, code = time.Unix(18553*30, 0), "838785"
	if codeAt(t, s, at) != code || codeAt(t, s, at.Add(2*totp.Period)) != code {
		t.Fatal("not the chance it was")
	}
	return s, at, code
}

func TestT04_OneCodeOfTwoSteps(t *testing.T) {
	// Both steps in one window: the highest is burned, so the code is dead.
	s, at, code := twoStepCode(t)
	now := at.Add(totp.Period)
	state, err := totp.Verify(s, code, now, totp.State{})
	if err != nil {
		t.Fatal(err)
	}
	if state.Highest() != totp.Step(at)+2 {
		t.Fatal("burned the lower step")
	}
	for _, later := range []time.Duration{0, totp.Period, 2 * totp.Period} {
		if _, err := totp.Verify(s, code, now.Add(later), state); !errors.Is(err, totp.ErrReplayed) {
			t.Errorf("after %v: %v", later, err)
		}
	}
	// The second step out of the window at first: the step alone would admit it,
	// the memory of the code does not.
	first := at.Add(-totp.Period)
	state, err = totp.Verify(s, code, first, totp.State{})
	if err != nil {
		t.Fatal(err)
	}
	if state.Highest() != totp.Step(at) {
		t.Fatal("burned a step outside the window")
	}
	if _, err := totp.Verify(s, code, at.Add(2*totp.Period), state); !errors.Is(err, totp.ErrReplayed) {
		t.Fatal("the same code twice:", err)
	}
}

// TestT04_NoCodeTwiceInAnyHistory: whatever is submitted and however the clock
// moves, the accepted steps ascend, no code is accepted twice within Remembered
// steps, and storing the state changes nothing.
func TestT04_NoCodeTwiceInAnyHistory(t *testing.T) {
	s := rfcSecret(t)
	rapid.Check(t, func(t *rapid.T) {
		var state totp.State
		accepted := map[string]int64{}
		now := start
		for range rapid.IntRange(1, 60).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(-40, 90).Draw(t, "seconds")) * time.Second)
			code, err := totp.Code(s, now.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "shift"))*totp.Period))
			if err != nil {
				t.Fatal(err)
			}
			next, err := totp.Verify(s, code, now, state)
			if err != nil {
				continue
			}
			if next.Highest() <= state.Highest() {
				t.Fatal("steps do not ascend")
			}
			if step, ok := accepted[code]; ok && next.Highest()-step < totp.Remembered {
				t.Fatal("accepted twice")
			}
			accepted[code] = next.Highest()
			stored, err := next.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			if state, err = totp.ParseState(stored); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestNotACode(t *testing.T) {
	s := rfcSecret(t)
	code := codeAt(t, s, start)
	for _, bad := range []string{"", "0", code[:5], code + "0", "x" + code[1:], "-" + code[1:], "+" + code[1:], "１２３４５６", strings.Repeat(" ", 100) + code} {
		if _, err := totp.Verify(s, bad, start, totp.State{}); !errors.Is(err, totp.ErrMismatch) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := totp.Verify(totp.Secret{}, code, start, totp.State{}); !errors.Is(err, totp.ErrSecret) {
		t.Error("zero secret:", err)
	}
}

func TestSecretsHide(t *testing.T) {
	s, err := totp.NewSecret()
	if err != nil {
		t.Fatal(err)
	}
	again, err := totp.ParseSecret(s.Reveal())
	if err != nil || again != s || len(s.Reveal()) != 32 {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, s, s, s)} {
		if strings.Contains(text, s.Reveal()) {
			t.Fatal("printed")
		}
	}
	for _, bad := range []string{"", "AAAA", strings.ToLower(s.Reveal()), s.Reveal() + "=", strings.Repeat("A", 200)} {
		if _, err := totp.ParseSecret(bad); !errors.Is(err, totp.ErrSecret) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func key(id string, fill byte) totp.Key {
	return totp.Key{ID: id, Bytes: bytes.Repeat([]byte{fill}, 32)}
}

func TestSealing(t *testing.T) {
	s := rfcSecret(t)
	sealer, err := totp.NewSealer(key("k1", 1))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sealer.Seal(s, "per_1", "fac_1")
	if err != nil {
		t.Fatal(err)
	}
	twice, err := sealer.Seal(s, "per_1", "fac_1")
	if err != nil || bytes.Equal(sealed, twice) || bytes.Contains(sealed, []byte("1234567890")) {
		t.Fatal("not sealed", err)
	}
	got, stale, err := sealer.Open(sealed, "per_1", "fac_1")
	if err != nil || stale || got != s {
		t.Fatal(err)
	}
	for _, other := range [][2]string{{"per_2", "fac_1"}, {"per_1", "fac_2"}, {"per_1f", "ac_1"}, {"", ""}} {
		if _, _, err := sealer.Open(sealed, other[0], other[1]); !errors.Is(err, totp.ErrSealed) {
			t.Errorf("moved to %v: %v", other, err)
		}
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, _, err := sealer.Open(bad, "per_1", "fac_1"); !errors.Is(err, totp.ErrSealed) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	rotated, err := totp.NewSealer(key("k2", 2), key("k1", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got, stale, err = rotated.Open(sealed, "per_1", "fac_1"); err != nil || !stale || got != s {
		t.Fatal("rotation:", stale, err)
	}
	dropped, err := totp.NewSealer(key("k2", 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = dropped.Open(sealed, "per_1", "fac_1"); !errors.Is(err, totp.ErrSealed) {
		t.Fatal(err)
	}
	for _, keys := range [][]totp.Key{{key("", 1)}, {key("a b", 1)}, {{ID: "k", Bytes: make([]byte, 16)}}, {key("k", 1), key("k", 2)}, {key(strings.Repeat("k", 65), 1)}} {
		if _, err := totp.NewSealer(keys[0], keys[1:]...); !errors.Is(err, totp.ErrSealKey) {
			t.Errorf("%v: %v", keys[0].ID, err)
		}
	}
}

func TestEnrolment(t *testing.T) {
	s := rfcSecret(t)
	text, err := totp.URL(s, "Holdfast Demo", "ann@example.org")
	if err != nil {
		t.Fatal(err)
	}
	k, err := otp.NewKeyFromURL(text)
	if err != nil || k.Secret() != s.Reveal() || k.Issuer() != "Holdfast Demo" || k.AccountName() != "ann@example.org" || k.Period() != 30 {
		t.Fatal(text, err)
	}
	raw, err := totp.QR(s, "Holdfast Demo", "ann@example.org", 256)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil || picture.Bounds().Dx() != 256 {
		t.Fatal(err)
	}
	for _, label := range [][2]string{{"", "a"}, {"a", ""}, {"a:b", "c"}, {"a", "b:c"}, {"a", "b\n"}, {"a", strings.Repeat("b", 300)}} {
		if _, err := totp.URL(s, label[0], label[1]); !errors.Is(err, totp.ErrEnrol) {
			t.Errorf("%q: %v", label, err)
		}
	}
	for _, size := range []int{0, -1, 1 << 20} {
		if _, err := totp.QR(s, "a", "b", size); !errors.Is(err, totp.ErrEnrol) {
			t.Errorf("%d: %v", size, err)
		}
	}
}

func FuzzParseState(f *testing.F) {
	fresh, err := totp.State{}.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	s := rfcSecret(f)
	state, err := totp.Verify(s, codeAt(f, s, start), start, totp.State{})
	if err != nil {
		f.Fatal(err)
	}
	one, err := state.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fresh)
	f.Add(one)
	f.Fuzz(func(t *testing.T, data []byte) {
		state, err := totp.ParseState(data)
		if err != nil {
			return
		}
		again, err := state.MarshalBinary()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x became %x (%v)", data, again, err)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Add(rfcSecret(f).Reveal())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := totp.ParseSecret(text); err == nil && s.Reveal() != text {
			t.Fatalf("%q", text)
		}
	})
}

func FuzzOpen(f *testing.F) {
	sealer, err := totp.NewSealer(key("k1", 1))
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := sealer.Seal(rfcSecret(f), "per_1", "fac_1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed[:20])
	f.Add([]byte{1, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Equal(data, sealed) {
			return
		}
		if _, _, err := sealer.Open(data, "per_1", "fac_1"); !errors.Is(err, totp.ErrSealed) {
			t.Fatal(err)
		}
	})
}
