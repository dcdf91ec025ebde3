package push

import (
	"bytes"
	"io"
)

// text is the bytes of a segment: what was written into buf, and between that data which stays where it was read.
type text struct {
	buf   []byte
	parts []part
	long  int64 // bytes of parts
}

// part is data that comes before buf[at:].
type part struct {
	at   int
	data []byte
	free func()
}

// len is how many bytes there are.
func (t *text) len() int64 { return int64(len(t.buf)) + t.long }

// add adds data, which free gives back: at once when it is copied, or when the text is reset.
func (t *text) add(data []byte, free func(), long bool) {
	if long && len(data) >= longData {
		t.parts = append(t.parts, part{len(t.buf), data, free})
		t.long += int64(len(data))
		return
	}
	t.buf = append(t.buf, data...)
	free()
}

// reader reads the text from its begin.
func (t *text) reader() io.Reader {
	rs := make([]io.Reader, 0, 2*len(t.parts)+1)
	at := 0
	for _, p := range t.parts {
		rs = append(rs, bytes.NewReader(t.buf[at:p.at]), bytes.NewReader(p.data))
		at = p.at
	}
	return io.MultiReader(append(rs, bytes.NewReader(t.buf[at:]))...)
}

// reset empties the text.
func (t *text) reset() {
	for _, p := range t.parts {
		p.free()
	}
	clear(t.parts)
	t.buf, t.parts, t.long = t.buf[:0], t.parts[:0], 0
}
