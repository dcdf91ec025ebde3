package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
)

// ErrFormat means that an encoded recipe is not well-formed.
var ErrFormat = errors.New("stream: malformed recipe")

// Extent is a run of Len bytes of plaintext. Its Child is a data chunk, a recipe node that covers the run, or zero
// where the run is a hole, which reads as zeroes.
type Extent struct {
	Child node.Child
	Len   int64
}

// Hole reports whether nothing is stored for the run.
func (e Extent) Hole() bool { return e.Child.Kind == 0 }

// Recipe is the content of one file version: at most [MaxInline] extents. An empty file has none.
type Recipe []Extent

// Size is the length of the content in bytes.
func (r Recipe) Size() int64 {
	var n int64
	for _, e := range r {
		n += e.Len
	}
	return n
}

// Children are the edges of the recipe, each once, in the order of their first use.
func (r Recipe) Children() []node.Child { return distinct(r) }

func distinct(extents []Extent) []node.Child {
	var out []node.Child
	// By id and hash: one id may stand in two frames, where one of them was found rotten and the bytes came again.
	seen := map[node.Child]bool{}
	for _, e := range extents {
		if e.Hole() || seen[e.Child] {
			continue
		}
		seen[e.Child] = true
		out = append(out, e.Child)
	}
	return out
}

const recipeVersion = 1

// Render encodes the recipe. The format: a byte 1, the number of extents, and for each its kind (0 hole, else a
// chunk.Kind), its length, and unless it is a hole 32 bytes of id, 32 of frame hash, the stored length and the key
// number. Numbers are unsigned LEB128 in their shortest form.
func (r Recipe) Render() []byte {
	b := append(make([]byte, 0, 2+len(r)*80), recipeVersion)
	b = binary.AppendUvarint(b, uint64(len(r)))
	for _, e := range r {
		b = append(b, byte(e.Child.Kind))
		b = binary.AppendUvarint(b, uint64(e.Len))
		if e.Hole() {
			continue
		}
		b = append(b, e.Child.ID[:]...)
		b = append(b, e.Child.Hash[:]...)
		b = binary.AppendUvarint(b, uint64(e.Child.Length))
		b = binary.AppendUvarint(b, uint64(e.Child.Key))
	}
	return b
}

// ParseRecipe is the inverse of Render; it takes only what Render writes.
func ParseRecipe(b []byte) (Recipe, error) {
	in := b
	if len(b) == 0 || b[0] != recipeVersion {
		return nil, fmt.Errorf("%w: version", ErrFormat)
	}
	b = b[1:]
	n, b, ok := number(b, MaxInline)
	if !ok {
		return nil, fmt.Errorf("%w: number of extents", ErrFormat)
	}
	r := make(Recipe, 0, n)
	var total int64
	for range n {
		var e Extent
		if len(b) == 0 {
			return nil, fmt.Errorf("%w: truncated", ErrFormat)
		}
		kind := chunk.Kind(b[0])
		b = b[1:]
		var v uint64
		if v, b, ok = number(b, MaxSize); !ok || v == 0 {
			return nil, fmt.Errorf("%w: length of an extent", ErrFormat)
		}
		e.Len = int64(v)
		if total += e.Len; total > MaxSize {
			return nil, fmt.Errorf("%w: too long", ErrFormat)
		}
		switch kind {
		case 0:
		case chunk.KindData, chunk.KindRecipe:
			if len(b) < 64 {
				return nil, fmt.Errorf("%w: truncated", ErrFormat)
			}
			e.Child.Kind = kind
			copy(e.Child.ID[:], b)
			copy(e.Child.Hash[:], b[32:])
			b = b[64:]
			if v, b, ok = number(b, MaxStored); !ok {
				return nil, fmt.Errorf("%w: stored length", ErrFormat)
			}
			e.Child.Length = uint32(v)
			if v, b, ok = number(b, 1<<32-1); !ok {
				return nil, fmt.Errorf("%w: key number", ErrFormat)
			}
			e.Child.Key = key.Number(v)
		default:
			return nil, fmt.Errorf("%w: kind of an extent", ErrFormat)
		}
		r = append(r, e)
	}
	if len(b) != 0 || !bytes.Equal(r.Render(), in) {
		return nil, fmt.Errorf("%w: not in canonical form", ErrFormat)
	}
	return r, nil
}

// number reads an unsigned LEB128 that is at most most.
func number(b []byte, most uint64) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v > most {
		return 0, nil, false
	}
	return v, b[n:], true
}

// RenderLengths is how a node says which of its children stand where: the number of extents, then for each its length
// times two, plus one where it is a hole. Every extent that is no hole takes the next child in the writer's order.
func RenderLengths(extents []Extent) []byte {
	b := binary.AppendUvarint(nil, uint64(len(extents)))
	for _, e := range extents {
		v := uint64(e.Len) << 1
		if e.Hole() {
			v |= 1
		}
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// ParseLengths is the inverse of RenderLengths: it takes children off the front of the given ones, and answers what is
// left of both. most bounds the extents.
func ParseLengths(b []byte, children []node.Child, most int) (extents []Extent, rest []byte, left []node.Child, err error) {
	n, b, ok := number(b, uint64(most))
	if !ok {
		return nil, nil, nil, fmt.Errorf("%w: number of extents", ErrFormat)
	}
	extents = make([]Extent, 0, min(n, uint64(len(children)+64)))
	var total int64
	for range n {
		var v uint64
		if v, b, ok = number(b, MaxSize<<1|1); !ok || v>>1 == 0 {
			return nil, nil, nil, fmt.Errorf("%w: length of an extent", ErrFormat)
		}
		e := Extent{Len: int64(v >> 1)}
		if total += e.Len; total > MaxSize {
			return nil, nil, nil, fmt.Errorf("%w: too long", ErrFormat)
		}
		if v&1 == 0 {
			if len(children) == 0 {
				return nil, nil, nil, fmt.Errorf("%w: too few children", ErrFormat)
			}
			e.Child, children = children[0], children[1:]
			if e.Child.Kind != chunk.KindData && e.Child.Kind != chunk.KindRecipe {
				return nil, nil, nil, fmt.Errorf("%w: kind of a child", ErrFormat)
			}
		}
		extents = append(extents, e)
	}
	return extents, b, children, nil
}

// recipeNode makes the node that stands for the extents.
func recipeNode(extents []Extent) node.Node {
	n := node.Node{Kind: chunk.KindRecipe, Payload: RenderLengths(extents)}
	for _, e := range extents {
		if !e.Hole() {
			n.Children = append(n.Children, e.Child)
		}
	}
	return n
}

// parseNode is the inverse of recipeNode; want is the length that the parent says the node covers.
func parseNode(n node.Node, want int64) ([]Extent, error) {
	extents, rest, left, err := ParseLengths(n.Payload, n.Children, Fanout)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 || len(left) != 0 || Recipe(extents).Size() != want {
		return nil, fmt.Errorf("%w: a recipe node that does not fit its place", ErrFormat)
	}
	return extents, nil
}

// Digest is a running digest of content: SHA-256 over the sequence of its chunks' ids and lengths and its holes. Equal
// digests of one tenant mean equal bytes. It is an ETag, and what a proof compares.
type Digest struct{ h hash.Hash }

// NewDigest starts one.
func NewDigest() *Digest {
	h := sha256.New()
	h.Write([]byte("holdfast content v1\n"))
	return &Digest{h}
}

// Data adds a chunk of the given length, Hole a hole.
func (d *Digest) Data(id chunk.ID, n int64) {
	var b [9 + 32]byte
	b[0] = 1
	binary.BigEndian.PutUint64(b[1:], uint64(n))
	copy(b[9:], id[:])
	d.h.Write(b[:])
}

// Hole adds a hole of the given length.
func (d *Digest) Hole(n int64) {
	var b [9]byte
	binary.BigEndian.PutUint64(b[1:], uint64(n))
	d.h.Write(b[:])
}

// Sum is the digest of what has been added.
func (d *Digest) Sum() (out [32]byte) {
	d.h.Sum(out[:0])
	return out
}
