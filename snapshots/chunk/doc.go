// Package chunk cuts streams of bytes into pieces and names them.
//
// It owns the content-defined chunker (a gear hash whose table is derived from a tenant's chunking key), the detection of
// holes, the kinds of content and the content ids. It must never see an encryption key, do I/O other than reading the
// stream that it cuts, or hold more than one window of a stream in memory.
//
// Boundaries and ids are part of the stored format (docs/spec/pack.md): changing a constant here makes every later
// backup store everything again, so a new rule gets a new Profile.
package chunk
