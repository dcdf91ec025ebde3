package node

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
)

// Errors of the package.
var (
	// ErrFormat is answered for bytes that are not a node, or of a version that is not known.
	ErrFormat = errors.New("node: malformed node")
	// ErrSize is answered for a node beyond a bound.
	ErrSize = errors.New("node: too large")
	// ErrMismatch is answered when stored bytes are not those that an edge names.
	ErrMismatch = errors.New("node: stored bytes are not what the edge names")
)

// Child is one edge. Length and Hash are those of the child's stored bytes: a chunk's frame or a whole node.
type Child struct {
	ID     chunk.ID
	Hash   frame.Hash
	Length uint32
	Key    key.Number
	Kind   chunk.Kind
}

// Node is a node as its writer sees it: Children stand in the writer's order and may repeat. The payload says what they
// mean and is opaque here.
type Node struct {
	Kind     chunk.Kind
	Children []Child
	Payload  []byte
}

// Sealed is an encoded node, ready for a pack's record.
type Sealed struct {
	ID    chunk.ID
	Hash  frame.Hash // SHA-256 of Bytes
	Bytes []byte
}

// Child is the edge to the node.
func (s Sealed) Child(kind chunk.Kind, n key.Number) Child {
	return Child{ID: s.ID, Hash: s.Hash, Length: uint32(len(s.Bytes)), Key: n, Kind: kind}
}

// The clear part: version, kind, two zero bytes, number of children, length of the frame (4 bytes each), then the
// children. Each once, sorted by id, then hash: ids are pseudo-random, so that the list does not tell the order of a
// file's chunks, whose lengths would be a fingerprint of it. The frame's plaintext is the SHA-256 of the list, the
// number of the writer's children (4 bytes), the place of each in the list (2 bytes), and the payload.
const (
	version    = 1
	headerSize = 12
	childSize  = 32 + 32 + 4 + 4 + 1
)

func nodeKind(k chunk.Kind) bool {
	switch k {
	case chunk.KindRecipe, chunk.KindCataloguePage, chunk.KindCatalogueIndex, chunk.KindRoot:
		return true
	}
	return false
}

func order(a, b Child) int {
	return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), bytes.Compare(a.Hash[:], b.Hash[:]))
}

// build makes the clear list and the frame's plaintext.
func build(n Node) (list, plain []byte, err error) {
	if !nodeKind(n.Kind) {
		return nil, nil, fmt.Errorf("%w: a node of kind %s", ErrFormat, n.Kind)
	}
	if len(n.Children) > MaxFanout || len(n.Payload) > MaxPayload {
		return nil, nil, fmt.Errorf("%w: %d children, %d bytes of payload", ErrSize, len(n.Children), len(n.Payload))
	}
	sorted := slices.Clone(n.Children)
	slices.SortFunc(sorted, order)
	sorted = slices.Compact(sorted)
	for i, c := range sorted {
		if err := c.check(); err != nil {
			return nil, nil, err
		}
		if i > 0 && order(sorted[i-1], c) == 0 {
			return nil, nil, fmt.Errorf("%w: one frame as two different children", ErrFormat)
		}
		list = append(list, c.ID[:]...)
		list = append(list, c.Hash[:]...)
		list = binary.BigEndian.AppendUint32(list, c.Length)
		list = binary.BigEndian.AppendUint32(list, uint32(c.Key))
		list = append(list, byte(c.Kind))
	}
	sum := sha256.Sum256(list)
	plain = make([]byte, 0, len(sum)+4+2*len(n.Children)+len(n.Payload))
	plain = append(plain, sum[:]...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(n.Children)))
	for _, c := range n.Children {
		at, _ := slices.BinarySearchFunc(sorted, c, order)
		plain = binary.BigEndian.AppendUint16(plain, uint16(at))
	}
	return list, append(plain, n.Payload...), nil
}

func (c Child) check() error {
	if !c.Kind.Valid() || c.Key == 0 || c.Key > key.MaxSets || c.Length < frame.MinFrame || c.Length > frame.MaxFrame ||
		c.ID.IsZero() || c.Hash.IsZero() {
		return fmt.Errorf("%w: child", ErrFormat)
	}
	return nil
}

// ID is the id of a node: that of its frame's plaintext. It depends on the node and the id key alone, so that an
// unchanged page is known before it is sealed again.
func ID(k *key.Tenant, n Node) (chunk.ID, error) {
	_, plain, err := build(n)
	if err != nil {
		return chunk.ID{}, err
	}
	return k.Identifier().ID(n.Kind, plain), nil
}

// Seal encodes a node. Two seals of one node differ (their frames have different salts) and have one id.
func Seal(k *key.Tenant, n Node) (Sealed, error) {
	list, plain, err := build(n)
	if err != nil {
		return Sealed{}, err
	}
	id := k.Identifier().ID(n.Kind, plain)
	b := make([]byte, 0, headerSize+len(list)+len(plain)+len(plain)/8+frame.MinFrame)
	b = append(b, version, byte(n.Kind), 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(list)/childSize))
	b = append(b, 0, 0, 0, 0)
	b = append(b, list...)
	if b, err = frame.Seal(b, k, id, n.Kind, plain); err != nil {
		return Sealed{}, err
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-headerSize-len(list)))
	if len(b) > MaxNode {
		return Sealed{}, fmt.Errorf("%w: %d bytes", ErrSize, len(b))
	}
	return Sealed{ID: id, Hash: frame.HashOf(b), Bytes: b}, nil
}

// parse splits a node strictly. It allocates nothing: the list is bounded before it is looked at.
func parse(b []byte) (kind chunk.Kind, list, sealed []byte, err error) {
	if len(b) > MaxNode {
		return 0, nil, nil, fmt.Errorf("%w: %d bytes", ErrSize, len(b))
	}
	if len(b) < headerSize || b[0] != version || b[2] != 0 || b[3] != 0 {
		return 0, nil, nil, fmt.Errorf("%w: header", ErrFormat)
	}
	kind = chunk.Kind(b[1])
	n, length := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if n > MaxFanout {
		return 0, nil, nil, fmt.Errorf("%w: %d children", ErrSize, n)
	}
	if !nodeKind(kind) || uint64(len(b)) != headerSize+uint64(n)*childSize+uint64(length) {
		return 0, nil, nil, fmt.Errorf("%w: kind or length", ErrFormat)
	}
	end := headerSize + int(n)*childSize
	return kind, b[headerSize:end], b[end:], nil
}

func children(list []byte) ([]Child, error) {
	out := make([]Child, 0, len(list)/childSize)
	for ; len(list) > 0; list = list[childSize:] {
		c := Child{ID: chunk.ID(list[:32]), Hash: frame.Hash(list[32:64]), Length: binary.BigEndian.Uint32(list[64:]),
			Key: key.Number(binary.BigEndian.Uint32(list[68:])), Kind: chunk.Kind(list[72])}
		if err := c.check(); err != nil {
			return nil, err
		}
		if len(out) > 0 && order(out[len(out)-1], c) >= 0 {
			return nil, fmt.Errorf("%w: children out of order", ErrFormat)
		}
		out = append(out, c)
	}
	return out, nil
}

// Children reads kind and children without any key: each child once, sorted by id and hash. Verify first.
func Children(b []byte) (chunk.Kind, []Child, error) {
	kind, list, _, err := parse(b)
	if err != nil {
		return 0, nil, err
	}
	cs, err := children(list)
	return kind, cs, err
}

// Verify compares stored bytes, of a node or of a chunk's frame, with the edge that led to them. It needs no key.
func Verify(c Child, b []byte) error {
	if uint64(len(b)) != uint64(c.Length) || frame.HashOf(b) != c.Hash {
		return ErrMismatch
	}
	if nodeKind(c.Kind) && (len(b) < headerSize || b[1] != byte(c.Kind)) {
		return ErrMismatch
	}
	return nil
}

// Open decrypts a node, checks that its list is the one that was sealed with it, and answers the children in the
// writer's order.
func Open(keys frame.Keys, id chunk.ID, kind chunk.Kind, b []byte) (Node, error) {
	got, list, sealed, err := parse(b)
	if err != nil {
		return Node{}, err
	}
	if got != kind {
		return Node{}, ErrMismatch
	}
	cs, err := children(list)
	if err != nil {
		return Node{}, err
	}
	plain, err := frame.Open(nil, keys, id, kind, sealed, frame.MaxPlaintext)
	if err != nil {
		return Node{}, err
	}
	sum := sha256.Sum256(list)
	if len(plain) < len(sum)+4 || !bytes.Equal(plain[:len(sum)], sum[:]) {
		return Node{}, ErrMismatch
	}
	plain = plain[len(sum):]
	n := binary.BigEndian.Uint32(plain)
	plain = plain[4:]
	if n > MaxFanout || uint64(len(plain)) < 2*uint64(n) || uint64(len(plain))-2*uint64(n) > MaxPayload {
		return Node{}, fmt.Errorf("%w: order", ErrFormat)
	}
	out := Node{Kind: kind, Payload: plain[2*n:]}
	used := make([]bool, len(cs))
	for i := range int(n) {
		at := int(binary.BigEndian.Uint16(plain[2*i:]))
		if at >= len(cs) {
			return Node{}, fmt.Errorf("%w: order", ErrFormat)
		}
		used[at] = true
		out.Children = append(out.Children, cs[at])
	}
	if slices.Contains(used, false) {
		return Node{}, fmt.Errorf("%w: a child that the order does not name", ErrFormat)
	}
	return out, nil
}
