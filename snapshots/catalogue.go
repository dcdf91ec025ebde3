package snapshots

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"holdfast/internal/id"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// The catalogue of a sealed snapshot is a tree. Its leaves are pages of entries in the order of their paths; index
// nodes stand above them; the root says what was captured. Recipes in a page name their chunks by the page's children,
// one after the other, so that every edge of the tree stands in the clear lists and nowhere else.

const (
	pageVersion  = 1
	indexVersion = 1
	rootVersion  = 1
)

// pagePayload is: a byte 1, the number of entries, and for each path, type, metadata, size and, for types with content,
// 32 bytes of content digest and the lengths of its extents (stream.RenderLengths).
func pageNode(entries []Entry) node.Node {
	n := node.Node{Kind: chunk.KindCataloguePage}
	e := newEncoder(len(entries) * 64)
	e.byte(pageVersion)
	e.num(uint64(len(entries)))
	for _, x := range entries {
		e.str(x.Path)
		e.byte(byte(x.Type))
		e.bytes(x.Meta.Render())
		e.num(uint64(x.Size))
		if !x.Type.HasContent() {
			continue
		}
		e.raw(x.ETag[:])
		e.raw(stream.RenderLengths(x.Recipe))
		for _, ext := range x.Recipe {
			if !ext.Hole() {
				n.Children = append(n.Children, ext.Child)
			}
		}
	}
	n.Payload = e.b
	return n
}

// ParsePage reads the entries of a catalogue page, with their recipes.
func ParsePage(n node.Node) ([]Entry, error) {
	if n.Kind != chunk.KindCataloguePage {
		return nil, fmt.Errorf("%w: not a catalogue page", ErrFormat)
	}
	d := &decoder{b: n.Payload}
	if d.byte("version") != pageVersion {
		return nil, fmt.Errorf("%w: version of a catalogue page", ErrFormat)
	}
	count := int(d.num(PageMost, "entries"))
	children := n.Children
	var out []Entry
	for range count {
		x := Entry{Path: d.str(MaxPath, "path"), Type: Type(d.byte("type"))}
		m, err := ParseMeta(d.bytes(maxMetaBytes, "metadata"))
		if err != nil {
			return nil, err
		}
		x.Meta = m
		x.Size = int64(d.num(stream.MaxSize, "size"))
		if x.Type.HasContent() {
			d.fixed(x.ETag[:], "digest")
			extents, rest, left, err := stream.ParseLengths(d.b, children, stream.MaxInline)
			if err != nil {
				return nil, err
			}
			x.Recipe, d.b, children = extents, rest, left
		}
		if d.err != nil {
			return nil, d.err
		}
		if err := x.Check(); err != nil {
			return nil, err
		}
		if len(out) > 0 && out[len(out)-1].Path >= x.Path {
			return nil, fmt.Errorf("%w: catalogue page out of order", ErrFormat)
		}
		out = append(out, x)
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	if len(children) != 0 {
		return nil, fmt.Errorf("%w: catalogue page with children that no entry names", ErrFormat)
	}
	return out, nil
}

// summary is what an index node says of one child.
type summary struct {
	child   node.Child
	first   string // path of its first entry
	entries int64
	bytes   int64
}

// indexNode's payload is: a byte 1, the number of children, and for each the path of its first entry, the number of
// entries below it and the sum of their sizes.
func indexNode(children []summary) node.Node {
	n := node.Node{Kind: chunk.KindCatalogueIndex}
	e := newEncoder(len(children) * 48)
	e.byte(indexVersion)
	e.num(uint64(len(children)))
	for _, c := range children {
		e.str(c.first)
		e.num(uint64(c.entries))
		e.num(uint64(c.bytes))
		n.Children = append(n.Children, c.child)
	}
	n.Payload = e.b
	return n
}

func parseIndex(n node.Node) ([]summary, error) {
	if n.Kind != chunk.KindCatalogueIndex {
		return nil, fmt.Errorf("%w: not an index node", ErrFormat)
	}
	d := &decoder{b: n.Payload}
	if d.byte("version") != indexVersion {
		return nil, fmt.Errorf("%w: version of an index node", ErrFormat)
	}
	count := int(d.num(IndexMost, "children"))
	if count != len(n.Children) || count == 0 {
		return nil, fmt.Errorf("%w: index node with children that it does not name", ErrFormat)
	}
	out := make([]summary, 0, count)
	for i := range count {
		s := summary{child: n.Children[i], first: d.str(MaxPath, "path"), entries: int64(d.num(Live, "entries")), bytes: int64(d.num(Live, "bytes"))}
		if i > 0 && out[i-1].first >= s.first {
			d.fail("order of an index node")
		}
		if d.err != nil {
			return nil, d.err
		}
		out = append(out, s)
	}
	return out, d.end()
}

// Root is the payload of a root node: what was captured. Its only child is the top of the catalogue, none if the
// volume was empty.
type Root struct {
	Tenant      string
	Volume      VolumeID
	VolumeName  string
	Kind        Kind
	Profile     chunk.Profile
	Snapshot    SnapshotID
	Seq         int64
	TakenAt     time.Time
	TakenBy     string
	Note        string
	Files       int64
	Bytes       int64
	Commitments []KeyCommitment
	Top         []node.Child
}

// KeyCommitment binds a key number to the key set that it means.
type KeyCommitment struct {
	Number     uint32
	Commitment [32]byte
}

// node renders the root: a byte 1, tenant, volume, its name, kind and profile, snapshot, sequence number, time in
// microseconds, by whom, note, files, bytes, and the key commitments, their number first.
func (r Root) node() node.Node {
	e := newEncoder(512)
	e.byte(rootVersion)
	e.str(r.Tenant)
	v, s := r.Volume.Bytes(), r.Snapshot.Bytes()
	e.raw(v[:])
	e.str(r.VolumeName)
	e.str(string(r.Kind))
	e.byte(byte(r.Profile))
	e.raw(s[:])
	e.num(uint64(r.Seq))
	e.num(uint64(r.TakenAt.UnixMicro()))
	e.str(r.TakenBy)
	e.str(r.Note)
	e.num(uint64(r.Files))
	e.num(uint64(r.Bytes))
	e.num(uint64(len(r.Commitments)))
	for _, c := range r.Commitments {
		e.num(uint64(c.Number))
		e.raw(c.Commitment[:])
	}
	return node.Node{Kind: chunk.KindRoot, Children: r.Top, Payload: e.b}
}

// ParseRoot reads a root node.
func ParseRoot(n node.Node) (Root, error) {
	if n.Kind != chunk.KindRoot || len(n.Children) > 1 {
		return Root{}, fmt.Errorf("%w: not a root node", ErrFormat)
	}
	d := &decoder{b: n.Payload}
	if d.byte("version") != rootVersion {
		return Root{}, fmt.Errorf("%w: version of a root node", ErrFormat)
	}
	r := Root{Tenant: d.str(MaxNote, "tenant"), Top: n.Children}
	var b [id.Size]byte
	d.fixed(b[:], "volume")
	r.Volume = id.FromBytes[volumeKind](b)
	r.VolumeName = d.str(MaxVolumeName, "name")
	r.Kind = Kind(d.str(16, "kind"))
	r.Profile = chunk.Profile(d.byte("profile"))
	d.fixed(b[:], "snapshot")
	r.Snapshot = id.FromBytes[snapshotKind](b)
	r.Seq = int64(d.num(Live, "seq"))
	r.TakenAt = time.UnixMicro(int64(d.num(Live, "time"))).UTC()
	r.TakenBy = d.str(MaxNote, "by")
	r.Note = d.str(MaxNote, "note")
	r.Files = int64(d.num(Live, "files"))
	r.Bytes = int64(d.num(Live, "bytes"))
	for range d.num(maxKeys, "keys") {
		c := KeyCommitment{Number: uint32(d.num(1<<32-1, "key"))}
		d.fixed(c.Commitment[:], "commitment")
		if d.err != nil {
			break
		}
		r.Commitments = append(r.Commitments, c)
	}
	if d.err == nil && (!r.Kind.Valid() || !r.Profile.Valid()) {
		d.fail("kind")
	}
	return r, d.end()
}

// boundary reports whether a page or index node of the given level begins at path: on average every mean-th does. It
// depends on the path alone, so that a change in one place leaves the pages elsewhere as they were.
func boundary(path string, level, mean int) bool {
	var l [1]byte
	l[0] = byte(level)
	h := sha256.New()
	h.Write(l[:])
	h.Write([]byte(path))
	var sum [32]byte
	h.Sum(sum[:0])
	return binary.BigEndian.Uint64(sum[:])%uint64(mean) == 0
}
