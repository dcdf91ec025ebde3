package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

// Errors of the package.
var (
	// ErrFormat is answered for bytes that are not a pack, or of a version that is not known.
	ErrFormat = errors.New("pack: malformed pack")
	// ErrSize is answered for something beyond a bound.
	ErrSize = errors.New("pack: too large")
	// ErrUnfinished is answered by ReadIndex for a pack without a footer: Scan it.
	ErrUnfinished = errors.New("pack: no footer")
	// ErrDamaged is answered when stored bytes do not match their checksum.
	ErrDamaged = errors.New("pack: damaged")
	// ErrFull is answered by Append when the pack has MaxRecords records or no room below MaxSize.
	ErrFull = errors.New("pack: full")
	// ErrFinished is answered by a writer after Finish.
	ErrFinished = errors.New("pack: finished")
)

// Type says what a record holds.
type Type uint8

// The types. Their numbers are part of the stored format; zero is invalid.
const (
	// TypeChunk is the frame of a piece of data.
	TypeChunk Type = 1
	// TypeNode is a node of a snapshot's tree.
	TypeNode Type = 2
	// TypeJournal is a frame of journal records.
	TypeJournal Type = 3
	// TypeWraps is the text of key wraps.
	TypeWraps Type = 4
	// TypeSeal is the text of a seal.
	TypeSeal Type = 5
	// TypeErased is the text of a finished erasure.
	TypeErased Type = 6

	typeTable Type = 255 // the footer's table
)

var typeNames = [...]string{"invalid", "chunk", "node", "journal", "wraps", "seal", "erased"}

// Valid says whether the type is a known one.
func (t Type) Valid() bool { return t != 0 && int(t) < len(typeNames) }

// String names the type.
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return typeNames[t]
}

// Header is what a pack says of itself at its start.
type Header struct {
	Tenant string // the tenant's id
	Pack   string // the pack's id
}

// Record is what is appended. Kind and ID are zero for types that have none.
type Record struct {
	Type    Type
	Kind    chunk.Kind
	ID      chunk.ID
	Payload []byte
	// Hash is the SHA-256 of the payload where the caller has computed it already, on a goroutine of its own; zero has
	// Append do it. A wrong one makes a record that every reader calls damaged.
	Hash frame.Hash
}

// Entry says where a record's payload lies in its pack.
type Entry struct {
	Type   Type
	Kind   chunk.Kind
	ID     chunk.ID
	Hash   frame.Hash // SHA-256 of the payload
	Offset int64      // of the payload, in bytes from the pack's start
	Length uint32     // of the payload, in bytes
}

const (
	packMagic   = "HFPACK\r\n"
	recordMagic = "hfR1"
	endMagic    = "HFEND\r\n1"
	version     = 1

	recordSize  = 4 + 4 + 4 + 32 + 32 + 4 // magic, type+kind+zeros, length, id, hash, crc
	entrySize   = 4 + 4 + 8 + 32 + 32     // type+kind+zeros, length, offset, id, hash
	trailerSize = 8 + 8 + 4 + 4 + 32      // magic, offset of the table's record, records, zeros, hash
	maxHeader   = 8 + 4 + 2 + 2*MaxText + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checkText(s string) error {
	if s == "" || len(s) > MaxText {
		return fmt.Errorf("%w: id of %d bytes in the header", ErrFormat, len(s))
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return fmt.Errorf("%w: id in the header", ErrFormat)
		}
	}
	return nil
}

// render is the pack's header: magic, version, three zero bytes, tenant and pack id each behind a byte with its length,
// CRC-32C of all before.
func (h Header) render() ([]byte, error) {
	if err := errors.Join(checkText(h.Tenant), checkText(h.Pack)); err != nil {
		return nil, err
	}
	b := append([]byte(packMagic), version, 0, 0, 0, byte(len(h.Tenant)))
	b = append(b, h.Tenant...)
	b = append(append(b, byte(len(h.Pack))), h.Pack...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// parseHeader reads a header at the start of b and answers its length.
func parseHeader(b []byte) (Header, int, error) {
	var h Header
	if len(b) < 12 || string(b[:8]) != packMagic || b[8] != version || b[9] != 0 || b[10] != 0 || b[11] != 0 {
		return h, 0, fmt.Errorf("%w: magic or version", ErrFormat)
	}
	n := 12
	for _, into := range []*string{&h.Tenant, &h.Pack} {
		if n >= len(b) || n+1+int(b[n]) > len(b) {
			return h, 0, fmt.Errorf("%w: header ends early", ErrFormat)
		}
		*into = string(b[n+1 : n+1+int(b[n])])
		n += 1 + int(b[n])
	}
	want, err := h.render()
	if err != nil {
		return h, 0, err
	}
	if !bytes.HasPrefix(b, want) {
		return h, 0, fmt.Errorf("%w: header", ErrDamaged)
	}
	return h, len(want), nil
}

// recordHeader renders the header of a record whose header stands at offset at. seed is the checksum of the pack's
// header: the CRC covers it and the offset, so that a record's header is valid at one place of one pack only, and a
// pack inside a payload is never taken for records.
func recordHeader(seed uint32, at int64, e Entry) []byte {
	b := append(make([]byte, 0, recordSize), recordMagic...)
	b = append(b, byte(e.Type), byte(e.Kind), 0, 0)
	b = binary.BigEndian.AppendUint32(b, e.Length)
	b = append(b, e.ID[:]...)
	b = append(b, e.Hash[:]...)
	return binary.BigEndian.AppendUint32(b, recordSum(seed, at, b))
}

func recordSum(seed uint32, at int64, b []byte) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, binary.BigEndian.AppendUint64(nil, uint64(at))), castagnoli, b)
}

// parseRecord reads a record's header that stands at offset at.
func parseRecord(seed uint32, at int64, b []byte) (Entry, error) {
	if len(b) < recordSize || string(b[:4]) != recordMagic || b[6] != 0 || b[7] != 0 {
		return Entry{}, fmt.Errorf("%w: record header", ErrFormat)
	}
	if recordSum(seed, at, b[:recordSize-4]) != binary.BigEndian.Uint32(b[recordSize-4:]) {
		return Entry{}, fmt.Errorf("%w: record header", ErrDamaged)
	}
	e := Entry{Type: Type(b[4]), Kind: chunk.Kind(b[5]), Length: binary.BigEndian.Uint32(b[8:]), ID: chunk.ID(b[12:44]),
		Hash: frame.Hash(b[44:76]), Offset: at + recordSize}
	if !e.Type.Valid() && e.Type != typeTable || e.Length > MaxPayload {
		return Entry{}, fmt.Errorf("%w: record", ErrFormat)
	}
	return e, nil
}

// renderTable is the payload of the table's record.
func renderTable(es []Entry) []byte {
	b := make([]byte, 0, len(es)*entrySize)
	for _, e := range es {
		b = append(b, byte(e.Type), byte(e.Kind), 0, 0)
		b = binary.BigEndian.AppendUint32(b, e.Length)
		b = binary.BigEndian.AppendUint64(b, uint64(e.Offset))
		b = append(b, e.ID[:]...)
		b = append(b, e.Hash[:]...)
	}
	return b
}

// parseTable reads a table whose record stands at offset end, behind a header of start bytes. Records must follow each
// other without overlapping; gaps are allowed, for a damaged record may have been left out by a rewriting copy.
func parseTable(b []byte, start int, end int64) ([]Entry, error) {
	if len(b)%entrySize != 0 || len(b)/entrySize > MaxRecords {
		return nil, fmt.Errorf("%w: table", ErrFormat)
	}
	es := make([]Entry, 0, len(b)/entrySize)
	at := int64(start)
	for ; len(b) > 0; b = b[entrySize:] {
		e := Entry{Type: Type(b[0]), Kind: chunk.Kind(b[1]), Length: binary.BigEndian.Uint32(b[4:]),
			Offset: int64(binary.BigEndian.Uint64(b[8:])), ID: chunk.ID(b[16:48]), Hash: frame.Hash(b[48:80])}
		if !e.Type.Valid() || b[2] != 0 || b[3] != 0 || e.Length > MaxPayload || e.Offset < at+recordSize || e.Offset > end-int64(e.Length) {
			return nil, fmt.Errorf("%w: table", ErrFormat)
		}
		at = e.Offset + int64(e.Length)
		es = append(es, e)
	}
	return es, nil
}

// renderTrailer is the end of a finished pack. Its hash covers header, table and the trailer's own numbers.
func renderTrailer(header, table []byte, at int64, n int) []byte {
	b := binary.BigEndian.AppendUint64([]byte(endMagic), uint64(at))
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = append(b, 0, 0, 0, 0)
	sum := sha256.New()
	sum.Write(header)
	sum.Write(table)
	sum.Write(b)
	return sum.Sum(b)
}
