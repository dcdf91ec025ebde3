package frame

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression is what a writer tries on a content. It is a setting of a volume and stands in every frame, so that it may
// change at any time. The zero Compression is invalid.
type Compression uint8

// The compressions.
const (
	// CompressionZstd is zstd at its fastest level: the default.
	CompressionZstd Compression = 1
	// CompressionS2 is S2 blocks, twice as fast and about a third larger.
	CompressionS2 Compression = 2
	// CompressionNone stores everything as it is.
	CompressionNone Compression = 3
)

var compressions = [...]string{"invalid", "zstd", "s2", "none"}

// Valid says whether the compression is a known one.
func (c Compression) Valid() bool { return c != 0 && int(c) < len(compressions) }

// String names the compression as configuration and screens write it.
func (c Compression) String() string {
	if !c.Valid() {
		return fmt.Sprintf("compression(%d)", uint8(c))
	}
	return compressions[c]
}

// ParseCompression reads a compression's name; another one is ErrFormat.
func ParseCompression(s string) (Compression, error) {
	for c := CompressionZstd; c.Valid(); c++ {
		if compressions[c] == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%w: compression %q", ErrFormat, s)
}

// compress appends the compressed content to dst, and says by what method of the inner header; compressNone where it does
// not pay, with nothing appended. There is room in dst for the content as it is.
func compress(c Compression, dst, plaintext []byte) ([]byte, byte) {
	body := len(dst)
	var out []byte
	var method byte
	switch {
	case len(plaintext) < 32:
		return dst, compressNone
	case c == CompressionZstd && pays(plaintext):
		out, method = encoder().EncodeAll(plaintext, dst), compressZstd
	case c == CompressionS2:
		box := scratch.Get().(*[]byte)
		defer scratch.Put(box)
		*box = s2.Encode((*box)[:cap(*box)], plaintext)
		if len(*box) >= len(plaintext)-len(plaintext)/32 {
			return dst, compressNone
		}
		return append(dst, *box...), compressS2
	default:
		return dst, compressNone
	}
	if len(out)-body >= len(plaintext)-len(plaintext)/32 {
		return dst, compressNone
	}
	return out, method
}

// decompressS2 appends exactly size bytes to dst, or answers an error.
func decompressS2(dst, body []byte, size int) ([]byte, error) {
	if n, err := s2.DecodedLen(body); err != nil || n != size {
		return nil, fmt.Errorf("%w: compressed content", ErrFormat)
	}
	start := len(dst)
	dst = slices.Grow(dst, size)
	out, err := s2.Decode(dst[start:start+size:start+size], body)
	if err != nil || len(out) != size {
		return nil, fmt.Errorf("%w: compressed content", ErrFormat)
	}
	return dst[:start+size], nil
}

// scratch holds the buffers of opened frames: *[]byte.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// encoder is shared: EncodeAll may be called concurrently, and keeps its state for the next call. The window covers the
// longest chunk of every profile.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(4<<20), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // the options are constants: TestRoundTrip would fail first
	}
	return e
})

// decoder writes only into the room that it is given, whatever the frame declares.
var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxPlaintext), zstd.WithDecoderMaxWindow(16<<20))
	if err != nil {
		panic(err) // as above
	}
	return d
})

// decompress appends exactly size bytes to dst, or answers an error.
func decompress(dst, body []byte, size int) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, size)
	out, err := decoder().DecodeAll(body, dst[:start:start+size])
	if err != nil || len(out) != start+size {
		return nil, fmt.Errorf("%w: compressed content", ErrFormat)
	}
	return out, nil
}

// pays guesses whether compression is worth its time. Short contents are just tried; of a longer one three samples are,
// and when none of them gets shorter it is media, an archive or encrypted, and stays as it is.
func pays(b []byte) bool {
	if len(b) < 32 {
		return false
	}
	if len(b) < sampled {
		return true
	}
	box := scratch.Get().(*[]byte)
	defer scratch.Put(box)
	for _, at := range [...]int{0, (len(b) - sampleSize) / 2, len(b) - sampleSize} {
		out := encoder().EncodeAll(b[at:at+sampleSize], (*box)[:0])
		*box = out[:0]
		if len(out) < sampleSize-sampleSize/16 {
			return true
		}
	}
	return false
}
