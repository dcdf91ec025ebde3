package snapshots

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// Tree reads a sealed snapshot from its root alone: no row of versions, commits or volumes is asked. Any stream.Source
// will do, also one that finds frames without a database.
type Tree struct {
	src  stream.Source
	Root Root
}

// OpenTree opens the root that an edge leads to.
func OpenTree(ctx context.Context, src stream.Source, root node.Child) (*Tree, error) {
	if root.Kind != chunk.KindRoot {
		return nil, fmt.Errorf("%w: not a root", ErrFormat)
	}
	n, err := src.Node(ctx, root)
	if err != nil {
		return nil, err
	}
	r, err := ParseRoot(n)
	if err != nil {
		return nil, err
	}
	return &Tree{src: src, Root: r}, nil
}

// Walk visits every entry in the order of the paths.
func (t *Tree) Walk(ctx context.Context, visit func(Entry) error) error {
	last := ""
	for _, c := range t.Root.Top {
		if err := t.walk(ctx, c, 0, func(n Entry) error {
			if n.Path <= last {
				return fmt.Errorf("%w: catalogue out of order", ErrCorrupt)
			}
			last = n.Path
			return visit(n)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) walk(ctx context.Context, c node.Child, depth int, visit func(Entry) error) error {
	if depth > MaxTreeDepth {
		return fmt.Errorf("%w: catalogue too deep", ErrCorrupt)
	}
	n, err := t.src.Node(ctx, c)
	if err != nil {
		return err
	}
	if n.Kind == chunk.KindCatalogueIndex {
		children, err := parseIndex(n)
		if err != nil {
			return err
		}
		for _, s := range children {
			if err := t.walk(ctx, s.child, depth+1, visit); err != nil {
				return err
			}
		}
		return nil
	}
	entries, err := ParsePage(n)
	if err != nil {
		return err
	}
	for _, x := range entries {
		if err := visit(x); err != nil {
			return err
		}
	}
	return nil
}

// Lookup finds one path, reading one node a level.
func (t *Tree) Lookup(ctx context.Context, path string) (Entry, error) {
	if len(t.Root.Top) == 0 {
		return Entry{}, ErrNotFound
	}
	c := t.Root.Top[0]
	for range MaxTreeDepth + 1 {
		n, err := t.src.Node(ctx, c)
		if err != nil {
			return Entry{}, err
		}
		if n.Kind == chunk.KindCatalogueIndex {
			children, err := parseIndex(n)
			if err != nil {
				return Entry{}, err
			}
			i := sort.Search(len(children), func(i int) bool { return children[i].first > path })
			if i == 0 {
				return Entry{}, ErrNotFound
			}
			c = children[i-1].child
			continue
		}
		entries, err := ParsePage(n)
		if err != nil {
			return Entry{}, err
		}
		i := sort.Search(len(entries), func(i int) bool { return entries[i].Path >= path })
		if i == len(entries) || entries[i].Path != path {
			return Entry{}, ErrNotFound
		}
		return entries[i], nil
	}
	return Entry{}, fmt.Errorf("%w: catalogue too deep", ErrCorrupt)
}

// After finds the first path after another one, reading one or two nodes a level; false when there is none.
func (t *Tree) After(ctx context.Context, path string) (next string, ok bool, err error) {
	for _, c := range t.Root.Top {
		if next, ok, err = t.after(ctx, c, 0, path); err != nil || ok {
			break
		}
	}
	return next, ok, err
}

func (t *Tree) after(ctx context.Context, c node.Child, depth int, path string) (next string, ok bool, err error) {
	if depth > MaxTreeDepth {
		return "", false, fmt.Errorf("%w: catalogue too deep", ErrCorrupt)
	}
	n, err := t.src.Node(ctx, c)
	if err != nil {
		return "", false, err
	}
	if n.Kind != chunk.KindCatalogueIndex {
		entries, err := ParsePage(n)
		i := sort.Search(len(entries), func(i int) bool { return entries[i].Path > path })
		if err != nil || i == len(entries) {
			return "", false, err
		}
		return entries[i].Path, true, nil
	}
	children, err := parseIndex(n)
	if err != nil {
		return "", false, err
	}
	i := sort.Search(len(children), func(i int) bool { return children[i].first > path })
	for _, x := range children[max(0, i-1):] {
		if next, ok, err = t.after(ctx, x.child, depth+1, path); err != nil || ok {
			break
		}
	}
	return next, ok, err
}

// Tree opens a sealed snapshot of this site by its root alone.
func (e *Engine) Tree(ctx context.Context, tenant string, id SnapshotID) (*Tree, error) {
	s, err := e.Snapshot(ctx, tenant, id)
	if err != nil {
		return nil, err
	}
	if s.Seal == nil {
		return nil, ErrNotSealed
	}
	src, err := e.source(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return OpenTree(ctx, src, s.Seal.Root)
}

// Prove restores a sealed snapshot with the key and compares: every node and frame is read, checked against the hash of
// the edge that leads to it, decrypted, and its id computed again; every file must have the length and content digest of
// its entry, and the sums must be those of the seal. The outcome is stored; a copy that fails is flagged as suspect. The
// error is of a failed proof only when the proof could not be tried.
func (e *Engine) Prove(ctx context.Context, tenant string, id SnapshotID) (Proof, error) {
	w, err := e.writer(ctx, tenant)
	if err != nil {
		return Proof{}, err
	}
	h, err := w.join(ctx)
	if err != nil {
		return Proof{}, err
	}
	defer w.leave(h)
	s, err := e.Snapshot(ctx, tenant, id)
	if err != nil {
		return Proof{}, err
	}
	if s.Seal == nil {
		return Proof{}, ErrNotSealed
	}
	p := Proof{Snapshot: id, Site: e.c.Site}
	err = e.prove(ctx, tenant, s, &p)
	if err != nil && (ctx.Err() != nil || !damaged(err)) {
		return p, err
	}
	p.OK = err == nil
	if err != nil {
		p.Detail = err.Error()
	}
	p.At = e.c.Now()
	return p, e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		c, err := e.c.Store.Copy(ctx, tx, id, e.c.Site)
		if err != nil {
			return err
		}
		if c.State == Tombstoned || c.State == Erased {
			return ErrNotFound
		}
		if !p.OK {
			if err := e.c.Store.InsertSuspect(ctx, tx, id, e.c.Site, sqldb.Micros(p.At), false, "proof failed"); err != nil {
				return err
			}
		}
		return e.c.Store.InsertProof(ctx, tx, p)
	})
}

// damaged tells what speaks against the copy from what only kept the proof from being tried.
func damaged(err error) bool {
	for _, e := range []error{ErrCorrupt, ErrFormat, stream.ErrDamaged, stream.ErrFormat} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (e *Engine) prove(ctx context.Context, tenant string, s Snapshot, p *Proof) error {
	// The keys are opened from their stored wraps, not from memory: a proof is also the opening test.
	ring, err := e.OpenKeys(ctx, tenant)
	if err != nil {
		return err
	}
	src := &source{e: e, tenant: tenant, ring: ring, proving: true}
	t, err := OpenTree(ctx, src, s.Seal.Root)
	if err != nil {
		return err
	}
	r := t.Root
	if r.Tenant != tenant || r.Volume != s.Volume || r.Snapshot != s.ID || r.Seq != s.Seq {
		return fmt.Errorf("%w: the root is of another snapshot", ErrCorrupt)
	}
	for _, c := range r.Commitments {
		k, err := ring.Key(keyNumber(int64(c.Number)))
		if err != nil {
			return err
		}
		if k.Commitment() != c.Commitment {
			return fmt.Errorf("%w: key %d is not the one that the seal commits to", ErrCorrupt, c.Number)
		}
	}
	if err := t.Walk(ctx, func(n Entry) error {
		p.Files++
		p.Bytes += n.Size
		if !n.Type.HasContent() {
			return nil
		}
		d := stream.NewDigest()
		if err := proveContent(ctx, src, n, d); err != nil {
			return &PathError{n.Path, err}
		}
		if d.Sum() != n.ETag {
			return &PathError{n.Path, fmt.Errorf("%w: content digest", ErrCorrupt)}
		}
		return nil
	}); err != nil {
		return err
	}
	if p.Files != s.Seal.Files || p.Bytes != s.Seal.Bytes || r.Files != p.Files || r.Bytes != p.Bytes {
		return fmt.Errorf("%w: %d files of %d bytes where the seal says %d of %d", ErrCorrupt, p.Files, p.Bytes, s.Seal.Files, s.Seal.Bytes)
	}
	return nil
}

func proveContent(ctx context.Context, src *source, n Entry, d *stream.Digest) error {
	if err := stream.Walk(ctx, src, n.Recipe, func(x stream.Extent) error {
		if x.Hole() {
			d.Hole(x.Len)
		} else {
			d.Data(x.Child.ID, x.Len)
		}
		return nil
	}); err != nil {
		return err
	}
	parts := stream.NewParts(ctx, src, n.Recipe, 0, n.Size)
	defer parts.Close()
	for {
		if _, err := parts.Next(); err != nil {
			return ignoreEOF(err)
		}
	}
}
