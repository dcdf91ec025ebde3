package node

import (
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
)

// Child is one edge. Length and Hash are of the child's stored bytes (a chunk frame, or a whole node).
type Child struct {
	ID     chunk.ID
	Hash   frame.Hash
	Length uint32
	Key    key.Number
	Kind   chunk.Kind
}

// Node as its writer sees it: children in the writer's order, repeats allowed; Payload is opaque.
type Node struct {
	Kind     chunk.Kind
	Children []Child
	Payload  []byte
}

// Sealed is an encoded node. Bytes go into a pack record of type node.
type Sealed struct {
	ID    chunk.ID
	Hash  frame.Hash // digest over Bytes
	Bytes []byte
}

// ID is deterministic: look it up before Seal, so that unchanged pages deduplicate.
func ID(k *key.Tenant, n Node) (chunk.ID, error)                                 { return chunk.ID{}, nil }
func Seal(k *key.Tenant, n Node) (Sealed, error)                                 { return Sealed{}, nil }
func Open(keys frame.Keys, id chunk.ID, kind chunk.Kind, b []byte) (Node, error) { return Node{}, nil }

// Children needs no keys: kind and the clear list (each child once, sorted by id, hash).
func Children(b []byte) (chunk.Kind, []Child, error) { return 0, nil, nil }

// Verify checks stored bytes against the edge that led to them.
func Verify(c Child, b []byte) error                       { return nil }
func (s Sealed) Child(kind chunk.Kind, n key.Number) Child { return Child{} }
