package record

import (
	"encoding/binary"
	"errors"
)

// Magic begins every stream: five letters, two zero bytes and the version 1.
const Magic = "HFREC\x00\x00\x01"

// ErrFormat means that the bytes are no stream of this version, or exceed a bound.
var ErrFormat = errors.New("record: malformed")

// ErrTorn means that the stream broke off before its stop.
var ErrTorn = errors.New("record: the stream broke off")

// Type says what a record is. The zero Type is invalid.
type Type byte

// The types of records. Their numbers are the wire's.
const (
	TypeEntry  Type = 1 // an entry begins
	TypeData   Type = 2 // bytes of the entry, with their id
	TypeRef    Type = 3 // bytes of the entry that the reader has, by id
	TypeHole   Type = 4 // zeroes of the entry that are not stored
	TypeEnd    Type = 5 // the entry ends
	TypeDelete Type = 6 // a path goes
	TypeStop   Type = 7 // the stream ends and is whole
	TypeError  Type = 8 // the stream ends and is not whole; for pulls
)

// The encodings of a data record's bytes.
const (
	Raw  byte = 0 // as they are
	Zstd byte = 1 // one zstd frame (RFC 8878) of exactly the plain length
)

// The types of entries. Their numbers are the wire's, and those of a volume's entries.
const (
	File        byte = 1
	Directory   byte = 2
	Symlink     byte = 3
	Hardlink    byte = 4 // one more name of a file
	FIFO        byte = 5
	CharDevice  byte = 6
	BlockDevice byte = 7
)

// Xattr is one extended attribute.
type Xattr struct{ Name, Value string }

// Entry says what a file, directory, link or device is. The fields are those of
// an entry of a volume.
type Entry struct {
	// Number counts the entries of one push or pull up from 0. It is how the two
	// sides name an entry whose content goes on in a further stream.
	Number   uint64
	Path     string
	Type     byte // File, Directory, …
	Mode     uint32
	UID, GID uint32
	User     string
	Group    string
	MTime    int64 // nanoseconds since 1970 UTC
	// Link is the target of a symbolic link, or the path in the volume of a hard
	// link's file.
	Link         string
	Major, Minor uint32
	// Xattrs are in bytewise order of their names, each name once.
	Xattrs      []Xattr
	ContentType string
	// Size and Digest are of the whole content, where the writer knows them: in a
	// pull and an index, not in a push. HasDigest says whether Digest is there.
	Size      int64
	HasDigest bool
	Digest    [32]byte
}

// AppendMagic appends the beginning of a stream.
func AppendMagic(b []byte) []byte { return append(b, Magic...) }

// AppendEntry appends an entry record. The entry's bounds are the caller's to
// keep: a Decoder refuses what exceeds them.
func AppendEntry(b []byte, e *Entry) []byte {
	var scratch [512]byte
	body := binary.AppendUvarint(scratch[:0], e.Number)
	body = appendString(body, e.Path)
	body = append(body, e.Type)
	body = binary.AppendUvarint(body, uint64(e.Mode))
	body = binary.AppendUvarint(body, uint64(e.UID))
	body = binary.AppendUvarint(body, uint64(e.GID))
	body = appendString(body, e.User)
	body = appendString(body, e.Group)
	body = binary.AppendVarint(body, e.MTime)
	body = appendString(body, e.Link)
	body = binary.AppendUvarint(body, uint64(e.Major))
	body = binary.AppendUvarint(body, uint64(e.Minor))
	body = binary.AppendUvarint(body, uint64(len(e.Xattrs)))
	for _, x := range e.Xattrs {
		body = appendString(body, x.Name)
		body = appendString(body, x.Value)
	}
	body = appendString(body, e.ContentType)
	body = binary.AppendUvarint(body, uint64(e.Size))
	if e.HasDigest {
		body = append(body, 1)
		body = append(body, e.Digest[:]...)
	} else {
		body = append(body, 0)
	}
	b = append(b, byte(TypeEntry))
	b = binary.AppendUvarint(b, uint64(len(body)))
	return append(b, body...)
}

// AppendDataHead appends a data record but for its bytes, of which there are
// stored, and which stand for plain bytes of content.
func AppendDataHead(b []byte, id [32]byte, encoding byte, plain, stored int) []byte {
	b = append(b, byte(TypeData))
	b = binary.AppendUvarint(b, uint64(33+uvarintLen(uint64(plain))+stored))
	b = append(b, id[:]...)
	b = append(b, encoding)
	return binary.AppendUvarint(b, uint64(plain))
}

// AppendRef appends a ref record.
func AppendRef(b []byte, id [32]byte, plain int64) []byte {
	b = append(b, byte(TypeRef), byte(32+uvarintLen(uint64(plain))))
	b = append(b, id[:]...)
	return binary.AppendUvarint(b, uint64(plain))
}

// AppendHole appends a hole of n bytes.
func AppendHole(b []byte, n int64) []byte { return appendNumber(b, TypeHole, uint64(n)) }

// AppendEnd appends the end of an entry whose content has size bytes.
func AppendEnd(b []byte, size int64) []byte { return appendNumber(b, TypeEnd, uint64(size)) }

// AppendDelete appends the deletion of a path.
func AppendDelete(b []byte, path string) []byte { return appendText(b, TypeDelete, path) }

// AppendStop appends the stop after count records.
func AppendStop(b []byte, count uint64) []byte { return appendNumber(b, TypeStop, count) }

// AppendError appends the failure that ends a pull.
func AppendError(b []byte, text string) []byte { return appendText(b, TypeError, text) }

func appendNumber(b []byte, t Type, v uint64) []byte {
	b = append(b, byte(t), byte(uvarintLen(v)))
	return binary.AppendUvarint(b, v)
}

func appendText(b []byte, t Type, s string) []byte {
	b = append(b, byte(t))
	return appendString(b, s)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func uvarintLen(v uint64) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}
