// Package id owns the identifiers of everything that Holdfast names: 128 bits,
// ordered by the time of their making, written as a three letter prefix and 26
// characters, as in req_06f3c8a0x5w7b9kq2m4n6p8r0t. The prefix is part of the
// type, so an id of a tenant cannot be handed over where a request is meant.
//
// It must never know a domain: the domains declare their own kinds. An id is a
// name and no secret; nothing may be granted because somebody knows one.
package id

import (
	"bytes"
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Kind tells ids of different things apart, at compile time by its type and in
// text by its prefix. Implementations are empty structs; Prefix must answer
// the same one to eight lower-case ASCII letters on the zero value, always.
type Kind interface{ Prefix() string }

// ID is the identifier of a thing of kind K. The zero ID means "none". IDs are
// comparable with == and may be keys of maps.
type ID[K Kind] struct{ b [Size]byte }

// Size is the length of an id in bytes: a 48-bit big-endian count of
// milliseconds since 1970 followed by 80 random bits.
const Size = 16

// textLen is the length of the part after the underscore: 26 characters of
// five bits, of which the first carries only three.
const textLen = 26

// alphabet is Crockford's base32 in lower case. It is in ASCII order, so texts
// of one kind sort as the ids do.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var (
	// ErrSyntax means that a text is not the one and only spelling of an id.
	ErrSyntax = errors.New("id: malformed")
	// ErrKind means that a text is an id of another kind than was asked for.
	ErrKind = errors.New("id: of another kind")
)

// New makes an id for a thing that came to be at the given time. Two ids of
// one millisecond are in random order. Times outside what 48 bits hold (1970
// to about the year 10889) are moved to the nearer end.
func New[K Kind](at time.Time) ID[K] {
	const most = 1<<48 - 1
	ms := min(max(at.UnixMilli(), 0), most)
	var i ID[K]
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(ms)<<16)
	copy(i.b[:6], head[:6])
	rand.Read(i.b[6:]) // never fails: the runtime ends the program instead
	return i
}

// FromBytes is the id of the given 16 bytes, for formats that keep ids in
// binary. All zeroes are the zero id.
func FromBytes[K Kind](b [Size]byte) ID[K] { return ID[K]{b} }

// Parse reads the text of an id. It takes only what [ID.String] writes: no
// upper case, no look-alikes, no blanks, not the zero id. Its errors are
// [ErrSyntax] and [ErrKind]; they do not repeat the text.
func Parse[K Kind](s string) (ID[K], error) {
	var k K
	prefix := k.Prefix()
	if len(s) <= textLen || s[len(s)-textLen-1] != '_' {
		return ID[K]{}, fmt.Errorf("%w: want %s_ and %d characters", ErrSyntax, prefix, textLen)
	}
	if s[:len(s)-textLen-1] != prefix {
		return ID[K]{}, fmt.Errorf("%w: want %s_…", ErrKind, prefix)
	}
	var i ID[K]
	if !decode(&i.b, s[len(s)-textLen:]) || i.IsZero() {
		return ID[K]{}, fmt.Errorf("%w: want %s_ and %d characters", ErrSyntax, prefix, textLen)
	}
	return i, nil
}

// String is the text of the id, or "" for the zero id.
func (i ID[K]) String() string {
	if i.IsZero() {
		return ""
	}
	var k K
	prefix := k.Prefix()
	out := make([]byte, len(prefix)+1+textLen)
	n := copy(out, prefix)
	out[n] = '_'
	encode(out[n+1:], i.b)
	return string(out)
}

// IsZero reports whether the id is "none".
func (i ID[K]) IsZero() bool { return i.b == [Size]byte{} }

// Bytes are the 16 bytes of the id.
func (i ID[K]) Bytes() [Size]byte { return i.b }

// Compare orders ids by the time of their making: -1, 0 or 1.
func (i ID[K]) Compare(j ID[K]) int { return bytes.Compare(i.b[:], j.b[:]) }

// Time is the moment that was given to [New], cut to milliseconds, in UTC. It
// came with the id, so it is a hint for people and never grounds for a decision.
func (i ID[K]) Time() time.Time {
	var head [8]byte
	copy(head[2:], i.b[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(head[:]))).UTC()
}

// MarshalText writes what String does; the zero id is the empty text.
func (i ID[K]) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what [Parse] does, and the empty text as the zero id.
// Who needs an id there has to ask for IsZero.
func (i *ID[K]) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = ID[K]{}
		return nil
	}
	p, err := Parse[K](string(text))
	if err != nil {
		return err
	}
	*i = p
	return nil
}

// Value stores the id as TEXT, and the zero id as NULL: a column that is NOT
// NULL so refuses "none" by itself.
func (i ID[K]) Value() (driver.Value, error) {
	if i.IsZero() {
		return nil, nil
	}
	return i.String(), nil
}

// Scan reads a TEXT column; NULL is the zero id. Anything that [Parse] refuses
// is an error, the empty text too: no row has been written with one.
func (i *ID[K]) Scan(src any) error {
	var s string
	switch v := src.(type) {
	case nil:
		*i = ID[K]{}
		return nil
	case string:
		s = v
	case []byte:
		s = string(v)
	default:
		return fmt.Errorf("%w: column holds %T", ErrSyntax, src)
	}
	p, err := Parse[K](s)
	if err != nil {
		return err
	}
	*i = p
	return nil
}

// encode writes the 128 bits of b as 26 characters, most significant first.
func encode(dst []byte, b [Size]byte) {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	for n := textLen - 1; n >= 0; n-- {
		dst[n] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
}

// decode is the inverse of encode and reports whether s was its output.
func decode(b *[Size]byte, s string) bool {
	if s[0] > '7' { // 130 bits would not fit
		return false
	}
	var hi, lo uint64
	for n := range textLen {
		v := bytes.IndexByte([]byte(alphabet), s[n])
		if v < 0 {
			return false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return true
}
