package frame_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
)

func TestEveryCompressionReadsBack(t *testing.T) {
	k, err := key.Generate("ten_a")
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("what compresses well, and what does not: ", 9000))
	length := map[frame.Compression]int{}
	for c := frame.CompressionZstd; c.Valid(); c++ {
		if got, err := frame.ParseCompression(c.String()); err != nil || got != c {
			t.Errorf("%s is read as %s: %v", c, got, err)
		}
		for _, plain := range [][]byte{nil, []byte("short"), text, random(300 << 10)} {
			id := k.Identifier().ID(chunk.KindData, plain)
			f, err := frame.SealWith([]byte("before"), k, id, chunk.KindData, plain, c)
			if err != nil {
				t.Fatal(err)
			}
			f = f[len("before"):]
			if len(plain) == len(text) {
				length[c] = len(f)
			}
			if got, err := frame.Open(nil, k, id, chunk.KindData, f, len(plain)); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s: %d bytes of %d, %v", c, len(got), len(plain), err)
			}
			if len(plain) > 0 {
				if _, err := frame.Open(nil, k, id, chunk.KindData, f, len(plain)-1); !errors.Is(err, frame.ErrSize) {
					t.Errorf("%s: more than allowed was opened: %v", c, err)
				}
			}
			// Read spends the frame.
			if got, err := frame.Read([]byte("a"), k, id, chunk.KindData, bytes.Clone(f), len(plain)); err != nil || !bytes.Equal(got[1:], plain) {
				t.Errorf("%s: read %d bytes of %d, %v", c, len(got), len(plain), err)
			}
			other := id
			other[0] ^= 1
			if _, err := frame.Read(nil, k, other, chunk.KindData, f, len(plain)); !errors.Is(err, frame.ErrAuthentic) {
				t.Errorf("%s: read under another id: %v", c, err)
			}
		}
	}
	if length[frame.CompressionZstd]*2 > length[frame.CompressionNone] || length[frame.CompressionS2]*2 > length[frame.CompressionNone] {
		t.Errorf("frames of %v bytes", length)
	}
	if _, err := frame.SealWith(nil, k, chunk.ID{}, chunk.KindData, nil, 0); !errors.Is(err, frame.ErrFormat) {
		t.Error("sealed with no compression:", err)
	}
	if _, err := frame.ParseCompression("lz4"); !errors.Is(err, frame.ErrFormat) {
		t.Error("lz4 was read:", err)
	}
}
