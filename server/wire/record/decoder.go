package record

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Record is what a Decoder has read. Which fields count depends on Type.
type Record struct {
	Type  Type
	Entry Entry // of TypeEntry
	// ID is of TypeData and TypeRef.
	ID [32]byte
	// Length is the plain length of TypeData and TypeRef, the length of TypeHole,
	// the size of TypeEnd, the count of TypeStop.
	Length int64
	// Encoding and Stored are of TypeData: how its bytes are encoded, and how many
	// they are. Decoder.Body reads them.
	Encoding byte
	Stored   int
	// Text is the path of TypeDelete, the message of TypeError.
	Text string
}

// Decoder reads a stream. It takes only what an Encoder writes: numbers in their
// shortest form, everything within its bounds, a count that is right, nothing
// behind the stop.
type Decoder struct {
	r     *bufio.Reader
	began bool
	ended bool
	left  int // bytes of the current data record not read yet
	count uint64
	read  int64
	buf   []byte
	err   error
}

// NewDecoder reads from r, ahead of what was asked for.
func NewDecoder(r io.Reader) *Decoder { return &Decoder{r: bufio.NewReaderSize(r, readBuffer)} }

// Bytes is how many bytes of the stream the records read so far had.
func (d *Decoder) Bytes() int64 { return d.read }

// Next reads the next record into r. Bytes of a data record that were not read
// are passed over. After the stop, or an error record, it answers io.EOF; a
// stream that ends without one is ErrTorn. The first failure sticks.
func (d *Decoder) Next(r *Record) error {
	if d.err == nil {
		d.err = d.next(r)
	}
	return d.err
}

func (d *Decoder) next(r *Record) error {
	if !d.began {
		var magic [len(Magic)]byte
		if err := d.full(magic[:]); err != nil {
			return err
		}
		if string(magic[:]) != Magic {
			return fmt.Errorf("%w: not a record stream of version 1", ErrFormat)
		}
		d.began = true
	}
	if d.left > 0 {
		n, err := d.r.Discard(d.left)
		d.read += int64(n)
		d.left = 0
		if err != nil {
			return torn(err)
		}
	}
	if d.ended {
		if _, err := d.r.ReadByte(); err == nil {
			return fmt.Errorf("%w: something stands behind the stop", ErrFormat)
		} else if !errors.Is(err, io.EOF) {
			return err
		}
		return io.EOF
	}
	kind, err := d.r.ReadByte()
	if err != nil {
		return torn(err)
	}
	d.read++
	length, err := d.number()
	if err != nil {
		return err
	}
	*r = Record{Type: Type(kind)}
	if err := d.body(r, length); err != nil {
		return err
	}
	if r.Type == TypeStop {
		if uint64(r.Length) != d.count {
			return fmt.Errorf("%w: the stop counts %d records of %d", ErrFormat, r.Length, d.count)
		}
		d.ended = true
		return nil
	}
	d.ended = r.Type == TypeError
	d.count++
	return nil
}

// body reads what follows a record's length.
func (d *Decoder) body(r *Record, length uint64) error {
	switch r.Type {
	case TypeData:
		return d.data(r, length)
	case TypeEntry:
		if length > maxEntry {
			return fmt.Errorf("%w: entry of %d bytes", ErrFormat, length)
		}
	case TypeRef:
		if length > 32+10 {
			return fmt.Errorf("%w: ref of %d bytes", ErrFormat, length)
		}
	case TypeHole, TypeEnd, TypeStop:
		if length > 10 {
			return fmt.Errorf("%w: number of %d bytes", ErrFormat, length)
		}
	case TypeDelete, TypeError:
		most := uint64(MaxPath)
		if r.Type == TypeError {
			most = MaxText
		}
		if length > most || r.Type == TypeDelete && length == 0 {
			return fmt.Errorf("%w: text of %d bytes", ErrFormat, length)
		}
	default:
		return fmt.Errorf("%w: a record of unknown type %d", ErrFormat, byte(r.Type))
	}
	if cap(d.buf) < int(length) {
		d.buf = make([]byte, length)
	}
	b := d.buf[:length]
	if err := d.full(b); err != nil {
		return err
	}
	f := fields{b: b}
	switch r.Type {
	case TypeEntry:
		f.entry(&r.Entry)
	case TypeRef:
		f.fixed(r.ID[:])
		r.Length = int64(f.num(MaxPlain))
		f.want(r.Length > 0)
	case TypeHole:
		r.Length = int64(f.num(MaxSize))
		f.want(r.Length > 0)
	case TypeEnd, TypeStop:
		r.Length = int64(f.num(MaxSize))
	case TypeDelete, TypeError:
		r.Text, f.b = string(b), nil
	}
	if f.bad || len(f.b) != 0 {
		return fmt.Errorf("%w: record of type %d", ErrFormat, byte(r.Type))
	}
	return nil
}

// data reads the head of a data record and leaves its bytes to Body.
func (d *Decoder) data(r *Record, length uint64) error {
	if length < 32+1+1+1 || length > dataHead+MaxPlain {
		return fmt.Errorf("%w: data of %d bytes", ErrFormat, length)
	}
	var head [33]byte
	if err := d.full(head[:]); err != nil {
		return err
	}
	copy(r.ID[:], head[:])
	r.Encoding = head[32]
	before := d.read
	plain, err := d.number()
	if err != nil {
		return err
	}
	r.Length, r.Stored = int64(plain), int(length)-33-int(d.read-before)
	switch {
	case plain == 0 || plain > MaxPlain || r.Stored <= 0 || r.Encoding > Zstd,
		r.Encoding == Raw && r.Stored != int(plain), r.Encoding == Zstd && r.Stored >= int(plain):
		return fmt.Errorf("%w: data of %d bytes stored in %d", ErrFormat, plain, r.Stored)
	}
	d.left = r.Stored
	return nil
}

// Body reads the bytes of the data record that Next has just answered, Stored of
// them, behind what dst has.
func (d *Decoder) Body(dst []byte) ([]byte, error) {
	if d.err != nil {
		return dst, d.err
	}
	n := d.left
	from := len(dst)
	if cap(dst)-from < n {
		dst = append(make([]byte, 0, from+n), dst...)
	}
	dst = dst[:from+n]
	d.left = 0
	if err := d.full(dst[from:]); err != nil {
		d.err = err
		return dst[:from], err
	}
	return dst, nil
}

func (d *Decoder) full(b []byte) error {
	n, err := io.ReadFull(d.r, b)
	d.read += int64(n)
	return torn(err)
}

// torn names a stream that ends early.
func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrTorn, io.ErrUnexpectedEOF)
	}
	return err
}

// number reads an unsigned LEB128 in its shortest form.
func (d *Decoder) number() (uint64, error) {
	var v uint64
	for i := 0; i < binary.MaxVarintLen64; i++ {
		b, err := d.r.ReadByte()
		if err != nil {
			return 0, torn(err)
		}
		d.read++
		if b < 0x80 {
			if i > 0 && b == 0 || i == binary.MaxVarintLen64-1 && b > 1 {
				break
			}
			return v | uint64(b)<<(7*i), nil
		}
		v |= uint64(b&0x7f) << (7 * i)
	}
	return 0, fmt.Errorf("%w: a number not in its shortest form", ErrFormat)
}
