package authz_test

import (
	"testing"

	"holdfast/authz"
	"holdfast/authz/apitoken"
)

// Reading only the lines that concern an action must never change an answer: every action, kind of principal, kind of
// resource and a spread of the sets of facts is asked both ways.
func TestIndexedPolicyDecidesAsTheWhole(t *testing.T) {
	d := decider(t)
	whole := d.Whole()
	principals := []authz.Principal{
		member(authz.RoleOwner), member(authz.RoleOperator), member(authz.RoleViewer),
		staff(authz.StaffApprover), staff(authz.StaffAuditor), token(apitoken.AllScopes()...), siteToken(), system, hostOperator,
		with(member(authz.RoleOwner), console), with(staff(authz.StaffApprover), portal),
	}
	resources := []authz.Resource{aVolume, aTenant, aRequest, aToken, self, staffOwn, service}
	allowed, turn := 0, 0
	for _, a := range authz.Actions() {
		for _, p := range principals {
			for _, r := range resources {
				// Every seventeenth set of facts, beginning elsewhere each time.
				turn++
				for bits := turn % 17; bits < 256; bits += 17 {
					got, want := d.AskFacts(p, a, r, byte(bits)), whole.AskFacts(p, a, r, byte(bits))
					if got != want {
						t.Fatalf("%s on %s by %s with facts %08b: %v, want %v", a, r.Kind, p.Kind, bits, got, want)
					}
					if got {
						allowed++
					}
				}
			}
		}
	}
	if allowed == 0 {
		t.Fatal("nothing was allowed")
	}
}
