// Package warrant owns the evidence that a gated action was decided: proofs of presence, votes, stops, the warrant that
// joins them with the log, a stranger's check of it (Verify), a site's own check (Authorise), and the Permit that alone
// opens the destroying code.
//
// It must never do I/O, read a clock, believe a folded state, or mint a permit from less than everything: errors deny.
// A passkey assertion is verified here from its raw bytes with the charter's key, not by a server's session.
//
// Formats: docs/spec/warrant.md; W3C WebAuthn Level 3 §7.2; RFC 9052 for keys; C2SP for the log.
package warrant
