package chunk

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Table is the cutting rule of one tenant and one profile. It is immutable and may be shared. It is as secret as the
// chunking key: who knows it can recognise known files by the sizes of their chunks.
type Table struct {
	profile Profile
	rule    rule
	// gear[b] is added for a byte b. The two-byte step shifts the sum by two, hence the doubled table for its
	// first byte: the sum after that byte stands one bit too high.
	gear, doubled [256]uint64
	strict, loose uint64 // masks before and after the normal point
}

// tableLabel is the HKDF info; the profile's number follows it.
const tableLabel = "holdfast gear v1\n"

// NewTable derives the table of a profile from a tenant's chunking key (HKDF-SHA-256, no salt). A zero key is refused
// with ErrKey, an unknown profile with ErrProfile.
func NewTable(chunkKey []byte, p Profile) (*Table, error) {
	if err := checkKey(chunkKey); err != nil {
		return nil, err
	}
	if !p.Valid() {
		return nil, fmt.Errorf("%w: %d", ErrProfile, p)
	}
	t := &Table{profile: p, rule: rules[p]}
	if t.rule.fixed > 0 {
		return t, nil
	}
	raw, err := hkdf.Key(sha256.New, chunkKey, nil, tableLabel+string([]byte{byte(p)}), 256*8)
	if err != nil {
		return nil, fmt.Errorf("chunk: deriving the table: %w", err)
	}
	for i := range t.gear {
		t.gear[i] = binary.BigEndian.Uint64(raw[8*i:])
		t.doubled[i] = t.gear[i] << 1
	}
	t.strict, t.loose = mask(t.rule.bits+2), mask(t.rule.bits-2)
	return t, nil
}

// Profile is the profile that the table was made for.
func (t *Table) Profile() Profile { return t.profile }

// mask has n ones below the top bit. The top bit is left out because the two-byte step loses it for the first byte.
func mask(n int) uint64 { return (1<<n - 1) << (63 - n) }

// window is how many bytes the 64-bit sum remembers.
const window = 64

// cut answers the length of the first chunk of data. data ends at the profile's maximum or where the data ends.
func (t *Table) cut(data []byte) int {
	n := len(data)
	if n <= t.rule.min {
		return n
	}
	if n > t.rule.max {
		n = t.rule.max
	}
	// The sum starts a window before the minimum, so that it depends on the content alone and not on where the
	// chunk began: boundaries come back at once after an insertion.
	var sum uint64
	for _, b := range data[t.rule.min-window : t.rule.min] {
		sum = sum<<1 + t.gear[b]
	}
	normal := min(t.rule.normal, n)
	at, sum := t.scan(data[:normal], t.rule.min, sum, t.strict)
	if at > 0 {
		return at
	}
	if at, _ = t.scan(data[:n], normal, sum, t.loose); at > 0 {
		return at
	}
	return n
}

// scan looks for the first byte from position i on after which the sum has no bit of m; it answers the position behind
// that byte, or 0, and the sum. It does four steps of two bytes at a time, and what a step adds to the sum does not wait
// for the step before it; see oracle_test.go for what it computes.
func (t *Table) scan(data []byte, i int, sum, m uint64) (int, uint64) {
	gear, doubled, m2 := &t.gear, &t.doubled, m<<1
	for ; i+8 <= len(data); i += 8 {
		d := data[i : i+8 : i+8]
		first := doubled[d[0]]
		both := first + gear[d[1]]
		if (sum<<2+first)&m2 == 0 {
			return i + 1, sum
		}
		if sum = sum<<2 + both; sum&m == 0 {
			return i + 2, sum
		}
		first = doubled[d[2]]
		both = first + gear[d[3]]
		if (sum<<2+first)&m2 == 0 {
			return i + 3, sum
		}
		if sum = sum<<2 + both; sum&m == 0 {
			return i + 4, sum
		}
		first = doubled[d[4]]
		both = first + gear[d[5]]
		if (sum<<2+first)&m2 == 0 {
			return i + 5, sum
		}
		if sum = sum<<2 + both; sum&m == 0 {
			return i + 6, sum
		}
		first = doubled[d[6]]
		both = first + gear[d[7]]
		if (sum<<2+first)&m2 == 0 {
			return i + 7, sum
		}
		if sum = sum<<2 + both; sum&m == 0 {
			return i + 8, sum
		}
	}
	for ; i < len(data); i++ {
		if sum = sum<<1 + gear[data[i]]; sum&m == 0 {
			return i + 1, sum
		}
	}
	return 0, sum
}
