// Package audit owns the transparency log's formats and their checks: leaves and the bodies that they commit to, RFC 6962
// tree arithmetic, C2SP checkpoints, cosignatures, tiles and proofs, the witness's rule, a stranger's verification of a
// whole log, and a site's incremental replay.
//
// The log is public and its leaves are not secret; the bodies are. So a leaf about a tenant's business carries a salted
// commitment and nothing else that could name anyone: no id, no name, no address. Facts in the clear exist only for the
// few kinds that concern everybody (a charter, a freeze everywhere, a witness, a site's epoch).
//
// It must never do I/O, read a clock, or import a domain: times, keys and readers are given to it. Reading a log over HTTP
// or from a directory is the work of the subpackage source. It must never accept what it does not understand: text that
// parses renders again to the same bytes, and anything else is an error.
//
// Formats: docs/spec/log.md; https://c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-witness, tlog-tiles and
// tlog-proof; RFC 6962 section 2.1 for the tree.
package audit
