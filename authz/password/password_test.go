package password_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/authz/password"
	"holdfast/authz/password/passwordtest"
)

const phrase = "seven quiet herons"

func hash(t testing.TB, h *password.Hasher, plain string) string {
	t.Helper()
	stored, err := h.Hash(context.Background(), plain)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestProductionPrice(t *testing.T) {
	h, err := password.New(1)
	if err != nil {
		t.Fatal(err)
	}
	stored := hash(t, h, phrase)
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(stored)
	}
	if stale, err := h.Verify(context.Background(), stored, phrase); err != nil || stale {
		t.Fatal(stale, err)
	}
	// A hash of another price still opens, and says that it is stale.
	if stale, err := h.Verify(context.Background(), hash(t, passwordtest.New(t), phrase), phrase); err != nil || !stale {
		t.Fatal(stale, err)
	}
}

func TestHashesAreSaltedAndChecked(t *testing.T) {
	h := passwordtest.New(t)
	a, b := hash(t, h, phrase), hash(t, h, phrase)
	if a == b {
		t.Fatal("no salt")
	}
	for _, wrong := range []string{"", phrase + " ", strings.ToUpper(phrase), phrase[1:], phrase + "\x00"} {
		if _, err := h.Verify(context.Background(), a, wrong); !errors.Is(err, password.ErrMismatch) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	// One password, composed and decomposed.
	c := hash(t, h, "caf\u00e9 caf\u00e9 caf\u00e9")
	if _, err := h.Verify(context.Background(), c, "cafe\u0301 cafe\u0301 cafe\u0301"); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{strings.Repeat("x", password.MaxBytes+1), "\xff\xfe not text"} {
		if _, err := h.Hash(context.Background(), bad); !errors.Is(err, password.ErrMismatch) {
			t.Error(err)
		}
		if _, err := h.Verify(context.Background(), a, bad); !errors.Is(err, password.ErrMismatch) {
			t.Error(err)
		}
		if err := h.VerifyDummy(context.Background(), bad); !errors.Is(err, password.ErrMismatch) {
			t.Error(err)
		}
	}
}

func TestStoredHashesAreReadStrictly(t *testing.T) {
	h := passwordtest.New(t)
	stored := hash(t, h, phrase)
	for name, bad := range map[string]string{
		"empty":          "",
		"argon2i":        strings.Replace(stored, "argon2id", "argon2i", 1),
		"version":        strings.Replace(stored, "v=19", "v=16", 1),
		"much memory":    strings.Replace(stored, "m=8", "m=999999999", 1),
		"many passes":    strings.Replace(stored, "t=1", "t=4294967295", 1),
		"no lanes":       strings.Replace(stored, "p=1", "p=0", 1),
		"many lanes":     strings.Replace(stored, "p=1", "p=255", 1),
		"leading zero":   strings.Replace(stored, "m=8", "m=08", 1),
		"sign":           strings.Replace(stored, "m=8", "m=+8", 1),
		"order":          strings.Replace(stored, "m=8,t=1", "t=1,m=8", 1),
		"truncated":      stored[:len(stored)-1],
		"padded":         stored + "=",
		"line end":       stored + "\n",
		"extra field":    stored + "$",
		"plain password": phrase,
	} {
		if _, err := h.Verify(context.Background(), bad, phrase); !errors.Is(err, password.ErrMalformedHash) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestT14_UnknownAccountCostsTheSame compares the best of interleaved runs at
// the real price, which a busy machine disturbs least. It allows a factor of
// three, where a missing dummy would be a factor of thousands.
func TestT14_UnknownAccountCostsTheSame(t *testing.T) {
	h, err := password.New(2)
	if err != nil {
		t.Fatal(err)
	}
	stored := hash(t, h, phrase)
	var known, unknown []time.Duration
	for range 5 {
		begin := time.Now()
		if _, err := h.Verify(context.Background(), stored, "wrong password"); !errors.Is(err, password.ErrMismatch) {
			t.Fatal(err)
		}
		known = append(known, time.Since(begin))
		begin = time.Now()
		if err := h.VerifyDummy(context.Background(), "wrong password"); !errors.Is(err, password.ErrMismatch) {
			t.Fatal(err)
		}
		unknown = append(unknown, time.Since(begin))
	}
	if k, u := slices.Min(known), slices.Min(unknown); k > 3*u || u > 3*k {
		t.Fatalf("known %v, unknown %v", k, u)
	}
}

func TestT14_SameErrorForUnknownAndWrong(t *testing.T) {
	h := passwordtest.New(t)
	_, wrong := h.Verify(context.Background(), hash(t, h, phrase), "wrong password")
	if unknown := h.VerifyDummy(context.Background(), "wrong password"); wrong.Error() != unknown.Error() {
		t.Fatal(wrong, unknown)
	}
}

func TestHashingIsBounded(t *testing.T) {
	for _, n := range []int{0, -1, password.MaxConcurrency + 1} {
		if _, err := password.New(n); !errors.Is(err, password.ErrConcurrency) {
			t.Error(n, err)
		}
	}
	h, err := password.New(1)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.VerifyDummy(ended, phrase); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// One more than may run and wait: someone is turned away, nobody is let in,
	// and afterwards there is room again.
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	errs := make(chan error, 8*(password.QueueFactor+1))
	for range cap(errs) {
		wg.Go(func() {
			err := h.VerifyDummy(ctx, phrase)
			if errors.Is(err, password.ErrBusy) {
				stop()
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	busy := 0
	for err := range errs {
		switch {
		case errors.Is(err, password.ErrBusy):
			busy++
		case !errors.Is(err, context.Canceled) && !errors.Is(err, password.ErrMismatch):
			t.Fatal(err)
		}
	}
	if busy == 0 {
		t.Fatal("nobody was turned away")
	}
	if err := h.VerifyDummy(context.Background(), phrase); !errors.Is(err, password.ErrMismatch) {
		t.Fatal("still busy:", err)
	}
}

func TestPolicy(t *testing.T) {
	for plain, want := range map[string]password.Fault{
		phrase:                         0,
		"mvt5-q2kz-81xw":               0,
		"пароль из пяти слов":          0,
		"short":                        password.TooShort,
		"elevenchars":                  password.TooShort,
		strings.Repeat("long ", 300):   password.TooLong,
		"\xff\xfe\xfd not text at all": password.NotText,
		"line\nbreak in the middle":    password.NotText,
		"aaaaaaaaaaaaaaa":              password.TooFew,
		"abababababababab":             password.TooFew,
		"correcthorsebatterystaple":    password.Common,
		"passwordpassword":             password.Common,
		"P@ssw0rd123456":               password.Common,
		"administrator1":               password.Common,
		"qwertyqwertyqwerty":           password.Common,
		"supersecret2026!":             password.Common,
		"my name is Lindqvist":         password.Personal,
		"annalind is my handle":        password.Personal,
		"annalind@example.org":         password.Personal,
	} {
		err := password.Check(plain, "annalind@example.org", "Anna Lindqvist")
		var fault *password.PolicyError
		switch {
		case want == 0 && err != nil:
			t.Errorf("%.20q: %v", plain, err)
		case want != 0 && (!errors.As(err, &fault) || fault.Fault != want || !errors.Is(err, password.ErrWeak)):
			t.Errorf("%.20q: %v, want %v", plain, err, want)
		}
	}
	if password.Fault(0).String() != "invalid fault" {
		t.Error("the zero fault has a meaning")
	}
}

func TestWhatPassesTheRuleCanBeChecked(t *testing.T) {
	h := passwordtest.New(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.String().Draw(t, "password")
		if password.Check(plain) != nil {
			return
		}
		stored, err := h.Hash(context.Background(), plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Verify(context.Background(), stored, plain); err != nil {
			t.Fatal(err)
		}
	})
}
