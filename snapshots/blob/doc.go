// Package blob is the storage of packs: named, append-only, written once.
//
// A Store can create, append, read and list. It deliberately has no way to remove, truncate, rename or overwrite: the
// code that removes lives in snapshots/sweep/internal, is opened from configuration with credentials of its own, and
// cannot be reached through this package. Adapters: fs (a directory), mem (tests).
package blob
