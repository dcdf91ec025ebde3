package audit_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	fproof "github.com/transparency-dev/formats/proof"
	"pgregory.net/rapid"

	"holdfast/quorum/audit"
)

func TestTilePaths(t *testing.T) {
	for path, want := range map[string]audit.Tile{
		"tile/0/000":               {Level: 0, Index: 0, Width: 256},
		"tile/2/x001/x234/067.p/7": {Level: 2, Index: 1234067, Width: 7},
		"/tile/entries/000.p/255":  {Level: audit.EntriesLevel, Index: 0, Width: 255},
		"tile/entries/x001/000":    {Level: audit.EntriesLevel, Index: 1000, Width: 256},
	} {
		got, err := audit.ParseTilePath(path)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	for _, path := range []string{"", "tile", "tile/", "tile/0/0", "tile/00/000", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01",
		"tile/7/000", "tile/-1/000", "tile/data/000", "tile/entries/../0/000", "tile/0/x000/001", "//tile/0/000", "tile/0/000/", "tile/8/0/000",
		"tile/0/x999/x999/x999/x999/x999/999", "tile/entries/0/000"} {
		if tile, err := audit.ParseTilePath(path); !errors.Is(err, audit.ErrTile) {
			t.Errorf("%q parsed as %+v, %v", path, tile, err)
		}
	}
}

// Every tile that the tree should have is served, no other, and each holds what C2SP says: level 0 the leaves' hashes.
func TestTilesOfATree(t *testing.T) {
	l := newLog(t, 700)
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(0, 700).Draw(rt, "size")
		for tile := range audit.Tiles(size) {
			data, err := audit.ReadTile(ctx, size, l, l, tile.Path())
			if err != nil {
				rt.Fatalf("%s of %d: %v", tile.Path(), size, err)
			}
			if tile.Level == 0 {
				h := audit.LeafHash(l.entries[tile.Index*256].Leaf)
				if len(data) != 32*tile.Width || !bytes.Equal(data[:32], h[:]) {
					rt.Fatalf("%s of %d is wrong", tile.Path(), size)
				}
			}
			beyond := tile
			if beyond.Index, beyond.Width = tile.Index+1, 256; tile.Width == 256 && (tile.Index+2)*256 <= size>>(8*max(tile.Level, 0)) {
				continue
			}
			if _, err := audit.ReadTile(ctx, size, l, l, beyond.Path()); !errors.Is(err, audit.ErrNoTile) {
				rt.Fatalf("%s of %d: %v", beyond.Path(), size, err)
			}
		}
	})
}

func TestVerifyAllReadsEverythingAndRefusesAnyChange(t *testing.T) {
	ctx := context.Background()
	l := newLog(t, 600)
	l.publish(epoch)
	keys := keysOf(t, l.signer)
	var steps []int64
	r, err := audit.VerifyAll(ctx, l, keys, func(done, total int64) { steps = append(steps, done) })
	if err != nil || r.Leaves != 600 || r.Kinds[audit.KindSnapshotTaken] != 600 || r.Unknown != 0 || len(steps) != 3 || steps[2] != 600 {
		t.Fatalf("%+v, %v, %v", r, steps, err)
	}
	if !r.First.Equal(epoch) || r.Checkpoint != l.head(600) {
		t.Fatalf("%+v", r)
	}
	// Somebody swaps a leaf for another well-formed one in what is served.
	saved := l.entries[400].Leaf
	l.entries[400].Leaf = l.entries[399].Leaf
	if _, err := audit.VerifyAll(ctx, l, keys, nil); !errors.Is(err, audit.ErrContent) {
		t.Fatalf("a swapped leaf: %v", err)
	}
	if _, err := audit.Leaves(ctx, l, l.head(600), 398, 402); !errors.Is(err, audit.ErrContent) {
		t.Fatalf("a swapped leaf in a range: %v", err)
	}
	l.entries[400].Leaf = []byte("nonsense")
	if _, err := audit.VerifyAll(ctx, l, keys, nil); !errors.Is(err, audit.ErrLeaf) {
		t.Fatalf("nonsense: %v", err)
	}
	l.entries[400].Leaf = saved
	got, err := audit.Leaves(ctx, l, l.head(600), 500, 600)
	if err != nil || len(got) != 12 || !bytes.Equal(got[0], l.entries[500].Leaf) {
		t.Fatalf("%d leaves, %v", len(got), err)
	}
	old := l.head(123)
	p, err := audit.ProveConsistency(ctx, 600, 123, audit.SourceHashes(l, l.head(600)))
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.VerifyConsistency(old, l.head(600), p); err != nil {
		t.Fatal(err)
	}
	l.hashes[3][0] ^= 1
	if _, err := audit.ProveInclusion(ctx, 600, 0, audit.SourceHashes(l, l.head(600))); !errors.Is(err, audit.ErrContent) {
		t.Fatalf("a tile that lies: %v", err)
	}
}

func TestProofStandsAloneAndForeignersReadIt(t *testing.T) {
	l := newLog(t, 37)
	w := signer(t, "w.example")
	keys := keysOf(t, l.signer, w)
	hashes, err := audit.ProveInclusion(context.Background(), 37, 20, l)
	if err != nil {
		t.Fatal(err)
	}
	p := audit.Proof{Index: 20, Leaf: l.entries[20].Leaf, Hashes: hashes, Signed: audit.Attach(l.sign(37, epoch), mustCosign(t, w, l.head(37)))}
	text, err := p.Render()
	if err != nil {
		t.Fatal(err)
	}
	var foreign fproof.TLogProof
	if err := foreign.Unmarshal(text); err != nil || foreign.Index != 20 || !bytes.Equal(foreign.ExtraData, p.Leaf) || len(foreign.Hashes) != len(hashes) {
		t.Fatalf("%+v, %v", foreign, err)
	}
	if !bytes.Equal(foreign.Marshal(), text) {
		t.Fatal("a foreign implementation writes other bytes")
	}
	back, err := audit.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	o, leaf, err := back.Disclose(keys, l.entries[20].Opening())
	if err != nil || o.Witnessed(epoch.Add(-1)) != 1 || leaf.Kind != audit.KindSnapshotTaken {
		t.Fatalf("%+v %+v %v", o, leaf, err)
	}
	if _, _, err := back.Disclose(keys, l.entries[21].Opening()); !errors.Is(err, audit.ErrOpening) {
		t.Fatalf("another event's opening: %v", err)
	}
	back.Leaf = l.entries[21].Leaf
	if _, _, err := back.Verify(keys); !errors.Is(err, audit.ErrProof) {
		t.Fatalf("another leaf: %v", err)
	}
}

func FuzzParseProof(f *testing.F) {
	l := newLog(f, 9)
	hashes, _ := audit.ProveInclusion(context.Background(), 9, 4, l)
	text, _ := audit.Proof{Index: 4, Leaf: l.entries[4].Leaf, Hashes: hashes, Signed: l.sign(9, epoch)}.Render()
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := audit.ParseProof(text)
		if err != nil {
			return
		}
		if again, err := p.Render(); err != nil || !bytes.Equal(again, text) {
			t.Fatalf("%q renders %q, %v", text, again, err)
		}
	})
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("tile/0/x001/002.p/3")
	f.Add("tile/entries/000")
	f.Fuzz(func(t *testing.T, path string) {
		if tile, err := audit.ParseTilePath(path); err == nil && tile.Path() != path && "/"+tile.Path() != path {
			t.Fatalf("%q renders %q", path, tile.Path())
		}
	})
}

func FuzzParseBundle(f *testing.F) {
	l := newLog(f, 3)
	b, _ := audit.ReadTile(context.Background(), 3, l, l, "tile/entries/000.p/3")
	f.Add(b, 3)
	f.Fuzz(func(t *testing.T, data []byte, width int) {
		leaves, err := audit.ParseBundle(data, width)
		if err != nil {
			return
		}
		if again, err := audit.RenderBundle(leaves); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q renders %q, %v", data, again, err)
		}
	})
}
