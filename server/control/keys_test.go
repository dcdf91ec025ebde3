package control_test

import (
	"strings"
	"testing"

	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// Keys that were made before the charter are wrapped for its recovery recipients
// as well, once, although their tenant never does anything again (T35).
func TestT35_ACharterReachesKeysMadeBeforeIt(t *testing.T) {
	controltest.Each(t, func(t *testing.T, e *controltest.Env) {
		owner := e.Company(t)
		owner.OK(func(who control.Caller) error {
			_, err := e.CreateVolume(t.Context(), who, wire.CreateVolume{Name: "documents", Kind: "files"})
			return err
		})
		wrapped := func() []string {
			t.Helper()
			var out []string
			for _, l := range e.Leaves(t, owner.Tenant, audit.KindKeyWrapped) {
				out = append(out, string(l.Body))
			}
			return out
		}
		if err := e.RewrapKeys(t.Context()); err != nil || len(wrapped()) != 0 {
			t.Fatalf("before a charter: %v, %v", wrapped(), err)
		}
		s := controltest.Seal(t, e, nil)
		for range 2 {
			if err := e.RewrapKeys(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := wrapped(); len(got) != 1 || !strings.Contains(got[0], s.Recovery.Recipient().String()) {
				t.Fatalf("after the charter: %v", got)
			}
		}
	}, controltest.Gated())
}
