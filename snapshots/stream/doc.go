// Package stream owns how bytes become a recipe and how a recipe becomes bytes again: reader → chunks → frames →
// extents, and back with ranges.
//
// A recipe is a list of extents, each a run of plaintext: a hole, a data chunk, or a recipe node that covers a longer
// run. At most [MaxInline] of them stand in a version row; longer lists are folded into nodes of fan-out at most
// [Fanout], so that a range is found by descending and memory stays bounded whatever the length of the stream.
//
// The package must never decide where bytes are kept or whether they may be read: it calls a [Sink] and a [Source].
package stream
