package pack

import (
	"io"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

type Type uint8

const (
	TypeChunk   Type = 1
	TypeNode    Type = 2
	TypeJournal Type = 3
	TypeWraps   Type = 4
	TypeSeal    Type = 5
)

type Header struct {
	Tenant string
	Pack   string
}

// Record: ID and Kind are zero for types that have none.
type Record struct {
	Type    Type
	Kind    chunk.Kind
	ID      chunk.ID
	Payload []byte
}

// Entry says where a record's payload lies.
type Entry struct {
	Type   Type
	Kind   chunk.Kind
	ID     chunk.ID
	Hash   frame.Hash
	Offset int64 // of the payload
	Length uint32
}

// Output is what a Writer writes to; blob.Writer is one.
type Output interface {
	io.Writer
	Sync() error
	Commit() error
}

type Writer struct{}

func NewWriter(out Output, h Header) (*Writer, error) { return nil, nil }
func (w *Writer) Append(r Record) (Entry, error)      { return Entry{}, nil }
func (w *Writer) Sync() error                         { return nil }
func (w *Writer) Finish() error                       { return nil } // footer, then Commit
func (w *Writer) Size() int64                         { return 0 }
func (w *Writer) Full() bool                          { return false }

// Scan reads a pack from its start; visit's payload is valid only during the call.
func Scan(r io.Reader, visit func(Entry, []byte) error) (Report, error) { return Report{}, nil }

type Report struct {
	Header   Header
	Records  int
	Finished bool  // footer found and right
	Torn     bool  // ends within a record
	Good     int64 // bytes up to the end of the last whole record
	Damaged  []Damage
}

type Damage struct{ Offset, Length int64 }

// ReadIndex lists a finished pack from its footer.
func ReadIndex(r io.ReaderAt, size int64) (Header, []Entry, error) { return Header{}, nil, nil }

// ReadPayload reads and checks one record's payload against its entry.
func ReadPayload(dst []byte, r io.ReaderAt, e Entry) ([]byte, error) { return nil, nil }
