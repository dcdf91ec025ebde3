// Package record is the wire form of a push and of a pull: a stream of records
// that say which entries there are and what stands in them, in chunks named by
// their ids, in holes, or in chunks that the other side has already.
//
// It owns bytes and bounds, and knows nothing of what an id, a path or a size
// means: whoever reads a stream checks that. It never trusts a length, never
// holds more than one record's head in memory, and imports nothing of holdfast.
// docs/spec/transfer.md is the format for other clients.
package record
