package snapshots

import (
	"encoding/binary"
	"fmt"

	"holdfast/snapshots/key"
)

// The encodings of this package are made of unsigned LEB128 numbers in their shortest form, zigzag ones where a value
// may be negative, fixed bytes, and strings with their length in front. Parsers take only what the renderers write:
// each renders again what it has read and compares.

type encoder struct{ b []byte }

func (e *encoder) byte(v byte)     { e.b = append(e.b, v) }
func (e *encoder) num(v uint64)    { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)     { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) raw(v []byte)    { e.b = append(e.b, v...) }
func (e *encoder) str(v string)    { e.num(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) bytes(v []byte)  { e.num(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) flag(v bool)     { e.byte(map[bool]byte{true: 1}[v]) }
func newEncoder(size int) *encoder { return &encoder{make([]byte, 0, size)} }

// decoder reads what an encoder wrote; the first mistake sticks.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrFormat, what)
	}
	d.b = nil
}

func (d *decoder) byte(what string) byte {
	if len(d.b) == 0 {
		d.fail(what)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) flag(what string) bool {
	v := d.byte(what)
	if v > 1 {
		d.fail(what)
	}
	return v == 1
}

func (d *decoder) num(most uint64, what string) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most {
		d.fail(what)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int(what string) int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(what)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) take(n int, what string) []byte {
	if n < 0 || len(d.b) < n {
		d.fail(what)
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed(dst []byte, what string) { copy(dst, d.take(len(dst), what)) }

func (d *decoder) bytes(most int, what string) []byte {
	return d.take(int(d.num(uint64(most), what)), what)
}

func (d *decoder) str(most int, what string) string { return string(d.bytes(most, what)) }

// end reports the first mistake, or that something was left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) != 0 {
		d.fail("left over bytes")
	}
	return d.err
}

func keyNumber(n int64) key.Number { return key.Number(n) }
