package audit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// EmptyRoot is the root of the tree without leaves: SHA-256 of nothing.
var EmptyRoot = Hash(sha256.Sum256(nil))

// LeafHash is RFC 6962's hash of a leaf.
func LeafHash(leaf []byte) Hash { return tlog.RecordHash(leaf) }

// HashReader reads stored hashes by their index in tlog's numbering (tlog.StoredHashIndex). It answers all or fails.
type HashReader interface {
	ReadHashes(ctx context.Context, indexes []int64) ([]Hash, error)
}

// LeafReader reads up to n leaves' texts from an index on. Fewer mean that the log ends there.
type LeafReader interface {
	ReadLeaves(ctx context.Context, from int64, n int) ([][]byte, error)
}

// bindReader gives a HashReader to tlog, whose interface has no context.
func bindReader(ctx context.Context, r HashReader) tlog.HashReader {
	return tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		hs, err := r.ReadHashes(ctx, ix)
		if err == nil && len(hs) != len(ix) {
			err = fmt.Errorf("audit: %d of %d hashes", len(hs), len(ix))
		}
		return hs, err
	})
}

// Root is the root of the first size leaves.
func Root(ctx context.Context, size int64, r HashReader) (Hash, error) {
	if size < 0 || size > MaxSize {
		return Hash{}, fmt.Errorf("%w: size %d", ErrCheckpoint, size)
	}
	if size == 0 {
		return EmptyRoot, nil
	}
	return tlog.TreeHash(size, bindReader(ctx, r))
}

// NewHashes are the stored hashes that appending leaf at index adds, with the stored index of the first of them.
func NewHashes(ctx context.Context, index int64, leaf []byte, r HashReader) (first int64, hashes []Hash, err error) {
	hashes, err = tlog.StoredHashes(index, leaf, bindReader(ctx, r))
	return tlog.StoredHashIndex(0, index), hashes, err
}

// ProveInclusion makes the proof that leaf index is in the tree of size leaves: ErrProof if it cannot be.
func ProveInclusion(ctx context.Context, size, index int64, r HashReader) ([]Hash, error) {
	if index < 0 || index >= size || size > MaxSize {
		return nil, fmt.Errorf("%w: index %d of %d", ErrProof, index, size)
	}
	return tlog.ProveRecord(size, index, bindReader(ctx, r))
}

// ProveConsistency makes the proof that the tree of size leaves continues the tree of old leaves. It is empty when old is 0
// or size.
func ProveConsistency(ctx context.Context, size, old int64, r HashReader) ([]Hash, error) {
	if old < 0 || old > size || size > MaxSize {
		return nil, fmt.Errorf("%w: from %d to %d", ErrProof, old, size)
	}
	if old == 0 || old == size {
		return nil, nil
	}
	return tlog.ProveTree(size, old, bindReader(ctx, r))
}

// VerifyInclusion checks that leaf stands at index in the tree of c: ErrProof.
func VerifyInclusion(index int64, leaf []byte, c Checkpoint, proof []Hash) error {
	if index < 0 || index >= c.Size || c.Size > MaxSize || len(proof) > MaxProofHashes {
		return fmt.Errorf("%w: index %d of %d", ErrProof, index, c.Size)
	}
	if err := tlog.CheckRecord(proof, c.Size, c.Root, index, LeafHash(leaf)); err != nil {
		return fmt.Errorf("%w: leaf %d", ErrProof, index)
	}
	return nil
}

// VerifyConsistency checks that next continues seen. Errors: ErrOrigin, ErrRollback (smaller), ErrFork (same size, another
// root), ErrInconsistent (the proof does not lead there).
func VerifyConsistency(seen, next Checkpoint, proof []Hash) error {
	switch {
	case seen.Origin != next.Origin:
		return ErrOrigin
	case next.Size < seen.Size:
		return fmt.Errorf("%w: %d after %d", ErrRollback, next.Size, seen.Size)
	case next.Size == seen.Size && next.Root != seen.Root:
		return fmt.Errorf("%w: %d", ErrFork, seen.Size)
	case next.Size == seen.Size || seen.Size == 0:
		if len(proof) != 0 || (seen.Size == 0 && seen.Root != EmptyRoot) || (next.Size == 0 && next.Root != EmptyRoot) {
			return fmt.Errorf("%w: a proof where none belongs", ErrInconsistent)
		}
		return nil
	case len(proof) > MaxProofHashes || next.Size > MaxSize:
		return ErrInconsistent
	}
	if err := tlog.CheckTree(proof, next.Size, next.Root, seen.Size, seen.Root); err != nil {
		return fmt.Errorf("%w: from %d to %d", ErrInconsistent, seen.Size, next.Size)
	}
	return nil
}

// compact is a growing tree kept as the roots of its perfect subtrees, left to right: one a set bit of size.
type compact struct {
	size  int64
	nodes []Hash
}

// add appends one leaf's hash.
func (c *compact) add(h Hash) {
	for n := bits.TrailingZeros64(^uint64(c.size)); n > 0; n-- {
		h = tlog.NodeHash(c.nodes[len(c.nodes)-1], h)
		c.nodes = c.nodes[:len(c.nodes)-1]
	}
	c.nodes = append(c.nodes, h)
	c.size++
}

func (c *compact) root() Hash {
	if c.size == 0 {
		return EmptyRoot
	}
	h := c.nodes[len(c.nodes)-1]
	for _, left := range slices.Backward(c.nodes[:len(c.nodes)-1]) {
		h = tlog.NodeHash(left, h)
	}
	return h
}

func (c *compact) clone() compact { return compact{size: c.size, nodes: slices.Clone(c.nodes)} }
