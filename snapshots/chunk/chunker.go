package chunk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
)

// Piece is the next part of a stream: either Data, or a Hole of so many zero bytes.
type Piece struct {
	// Data is valid until the next call of Next, Reset or Close.
	Data []byte
	// Hole is the length of a run of zeros in bytes, at least MinHole; 0 if the piece is data.
	Hole int64
}

// Len is how many bytes of the stream the piece stands for.
func (p Piece) Len() int64 { return int64(len(p.Data)) + p.Hole }

// Chunker cuts one stream. The pieces depend on nothing but the table and the stream's bytes: not on the sizes in which
// they are read. It is not safe for concurrent use. Its memory is one buffer of about twice the longest chunk.
type Chunker struct {
	table *Table
	src   io.Reader
	buf   []byte
	// buf[start:end] is read and not yet answered; base is the stream's offset of buf[start].
	start, end int
	base       int64
	clean      int64 // no hole starts before this offset
	err        error // what the source answered last: io.EOF or a failure
}

// lookahead is how much of the stream has to be at hand to decide on the next piece.
func (t *Table) lookahead() int { return t.rule.max + MinHole + PageSize }

var buffers sync.Map // lookahead (int) to *sync.Pool of *[]byte

func getBuffer(lookahead int) []byte {
	p, ok := buffers.Load(lookahead)
	if !ok {
		p, _ = buffers.LoadOrStore(lookahead, &sync.Pool{New: func() any { b := make([]byte, 2*lookahead); return &b }})
	}
	return *p.(*sync.Pool).Get().(*[]byte)
}

func putBuffer(lookahead int, b []byte) {
	if p, ok := buffers.Load(lookahead); ok {
		p.(*sync.Pool).Put(&b)
	}
}

// NewChunker makes a chunker over r. Close gives its buffer back.
func NewChunker(t *Table, r io.Reader) *Chunker {
	c := &Chunker{table: t}
	c.Reset(r)
	return c
}

// Reset starts over with another stream.
func (c *Chunker) Reset(r io.Reader) {
	c.src, c.start, c.end, c.base, c.clean, c.err = r, 0, 0, 0, 0, nil
}

// Close gives the buffer back. The last piece's Data is invalid from here on, and Next answers io.ErrClosedPipe.
func (c *Chunker) Close() {
	if c.buf != nil {
		putBuffer(c.table.lookahead(), c.buf)
	}
	c.buf, c.start, c.end, c.err = nil, 0, 0, io.ErrClosedPipe
}

// Next answers the next piece, io.EOF behind the last, or the source's error. On an error other than io.EOF
// nothing of what was read ahead is answered: a stream that broke off must not look complete.
func (c *Chunker) Next() (Piece, error) {
	c.fill()
	if c.err != nil && c.err != io.EOF {
		return Piece{}, c.err
	}
	if c.start == c.end {
		return Piece{}, io.EOF
	}
	limit := min(c.end-c.start, c.table.rule.max)
	if hole := c.findHole(limit); hole == 0 {
		return c.hole()
	} else if hole > 0 {
		limit = hole
	}
	var n int
	if grid := int64(c.table.rule.fixed); grid > 0 {
		n = min(limit, int(grid-c.base%grid))
	} else {
		n = c.table.cut(c.buf[c.start : c.start+limit])
	}
	p := Piece{Data: c.buf[c.start : c.start+n : c.start+n]}
	c.advance(n)
	return p, nil
}

func (c *Chunker) advance(n int) { c.start += n; c.base += int64(n) }

// fill reads until a whole lookahead is at hand or the source ends.
func (c *Chunker) fill() {
	need := c.table.lookahead()
	if c.err != nil || c.end-c.start >= need {
		return
	}
	if c.buf == nil {
		c.buf = getBuffer(need)
	}
	if c.start+need > len(c.buf) { // only then: a slow source would have the same bytes moved for every piece
		copy(c.buf, c.buf[c.start:c.end])
		c.end -= c.start
		c.start = 0
	}
	empty := 0
	for c.end-c.start < need && c.err == nil {
		n, err := c.src.Read(c.buf[c.end:])
		c.end += n
		c.err = err
		if n > 0 {
			empty = 0
		} else if empty++; err == nil && empty == maxEmptyReads {
			c.err = io.ErrNoProgress
		}
	}
}

// findHole answers where, relative to the window's start, the first hole begins, if within limit; else -1. A hole is a
// run of zero pages (aligned in the stream; the last page may be cut short by its end) of MinHole or more.
// Every such run covers a page at a multiple of MinHole pages, so that only these are looked at first.
func (c *Chunker) findHole(limit int) int {
	data := c.buf[c.start:c.end]
	first := int((PageSize - c.base%PageSize) % PageSize) // the first page boundary in the window
	if skip := c.clean - c.base; skip > int64(first) {
		first = int(skip) // clean is always page aligned
	}
	const stride = MinHole
	for at := first; at < limit; {
		// Probe the last page that a hole starting at "at" must cover.
		probe := at + stride - PageSize
		if probe >= len(data) {
			return -1 // the stream ends before a hole could be long enough
		}
		if !zeroPage(data, probe) {
			at = probe + PageSize
			c.clean = c.base + int64(at)
			continue
		}
		back := probe
		for back > at && zeroPage(data, back-PageSize) {
			back -= PageSize
		}
		if back >= limit {
			return -1
		}
		// The run starts at back; is it long enough?
		end := probe + PageSize
		for end < len(data) && end-back < MinHole && zeroPage(data, end) {
			end += PageSize
		}
		if min(end, len(data))-back >= MinHole {
			return back
		}
		at = min(end, len(data)) // it stopped at a page that is not zero, or at the end of the stream
		at += (PageSize - int((c.base+int64(at))%PageSize)) % PageSize
		c.clean = c.base + int64(at)
	}
	return -1
}

// hole consumes a hole that starts at the window's start.
func (c *Chunker) hole() (Piece, error) {
	var total int64
	for {
		at := 0
		for at < c.end-c.start && zeroPage(c.buf[c.start:c.end], at) {
			// A page of which only a part has been read yet is left for the next round.
			if c.end-c.start-at < PageSize && c.err == nil {
				break
			}
			at = min(at+PageSize, c.end-c.start)
		}
		c.advance(at)
		total += int64(at)
		if at == 0 || c.err != nil {
			break
		}
		c.fill()
	}
	if c.err != nil && c.err != io.EOF {
		if c.start == c.end {
			total = decided(total)
		}
		if total == 0 || !errors.Is(c.err, ErrMore) {
			return Piece{}, c.err
		}
	}
	return Piece{Hole: total}, nil
}

var zeros [PageSize]byte

// zeroPage says whether the page of data at offset at holds only zeros; the page may be cut short by the data's end.
func zeroPage(data []byte, at int) bool {
	page := data[at:min(at+PageSize, len(data))]
	if len(page) >= 8 && binary.LittleEndian.Uint64(page) != 0 {
		return false
	}
	return bytes.Equal(page, zeros[:len(page)])
}
