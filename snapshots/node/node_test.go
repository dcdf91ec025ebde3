package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"

	"pgregory.net/rapid"
)

func generate(t testing.TB) *key.Tenant {
	t.Helper()
	k, err := key.Generate("ten_01")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func child(n uint32) node.Child {
	var c node.Child
	binary.BigEndian.PutUint32(c.ID[:], n*2654435761+1)
	binary.BigEndian.PutUint32(c.Hash[28:], n+1)
	c.Length, c.Key, c.Kind = 1000+n, 1, chunk.KindData
	return c
}

func childrenOf(from, to uint32) (cs []node.Child) {
	for n := from; n < to; n++ {
		cs = append(cs, child(n))
	}
	return cs
}

func TestRoundTripKeepsOrderAndRepeats(t *testing.T) {
	k := generate(t)
	rapid.Check(t, func(rt *rapid.T) {
		in := node.Node{Kind: chunk.KindRecipe, Payload: rapid.SliceOf(rapid.Byte()).Draw(rt, "payload")}
		for _, n := range rapid.SliceOfN(rapid.Uint32Range(0, 50), 0, 80).Draw(rt, "children") {
			in.Children = append(in.Children, child(n))
		}
		s, err := node.Seal(k, in)
		if err != nil {
			rt.Fatal(err)
		}
		if id, err := node.ID(k, in); err != nil || id != s.ID {
			rt.Fatalf("id: %v", err)
		}
		out, err := node.Open(k, s.ID, in.Kind, s.Bytes)
		if err != nil || !slices.Equal(out.Children, in.Children) || !bytes.Equal(out.Payload, in.Payload) {
			rt.Fatalf("open: %v", err)
		}
		kind, clear, err := node.Children(s.Bytes)
		if err != nil || kind != in.Kind {
			rt.Fatal(err)
		}
		for i, c := range clear {
			if !slices.Contains(in.Children, c) || slices.Contains(clear[:i], c) {
				rt.Error("the clear list has a stranger or a repeat")
			}
		}
		for _, c := range in.Children {
			if !slices.Contains(clear, c) {
				rt.Error("the clear list lacks a child")
			}
		}
		if err := node.Verify(s.Child(in.Kind, k.Number()), s.Bytes); err != nil {
			rt.Error(err)
		}
	})
}

func TestUnchangedNodesHaveOneID(t *testing.T) {
	k := generate(t)
	n := node.Node{Kind: chunk.KindCataloguePage, Children: childrenOf(0, 100), Payload: []byte("page")}
	a, err := node.Seal(k, n)
	if err != nil {
		t.Fatal(err)
	}
	b, err := node.Seal(k, n)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != b.ID || a.Hash == b.Hash {
		t.Error("two seals of one node have one id and two frames")
	}
	for name, change := range map[string]func(*node.Node){
		"payload":    func(n *node.Node) { n.Payload = []byte("pagE") },
		"order":      func(n *node.Node) { n.Children[0], n.Children[1] = n.Children[1], n.Children[0] },
		"frame hash": func(n *node.Node) { n.Children[5].Hash[0]++ },
		"kind":       func(n *node.Node) { n.Kind = chunk.KindCatalogueIndex },
	} {
		m := node.Node{Kind: n.Kind, Children: slices.Clone(n.Children), Payload: n.Payload}
		change(&m)
		if id, err := node.ID(k, m); err != nil || id == a.ID {
			t.Errorf("%s is not in the id (%v)", name, err)
		}
	}
}

// TestClearListIsBound changes the clear list, which no key guards, and opens with the key.
func TestClearListIsBound(t *testing.T) {
	k := generate(t)
	n := node.Node{Kind: chunk.KindRoot, Children: childrenOf(0, 3), Payload: []byte("root")}
	s, err := node.Seal(k, n)
	if err != nil {
		t.Fatal(err)
	}
	edge := s.Child(chunk.KindRoot, 1)
	for bit := range len(s.Bytes) * 8 {
		b := bytes.Clone(s.Bytes)
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := node.Open(k, s.ID, chunk.KindRoot, b); err == nil {
			t.Errorf("bit %d may be flipped", bit)
		}
		if err := node.Verify(edge, b); !errors.Is(err, node.ErrMismatch) {
			t.Errorf("bit %d passes without a key", bit)
		}
	}
	if _, err := node.Open(k, s.ID, chunk.KindRecipe, s.Bytes); !errors.Is(err, node.ErrMismatch) {
		t.Errorf("another kind: %v", err)
	}
	edge.Kind = chunk.KindRecipe
	if err := node.Verify(edge, s.Bytes); !errors.Is(err, node.ErrMismatch) {
		t.Errorf("an edge of another kind: %v", err)
	}
}

func TestT50_MillionChildrenAreRefused(t *testing.T) {
	k := generate(t)
	if _, err := node.Seal(k, node.Node{Kind: chunk.KindRecipe, Children: childrenOf(0, node.MaxFanout+1)}); !errors.Is(err, node.ErrSize) {
		t.Errorf("sealed: %v", err)
	}
	full, err := node.Seal(k, node.Node{Kind: chunk.KindRecipe, Children: childrenOf(0, node.MaxFanout)})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := node.Open(k, full.ID, chunk.KindRecipe, full.Bytes); err != nil || len(n.Children) != node.MaxFanout {
		t.Errorf("the widest node: %v", err)
	}
	manifest := make([]byte, 12+1_000_000*73)
	copy(manifest, []byte{1, byte(chunk.KindRecipe), 0, 0, 0, 0x0f, 0x42, 0x40})
	for _, b := range [][]byte{manifest, manifest[:12], manifest[:1<<20]} {
		if allocs := testing.AllocsPerRun(1, func() {
			if _, _, err := node.Children(b); !errors.Is(err, node.ErrSize) {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		}); allocs > 10 {
			t.Errorf("%v allocations", allocs)
		}
	}
}

func TestBadNodesAreRefused(t *testing.T) {
	k := generate(t)
	good := child(1)
	for name, change := range map[string]func(*node.Child){
		"no kind":                    func(c *node.Child) { c.Kind = 0 },
		"no key":                     func(c *node.Child) { c.Key = 0 },
		"no id":                      func(c *node.Child) { c.ID = chunk.ID{} },
		"no hash":                    func(c *node.Child) { c.Hash = frame.Hash{} },
		"no length":                  func(c *node.Child) { c.Length = 0 },
		"too long":                   func(c *node.Child) { c.Length = frame.MaxFrame + 1 },
		"one frame with two lengths": func(c *node.Child) { c.Length++ },
	} {
		c := good
		change(&c)
		if _, err := node.Seal(k, node.Node{Kind: chunk.KindRecipe, Children: []node.Child{good, c}}); !errors.Is(err, node.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := node.Seal(k, node.Node{Kind: chunk.KindData}); !errors.Is(err, node.ErrFormat) {
		t.Errorf("a node of data: %v", err)
	}
}

func FuzzChildren(f *testing.F) {
	k := generate(f)
	s, err := node.Seal(k, node.Node{Kind: chunk.KindRecipe, Children: childrenOf(0, 3), Payload: []byte("p")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Bytes)
	f.Add(s.Bytes[:12])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		kind, cs, err := node.Children(in)
		if err != nil {
			if !errors.Is(err, node.ErrFormat) && !errors.Is(err, node.ErrSize) {
				t.Errorf("error without a sentinel: %v", err)
			}
			return
		}
		// Rendering what was parsed must give the same clear part.
		out := []byte{1, byte(kind), 0, 0}
		out = binary.BigEndian.AppendUint32(out, uint32(len(cs)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(in)-12-73*len(cs)))
		for _, c := range cs {
			out = append(append(out, c.ID[:]...), c.Hash[:]...)
			out = binary.BigEndian.AppendUint32(out, c.Length)
			out = binary.BigEndian.AppendUint32(out, uint32(c.Key))
			out = append(out, byte(c.Kind))
		}
		if !bytes.HasPrefix(in, out) {
			t.Error("parse and render differ")
		}
		if _, err := node.Open(k, s.ID, kind, in); err == nil && !bytes.Equal(in, s.Bytes) {
			t.Error("forged")
		}
	})
}
