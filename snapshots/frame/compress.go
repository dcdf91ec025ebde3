package frame

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

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
