// Package archtest holds the house: which package may import which, who may read
// the clock, and that nothing but the sweep can destroy (invariant I1). It has
// tests only. Rules are lists of what is allowed, so a package that nobody wrote
// a rule for fails. It must never be made to pass by widening a rule without a
// reason written beside it.
package archtest
