package audit

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Source serves a log's public files. Implementations are in the subpackage source; they bound what they read by
// MaxSignedCheckpoint and MaxTile and give ErrNoTile for a file that is not there.
type Source interface {
	// Checkpoint is the newest signed checkpoint.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Tile is the file at a tile path without a leading slash.
	Tile(ctx context.Context, path string) ([]byte, error)
}

// Report says what VerifyAll found.
type Report struct {
	Opened
	// Leaves is the number of leaves read and hashed: the checkpoint's size.
	Leaves int64
	// Kinds counts leaves by kind, Unknown those among them whose kind this program does not know.
	Kinds   map[Kind]int64
	Unknown int64
	// First and Last are the earliest and latest leaf times; zero for an empty log.
	First, Last time.Time
}

// VerifyAll fetches the newest checkpoint, verifies it under keys, and recomputes the whole tree from the leaves' texts,
// each of which must parse. It keeps no more than one bundle in memory. progress may be nil; it is told after each bundle.
// Errors: those of Keys.Open and ParseBundle, ErrLeaf, ErrContent, the source's.
func VerifyAll(ctx context.Context, src Source, keys *Keys, progress func(done, total int64)) (Report, error) {
	signed, err := src.Checkpoint(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("audit: fetch checkpoint: %w", err)
	}
	o, err := keys.Open(signed)
	if err != nil {
		return Report{}, err
	}
	r := Report{Opened: o, Kinds: map[Kind]int64{}}
	var tree compact
	for tree.size < o.Size {
		leaves, err := fetchBundle(ctx, src, bundleAt(tree.size, o.Size))
		if err != nil {
			return Report{}, err
		}
		for _, text := range leaves {
			l, err := ParseLeaf(text)
			if err != nil {
				return Report{}, fmt.Errorf("leaf %d: %w", tree.size, err)
			}
			r.count(l)
			tree.add(LeafHash(text))
		}
		if progress != nil {
			progress(tree.size, o.Size)
		}
	}
	if tree.root() != o.Root {
		return Report{}, ErrContent
	}
	r.Leaves = tree.size
	return r, nil
}

func (r *Report) count(l Leaf) {
	r.Kinds[l.Kind]++
	if !l.Kind.Known() {
		r.Unknown++
	}
	if r.First.IsZero() || l.At.Before(r.First) {
		r.First = l.At
	}
	if l.At.After(r.Last) {
		r.Last = l.At
	}
}

func fetchBundle(ctx context.Context, src Source, t Tile) ([][]byte, error) {
	data, err := src.Tile(ctx, t.Path())
	if err != nil {
		return nil, fmt.Errorf("audit: fetch %s: %w", t.Path(), err)
	}
	return ParseBundle(data, t.Width)
}

// Leaves fetches the texts of leaves from (included) to to (excluded), at most one bundle's worth, and proves each of them
// to be in the tree of c. It may give fewer than asked for; from where it stopped the caller asks again. ErrContent.
func Leaves(ctx context.Context, src Source, c Checkpoint, from, to int64) ([][]byte, error) {
	if from < 0 || from >= to || to > c.Size || c.Size > MaxSize {
		return nil, fmt.Errorf("%w: leaves %d to %d of %d", ErrNoTile, from, to, c.Size)
	}
	t := bundleAt(from, c.Size)
	start := t.Index * TileWidth
	leaves, err := fetchBundle(ctx, src, t)
	if err != nil {
		return nil, err
	}
	leaves = leaves[from-start : min(to-start, int64(t.Width))]
	index := make([]int64, len(leaves))
	for i := range leaves {
		index[i] = tlog.StoredHashIndex(0, from+int64(i))
	}
	want, err := SourceHashes(src, c).ReadHashes(ctx, index)
	if err != nil {
		return nil, err
	}
	for i, text := range leaves {
		if LeafHash(text) != want[i] {
			return nil, fmt.Errorf("%w: leaf %d", ErrContent, from+int64(i))
		}
	}
	return leaves, nil
}

// SourceHashes reads the hashes of a tree from a source's tiles; every hash is proven to be under c's root before it is
// given out. Use it with ProveConsistency and ProveInclusion.
func SourceHashes(src Source, c Checkpoint) HashReader { return sourceHashes{src, c} }

type sourceHashes struct {
	src Source
	c   Checkpoint
}

func (s sourceHashes) ReadHashes(ctx context.Context, indexes []int64) ([]Hash, error) {
	tiles := &tileReader{ctx: ctx, src: s.src}
	hs, err := tlog.TileHashReader(tlog.Tree{N: s.c.Size, Hash: s.c.Root}, tiles).ReadHashes(indexes)
	switch {
	case tiles.err != nil: // an unreachable source is no proof of a lie
		return nil, tiles.err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	return hs, nil
}

// tileReader gives a Source to tlog. Its context lives as long as one call of ReadHashes.
type tileReader struct {
	ctx context.Context
	src Source
	err error // the first failed fetch
}

func (r *tileReader) Height() int { return TileHeight }

func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		path := Tile{Level: t.L, Index: t.N, Width: t.W}.Path()
		data, err := r.src.Tile(r.ctx, path)
		if err != nil {
			r.err = fmt.Errorf("audit: fetch %s: %w", path, err)
			return nil, r.err
		}
		out[i] = data
	}
	return out, nil
}

func (r *tileReader) SaveTiles([]tlog.Tile, [][]byte) {}
