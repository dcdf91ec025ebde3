package view

import (
	"testing"

	"holdfast/server/wire"
)

// A request names its tenant by what is signed, and only if it is about one.
func TestTheTenantIsNamedAsItIsSigned(t *testing.T) {
	for line, want := range map[string]string{
		`tenant ten_1 "Acme"`:                             "Acme",
		`tenant ten_1 "\u{410}cme \"North\" \\ \u{200b}"`: "Аcme \"North\" \\ \u200b",
		`tenant ten_2 "Other"`:                            "",
		`tenant ten_1 Acme`:                               "",
		`tenant none`:                                     "",
	} {
		r := wire.Request{Tenant: "ten_1", Statement: "holdfast statement v1\n" + line + "\nreason \"tenant ten_1 x\"\n"}
		if got := signedTenant(r); got != want {
			t.Errorf("%s: %q, not %q", line, got, want)
		}
		if want != "" && Spelled(want) != "" && unspelled(Spelled(want)) != want {
			t.Errorf("%q is not what its spelling says", want)
		}
	}
	if got := signedTenant(wire.Request{Statement: "tenant  \"x\"\n"}); got != "" {
		t.Errorf("no tenant: %q", got)
	}
}
