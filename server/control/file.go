package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// File is content that is open for reading; Close it.
type File struct {
	*snapshots.Object
	// ModTime is when the server took the version in.
	ModTime time.Time
}

// OpenFile opens a file. An empty path is the content of a volume of kind stream.
func (c *Control) OpenFile(ctx context.Context, who Caller, from From, path string) (*File, error) {
	src, err := c.find(ctx, who, from, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return nil, err
	}
	if (path == "") != (src.volume.Kind == snapshots.Stream) {
		return nil, wrap(snapshots.ErrKind)
	}
	if path == "" {
		path = snapshots.StreamPath
	}
	o, err := c.Data.Open(ctx, src.volume.Tenant, src.volume.ID, path, src.moment)
	if err != nil {
		return nil, wrap(err)
	}
	if !o.Type.HasContent() {
		return nil, wrap(errors.Join(snapshots.ErrKind, o.Close()))
	}
	born, err := c.Data.CommitTime(ctx, src.volume.Tenant, src.volume.ID, o.Born)
	if err != nil {
		return nil, wrap(errors.Join(err, o.Close()))
	}
	return &File{o, born}, nil
}

// Upload says where a body goes and on which condition. An empty Path is the
// content of a volume of kind stream.
type Upload struct {
	Volume               string
	Path                 string
	ContentType          string
	IfMatch, IfNoneMatch *snapshots.Condition
}

// PutFile takes a body of any length and answers when it is durable. A body that
// ends with an error leaves nothing (T33).
func (c *Control) PutFile(ctx context.Context, who Caller, u Upload, body io.Reader) (wire.Uploaded, error) {
	v, err := c.volume(ctx, who, u.Volume, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err != nil {
		return wire.Uploaded{}, err
	}
	if (u.Path == "") != (v.Kind == snapshots.Stream) {
		return wire.Uploaded{}, wrap(snapshots.ErrKind)
	}
	got, err := c.Data.Put(ctx, snapshots.PutRequest{
		Tenant: v.Tenant, Volume: v.ID, Path: u.Path, IfMatch: u.IfMatch, IfNoneMatch: u.IfNoneMatch,
		Meta: snapshots.Meta{Mode: 0o644, MTime: c.now().UnixNano(), ContentType: mediaType(u.ContentType)},
	}, c.late(ctx, who, body))
	if err != nil {
		return wire.Uploaded{}, wrap(err)
	}
	born, err := c.Data.CommitTime(ctx, v.Tenant, v.ID, got.Born)
	return wire.Uploaded{Path: printable(got.Path), Size: got.Size, ETag: ETag(got.Entry), Seq: got.Born, At: born}, wrap(err)
}

// DeleteFile deletes a file, or with recursive a directory and everything below
// it; recursive with an empty path is everything. Nobody is asked (I11): the undo
// window and the snapshots keep it.
func (c *Control) DeleteFile(ctx context.Context, who Caller, u Upload, recursive bool) (wire.Removed, error) {
	v, err := c.volume(ctx, who, u.Volume, false)
	if err == nil {
		err = c.reach(who, v, authz.FileDelete)
	}
	if err != nil {
		return wire.Removed{}, err
	}
	files := int64(1)
	if recursive {
		files, err = c.deleteBelow(ctx, v, strings.TrimSuffix(u.Path, "/"))
	} else {
		err = c.Data.Delete(ctx, snapshots.DeleteRequest{Tenant: v.Tenant, Volume: v.ID, Path: u.Path, IfMatch: u.IfMatch, IfNoneMatch: u.IfNoneMatch})
	}
	if err != nil {
		return wire.Removed{}, wrap(err)
	}
	if v, err = c.Data.Volume(ctx, v.Tenant, v.ID); err != nil {
		return wire.Removed{}, wrap(err)
	}
	return c.removed(ctx, v, files)
}

// deleteBelow deletes a directory, and answers how many entries that were when it
// began.
func (c *Control) deleteBelow(ctx context.Context, v snapshots.Volume, dir string) (files int64, err error) {
	prefix := dir
	if dir != "" {
		prefix += "/"
	}
	list := snapshots.ListRequest{Tenant: v.Tenant, Volume: v.ID, Prefix: prefix, Limit: snapshots.MaxPage}
	for {
		page, err := c.Data.List(ctx, list)
		if err != nil {
			return 0, err
		}
		files += int64(len(page.Entries))
		if list.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if files > 0 {
		if err := c.Data.Delete(ctx, snapshots.DeleteRequest{Tenant: v.Tenant, Volume: v.ID, Path: prefix, Prefix: true}); err != nil {
			return 0, err
		}
	}
	if dir == "" {
		return files, nil
	}
	err = c.Data.Delete(ctx, snapshots.DeleteRequest{Tenant: v.Tenant, Volume: v.ID, Path: dir})
	if errors.Is(err, snapshots.ErrNotFound) && files > 0 {
		return files, nil // an upload of files alone leaves no entry for their directory
	}
	return files + 1, err
}

// PutTar takes a pax archive in and answers when all of it is durable. With
// remove, what the archive does not name is deleted afterwards; not if any member
// was refused (T38) or the archive was torn.
func (c *Control) PutTar(ctx context.Context, who Caller, ref string, body io.Reader, remove bool) (wire.UploadedTree, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err == nil && remove {
		err = c.reach(who, v, authz.FileDelete)
	}
	if err != nil {
		return wire.UploadedTree{}, err
	}
	var names nameSet
	var refused error
	sum, err := c.Data.PutTar(ctx, snapshots.PutTarRequest{Tenant: v.Tenant, Volume: v.ID, Result: func(r snapshots.TarResult) {
		if r.Err != nil && refused == nil {
			refused = r.Err
		}
		if remove {
			names.add(r.Path)
		}
	}}, c.late(ctx, who, body))
	if err != nil {
		return wire.UploadedTree{}, tarError(err)
	}
	if refused != nil {
		return wire.UploadedTree{}, newError(wire.TypeInvalid, refused,
			"%d of the archive's members were refused, the first as %s. The other %d are stored; nothing was deleted.", sum.Refused, refused, sum.Files)
	}
	out := wire.UploadedTree{Entries: sum.Files, Unchanged: sum.Unchanged, Bytes: sum.Bytes}
	if remove {
		if out.Deleted, err = c.deleteOthers(ctx, v, &names); err != nil {
			return wire.UploadedTree{}, wrap(err)
		}
	}
	if v, err = c.Data.Volume(ctx, v.Tenant, v.ID); err != nil {
		return wire.UploadedTree{}, wrap(err)
	}
	out.Seq, out.At = v.Head, v.HeadAt
	return out, nil
}

// deleteOthers deletes what the set does not have.
func (c *Control) deleteOthers(ctx context.Context, v snapshots.Volume, keep *nameSet) (deleted int64, err error) {
	if keep.overflow {
		return 0, newError(wire.TypeTooLarge, nil, "The archive is stored, and nothing was deleted: an archive that also deletes has at most %d members.", maxNames)
	}
	list := snapshots.ListRequest{Tenant: v.Tenant, Volume: v.ID, Limit: snapshots.MaxPage}
	for {
		page, err := c.Data.List(ctx, list)
		if err != nil {
			return deleted, err
		}
		for _, e := range page.Entries {
			if keep.has(e.Path) {
				continue
			}
			err := c.Data.Delete(ctx, snapshots.DeleteRequest{Tenant: v.Tenant, Volume: v.ID, Path: e.Path,
				IfMatch: &snapshots.Condition{ETags: [][32]byte{e.ETag}}}) // not what came meanwhile
			switch {
			case err == nil:
				deleted++
			case !errors.Is(err, snapshots.ErrNotFound) && !errors.Is(err, snapshots.ErrPrecondition):
				return deleted, err
			}
		}
		if list.Cursor = page.Next; page.Next == "" {
			return deleted, nil
		}
	}
}

// nameSet remembers names in a bounded room: half a SHA-256 each, sorted when it
// is asked.
type nameSet struct {
	sums     [][16]byte
	sorted   bool
	overflow bool
}

func (s *nameSet) add(name string) {
	if len(s.sums) == maxNames {
		s.overflow = true
		return
	}
	sum := sha256.Sum256([]byte(name))
	s.sums, s.sorted = append(s.sums, [16]byte(sum[:16])), false
}

func (s *nameSet) has(name string) bool {
	compare := func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) }
	if !s.sorted {
		slices.SortFunc(s.sums, compare)
		s.sorted = true
	}
	sum := sha256.Sum256([]byte(name))
	_, ok := slices.BinarySearchFunc(s.sums, [16]byte(sum[:16]), compare)
	return ok
}

// Tree is a moment of a volume, or a snapshot, to be written as an archive.
type Tree struct {
	c   *Control
	req snapshots.ExportRequest
}

// OpenTree finds what below prefix is to be archived.
func (c *Control) OpenTree(ctx context.Context, who Caller, from From, prefix string) (*Tree, error) {
	src, err := c.find(ctx, who, from, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return nil, err
	}
	req := snapshots.ExportRequest{Tenant: src.volume.Tenant, Volume: src.volume.ID, Moment: src.moment, Prefix: prefix}
	// A moment that cannot be listed is refused before the first byte.
	_, err = c.Data.List(ctx, snapshots.ListRequest{Tenant: req.Tenant, Volume: req.Volume, Moment: req.Moment, Prefix: prefix, Limit: 1})
	return &Tree{c, req}, wrap(err)
}

// WriteTar writes the pax archive. An archive that could not be written whole has
// no end, so that nobody takes it for whole.
func (t *Tree) WriteTar(ctx context.Context, w io.Writer) error {
	return wrap(t.c.Data.Export(ctx, t.req, w))
}

// Listing selects a page of entries. With a delimiter what lies below prefix, name
// and delimiter is listed as one.
type Listing struct {
	Prefix, Delimiter, Cursor string
	Limit                     int
}

// Entries lists a page of a volume, a moment of it, or a snapshot.
func (c *Control) Entries(ctx context.Context, who Caller, from From, l Listing) (wire.Entries, error) {
	src, err := c.find(ctx, who, from, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return wire.Entries{}, err
	}
	page, err := c.Data.List(ctx, snapshots.ListRequest{Tenant: src.volume.Tenant, Volume: src.volume.ID, Moment: src.moment,
		Prefix: l.Prefix, Delimiter: l.Delimiter, Cursor: l.Cursor, Limit: l.Limit})
	if errors.Is(err, snapshots.ErrFormat) {
		return wire.Entries{}, newError(wire.TypeInvalid, err, "The cursor is not one of a page before.")
	}
	out := wire.Entries{Entries: []wire.Entry{}, Next: page.Next}
	for _, v := range page.Entries {
		out.Entries = append(out.Entries, showEntry(v.Entry))
	}
	for _, p := range page.Prefixes {
		out.Prefixes = append(out.Prefixes, showEntry(snapshots.Entry{Path: p}))
		last := &out.Prefixes[len(out.Prefixes)-1]
		last.Type, last.ModTime = "prefix", time.Time{}
	}
	return out, wrap(err)
}

var typeNames = map[snapshots.Type]string{
	snapshots.TypeFile: "file", snapshots.TypeDir: "dir", snapshots.TypeSymlink: "symlink", snapshots.TypeHardlink: "hardlink",
	snapshots.TypeFIFO: "fifo", snapshots.TypeChar: "char", snapshots.TypeBlock: "block",
}

func showEntry(e snapshots.Entry) wire.Entry {
	out := wire.Entry{Path: printable(e.Path), Type: typeNames[e.Type], Size: e.Size, Mode: e.Meta.Mode,
		ModTime: time.Unix(0, e.Meta.MTime).UTC(), Target: printable(e.Meta.Link)}
	if !utf8.ValidString(e.Path) {
		out.PathBase64 = exact(e.Path)
	}
	if e.Type.HasContent() {
		out.ETag = ETag(e)
	}
	return out
}

// ETag is the strong entity tag (RFC 9110 section 8.8.3) of an entry's content.
func ETag(e snapshots.Entry) string { return fmt.Sprintf("%q", fmt.Sprintf("%x", e.ETag[:])) }

// mediaType keeps a declared media type only if it is one.
func mediaType(declared string) string {
	t, params, err := mime.ParseMediaType(declared)
	if err != nil {
		return ""
	}
	if t = mime.FormatMediaType(t, params); len(t) > snapshots.MaxNote {
		return ""
	}
	return t
}

// tarError tells a torn or malformed archive from what is the service's fault.
func tarError(err error) error {
	e := AsError(err)
	if e.Type != wire.TypeInternal || errors.Is(err, snapshots.ErrCorrupt) {
		return e
	}
	if torn(err) {
		return newError(wire.TypeInvalid, err, "The archive is torn or not a tar archive. What came before that is stored; nothing was deleted.")
	}
	return e
}
