// Package rebuild makes a site's database from its packs and a recovery key alone (I10, T57): tenants and their wrapped
// keys, volumes, the live tree and the undo window from the journal, sealed and unsealed snapshots, what was erased, and
// the index of frames with its edges. A pack that no database knew comes back like any other. Formats: docs/spec/pack.md.
//
// It must never write over a database or touch a pack that is there, take a hole for an order to forget, or make
// something up: what it cannot read it names. The database that it makes is of a new epoch, so that nothing is destroyed
// by it until somebody has looked.
//
// What packs do not hold does not come back: quotas, windows and keep rules of volumes, pins, proofs, half uploads, and
// what the gate knew, which the log tells it again.
package rebuild
