package record

import (
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoder and decoder are shared: both work for several callers at once.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(MaxPlain), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // the options are constants: the tests would fail first
	}
	return e
})

// decoder writes only into the room that it is given, whatever the frame declares.
var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(MaxPlain), zstd.WithDecoderMaxWindow(MaxPlain))
	if err != nil {
		panic(err) // as above
	}
	return d
})

// sampleSize is how much of a long chunk is tried first, in the middle of it.
const sampleSize = 8 << 10

// Compress appends plain in the encoding that is shorter, and answers which.
// Bytes that look as if they would not get shorter are not tried.
func Compress(dst, plain []byte) (encoding byte, out []byte) {
	start := len(dst)
	if len(plain) >= 8*sampleSize {
		at := (len(plain) - sampleSize) / 2
		dst = encoder().EncodeAll(plain[at:at+sampleSize], dst)
		if len(dst)-start > sampleSize-sampleSize/16 {
			return Raw, append(dst[:start], plain...)
		}
		dst = dst[:start]
	}
	dst = encoder().EncodeAll(plain, dst)
	if len(dst)-start >= len(plain) {
		return Raw, append(dst[:start], plain...)
	}
	return Zstd, dst
}

// Decompress appends the content of one zstd frame that has exactly plain bytes;
// anything else is ErrFormat, found without writing more than that.
func Decompress(dst, body []byte, plain int) ([]byte, error) {
	if plain <= 0 || plain > MaxPlain {
		return dst, fmt.Errorf("%w: %d plain bytes", ErrFormat, plain)
	}
	start := len(dst)
	dst = slices.Grow(dst, plain)
	out, err := decoder().DecodeAll(body, dst[:start:start+plain])
	if err != nil || len(out) != start+plain {
		return dst[:start], fmt.Errorf("%w: compressed bytes", ErrFormat)
	}
	return out, nil
}
