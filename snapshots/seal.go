package snapshots

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"
	"holdfast/snapshots/stream"
)

// Seal makes the catalogue of a snapshot durable, fixes its digest for ever and marks the copy as held. It can be
// stopped and called again at any time: nodes that are there are found by their ids. A snapshot that is sealed keeps its
// seal, which is answered.
func (e *Engine) Seal(ctx context.Context, tenant string, id SnapshotID) (Seal, error) {
	snap, err := e.Snapshot(ctx, tenant, id)
	if err != nil {
		return Seal{}, err
	}
	if snap.Seal != nil {
		return *snap.Seal, nil
	}
	v, err := e.Volume(ctx, tenant, snap.Volume)
	if err != nil {
		return Seal{}, err
	}
	s, err := e.session(ctx, tenant)
	if err != nil {
		return Seal{}, err
	}
	defer s.close()
	s.free = true
	b := &treeBuilder{s: s}
	if err := e.rows(ctx, v.ID, snap.Seq, "", func(r Version) error { return b.add(ctx, r.Entry) }); err != nil {
		return Seal{}, err
	}
	top, err := b.finish(ctx)
	if err != nil {
		return Seal{}, err
	}
	var keys []TenantKey
	if err := e.read(ctx, func(tx *sqldb.Tx) (err error) {
		keys, err = e.c.Store.Keys(ctx, tx, tenant)
		return err
	}); err != nil {
		return Seal{}, err
	}
	root := Root{Tenant: tenant, Volume: v.ID, VolumeName: v.Name, Kind: v.Kind, Profile: v.Profile, Snapshot: snap.ID, Seq: snap.Seq,
		TakenAt: snap.TakenAt, TakenBy: snap.TakenBy, Note: snap.Note, Files: b.files, Bytes: b.bytes, Top: top}
	for _, k := range keys {
		root.Commitments = append(root.Commitments, KeyCommitment{uint32(k.Number), k.Commitment})
	}
	child, err := s.Node(ctx, root.node())
	if err != nil {
		return Seal{}, err
	}
	seal := Seal{Digest: child.Hash, Root: child, Files: b.files, Bytes: b.bytes, KeyNo: child.Key, At: sqldb.FromMicros(sqldb.Micros(e.c.Now()))}
	record := SealRecord{Tenant: tenant, Volume: v.ID, Snapshot: snap.ID, Seal: seal, Site: e.c.Site}
	for _, k := range keys {
		record.Wraps = append(record.Wraps, k.Wraps)
	}
	if _, err := s.w.append(ctx, pack.TypeSeal, node.Child{}, 0, nil, record.Render()); err != nil {
		return Seal{}, err
	}
	err = s.commit(ctx, &op{edges: map[ChunkKey]int64{{child.ID, child.Hash}: 1}, extra: func(ctx context.Context, tx *sqldb.Tx) error {
		first, err := e.c.Store.InsertSeal(ctx, tx, snap, seal)
		if err != nil {
			return err
		}
		if !first {
			return ErrExists
		}
		return e.c.Store.InsertCopy(ctx, tx, Copy{Snapshot: snap.ID, Site: e.c.Site, Tenant: tenant, Volume: v.ID, HeldAt: seal.At})
	}})
	if errors.Is(err, ErrExists) { // another one was first, and its seal stands
		snap, err := e.Snapshot(ctx, tenant, id)
		if err != nil || snap.Seal == nil {
			return Seal{}, errors.Join(err, ErrNotSealed)
		}
		return *snap.Seal, nil
	}
	return seal, err
}

// treeBuilder makes the catalogue of a sequence of entries.
type treeBuilder struct {
	s            *session
	page         []Entry
	pageChildren int
	pageBytes    int
	levels       [][]summary
	files, bytes int64
}

func (b *treeBuilder) add(ctx context.Context, n Entry) error {
	size := len(n.Path) + 64 + len(n.Meta.Link)
	for _, x := range n.Meta.Xattrs {
		size += len(x.Name) + len(x.Value)
	}
	full := len(b.page) >= PageMost || b.pageChildren+stream.MaxInline > PageChildren || b.pageBytes+size > PageBytes
	if len(b.page) > 0 && (full || boundary(n.Path, 0, PageEntries)) {
		if err := b.cut(ctx); err != nil {
			return err
		}
	}
	b.page = append(b.page, n)
	b.pageChildren += len(n.Recipe)
	b.pageBytes += size
	b.files++
	if b.bytes += n.Size; b.bytes < 0 {
		return fmt.Errorf("%w: no number holds the sum of its sizes", ErrVolumeSize) // what nobody could read is no seal
	}
	return nil
}

func (b *treeBuilder) cut(ctx context.Context) error {
	c, err := b.s.Node(ctx, pageNode(b.page))
	if err != nil {
		return err
	}
	sum := summary{child: c, first: b.page[0].Path, entries: int64(len(b.page))}
	for i := range b.page {
		sum.bytes += b.page[i].Size
	}
	b.page, b.pageChildren, b.pageBytes = b.page[:0], 0, 0
	return b.up(ctx, 0, sum)
}

func (b *treeBuilder) up(ctx context.Context, level int, sum summary) error {
	if len(b.levels) <= level {
		b.levels = append(b.levels, nil)
	}
	l := b.levels[level]
	if len(l) > 0 && (len(l) >= IndexMost || boundary(sum.first, level+1, IndexFanout)) {
		if err := b.fold(ctx, level); err != nil {
			return err
		}
	}
	b.levels[level] = append(b.levels[level], sum)
	return nil
}

func (b *treeBuilder) fold(ctx context.Context, level int) error {
	l := b.levels[level]
	c, err := b.s.Node(ctx, indexNode(l))
	if err != nil {
		return err
	}
	sum := summary{child: c, first: l[0].first}
	for _, x := range l {
		sum.entries += x.entries
		sum.bytes += x.bytes
	}
	b.levels[level] = nil
	return b.up(ctx, level+1, sum)
}

// finish answers the top of the catalogue: one child, none for an empty volume.
func (b *treeBuilder) finish(ctx context.Context) ([]node.Child, error) {
	if len(b.page) > 0 {
		if err := b.cut(ctx); err != nil {
			return nil, err
		}
	}
	for level := 0; level < len(b.levels); level++ {
		above := 0
		for _, l := range b.levels[level+1:] {
			above += len(l)
		}
		if len(b.levels[level]) == 1 && above == 0 {
			return []node.Child{b.levels[level][0].child}, nil
		}
		if len(b.levels[level]) > 0 {
			if err := b.fold(ctx, level); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// SealRecord is what a seal leaves in a pack in the clear, so that a site finds its snapshots and their key wraps
// without a database. It says nothing that is not in the log or on the disk anyway: ids, sizes, wraps.
type SealRecord struct {
	Tenant   string
	Volume   VolumeID
	Snapshot SnapshotID
	Site     string
	Seal     Seal
	Wraps    [][]byte
}

const sealHeader = "holdfast seal v1"

// Render is the record as text: the line "holdfast seal v1", then one fact a line, "name value", in this order: tenant,
// volume, snapshot, site, digest (hex), root (hex), length, key, files, bytes, sealed (microseconds), and one line
// "wraps" (base64) for each key set.
func (r SealRecord) Render() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ntenant %s\nvolume %s\nsnapshot %s\nsite %s\ndigest %x\nroot %x\nlength %d\nkey %d\nfiles %d\nbytes %d\nsealed %d\n",
		sealHeader, r.Tenant, r.Volume, r.Snapshot, r.Site, r.Seal.Digest[:], r.Seal.Root.ID[:], r.Seal.Root.Length, r.Seal.KeyNo,
		r.Seal.Files, r.Seal.Bytes, sqldb.Micros(r.Seal.At))
	for _, w := range r.Wraps {
		fmt.Fprintf(&b, "wraps %s\n", base64.StdEncoding.EncodeToString(w))
	}
	return []byte(b.String())
}

// ParseSealRecord is the inverse of Render; it takes only what Render writes.
func ParseSealRecord(in []byte) (SealRecord, error) {
	var r SealRecord
	bad := fmt.Errorf("%w: seal record", ErrFormat)
	lines := strings.Split(strings.TrimSuffix(string(in), "\n"), "\n")
	names := []string{"tenant", "volume", "snapshot", "site", "digest", "root", "length", "key", "files", "bytes", "sealed"}
	if len(lines) < 1+len(names) || len(lines) > 1+len(names)+maxKeys || lines[0] != sealHeader {
		return r, bad
	}
	values := make([]string, len(names))
	for i, name := range names {
		v, ok := strings.CutPrefix(lines[1+i], name+" ")
		if !ok {
			return r, bad
		}
		values[i] = v
	}
	var errs [9]error
	r.Tenant, r.Site = values[0], values[3]
	r.Volume, errs[0] = ParseVolumeID(values[1])
	r.Snapshot, errs[1] = ParseSnapshotID(values[2])
	var digest, root chunk.ID
	digest, errs[2] = chunk.ParseID(values[4])
	root, errs[3] = chunk.ParseID(values[5])
	var n [5]int64
	for i := range n {
		n[i], errs[4+i] = strconv.ParseInt(values[6+i], 10, 64)
	}
	if errors.Join(errs[:]...) != nil || n[0] < 0 || n[0] > stream.MaxStored || n[1] < 0 || n[1] > 1<<32-1 {
		return r, bad
	}
	r.Seal.Digest = [32]byte(digest)
	r.Seal.Root = node.Child{ID: root, Hash: r.Seal.Digest, Length: uint32(n[0]), Kind: chunk.KindRoot}
	r.Seal.KeyNo, r.Seal.Files, r.Seal.Bytes, r.Seal.At = keyNumber(n[1]), n[2], n[3], sqldb.FromMicros(n[4])
	r.Seal.Root.Key = r.Seal.KeyNo
	for _, l := range lines[1+len(names):] {
		v, ok := strings.CutPrefix(l, "wraps ")
		w, err := base64.StdEncoding.DecodeString(v)
		if !ok || err != nil {
			return r, bad
		}
		r.Wraps = append(r.Wraps, w)
	}
	if !slices.Equal(r.Render(), in) {
		return r, bad
	}
	return r, nil
}
