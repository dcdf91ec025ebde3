// Package authz says who someone is, how strongly they have shown it, and what
// they may do.
//
// It owns people, tenants, tokens, factors, the list of every power in the
// product ([Action]) and the one decision about them ([Decider.Decide]), which a
// Cedar policy file makes. It must never know what a request, a vote or a
// snapshot is: those are named here by their text ids only. There is no action
// that destroys a copy, and none may be added: deletion of a copy goes through
// a request, and only a site's own permit opens the code that destroys.
//
// Deny is the default. A zero value of any enumeration here is invalid and is
// denied; an error of the policy engine is a denial.
package authz

import "holdfast/internal/id"

// The kinds of identifiers that authz declares. Their prefixes are part of the
// text form and never change.
type (
	// TenantKind marks identifiers of tenants, "ten_…".
	TenantKind struct{}
	// PersonKind marks identifiers of people, members and staff alike, "per_…".
	PersonKind struct{}
	// TokenKind marks identifiers of API tokens, "tok_…".
	TokenKind struct{}
	// FactorKind marks identifiers of second factors, "fac_…".
	FactorKind struct{}
)

// Prefix returns "ten".
func (TenantKind) Prefix() string { return "ten" }

// Prefix returns "per".
func (PersonKind) Prefix() string { return "per" }

// Prefix returns "tok".
func (TokenKind) Prefix() string { return "tok" }

// Prefix returns "fac".
func (FactorKind) Prefix() string { return "fac" }

type (
	// TenantID names a customer organisation.
	TenantID = id.ID[TenantKind]
	// PersonID names a person: a member of one tenant, or one of the staff.
	PersonID = id.ID[PersonKind]
	// TokenID names an API token.
	TokenID = id.ID[TokenKind]
	// FactorID names a second factor.
	FactorID = id.ID[FactorKind]
)
