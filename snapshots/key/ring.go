package key

import "fmt"

// Ring is all key sets of one tenant. It is immutable.
type Ring struct {
	sets    map[Number]*Tenant
	current *Tenant
}

// NewRing makes a ring of at least one set.
func NewRing(sets ...*Tenant) (*Ring, error) {
	r := &Ring{sets: make(map[Number]*Tenant, len(sets))}
	for _, t := range sets {
		if t == nil || r.sets[t.number] != nil || r.current != nil && r.current.tenant != t.tenant {
			return nil, ErrRing
		}
		r.sets[t.number] = t
		if r.current == nil || t.number > r.current.number {
			r.current = t
		}
	}
	if r.current == nil {
		return nil, ErrRing
	}
	return r, nil
}

// With is the ring with one more set.
func (r *Ring) With(t *Tenant) (*Ring, error) {
	all := []*Tenant{t}
	for _, s := range r.sets {
		all = append(all, s)
	}
	return NewRing(all...)
}

// Current is the set of the highest number: what is new is sealed with it.
func (r *Ring) Current() *Tenant { return r.current }

// Tenant is the tenant's id.
func (r *Ring) Tenant() string { return r.current.tenant }

// Key finds a set by its number, else ErrUnknown.
func (r *Ring) Key(n Number) (*Tenant, error) {
	if t := r.sets[n]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %d", ErrUnknown, n)
}
