package pull

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots/chunk"
)

// verifier computes ids under the keys that the service gave.
type verifier struct {
	keys []*chunk.Identifier
	last atomic.Int32 // which key was right the last time
}

func newVerifier(in wire.ReadKeys) (*verifier, error) {
	v := &verifier{}
	for _, k := range in.Keys {
		i, err := chunk.NewIdentifier(k.Identity)
		if err != nil {
			return nil, fmt.Errorf("the service gave a key that is none: %w", err)
		}
		v.keys = append(v.keys, i)
	}
	if len(v.keys) == 0 {
		return nil, errors.New("the service gave no key to check with")
	}
	return v, nil
}

// check says whether data is the chunk of the id.
func (v *verifier) check(id [32]byte, data []byte) bool {
	last := v.last.Load()
	if v.keys[last].ID(chunk.KindData, data) == chunk.ID(id) {
		return true
	}
	for i, k := range v.keys {
		if int32(i) != last && k.ID(chunk.KindData, data) == chunk.ID(id) {
			v.last.Store(int32(i))
			return true
		}
	}
	return false
}

// unpacker is shared: DecodeAll may be called concurrently, and writes only into the room that it is given.
var unpacker = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(record.MaxPlain), zstd.WithDecoderMaxWindow(16<<20))
	if err != nil {
		panic(err) // the options are constants: any test of the package would fail first
	}
	return d
})

// plain gives the content of a data record; room has at least as many bytes, and slack behind them if it is to be quick.
func plain(room, body []byte, encoding byte, n int) ([]byte, error) {
	if encoding == record.Raw {
		return body, nil
	}
	out, err := unpacker().DecodeAll(body, room[:0:min(n+slack, cap(room))])
	if err != nil || len(out) != n {
		return nil, fmt.Errorf("%w: a chunk that does not decompress", ErrDamaged)
	}
	return out, nil
}
