package control_test

import (
	"strings"
	"testing"

	"holdfast/server/wire"
)

// A denied request says by whom, when and why; while one asks for the end of a freeze, the freeze leads to it.
func TestADenialAndAnEndAskedForAreFound(t *testing.T) {
	w := sqliteWorld(t, nil)
	freeze, err := w.Freeze(t.Context(), w.owner.Who(), wire.PlaceFreeze{Reason: "look"})
	w.ok(err)
	r, err := w.owner.Ask(wire.AskRequest{Action: "lift-freeze", Subject: freeze.ID, Reason: "all is well"})
	w.ok(err)
	if len(r.Blocked) == 0 || !strings.Contains(r.Blocked[0], "approvals are still missing; may vote: ") || r.Ending != nil {
		t.Fatalf("%q %+v", r.Blocked, r.Ending)
	}
	ends, err := w.AskedEnds(t.Context(), w.owner.Who())
	if err != nil || ends[freeze.ID] != r.ID {
		t.Fatal(ends, err)
	}
	_, err = w.Approvers[0].Vote(r.ID, "deny")
	w.ok(err)
	r, err = w.Request(t.Context(), w.owner.Who(), r.ID)
	if err != nil || r.State != "denied" || r.Ending == nil || r.Ending.By.ID != w.Approvers[0].Who().ID() || r.Ending.Reason == "" || r.Ending.At.IsZero() {
		t.Fatalf("%+v %v", r, err)
	}
	if ends, err = w.AskedEnds(t.Context(), w.owner.Who()); err != nil || len(ends) != 0 {
		t.Fatal(ends, err)
	}
}
