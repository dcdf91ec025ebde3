package authz_test

import (
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/authz/authztest"
)

func FuzzFoldEmail(f *testing.F) {
	for _, s := range []string{"a@example.org", "A.b+c@Example.ORG", `"a b"@x.org`, "a@b@c", "аnn@example.org", "a@[192.0.2.1]", " a@x.org"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded, err := authz.FoldEmail(s)
		if err != nil {
			return
		}
		if again, err := authz.FoldEmail(folded); err != nil || again != folded {
			t.Fatalf("%q folds to %q and then to %q, %v", s, folded, again, err)
		}
		if !strings.EqualFold(s, folded) {
			t.Fatalf("%q folds to %q", s, folded)
		}
	})
}

func TestAddressesAndNamesThatLookAlikeAreRefused(t *testing.T) {
	for _, s := range []string{"", "a", "a@", "@b", "a b@c.org", "аnn@example.org", "a@b.org\n", "Ann <a@b.org>", strings.Repeat("a", 250) + "@b.org"} {
		if _, err := authz.FoldEmail(s); err != authz.ErrInvalid {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", " a", "a\n", "a\u202eb", "a\u200bb", "\xff", strings.Repeat("a", 201)} {
		if err := authz.CheckName(s); err != authz.ErrInvalid {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := authz.CheckName("Zoë 東京"); err != nil {
		t.Error(err)
	}
}

func FuzzHashRecoveryCode(f *testing.F) {
	f.Add(authz.NewRecoveryCodes()[0])
	f.Add("ooooo-iiiii-LLLLL-00000")
	f.Add("")
	p, q := authztest.NewPerson(), authztest.NewPerson()
	f.Fuzz(func(t *testing.T, code string) {
		h, err := authz.HashRecoveryCode(p, code)
		if err != nil {
			return
		}
		if again, err := authz.HashRecoveryCode(p, strings.ToUpper(" "+code)); err != nil && len(code) < 80 || err == nil && again != h {
			t.Fatalf("%q depends on its spelling", code)
		}
		if other, err := authz.HashRecoveryCode(q, code); err != nil || other == h {
			t.Fatal("two people share a hash")
		}
	})
}

func FuzzPublicKeyDigest(f *testing.F) {
	f.Add(authztest.PublicKey(f))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, cose []byte) {
		d, err := authz.PublicKeyDigest(cose)
		if (err == nil) != (d != [32]byte{}) {
			t.Fatal(d, err)
		}
	})
}
