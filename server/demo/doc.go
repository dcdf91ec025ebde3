// Package demo makes an installation to look at: it seeds tenants, people with
// software authenticators, volumes and snapshots, holds the genesis ceremony of
// a charter whose purpose is demo, and plays scenarios.
//
// It reaches the service only over HTTP through server/client, like any
// stranger, and must never have a door that other clients do not have.
package demo
