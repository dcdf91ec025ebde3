package authz

import (
	"iter"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// scoped are the policies that one action concerns.
type scoped []named

type named struct {
	id     cedar.PolicyID
	policy *cedar.Policy
}

// All implements cedar.PolicyIterator.
func (s scoped) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, n := range s {
			if !yield(n.id, n.policy) {
				return
			}
		}
	}
}

// scope sorts a policy set by actions once, for a decision reads one action. A policy is left out of an action only
// when its action clause names others: it would answer false then, and never an error, since the clause stands before
// its conditions. Whatever else a clause may be stays in.
func scope(set cedar.PolicyMap) map[Action]scoped {
	out := make(map[Action]scoped, len(cedarActions))
	for a, uid := range cedarActions {
		for id, p := range set {
			if concerns(p, uid) {
				out[a] = append(out[a], named{id, p})
			}
		}
	}
	return out
}

func concerns(p *cedar.Policy, action types.EntityUID) bool {
	switch c := p.AST().Action.(type) {
	case ast.ScopeTypeEq:
		return c.Entity == action
	case ast.ScopeTypeInSet: // actions have no parents here, so that in is equality
		for _, e := range c.Entities {
			if e == action {
				return true
			}
		}
		return false
	}
	return true
}

// contexts has the record of every set of facts, which are few.
type contexts [1 << 8]types.Record

func newContexts() *contexts {
	var c contexts
	for i := range c {
		f := facts{secondFactor: i&1 != 0, stepUp: i&2 != 0, recovery: i&4 != 0, quarantined: i&8 != 0,
			founding: i&16 != 0, hasFactor: i&32 != 0, own: i&64 != 0, reaches: i&128 != 0}
		c[f.index()] = f.record()
	}
	return &c
}

// index numbers the sets of facts.
func (f facts) index() (n int) {
	for i, b := range [...]bool{f.secondFactor, f.stepUp, f.recovery, f.quarantined, f.founding, f.hasFactor, f.own, f.reaches} {
		if b {
			n |= 1 << i
		}
	}
	return n
}

func (f facts) record() types.Record {
	return types.NewRecord(types.RecordMap{
		"secondFactor": types.Boolean(f.secondFactor),
		"stepUp":       types.Boolean(f.stepUp),
		"recovery":     types.Boolean(f.recovery),
		"quarantined":  types.Boolean(f.quarantined),
		"founding":     types.Boolean(f.founding),
		"hasFactor":    types.Boolean(f.hasFactor),
		"own":          types.Boolean(f.own),
		"reaches":      types.Boolean(f.reaches),
	})
}
