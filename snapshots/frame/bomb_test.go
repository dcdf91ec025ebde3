package frame

import (
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
)

// forge makes the decrypted text of a frame: what somebody with the key could put there.
func forge(method byte, size, stored int, body []byte) []byte {
	b := []byte{method, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint32(b, uint32(stored))
	b = append(b, body...)
	return append(b, make([]byte, padded(len(b))-len(b))...)
}

// TestT50_BombsAreRefused feeds inner headers that lie. It is internal because only a holder of the key can make them.
func TestT50_BombsAreRefused(t *testing.T) {
	zeros := make([]byte, 10<<20)
	bomb := encoder().EncodeAll(zeros, nil)
	for name, text := range map[string][]byte{
		"declares less than it inflates to": forge(compressZstd, 100, len(bomb), bomb),
		"declares more than it inflates to": forge(compressZstd, 11<<20, len(bomb), bomb),
		"declares 4 GiB":                    forge(compressZstd, 1<<32-1, len(bomb), bomb),
		"stored length beyond the text":     forge(compressNone, 1<<31, 1<<31, []byte("x")),
		"stored length below the body":      forge(compressNone, 4, 4, make([]byte, 1000)),
		"raw lengths differ":                forge(compressNone, 5, 4, []byte("four")),
		"unknown compression":               forge(9, 4, 4, []byte("four")),
		"compression zero":                  forge(0, 4, 4, []byte("four")),
		"padding that is not zero":          func() []byte { b := forge(compressNone, 37, 37, make([]byte, 37)); b[len(b)-1] = 1; return b }(),
		"not zstd":                          forge(compressZstd, 4, 4, []byte("four")),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := inflate(nil, text, MaxPlaintext)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSize) {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 3*MaxPlaintext {
			t.Errorf("%s: allocated %d bytes", name, used)
		}
	}
	if got, err := inflate(nil, forge(compressZstd, len(zeros), len(bomb), bomb), MaxPlaintext); err != nil || len(got) != len(zeros) {
		t.Errorf("the honest header: %d bytes, %v", len(got), err)
	}
}
