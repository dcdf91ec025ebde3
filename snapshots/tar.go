package snapshots

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

const xattrPrefix = "SCHILY.xattr."

// header renders an entry for a PAX archive: nanoseconds, long names and extended attributes survive.
func header(n Entry) *tar.Header {
	h := &tar.Header{Name: n.Path, Mode: int64(n.Meta.Mode), Uid: int(n.Meta.UID), Gid: int(n.Meta.GID), Uname: n.Meta.User, Gname: n.Meta.Group,
		ModTime: time.Unix(0, n.Meta.MTime).UTC(), Format: tar.FormatPAX}
	switch n.Type {
	case TypeFile:
		h.Typeflag, h.Size = tar.TypeReg, n.Size
	case TypeDir:
		h.Typeflag, h.Name = tar.TypeDir, n.Path+"/"
	case TypeSymlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.Meta.Link
	case TypeHardlink:
		h.Typeflag, h.Linkname = tar.TypeLink, n.Meta.Link
	case TypeFIFO:
		h.Typeflag = tar.TypeFifo
	case TypeChar:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(n.Meta.Major), int64(n.Meta.Minor)
	case TypeBlock:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeBlock, int64(n.Meta.Major), int64(n.Meta.Minor)
	}
	for _, x := range n.Meta.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrPrefix+x.Name] = x.Value
	}
	return h
}

// errSkip means an archive member that is no entry, such as the "./" that tar begins with.
var errSkip = errors.New("skip")

// entryOf reads an archive member's header. A leading "./" is taken off; an absolute name or one with ".." is refused.
func entryOf(h *tar.Header) (Entry, error) {
	name := h.Name
	for strings.HasPrefix(name, "./") {
		name = name[2:]
	}
	name = strings.TrimSuffix(name, "/")
	if (name == "" || name == ".") && h.Typeflag == tar.TypeDir {
		return Entry{}, errSkip
	}
	// What is kept of a header is copied: its texts are parts of all that came with it.
	n := Entry{Path: strings.Clone(name), Meta: Meta{Mode: uint32(h.Mode) & 0o7777, User: strings.Clone(h.Uname), Group: strings.Clone(h.Gname), MTime: h.ModTime.UnixNano()}}
	if h.Uid < 0 || h.Gid < 0 || h.Uid > 1<<32-1 || h.Gid > 1<<32-1 || h.Devmajor < 0 || h.Devminor < 0 || h.Devmajor > 1<<32-1 || h.Devminor > 1<<32-1 {
		return n, fmt.Errorf("%w: owner or device", ErrFormat)
	}
	n.Meta.UID, n.Meta.GID = uint32(h.Uid), uint32(h.Gid)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		n.Type = TypeFile
	case tar.TypeDir:
		n.Type = TypeDir
	case tar.TypeSymlink:
		n.Type, n.Meta.Link = TypeSymlink, strings.Clone(h.Linkname)
	case tar.TypeLink:
		n.Type = TypeHardlink
		for n.Meta.Link = h.Linkname; strings.HasPrefix(n.Meta.Link, "./"); {
			n.Meta.Link = n.Meta.Link[2:]
		}
		n.Meta.Link = strings.Clone(n.Meta.Link)
		if err := CheckPath(n.Meta.Link); err != nil {
			return n, err
		}
	case tar.TypeFifo:
		n.Type = TypeFIFO
	case tar.TypeChar, tar.TypeBlock:
		n.Type = map[byte]Type{tar.TypeChar: TypeChar, tar.TypeBlock: TypeBlock}[h.Typeflag]
		n.Meta.Major, n.Meta.Minor = uint32(h.Devmajor), uint32(h.Devminor)
	default:
		return n, fmt.Errorf("%w: member of type %q", ErrKind, h.Typeflag)
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if name, ok := strings.CutPrefix(k, xattrPrefix); ok {
			n.Meta.Xattrs = append(n.Meta.Xattrs, Xattr{strings.Clone(name), strings.Clone(h.PAXRecords[k])})
		}
	}
	return n, n.Check()
}

// PutTarRequest says where an archive goes.
type PutTarRequest struct {
	Tenant string
	Volume VolumeID
	// Prefix is put before every name: empty, or a directory without its slash.
	Prefix string
	// Result, when not nil, is called for every member in order, once its version is durable or it was refused.
	Result func(TarResult)
}

// TarResult is what became of one archive member.
type TarResult struct {
	Path string
	Size int64
	// Unchanged means that the live version is the same, so that nothing was written.
	Unchanged bool
	Err       error
}

// TarSummary is what became of an archive.
type TarSummary struct {
	Files, Unchanged, Refused int64
	Bytes                     int64
}

// tarBatch bounds the members, and tarBytes the bytes read, between two commits of an archive.
const (
	tarBatch = GroupRows / 2
	tarBytes = 2 * GroupBytes
)

type tarItem struct {
	entry   Entry
	pending *stream.Pending
	err     error
}

// PutTar takes a pax archive: files, directories, links, modes, owners, times to the nanosecond, extended attributes.
// It commits in groups; what was reported is durable, also when the archive then turns out to be torn.
func (e *Engine) PutTar(ctx context.Context, r PutTarRequest, body io.Reader) (TarSummary, error) {
	var sum TarSummary
	if r.Prefix != "" {
		if err := CheckPath(r.Prefix); err != nil {
			return sum, &PathError{r.Prefix, err}
		}
	}
	v, err := e.Volume(ctx, r.Tenant, r.Volume)
	if err != nil {
		return sum, err
	}
	if !v.DeletedAt.IsZero() {
		return sum, ErrNotFound
	}
	if v.Kind != Files {
		return sum, ErrKind
	}
	s, err := e.session(ctx, r.Tenant)
	if err != nil {
		return sum, err
	}
	defer s.close()
	s.compression = v.Compression
	table, err := s.key.Table(v.Profile)
	if err != nil {
		return sum, err
	}
	p := stream.NewPipeline(s, table, e.c.Workers)
	in := &tarIngest{e: e, s: s, v: v, r: r, sum: &sum}
	came := &counter{r: body}
	a := tar.NewReader(came)
	content := &expanded{ctx: ctx, r: a, came: came}
	for {
		h, err := a.Next()
		if err == nil {
			err = in.member(ctx, p, h, content)
		}
		if err != nil {
			err = errors.Join(ignoreEOF(err), in.flush(ctx), in.wait())
			return sum, err
		}
	}
}

type tarIngest struct {
	e     *Engine
	s     *session
	v     Volume
	r     PutTarRequest
	sum   *TarSummary
	items []tarItem
	bytes int64
	// last answers what became of the batch that is being committed while the next one is read; nil when none is.
	last chan error
}

// wait answers what became of the batch before.
func (t *tarIngest) wait() error {
	if t.last == nil {
		return nil
	}
	err := <-t.last
	t.last = nil
	return err
}

func (t *tarIngest) member(ctx context.Context, p *stream.Pipeline, h *tar.Header, body io.Reader) error {
	n, err := entryOf(h)
	if errors.Is(err, errSkip) || h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if err == nil && t.r.Prefix != "" {
		n.Path = t.r.Prefix + "/" + n.Path
		if n.Type == TypeHardlink {
			n.Meta.Link = t.r.Prefix + "/" + n.Meta.Link
		}
		err = n.Check()
	}
	it := tarItem{entry: n}
	t.bytes += int64(n.Meta.weight() + len(n.Path))
	if err != nil {
		it.err = &PathError{strings.Clone(h.Name), err}
	} else if n.Type == TypeFile {
		if it.pending, err = p.Ingest(ctx, body); err != nil {
			return &PathError{h.Name, err}
		}
		t.bytes += it.pending.Size()
	}
	t.items = append(t.items, it)
	if len(t.items) >= tarBatch || t.bytes >= tarBytes {
		return t.flush(ctx)
	}
	return nil
}

// counter counts what came.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// expanded is the content of an archive's members. A sparse member of a few bytes may stand for any number of zeroes, which
// have to be looked at: so many more than what came are refused, and whoever has gone is not worked for.
type expanded struct {
	ctx  context.Context
	r    io.Reader
	came *counter
	n    int64
}

func (x *expanded) Read(p []byte) (int, error) {
	if err := x.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := x.r.Read(p)
	if x.n += int64(n); x.n > maxTarZeroes+maxTarRatio*x.came.n {
		return 0, ErrSparse
	}
	return n, err
}

// flush begins to commit what has been read, once the batch before is durable. After one that failed nothing is committed.
func (t *tarIngest) flush(ctx context.Context) error {
	items := t.items
	t.items, t.bytes = nil, 0
	if err := t.wait(); err != nil {
		settle(ctx, items)
		return err
	}
	t.last = make(chan error, 1)
	go func() { t.last <- t.commit(ctx, items) }()
	return nil
}

// settle waits for members that will not be committed: they hold goroutines. Why they are not is known already.
func settle(ctx context.Context, items []tarItem) {
	for _, it := range items {
		if it.pending != nil {
			_, _ = it.pending.Wait(ctx)
		}
	}
}

// commit makes a batch durable. Of several members of one name the last holds.
func (t *tarIngest) commit(ctx context.Context, items []tarItem) error {
	latest := map[string]int{}
	for i := range items {
		it := &items[i]
		if it.err != nil {
			continue
		}
		if it.pending != nil {
			c, err := it.pending.Wait(ctx)
			if err != nil {
				settle(ctx, items[i+1:])
				return &PathError{it.entry.Path, err}
			}
			it.entry.Recipe, it.entry.Size, it.entry.ETag = c.Recipe, c.Size, c.Digest
		}
		if it.entry.Type == TypeHardlink {
			it.err = t.link(ctx, items, latest, &it.entry)
			if it.err != nil {
				continue
			}
		}
		latest[it.entry.Path] = i
	}
	unchanged, err := t.unchanged(ctx, items, latest)
	if err != nil {
		return err
	}
	var muts []Mutation
	for i := range items {
		if j, ok := latest[items[i].entry.Path]; ok && i == j && items[i].err == nil && !unchanged[i] {
			muts = append(muts, Mutation{Op: OpPut, Entry: items[i].entry})
		}
	}
	if len(muts) > 0 {
		if err := t.s.commit(ctx, &op{volume: t.v.ID, muts: muts}); err != nil {
			return err
		}
	}
	for i := range items {
		t.report(items[i], unchanged[i])
	}
	return nil
}

func (t *tarIngest) report(it tarItem, unchanged bool) {
	res := TarResult{Path: it.entry.Path, Size: it.entry.Size, Unchanged: unchanged, Err: it.err}
	switch {
	case it.err != nil:
		t.sum.Refused++
	case unchanged:
		t.sum.Unchanged++
		fallthrough
	default:
		t.sum.Files++
		t.sum.Bytes += it.entry.Size
	}
	if t.r.Result != nil {
		t.r.Result(res)
	}
}

// link gives a hard link the content of its target: a member before it, or what the volume has.
func (t *tarIngest) link(ctx context.Context, items []tarItem, latest map[string]int, n *Entry) error {
	var target Entry
	if i, ok := latest[n.Meta.Link]; ok {
		target = items[i].entry
	} else {
		v, err := t.e.Head(ctx, t.r.Tenant, t.v.ID, n.Meta.Link, Moment{})
		if err != nil {
			return &PathError{n.Path, fmt.Errorf("hard link to %q: %w", n.Meta.Link, err)}
		}
		target = v.Entry
	}
	if !target.Type.HasContent() {
		return &PathError{n.Path, fmt.Errorf("hard link to %q: %w", n.Meta.Link, ErrKind)}
	}
	n.Recipe, n.Size, n.ETag = target.Recipe, target.Size, target.ETag
	return nil
}

// unchanged finds the members whose live version says the same.
func (t *tarIngest) unchanged(ctx context.Context, items []tarItem, latest map[string]int) (map[int]bool, error) {
	same := map[int]bool{}
	if t.v.LiveFiles == 0 {
		v, err := t.e.Volume(ctx, t.r.Tenant, t.v.ID)
		if err != nil || v.LiveFiles == 0 {
			return same, err
		}
		t.v = v
	}
	err := t.e.read(ctx, func(tx *sqldb.Tx) error {
		live, err := t.e.c.Store.LiveVersions(ctx, tx, t.v.ID, slices.Sorted(maps.Keys(latest)))
		for _, v := range live {
			i := latest[v.Path]
			same[i] = v.Entry.same(items[i].entry)
		}
		return err
	})
	return same, err
}

// ExportRequest selects what an archive of a volume has.
type ExportRequest struct {
	Tenant string
	Volume VolumeID
	Moment Moment
	Prefix string
	// FromTree reads a sealed snapshot by its root alone; Moment names the snapshot.
	FromTree bool
}

// Export writes a moment of a volume, or a snapshot, as a pax archive. Holes are written as zeroes, which a good
// extractor makes holes again. Nothing of the moment is reclaimed meanwhile.
func (e *Engine) Export(ctx context.Context, r ExportRequest, out io.Writer) error {
	if err := CheckPrefix(r.Prefix); err != nil {
		return &PathError{r.Prefix, err}
	}
	w, err := e.writer(ctx, r.Tenant)
	if err != nil {
		return err
	}
	h, err := w.join(ctx)
	if err != nil {
		return err
	}
	defer w.leave(h)
	x := &export{ctx: ctx, prefix: r.Prefix, src: &source{e: e, tenant: r.Tenant, ring: w.ring.get()}, out: tar.NewWriter(out), first: map[string]string{}}
	var seq int64
	if err := e.read(ctx, func(tx *sqldb.Tx) error {
		var v Volume
		v, seq, err = e.resolve(ctx, tx, r.Tenant, r.Volume, r.Moment)
		if seq == Live {
			seq = v.Head // one moment, however long the export takes
		}
		return err
	}); err != nil {
		return err
	}
	if r.FromTree {
		t, err := e.Tree(ctx, r.Tenant, r.Moment.Snapshot)
		if err != nil {
			return err
		}
		x.lookup = func(path string) (Entry, error) { return t.Lookup(ctx, path) }
		err = t.Walk(ctx, func(n Entry) error {
			if !strings.HasPrefix(n.Path, r.Prefix) {
				return nil
			}
			return x.add(n)
		})
		return x.finish(err)
	}
	x.lookup = func(path string) (out Entry, err error) {
		err = e.read(ctx, func(tx *sqldb.Tx) error {
			v, err := e.c.Store.VersionAt(ctx, tx, r.Volume, seq, path)
			out = v.Entry
			return err
		})
		return out, err
	}
	return x.finish(e.pages(ctx, r.Volume, seq, r.Prefix, func(rows []Version) error {
		var soon []node.Child
		for _, v := range rows {
			soon = append(soon, v.Recipe.Children()...)
		}
		if err := x.src.Soon(ctx, soon); err != nil {
			return err
		}
		for _, v := range rows {
			if err := x.add(v.Entry); err != nil {
				return err
			}
		}
		return nil
	}))
}

// closeIf ends an archive that is whole. A torn one gets no end, so that nobody takes it for whole.
func closeIf(err error, w *tar.Writer) error {
	if err != nil {
		return nil
	}
	return w.Close()
}

type export struct {
	ctx    context.Context
	src    *source
	out    *tar.Writer
	prefix string
	lookup func(path string) (Entry, error)
	// first says under which name the content that hard links share was written first.
	first map[string]string
	// ahead are the entries that come next, those with content being fetched; bytes is what they hold at most.
	ahead []exported
	bytes int64
}

type exported struct {
	entry Entry
	body  *stream.Reader
	bytes int64
}

// exportAhead and exportBytes bound the entries, and their bytes in memory, that an export fetches ahead.
const (
	exportAhead = 64
	exportBytes = 16 << 20
)

// add begins to fetch an entry, and writes those that stand before it when enough of them wait.
func (x *export) add(n Entry) error {
	if n.Type == TypeHardlink {
		n = x.link(n)
	} else if to, ok := x.first[n.Path]; ok && n.Type == TypeFile {
		n.Type, n.Meta.Link = TypeHardlink, to
	}
	it := exported{entry: n}
	if n.Type == TypeFile && n.Size > 0 {
		it.body = stream.NewReader(x.ctx, x.src, n.Recipe, 0, n.Size)
		it.bytes = min(n.Size, exportBytes)
	}
	for len(x.ahead) > 0 && (len(x.ahead) >= exportAhead || x.bytes+it.bytes > exportBytes) {
		if err := x.write(); err != nil {
			if it.body != nil {
				err = errors.Join(err, it.body.Close())
			}
			return err
		}
	}
	x.ahead, x.bytes = append(x.ahead, it), x.bytes+it.bytes
	if it.body == nil {
		return nil
	}
	if err := it.body.Ahead(); err != nil {
		return &PathError{n.Path, err}
	}
	return nil
}

// write writes the first of the entries that wait.
func (x *export) write() error {
	it := x.ahead[0]
	x.ahead, x.bytes = x.ahead[1:], x.bytes-it.bytes
	err := x.out.WriteHeader(header(it.entry))
	if it.body != nil {
		if err == nil {
			_, err = it.body.WriteTo(x.out)
		}
		err = errors.Join(err, it.body.Close())
	}
	if err != nil {
		return &PathError{it.entry.Path, err}
	}
	return nil
}

// finish writes what waits, or gives it up after an error, and ends an archive that is whole.
func (x *export) finish(err error) error {
	for len(x.ahead) > 0 {
		if err == nil {
			err = x.write()
			continue
		}
		if b := x.ahead[0].body; b != nil {
			err = errors.Join(err, b.Close())
		}
		x.ahead = x.ahead[1:]
	}
	return errors.Join(err, closeIf(err, x.out))
}

// link decides how a hard link is written: as a link to the name that its content was written under, or, when its
// target is not in the archive or has changed, as the file that it is.
func (x *export) link(n Entry) Entry {
	target := n.Meta.Link
	if to, ok := x.first[target]; ok {
		n.Meta.Link = to
		return n
	}
	t, err := x.lookup(target)
	shared := err == nil && t.Type == TypeFile && t.ETag == n.ETag && t.Size == n.Size && strings.HasPrefix(target, x.prefix)
	switch {
	case shared && target < n.Path:
		return n // its target went before it
	case shared:
		x.first[target] = n.Path
	}
	n.Type, n.Meta.Link = TypeFile, ""
	return n
}
