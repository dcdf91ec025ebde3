package chunk

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// slowCut is the format's definition of a cut, one byte a step: what another implementation would write.
func slowCut(t *Table, data []byte) int {
	r := t.rule
	if len(data) <= r.min {
		return len(data)
	}
	for n := r.min + 1; n <= len(data) && n <= r.max; n++ {
		m := t.strict
		if n > r.normal {
			m = t.loose
		}
		var sum uint64
		for _, b := range data[n-window : n] {
			sum = sum<<1 + t.gear[b]
		}
		if sum&m == 0 {
			return n
		}
	}
	return min(len(data), r.max)
}

// TestTwoByteStepIsTheDefinition is internal, for the definition has no exported door.
func TestTwoByteStepIsTheDefinition(t *testing.T) {
	tab, err := NewTable(bytes.Repeat([]byte{1}, KeySize), ProfileDisk)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]byte, 2<<20)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(in)
	for at := 0; at < len(in); {
		fast, slow := tab.cut(in[at:]), slowCut(tab, in[at:])
		if fast != slow {
			t.Fatalf("at %d: %d, by definition %d", at, fast, slow)
		}
		at += fast
	}
}
