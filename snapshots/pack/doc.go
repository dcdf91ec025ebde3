// Package pack is the container of everything stored: an append-only file of records that describes itself, readable
// from its footer, or, without one, by scanning.
//
// It owns the layout, and knows nothing of what records mean. It must never need a database to list a pack, take bytes
// behind a torn end or a flipped bit for a record, or allocate by a length that it has not bounded. The format is
// docs/spec/pack.md.
//
// Checksums here find accidents. That a record is authentic is shown by its frame, and by the hash that the edge to it
// names: a record of a hostile pack can say anything.
//
// Order: a writer should append the frames of several files as they come off the workers rather than in the order of
// the file, for neighbours with known lengths are a fingerprint of the file. Nothing relies on the order of records.
package pack
