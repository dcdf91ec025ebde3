package ticket_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"pgregory.net/rapid"

	"holdfast/authz/ticket"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type rig struct {
	t        testing.TB
	now      time.Time
	key      ed25519.PrivateKey
	issuer   *ticket.Issuer
	verifier *ticket.Verifier
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, now: start, key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))}
	clock := func() time.Time { return r.now }
	var err error
	if r.issuer, err = ticket.NewIssuer("control", r.key, clock); err != nil {
		t.Fatal(err)
	}
	keys, err := ticket.NewKeySet(r.issuer.Public())
	if err != nil {
		t.Fatal(err)
	}
	if r.verifier, err = ticket.NewVerifier("control", "primary", keys, clock); err != nil {
		t.Fatal(err)
	}
	return r
}

func ops(t testing.TB, list ...ticket.Op) ticket.Ops {
	t.Helper()
	set, err := ticket.OpsOf(list...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (r *rig) mint(site string) string {
	r.t.Helper()
	text, _, err := r.issuer.Mint(site, ticket.Ticket{Subject: "tok_1", Tenant: "ten_1", Volume: "vol_1", Ops: ops(r.t, ticket.Put, ticket.Get)}, ticket.MaxLifetime)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func TestTicketOpensWhatItNames(t *testing.T) {
	r := newRig(t)
	text := r.mint("primary")
	for _, op := range []ticket.Op{ticket.Put, ticket.Get} {
		got, err := r.verifier.Check(text, "ten_1", "vol_1", op)
		if err != nil || got.Subject != "tok_1" || got.ID == "" || !got.Expires.Equal(start.Add(ticket.MaxLifetime)) {
			t.Fatal(got, err)
		}
	}
	a, err1 := r.verifier.Verify(text)
	b, err2 := r.verifier.Verify(r.mint("primary"))
	if err1 != nil || err2 != nil || a.ID == b.ID {
		t.Fatal("ids repeat", err1, err2)
	}
}

func TestT10_AnotherTenantVolumeOrOperation(t *testing.T) {
	r := newRig(t)
	text := r.mint("primary")
	for name, c := range map[string]struct {
		tenant, volume string
		op             ticket.Op
	}{
		"other tenant":      {"ten_2", "vol_1", ticket.Get},
		"other volume":      {"ten_1", "vol_2", ticket.Get},
		"not granted":       {"ten_1", "vol_1", ticket.Delete},
		"restore":           {"ten_1", "vol_1", ticket.Restore},
		"zero operation":    {"ten_1", "vol_1", 0},
		"unknown operation": {"ten_1", "vol_1", 99},
		"empty volume":      {"ten_1", "", ticket.Get},
		"empty tenant":      {"", "vol_1", ticket.Get},
	} {
		if _, err := r.verifier.Check(text, c.tenant, c.volume, c.op); !errors.Is(err, ticket.ErrNotPermitted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (ticket.Ticket{}).Permits("", "", ticket.Get); !errors.Is(err, ticket.ErrNotPermitted) {
		t.Error("zero ticket:", err)
	}
}

func TestT10_Time(t *testing.T) {
	r := newRig(t)
	text := r.mint("primary")
	for name, c := range map[string]struct {
		shift time.Duration
		want  error
	}{
		"last moment":   {ticket.MaxLifetime, nil},
		"expired":       {ticket.MaxLifetime + ticket.ClockSkew + time.Second, ticket.ErrExpired},
		"clock behind":  {-ticket.ClockSkew, nil},
		"not yet valid": {-ticket.ClockSkew - time.Second, ticket.ErrInvalid},
	} {
		r.now = start.Add(c.shift)
		if _, err := r.verifier.Verify(text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// good are the claims and header of a ticket that would be accepted; the forger
// starts from them.
func good(r *rig) (map[string]any, map[string]any) {
	return map[string]any{"alg": "EdDSA", "kid": ticket.KeyID(r.issuer.Public()), "typ": ticket.Type},
		map[string]any{
			"iss": "control", "aud": "primary", "sub": "tok_1", "jti": "forged", "tenant": "ten_1", "volume": "vol_1", "ops": "put get",
			"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(time.Minute).Unix(),
		}
}

func encode(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func sign(t testing.TB, header, claims map[string]any, key ed25519.PrivateKey) string {
	t.Helper()
	head := encode(t, header) + "." + encode(t, claims)
	return head + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(head)))
}

func TestForgersStartIsAccepted(t *testing.T) {
	r := newRig(t)
	h, c := good(r)
	if _, err := r.verifier.Verify(sign(t, h, c, r.key)); err != nil {
		t.Fatal("the cases below would prove nothing:", err)
	}
}

// TestT10_SignedButWrong signs with the real key: what must be refused here is
// refused whoever signs.
func TestT10_SignedButWrong(t *testing.T) {
	for name, edit := range map[string]func(h, c map[string]any){
		"no exp":            func(_, c map[string]any) { delete(c, "exp") },
		"null exp":          func(_, c map[string]any) { c["exp"] = nil },
		"no nbf":            func(_, c map[string]any) { delete(c, "nbf") },
		"no iat":            func(_, c map[string]any) { delete(c, "iat") },
		"no jti":            func(_, c map[string]any) { delete(c, "jti") },
		"no sub":            func(_, c map[string]any) { delete(c, "sub") },
		"no tenant":         func(_, c map[string]any) { delete(c, "tenant") },
		"no volume":         func(_, c map[string]any) { delete(c, "volume") },
		"no ops":            func(_, c map[string]any) { delete(c, "ops") },
		"unknown op":        func(_, c map[string]any) { c["ops"] = "put erase" },
		"repeated op":       func(_, c map[string]any) { c["ops"] = "put put" },
		"lives for a day":   func(_, c map[string]any) { c["exp"] = start.Add(24 * time.Hour).Unix() },
		"exp before iat":    func(_, c map[string]any) { c["iat"] = start.Unix(); c["exp"] = start.Unix() - 1 },
		"iat in the future": func(_, c map[string]any) { c["iat"] = start.Unix() + 30 },
		"wrong audience":    func(_, c map[string]any) { c["aud"] = "secondary" },
		"two audiences":     func(_, c map[string]any) { c["aud"] = []string{"primary", "secondary"} },
		"no audience":       func(_, c map[string]any) { delete(c, "aud") },
		"wrong issuer":      func(_, c map[string]any) { c["iss"] = "evil" },
		"no issuer":         func(_, c map[string]any) { delete(c, "iss") },
		"no kid":            func(h, _ map[string]any) { delete(h, "kid") },
		"unknown kid":       func(h, _ map[string]any) { h["kid"] = "0000000000000000" },
		"kid is a path":     func(h, _ map[string]any) { h["kid"] = "../../dev/null" },
		"kid is an array":   func(h, _ map[string]any) { h["kid"] = []string{h["kid"].(string)} },
		"kid is empty":      func(h, _ map[string]any) { h["kid"] = "" },
		"other typ":         func(h, _ map[string]any) { h["typ"] = "JWT" },
		"no typ":            func(h, _ map[string]any) { delete(h, "typ") },
		"crit":              func(h, _ map[string]any) { h["crit"] = []string{"exp"} },
		"jku":               func(h, _ map[string]any) { h["jku"] = "https://evil.org/keys" },
		"alg in lower case": func(h, _ map[string]any) { h["alg"] = "eddsa" },
		"no alg":            func(h, _ map[string]any) { delete(h, "alg") },
	} {
		r := newRig(t)
		h, c := good(r)
		edit(h, c)
		if got, err := r.verifier.Verify(sign(t, h, c, r.key)); !errors.Is(err, ticket.ErrInvalid) || got.ID != "" {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

func TestT10_AlgNone(t *testing.T) {
	r := newRig(t)
	for _, alg := range []string{"none", "None", "NONE", ""} {
		h, c := good(r)
		h["alg"] = alg
		for _, signature := range []string{"", "AA"} {
			if _, err := r.verifier.Verify(encode(t, h) + "." + encode(t, c) + "." + signature); !errors.Is(err, ticket.ErrInvalid) {
				t.Errorf("%q %q: %v", alg, signature, err)
			}
		}
	}
}

func TestT10_HS256WithThePublicKey(t *testing.T) {
	r := newRig(t)
	public := r.issuer.Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"raw": public, "der": der, "pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"base64": []byte(base64.RawURLEncoding.EncodeToString(public)),
	} {
		_, c := good(r)
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(c))
		token.Header["kid"], token.Header["typ"] = ticket.KeyID(public), ticket.Type
		text, err := token.SignedString(secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.verifier.Verify(text); !errors.Is(err, ticket.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestT10_AnotherKey(t *testing.T) {
	r := newRig(t)
	evil := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	public := evil.Public().(ed25519.PublicKey)
	h, c := good(r)
	texts := map[string]string{"under our kid": sign(t, h, c, evil)}
	h["kid"] = ticket.KeyID(public)
	texts["under its own kid"] = sign(t, h, c, evil)
	h, _ = good(r)
	h["jwk"] = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}
	texts["brought along"] = sign(t, h, c, evil)
	for name, text := range texts {
		if _, err := r.verifier.Verify(text); !errors.Is(err, ticket.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestT10_AnotherSitesTicket(t *testing.T) {
	r := newRig(t)
	if _, err := r.verifier.Verify(r.mint("secondary")); !errors.Is(err, ticket.ErrInvalid) {
		t.Fatal(err)
	}
}

// TestT10_EveryBitCounts flips each bit of a good ticket.
func TestT10_EveryBitCounts(t *testing.T) {
	r := newRig(t)
	text := r.mint("primary")
	for i := range len(text) {
		for bit := range 7 {
			bad := []byte(text)
			bad[i] ^= 1 << bit
			if _, err := r.verifier.Verify(string(bad)); !errors.Is(err, ticket.ErrInvalid) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
	for _, bad := range []string{text + "=", text + ".", text + "\n", text[:9] + "\r\n" + text[9:], " " + text, strings.Repeat("a", ticket.MaxTicket+1)} {
		if _, err := r.verifier.Verify(bad); !errors.Is(err, ticket.ErrInvalid) {
			t.Fatal(err)
		}
	}
}

func TestRotation(t *testing.T) {
	r := newRig(t)
	clock := func() time.Time { return r.now }
	next, err := ticket.NewIssuer("control", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)), clock)
	if err != nil {
		t.Fatal(err)
	}
	both, err := ticket.NewKeySet(r.issuer.Public(), next.Public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := ticket.NewVerifier("control", "primary", both, clock)
	if err != nil {
		t.Fatal(err)
	}
	old := r.mint("primary")
	r.issuer = next
	fresh := r.mint("primary")
	for _, text := range []string{old, fresh} {
		if _, err := v.Verify(text); err != nil {
			t.Fatal(err)
		}
	}
	only, err := ticket.NewKeySet(next.Public())
	if err != nil {
		t.Fatal(err)
	}
	if v, err = ticket.NewVerifier("control", "primary", only, clock); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(old); !errors.Is(err, ticket.ErrInvalid) {
		t.Fatal("a dropped key still opens:", err)
	}
}

func TestMintAndKeysAreBounded(t *testing.T) {
	r := newRig(t)
	ok := ticket.Ticket{Subject: "s", Tenant: "t", Volume: "v", Ops: ops(t, ticket.List)}
	for name, c := range map[string]struct {
		edit func(*ticket.Ticket)
		site string
		life time.Duration
	}{
		"too long":    {func(*ticket.Ticket) {}, "primary", ticket.MaxLifetime + time.Second},
		"too short":   {func(*ticket.Ticket) {}, "primary", 0},
		"no site":     {func(*ticket.Ticket) {}, "", time.Minute},
		"no volume":   {func(k *ticket.Ticket) { k.Volume = "" }, "primary", time.Minute},
		"no ops":      {func(k *ticket.Ticket) { k.Ops = ticket.Ops{} }, "primary", time.Minute},
		"space":       {func(k *ticket.Ticket) { k.Tenant = "a b" }, "primary", time.Minute},
		"long volume": {func(k *ticket.Ticket) { k.Volume = strings.Repeat("v", ticket.MaxName+1) }, "primary", time.Minute},
	} {
		k := ok
		c.edit(&k)
		if text, _, err := r.issuer.Mint(c.site, k, c.life); !errors.Is(err, ticket.ErrClaims) || text != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ticket.NewKeySet(); !errors.Is(err, ticket.ErrKey) {
		t.Error("empty set:", err)
	}
	if _, err := ticket.NewKeySet(r.issuer.Public(), r.issuer.Public()); !errors.Is(err, ticket.ErrKey) {
		t.Error("one key twice:", err)
	}
	if _, err := ticket.NewVerifier("control", "primary", ticket.KeySet{}, time.Now); !errors.Is(err, ticket.ErrKey) {
		t.Error("zero set:", err)
	}
}

func TestOpsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfNDistinct(rapid.SampledFrom([]ticket.Op{ticket.Put, ticket.Get, ticket.Delete, ticket.List, ticket.Restore}), 1, 5, rapid.ID).Draw(t, "ops")
		set, err := ticket.OpsOf(list...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ticket.ParseOps(set.String())
		if err != nil || again != set {
			t.Fatal(again, err)
		}
		for _, o := range list {
			if !again.Has(o) {
				t.Fatal(o)
			}
		}
	})
}

func FuzzParseOps(f *testing.F) {
	f.Add("put get")
	f.Add("get put")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if set, err := ticket.ParseOps(text); err == nil && set.String() != text {
			t.Fatalf("%q became %q", text, set)
		}
	})
}

// FuzzVerify: nothing but the one good ticket is accepted.
func FuzzVerify(f *testing.F) {
	r := newRig(f)
	text := r.mint("primary")
	h, c := good(r)
	f.Add(text[:len(text)-1])
	f.Add(encode(f, h) + "." + encode(f, c) + ".")
	f.Add("..")
	f.Fuzz(func(t *testing.T, in string) {
		if in == text {
			return
		}
		if _, err := r.verifier.Verify(in); !errors.Is(err, ticket.ErrInvalid) {
			t.Fatalf("%q: %v", in, err)
		}
	})
}
