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
	return &Decider{policies: set, now: now}, nil
}

// AskWithout is the policy's bare answer without some of its lines.
func (d *Decider) AskWithout(p Principal, a Action, r Resource, without ...string) bool {
	set := cedar.PolicyMap{}
	for name, policy := range d.policies {
		if !slices.Contains(without, string(name)) {
			set[name] = policy
		}
	}
	less := &Decider{policies: set, now: d.now}
	return less.ask(p, a, r, factsOf(p, r, r.digest(a), d.now()))
}
