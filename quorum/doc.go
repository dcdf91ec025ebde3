// Package quorum owns the life of a request: what it is, which events happen to it, and Apply, the one place where the
// rules of its state machine live. Apply is a pure function over verified facts; who verifies them (warrant, authz) and
// who keeps them (sqlstore) is not its business.
//
// It must never read a clock, a database or a key, never guess at a fact that it was not given, and never be taken as a
// permission to destroy: execution re-verifies the stored evidence (package warrant), never a State.
package quorum
