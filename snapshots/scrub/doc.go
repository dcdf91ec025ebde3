// Package scrub reads everything that a site keeps, again and again at a limited rate, and says what of it cannot be read
// as it was written (T48): every pack, every frame and node that the index names in it, by SHA-256 and, where the keys
// are there, by decrypting it and computing its id again. It remembers what it read, goes on there after a restart, and
// names the snapshots and paths that need what is rotten.
//
// It must never remove, move, overwrite or repair stored bytes, nor take a pack that the database does not know for
// garbage (I10). What it finds goes into tables of its own and, for copies, into the flags that keep them from counting
// as restore points (I8). A frame that reads whole again, or of which there is another one, heals by itself.
package scrub
