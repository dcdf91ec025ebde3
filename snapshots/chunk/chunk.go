package chunk

import "io"

type Kind uint8

const (
	KindData           Kind = 1
	KindRecipe         Kind = 2
	KindCataloguePage  Kind = 3
	KindCatalogueIndex Kind = 4
	KindRoot           Kind = 5
	KindJournal        Kind = 6
)

func (k Kind) String() string { return "" }
func (k Kind) Valid() bool    { return false }

type ID [32]byte

func (id ID) String() string       { return "" }
func (id ID) IsZero() bool         { return false }
func ParseID(s string) (ID, error) { return ID{}, nil }

// Identifier computes ids, safe for concurrent use.
type Identifier struct{}

func NewIdentifier(idKey []byte) (*Identifier, error)   { return nil, nil }
func (i *Identifier) ID(kind Kind, plaintext []byte) ID { return ID{} }

type Profile uint8

const (
	ProfileFiles Profile = 1
	ProfileDisk  Profile = 2
	ProfilePages Profile = 3
)

func (p Profile) String() string             { return "" }
func (p Profile) Valid() bool                { return false }
func (p Profile) Max() int                   { return 0 }
func ParseProfile(s string) (Profile, error) { return 0, nil }

// Table is the keyed cutter of one tenant and profile; immutable, shared.
type Table struct{}

func NewTable(chunkKey []byte, p Profile) (*Table, error) { return nil, nil }

// Piece: Data is valid until the next call of Next.
type Piece struct {
	Data []byte
	Hole int64
}

func (p Piece) Len() int64 { return 0 }

type Chunker struct{}

func NewChunker(t *Table, r io.Reader) *Chunker { return nil }
func (c *Chunker) Next() (Piece, error)         { return Piece{}, io.EOF }
func (c *Chunker) Reset(r io.Reader)            {}
func (c *Chunker) Close()                       {}
