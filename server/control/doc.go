// Package control holds the use cases of Holdfast: one function a power, each
// deciding first (authz.Decide), demanding a step-up where the power needs one,
// and then changing the control database in one transaction that also appends
// the log's leaf. It is the only package that joins authz, quorum and snapshots.
//
// It knows neither HTTP nor HTML, and it can destroy nothing: what deletes a
// copy is a site, by a permit that it mints for itself from a warrant.
package control
