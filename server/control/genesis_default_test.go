package control_test

import (
	"strings"
	"testing"

	"filippo.io/age"

	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// The defaults of a production charter make one that can be founded, and refuse
// by name a roster that could not spare anybody.
func TestT22_AProductionCharterOfDefaults(t *testing.T) {
	e := controltest.New(t, controltest.Gated())
	recovery, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	in := wire.ProposeGenesis{Purpose: "production", Recipients: []string{recovery.Recipient().String()}}
	for i := range 6 {
		a := e.Support(t, "approver")
		in.Approvers = append(in.Approvers, wire.GenesisApprover{Person: a.ID, Team: []string{"a", "b", "c"}[i%3]})
	}
	c, err := e.ProposeGenesis(t.Context(), e.Operator(t), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"purpose production", "undo 14d", "quarantine 7d", "clocks 1"} {
		if !strings.Contains(c.Text, line) {
			t.Errorf("no line %q in\n%s", line, c.Text)
		}
	}
	if !strings.Contains(c.Text, "approvals 2 teams 2 hardware 0 independent 0 totp yes cooling 3d grace 7d last-extra 4d ") {
		t.Error(c.Text)
	}
	for name, change := range map[string]func(*wire.ProposeGenesis){
		"one approver":  func(in *wire.ProposeGenesis) { in.Approvers = in.Approvers[:1] },
		"two approvers": func(in *wire.ProposeGenesis) { in.Approvers = in.Approvers[:2] },
		"no recovery":   func(in *wire.ProposeGenesis) { in.Recipients = nil },
		"no purpose":    func(in *wire.ProposeGenesis) { in.Purpose = "" },
		"short cooling": func(in *wire.ProposeGenesis) { in.Lines = map[string]string{"cooling": "1s"} },
		"short undo":    func(in *wire.ProposeGenesis) { in.Lines = map[string]string{"undo": "1m"} },
		"no grace":      func(in *wire.ProposeGenesis) { in.Lines = map[string]string{"grace": "0s"} },
		"no clocks":     func(in *wire.ProposeGenesis) { in.Lines = map[string]string{"clocks": "0"} },
		"one vote":      func(in *wire.ProposeGenesis) { in.Lines = map[string]string{"approvals": "1", "teams": "1"} },
	} {
		worse := in
		change(&worse)
		if _, err := e.ProposeGenesis(t.Context(), e.Operator(t), worse); err == nil || control.AsError(err).Type != wire.TypeCharterRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
