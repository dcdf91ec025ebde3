// Package snapshots owns the data path: volumes of a tenant's primary data, the versions of their files, snapshots of
// them, the copies of those, and the Engine that takes bytes in and gives them back.
//
// What it promises: a success answer comes after fsync (I9); every past moment of the undo window and every snapshot
// can be listed and restored (I11); what the database says also stands in the packs, so that the database is an index
// (I10). It deletes primary data, which means that it marks a version as dead.
//
// What it must never do: destroy bytes. Nothing here removes a blob, nor deletes or changes rows of chunks, packs,
// copies and keys; that is for snapshots/sweep alone (I1). It knows nothing of people, sessions or quorums: who may call
// it has been decided before.
package snapshots
