package authz

import (
	"slices"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
)

// PolicyIDs lists the ids of the embedded policy and tells which are forbids.
func PolicyIDs() map[string]bool {
	set, err := loadPolicy()
	if err != nil {
		panic(err)
	}
	ids := map[string]bool{}
	for name, p := range set {
		ids[string(name)] = p.Effect() == cedar.Forbid
	}
	return ids
}

// NewDeciderWith decides over another policy text.
func NewDeciderWith(text string, now func() time.Time) (*Decider, error) {
	set, err := parsePolicy([]byte(text))
	if err != nil {
		return nil, err
	}
	return newDecider(set, now), nil
}

// AskWithout is the policy's bare answer without some of its lines.
func (d *Decider) AskWithout(p Principal, a Action, r Resource, without ...string) bool {
	set := cedar.PolicyMap{}
	for name, policy := range d.policies {
		if !slices.Contains(without, string(name)) {
			set[name] = policy
		}
	}
	return newDecider(set, d.now).ask(p, a, r, factsOf(p, r, r.digest(a), d.now()))
}

// Whole is the decider without its index: every line is read for every action, over a record made for the purpose.
func (d *Decider) Whole() *Decider {
	var all scoped
	for id, p := range d.policies {
		all = append(all, named{id, p})
	}
	whole := &Decider{policies: d.policies, actions: map[Action]scoped{}, contexts: &contexts{}, now: d.now}
	for a := range cedarActions {
		whole.actions[a] = all
	}
	for i := range whole.contexts {
		bit := func(n int) bool { return i>>n&1 == 1 }
		whole.contexts[i] = facts{bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6), bit(7)}.record()
	}
	return whole
}

// AskFacts is the policy's bare answer for facts given as bits, in the order of their declaration.
func (d *Decider) AskFacts(p Principal, a Action, r Resource, bits byte) bool {
	bit := func(n int) bool { return bits>>n&1 == 1 }
	return d.ask(p, a, r, facts{bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6), bit(7)})
}
