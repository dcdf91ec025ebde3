package snapshots

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"holdfast/snapshots/stream"
)

const metaVersion = 1

// Render encodes the metadata: a byte 1, mode, uid, gid, user, group, mtime (zigzag), link, major, minor, content type,
// and the extended attributes, their number first.
func (m Meta) Render() []byte {
	e := newEncoder(32)
	e.byte(metaVersion)
	e.num(uint64(m.Mode))
	e.num(uint64(m.UID))
	e.num(uint64(m.GID))
	e.str(m.User)
	e.str(m.Group)
	e.int(m.MTime)
	e.str(m.Link)
	e.num(uint64(m.Major))
	e.num(uint64(m.Minor))
	e.str(m.ContentType)
	e.num(uint64(len(m.Xattrs)))
	for _, x := range m.Xattrs {
		e.str(x.Name)
		e.str(x.Value)
	}
	return e.b
}

// ParseMeta is the inverse of Render.
func ParseMeta(b []byte) (Meta, error) {
	d := &decoder{b: b}
	if d.byte("version") != metaVersion {
		return Meta{}, fmt.Errorf("%w: version of metadata", ErrFormat)
	}
	m := Meta{
		Mode:  uint32(d.num(0o7777, "mode")),
		UID:   uint32(d.num(1<<32-1, "uid")),
		GID:   uint32(d.num(1<<32-1, "gid")),
		User:  d.str(MaxNote, "user"),
		Group: d.str(MaxNote, "group"),
		MTime: d.int("mtime"),
		Link:  d.str(MaxLink, "link"),
		Major: uint32(d.num(1<<32-1, "major")),
		Minor: uint32(d.num(1<<32-1, "minor")),
	}
	m.ContentType = d.str(MaxNote, "content type")
	n := int(d.num(MaxXattrs, "attributes"))
	for range n {
		m.Xattrs = append(m.Xattrs, Xattr{d.str(MaxXattrName, "attribute"), d.str(MaxXattrBytes, "attribute")})
		if d.err != nil {
			break
		}
	}
	if err := d.end(); err != nil {
		return Meta{}, err
	}
	if !bytes.Equal(m.Render(), b) {
		return Meta{}, fmt.Errorf("%w: metadata not in canonical form", ErrFormat)
	}
	return m, nil
}

// weight is about how many bytes the metadata has.
func (m Meta) weight() int {
	n := len(m.User) + len(m.Group) + len(m.Link) + len(m.ContentType)
	for _, x := range m.Xattrs {
		n += len(x.Name) + len(x.Value)
	}
	return n
}

// Check reports whether the metadata is within its bounds.
func (m Meta) Check() error {
	switch {
	case m.Mode > 0o7777:
		return fmt.Errorf("%w: mode", ErrTooLarge)
	case len(m.User) > MaxNote, len(m.Group) > MaxNote, len(m.ContentType) > MaxNote, len(m.Link) > MaxLink:
		return ErrTooLarge
	case len(m.Xattrs) > MaxXattrs:
		return fmt.Errorf("%w: extended attributes", ErrTooLarge)
	}
	if strings.IndexByte(m.User+m.Group+m.Link+m.ContentType, 0) >= 0 {
		return fmt.Errorf("%w: NUL in metadata", ErrFormat)
	}
	total := 0
	for i, x := range m.Xattrs {
		total += len(x.Name) + len(x.Value)
		if strings.ContainsAny(x.Name, "=\x00") {
			return fmt.Errorf("%w: name of an extended attribute", ErrFormat)
		}
		if x.Name == "" || len(x.Name) > MaxXattrName || total > MaxXattrBytes {
			return fmt.Errorf("%w: extended attributes", ErrTooLarge)
		}
		if i > 0 && m.Xattrs[i-1].Name >= x.Name {
			return fmt.Errorf("%w: extended attributes not in order", ErrFormat)
		}
	}
	return nil
}

// CheckPath reports whether p can be the path of an entry: relative, slash-separated, no empty, "." or ".." part, no
// NUL, within its bounds. Bytes that are no UTF-8 are allowed, for file systems have them.
func CheckPath(p string) error {
	if p == "" || len(p) > MaxPath || strings.IndexByte(p, 0) >= 0 {
		return ErrPath
	}
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || len(part) > MaxComponent {
			return ErrPath
		}
	}
	return nil
}

// CheckPrefix reports whether p can select paths: empty, or the beginning of a path.
func CheckPrefix(p string) error {
	if len(p) > MaxPath || strings.IndexByte(p, 0) >= 0 {
		return ErrPath
	}
	return nil
}

// checkName is for names that people read: of volumes, pins, and who did something.
func checkName(s string, most int) error {
	if s == "" || len(s) > most || !utf8.ValidString(s) {
		return ErrName
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == utf8.RuneError ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c {
			return ErrName
		}
	}
	return nil
}

// checkNote is checkName for what may be empty.
func checkNote(s string) error {
	if s == "" {
		return nil
	}
	return checkName(s, MaxNote)
}

// Check reports whether the entry is one that may be stored.
func (n Entry) Check() error {
	if err := CheckPath(n.Path); err != nil {
		return err
	}
	if !n.Type.Valid() {
		return fmt.Errorf("%w: type", ErrFormat)
	}
	if n.Size != n.Recipe.Size() || !n.Type.HasContent() && (n.Size != 0 || n.ETag != [32]byte{}) {
		return fmt.Errorf("%w: size", ErrFormat)
	}
	return n.Meta.Check()
}

// render is an entry as a journal record holds it: path, type, metadata, size, digest of the content, recipe.
func (n Entry) render(e *encoder) {
	e.str(n.Path)
	e.byte(byte(n.Type))
	e.bytes(n.Meta.Render())
	e.num(uint64(n.Size))
	if n.Type.HasContent() {
		e.raw(n.ETag[:])
		e.bytes(n.Recipe.Render())
	}
}

const maxMetaBytes = MaxXattrBytes + MaxXattrs*8 + 4*MaxNote + MaxLink + 128

func parseEntry(d *decoder) Entry {
	n := Entry{Path: d.str(MaxPath, "path"), Type: Type(d.byte("type"))}
	if m, err := ParseMeta(d.bytes(maxMetaBytes, "metadata")); err != nil {
		d.fail("metadata")
	} else {
		n.Meta = m
	}
	n.Size = int64(d.num(stream.MaxSize, "size"))
	if n.Type.HasContent() {
		d.fixed(n.ETag[:], "digest")
		r, err := stream.ParseRecipe(d.bytes(stream.MaxInline*96+16, "recipe"))
		if err != nil {
			d.fail("recipe")
		}
		n.Recipe = r
	}
	if d.err == nil && n.Check() != nil {
		d.fail("entry")
	}
	return n
}

// same reports whether two entries of a path say the same, so that nothing has to be written.
func (n Entry) same(o Entry) bool {
	return n.Type == o.Type && n.Size == o.Size && n.ETag == o.ETag && bytes.Equal(n.Meta.Render(), o.Meta.Render())
}
