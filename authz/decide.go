package authz

import (
	_ "embed"
	"errors"
	"fmt"
	"sync"
	"time"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
)

//go:embed policy.cedar
var policyText []byte

// The policy is part of the binary: no file, flag or variable replaces it (T24).
var loadPolicy = sync.OnceValues(func() (cedar.PolicyMap, error) { return parsePolicy(policyText) })

// parsePolicy names every policy by its @id and refuses a file in which one is
// missing or repeated: a repeated id would silently drop a forbid.
func parsePolicy(text []byte) (cedar.PolicyMap, error) {
	list, err := cedar.NewPolicyListFromBytes("policy.cedar", text)
	if err != nil {
		return nil, fmt.Errorf("authz: policy: %w", err)
	}
	set := make(cedar.PolicyMap, len(list))
	for _, p := range list {
		name := cedar.PolicyID(p.Annotations()["id"])
		if _, twice := set[name]; twice || name == "" {
			return nil, fmt.Errorf("authz: policy: id %q is empty or repeated", name)
		}
		set[name] = p
	}
	if len(set) == 0 {
		return nil, errors.New("authz: policy: empty")
	}
	return set, nil
}

// Decider makes every authorization decision. It is safe for concurrent use and
// its zero value denies everything.
type Decider struct {
	policies cedar.PolicyMap
	actions  map[Action]scoped
	contexts *contexts
	now      func() time.Time
}

func newDecider(set cedar.PolicyMap, now func() time.Time) *Decider {
	return &Decider{policies: set, actions: scope(set), contexts: newContexts(), now: now}
}

// NewDecider loads the embedded policy. now gives the time that step-ups are
// measured against.
func NewDecider(now func() time.Time) (*Decider, error) {
	if now == nil {
		return nil, errors.New("authz: a decider needs a clock")
	}
	set, err := loadPolicy()
	if err != nil {
		return nil, err
	}
	return newDecider(set, now), nil
}

// Decide returns nil if p may do a on r, and otherwise one of: ErrNotFound (the
// resource is another tenant's, or a volume outside the token's restriction),
// ErrSecondFactorRequired, a *StepUpRequiredError (matches ErrStepUpRequired),
// ErrQuarantined, or ErrDenied. What it cannot decide it denies.
func (d *Decider) Decide(p Principal, a Action, r Resource) error {
	if d == nil || d.now == nil || a.String() == "" || r.Kind.String() == "" || !p.wellFormed() {
		return ErrDenied
	}
	// One answer for another tenant's thing and for nothing at all (T11),
	// whatever else would have been missing.
	if !p.Tenant.IsZero() && !r.Tenant.IsZero() && p.Tenant != r.Tenant {
		return ErrNotFound
	}
	if p.Kind == KindToken && r.Volume != "" && !p.reaches(r.Volume) {
		return ErrNotFound
	}
	digest := r.digest(a)
	f := factsOf(p, r, digest, d.now())
	if d.ask(p, a, r, f) {
		return nil
	}
	if p.Kind != KindPerson {
		return ErrDenied
	}
	// Ask again as if the person had shown a settled factor for this digest:
	// so the policy file alone says what a step-up can open.
	ideal := f
	ideal.secondFactor, ideal.stepUp, ideal.recovery, ideal.quarantined = true, true, false, false
	switch {
	case !d.ask(p, a, r, ideal):
		return ErrDenied
	case !f.secondFactor:
		return ErrSecondFactorRequired
	case f.stepUp:
		return ErrQuarantined
	}
	return &StepUpRequiredError{MaxAge: MaxStepUpAge, Digest: digest}
}

type facts struct {
	secondFactor, stepUp, recovery, quarantined, founding, hasFactor, own, reaches bool
}

func factsOf(p Principal, r Resource, digest Digest, now time.Time) facts {
	s := p.Session
	f := facts{
		secondFactor: p.Assurance(digest, now) >= AssuranceSecondFactor,
		stepUp:       p.Assurance(digest, now) == AssuranceStepUp,
		recovery:     s.Method == MethodRecovery,
		quarantined:  s.Quarantined,
		founding:     s.First,
		hasFactor:    s.HasFactor,
		own:          r.Kind == ResourcePerson && p.Kind == KindPerson && r.ID == p.Person.String(),
		reaches:      p.reaches(r.Volume),
	}
	if f.stepUp { // the fresh proof counts, not the one that opened the session
		f.recovery, f.quarantined, f.founding = s.StepUp.Method == MethodRecovery, s.StepUp.Quarantined, s.StepUp.First
	}
	return f
}

var (
	cedarActions   = map[Action]types.EntityUID{}
	cedarResources = []types.EntityType{"", "Service", "Tenant", "Volume", "Request", "Person", "ApiToken", "Site", "Charter", "Log"}
	noParents      = types.NewEntityUIDSet()
)

func init() {
	for a, name := range actionNames {
		cedarActions[a] = types.NewEntityUID("Action", types.String(name))
	}
}

// pair is the whole world of one decision.
type pair struct{ principal, resource types.Entity }

// Get finds one of the two.
func (w *pair) Get(uid types.EntityUID) (types.Entity, bool) {
	switch uid {
	case w.principal.UID:
		return w.principal, true
	case w.resource.UID:
		return w.resource, true
	}
	return types.Entity{}, false
}

// ask puts one question to the policy. Any error in any line is a no: a forbid
// that cannot be evaluated would otherwise be skipped.
func (d *Decider) ask(p Principal, a Action, r Resource, f facts) bool {
	w := &pair{principal: principalEntity(p), resource: resourceEntity(r)}
	decision, diag := cedar.Authorize(d.actions[a], w, cedar.Request{
		Principal: w.principal.UID,
		Action:    cedarActions[a],
		Resource:  w.resource.UID,
		Context:   d.contexts[f.index()],
	})
	return decision == cedar.Allow && len(diag.Errors) == 0
}

func principalEntity(p Principal) types.Entity {
	attrs := types.RecordMap{}
	if !p.Tenant.IsZero() {
		attrs["tenant"] = types.String(p.Tenant.String())
	}
	var uid types.EntityUID
	switch {
	case p.Kind == KindSystem:
		uid = types.NewEntityUID("System", types.String(p.System))
	case p.Kind == KindToken:
		uid = types.NewEntityUID("Token", types.String(p.Token.String()))
		scopes := make([]types.Value, len(p.Scopes))
		for i, s := range p.Scopes {
			scopes[i] = types.String(s.String())
		}
		attrs["scopes"] = types.NewSet(scopes...)
		if p.Site != "" {
			attrs["site"] = types.String(p.Site)
		}
	case p.Staff != 0:
		uid = types.NewEntityUID("Staff", types.String(p.Person.String()))
		attrs["role"] = types.String(p.Staff.String())
		attrs["face"] = types.String(p.Face.String())
	default:
		uid = types.NewEntityUID("Member", types.String(p.Person.String()))
		attrs["role"] = types.String(p.Role.String())
		attrs["face"] = types.String(p.Face.String())
	}
	return types.Entity{UID: uid, Parents: noParents, Attributes: types.NewRecord(attrs)}
}

func resourceEntity(r Resource) types.Entity {
	attrs := types.RecordMap{}
	if !r.Tenant.IsZero() {
		attrs["tenant"] = types.String(r.Tenant.String())
	}
	return types.Entity{
		UID:        types.NewEntityUID(cedarResources[r.Kind], types.String(r.ID)),
		Parents:    noParents,
		Attributes: types.NewRecord(attrs),
	}
}
