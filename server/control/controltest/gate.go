package controltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// DemoLines are the delays of Sealed, unless a test says otherwise.
const (
	Quarantine = 2 * time.Second
	Cooling    = 10 * time.Second
	Grace      = 90 * time.Second
	LastExtra  = 5 * time.Second
)

// Sealed is a Gated Env with five approvers and a charter that all of them have
// signed in the founding ceremony, in force at the site.
type Sealed struct {
	*Env
	Approvers []*Human
	Recovery  *age.X25519Identity
}

// Seal founds an Env: approvers 0, 2 and 4 are of team a, the others of team b.
func Seal(t testing.TB, e *Env, lines map[string]string) *Sealed {
	t.Helper()
	s := &Sealed{Env: e}
	var err error
	s.Recovery, err = age.GenerateX25519Identity()
	must(t, err)
	in := wire.ProposeGenesis{Purpose: "demo", Recipients: []string{s.Recovery.Recipient().String()}, Lines: lines}
	for i := range 5 {
		a := e.Support(t, "approver")
		s.Approvers = append(s.Approvers, a)
		in.Approvers = append(in.Approvers, wire.GenesisApprover{Person: a.ID, Team: []string{"a", "b"}[i%2]})
	}
	_, err = e.ProposeGenesis(t.Context(), e.operator(t), in)
	must(t, err)
	var c wire.Ceremony
	for _, a := range s.Approvers {
		c, err = a.SignNext("")
		must(t, err)
	}
	if c.State != "sealed" {
		t.Fatalf("the charter is %s, missing %v", c.State, c.Missing)
	}
	e.Pass(2 * Quarantine)
	return s
}

// SignNext signs the proposed charter with a key that has not signed it yet.
func (h *Human) SignNext(request string) (wire.Ceremony, error) {
	h.t.Helper()
	var o wire.VoteOptions
	if err := h.Do(func(who control.Caller) (err error) {
		o, err = h.BeginSignCharter(h.t.Context(), who, request)
		return err
	}); err != nil {
		return wire.Ceremony{}, err
	}
	return h.SignCharter(h.t.Context(), h.Who(), request, h.Answer(o.PasskeyOptions))
}

// Pass lets time pass as a running service does: it ticks, delivers and executes
// every second.
func (e *Env) Pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		e.Clock.Advance(min(d, time.Second))
		if e.Primary == nil {
			continue
		}
		e.Work()
	}
}

// Work runs the jobs once. Their errors are remembered in Errors: what fails is
// tried again, as in a service.
func (e *Env) Work() {
	ctx := e.ctx
	for _, job := range []struct {
		name string
		run  func(context.Context) error
	}{{"tick", e.Tick}, {"deliver", e.Deliver}, {"execute", e.Execute}} {
		if err := job.run(ctx); err != nil {
			e.Errors = append(e.Errors, fmt.Errorf("%s: %w", job.name, err))
		}
	}
}
