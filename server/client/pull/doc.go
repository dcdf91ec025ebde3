// Package pull brings a volume, a moment of it or a snapshot back: into a
// directory, a file or a stream. Several pulls and many files are in flight at
// once; the id of every chunk and the digest of every file are computed from what
// came, with keys that the service gives to who may read; a file has a temporary
// name until it is whole, and what was interrupted goes on where it was.
//
// It believes nothing that the service says of paths. Everything happens below
// one open directory, name by name, and no link is ever followed: it must never
// write outside, nor take anything for restored that it has not verified.
package pull
