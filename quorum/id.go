package quorum

import "holdfast/internal/id"

// RequestKind, StopKind and HoldKind tell this domain's ids apart.
type (
	// RequestKind is the kind of a request's id.
	RequestKind struct{}
	// StopKind is the kind of a stop's id: a cancel, deny, freeze, restore or suspension.
	StopKind struct{}
	// HoldKind is the kind of a hold's id.
	HoldKind struct{}
)

// Prefix is `req`.
func (RequestKind) Prefix() string { return "req" }

// Prefix is `sto`.
func (StopKind) Prefix() string { return "sto" }

// Prefix is `hol`.
func (HoldKind) Prefix() string { return "hol" }

// RequestID names a request, StopID a stop, HoldID a hold.
type (
	// RequestID names a request.
	RequestID = id.ID[RequestKind]
	// StopID names a stop.
	StopID = id.ID[StopKind]
	// HoldID names a hold.
	HoldID = id.ID[HoldKind]
)
