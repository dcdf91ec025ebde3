package push

import (
	"sync"

	"holdfast/server/wire/record"
	"holdfast/snapshots/chunk"
)

// piece is a chunk or a hole of a file.
type piece struct {
	id   chunk.ID
	data []byte
	free func() // gives data back, once
	hole int64
	done chan struct{} // closed when id is there; nil when it is there already

	known    bool
	encoding byte
	packed   []byte // what travels, where that is not data itself
}

func (p *piece) size() int64 { return int64(len(p.data)) + p.hole }

// newPiece makes a piece of what a chunker has answered. With keep it stays in the chunker's buffer, which pays where the
// buffer's other pieces stay too.
func newPiece(x chunk.Piece, keep bool) *piece {
	switch {
	case x.Hole > 0:
		return &piece{hole: x.Hole}
	case keep:
		x.Keep()
		return &piece{data: x.Data, free: x.Release}
	}
	data := append(getBuffer(len(x.Data))[:0], x.Data...)
	return &piece{data: data, free: func() { putBuffer(data) }}
}

// release gives the piece's memory back.
func (p *piece) release() {
	if p.free != nil {
		p.free()
	}
	p.data, p.free = nil, nil
}

// buffers of pieces, by the power of two that they have room for.
var buffers [5]sync.Pool

var classes = [len(buffers)]int{16 << 10, 64 << 10, 256 << 10, 1 << 20, chunk.MaxPiece}

func getBuffer(n int) []byte {
	for i, room := range classes {
		if n <= room {
			if b, ok := buffers[i].Get().(*[]byte); ok {
				return (*b)[:n]
			}
			return make([]byte, n, room)
		}
	}
	return make([]byte, n)
}

func putBuffer(b []byte) {
	for i, room := range classes {
		if cap(b) == room {
			b = b[:0]
			buffers[i].Put(&b)
			return
		}
	}
}

// opKind says what is to be written.
type opKind byte

const (
	opEntry opKind = iota + 1
	opPiece
	opEnd
	opDelete
)

// op is one record to be.
type op struct {
	kind  opKind
	entry *record.Entry
	piece *piece
	size  int64  // of an end
	path  string // of a deletion, or of an open entry that is given up
}
