// Package node encodes the inner nodes of sealed snapshots: a clear list of children, each with the hash of its stored
// bytes, and an encrypted payload. The hash of a node is hence a Merkle root over ciphertext, which a site without keys
// can verify, count and sweep.
//
// It must never need a key to walk, nor trust a list before its hash was compared with the edge that led to it. The
// format is docs/spec/pack.md.
package node
