package chunk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// Piece is the next part of a stream: either Data, or a Hole of so many zero bytes.
type Piece struct {
	// Data is valid until the next call of Next, Reset or Close, and longer between Keep and Release.
	Data []byte
	// Hole is the length of a run of zeros in bytes, at least MinHole; 0 if the piece is data.
	Hole int64

	slab *slab
}

// Len is how many bytes of the stream the piece stands for.
func (p Piece) Len() int64 { return int64(len(p.Data)) + p.Hole }

// Keep has Data stay as it is until Release, which must be called once for each Keep. It is called before the chunker is
// used again, and spares a copy; but however short Data is, a whole buffer of the chunker is kept.
func (p Piece) Keep() {
	if p.slab != nil {
		p.slab.refs.Add(1)
	}
}

// Release ends what Keep began. It may be called from another goroutine.
func (p Piece) Release() {
	if p.slab != nil {
		p.slab.drop()
	}
}

// Chunker cuts one stream. The pieces depend on nothing but the table and the stream's bytes: not on the sizes in which
// they are read. It is not safe for concurrent use. Its memory is one buffer of about twice the longest chunk, besides
// those whose pieces are kept.
type Chunker struct {
	table *Table
	src   io.Reader
	slab  *slab
	buf   []byte // the slab's
	// buf[start:end] is read and not yet answered; base is the stream's offset of buf[start].
	start, end int
	base       int64
	clean      int64 // no hole starts before this offset
	err        error // what the source answered last: io.EOF or a failure
}

// margin is how much of the stream behind a place has to be at hand to know whether a hole starts there.
const margin = MinHole + PageSize

// near is how far most pieces reach: so much is read first, to be cut while the processor's caches have it.
func (r rule) near() int {
	if r.fixed > 0 {
		return r.max
	}
	return min(r.max, 2<<r.bits)
}

// slab is a buffer that a chunker reads into, and that pieces of it may keep.
type slab struct {
	b    []byte
	refs atomic.Int32
	pool *sync.Pool
}

var slabs [len(rules)]sync.Pool

func (t *Table) slab() *slab {
	pool := &slabs[t.profile]
	s, ok := pool.Get().(*slab)
	if !ok {
		s = &slab{b: make([]byte, 2*(t.rule.max+margin)), pool: pool}
	}
	s.refs.Store(1)
	return s
}

func (s *slab) drop() {
	if s.refs.Add(-1) == 0 {
		s.pool.Put(s)
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
	if c.slab != nil && c.slab.refs.Load() > 1 {
		c.letGo() // kept pieces stand where the next stream would be read
	}
	c.src, c.start, c.end, c.base, c.clean, c.err = r, 0, 0, 0, 0, nil
}

// Close gives the buffer back. The last piece's Data is invalid from here on unless it is kept, and Next answers
// io.ErrClosedPipe.
func (c *Chunker) Close() {
	c.letGo()
	c.start, c.end, c.err = 0, 0, io.ErrClosedPipe
}

func (c *Chunker) letGo() {
	if c.slab != nil {
		c.slab.drop()
	}
	c.slab, c.buf = nil, nil
}

// Next answers the next piece, io.EOF behind the last, or the source's error. On an error other than io.EOF
// nothing of what was read ahead is answered: a stream that broke off must not look complete.
func (c *Chunker) Next() (Piece, error) {
	for reach := c.table.rule.near(); ; reach = c.table.rule.max {
		c.fill(reach + margin)
		if c.err != nil && c.err != io.EOF {
			return Piece{}, c.err
		}
		if c.start == c.end {
			return Piece{}, io.EOF
		}
		limit := c.end - c.start
		if c.err == nil {
			limit -= margin
		}
		limit = min(limit, c.table.rule.max)
		hole := c.findHole(limit)
		if hole == 0 {
			return c.hole()
		}
		if hole > 0 {
			limit = hole
		}
		var n int
		if grid := int64(c.table.rule.fixed); grid > 0 {
			n = min(limit, int(grid-c.base%grid))
		} else {
			n = c.table.cut(c.buf[c.start : c.start+limit])
		}
		if n == limit && hole < 0 && c.err == nil && limit < c.table.rule.max {
			continue // no boundary yet: look at all that a piece may be
		}
		p := Piece{Data: c.buf[c.start : c.start+n : c.start+n], slab: c.slab}
		c.advance(n)
		return p, nil
	}
}

func (c *Chunker) advance(n int) { c.start += n; c.base += int64(n) }

// fill reads until so much is at hand or the source ends; hardly more, so that little is ever moved.
func (c *Chunker) fill(need int) {
	if c.err != nil || c.end-c.start >= need {
		return
	}
	if c.slab == nil {
		c.slab = c.table.slab()
		c.buf = c.slab.b
	}
	if c.start+need > len(c.buf) { // only then: a slow source would have the same bytes moved for every piece
		c.wrap()
	}
	empty := 0
	for c.end-c.start < need && c.err == nil {
		n, err := c.src.Read(c.buf[c.end:min(len(c.buf), max(c.start+need, c.end+leastRead))])
		c.end += n
		c.err = err
		if n > 0 {
			empty = 0
		} else if empty++; err == nil && empty == maxEmptyReads {
			c.err = io.ErrNoProgress
		}
	}
}

// wrap brings what is not yet answered to the begin of the buffer, or of another one when pieces of this are kept.
func (c *Chunker) wrap() {
	rest := c.buf[c.start:c.end]
	if c.slab.refs.Load() > 1 {
		old := c.slab
		c.slab = c.table.slab()
		c.buf = c.slab.b
		copy(c.buf, rest)
		old.drop()
	} else {
		copy(c.buf, rest)
	}
	c.start, c.end = 0, len(rest)
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
		c.fill(c.table.rule.near() + margin)
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
