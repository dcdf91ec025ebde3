package frame

import (
	"encoding/binary"
	"fmt"

	"holdfast/snapshots/chunk"
)

// Stored is a content as its frame holds it: as it is, or compressed with zstd. Body is part of the frame's own bytes.
type Stored struct {
	// Zstd says that Body is one zstd frame (RFC 8878) of Plain bytes; otherwise it is the Plain bytes themselves.
	Zstd  bool
	Plain int
	Body  []byte
}

// Unseal decrypts a frame in place, and leaves the content compressed as it is. What it answers was sealed for this
// tenant, id and kind by somebody who has the tenant's key; the id is not computed again. It is for those who hand the
// content to somebody who computes it, as the client of a pull does, and for nobody else: they use Open. The bytes of f
// are spent, also when it fails.
func Unseal(keys Keys, id chunk.ID, kind chunk.Kind, f []byte) (Stored, error) {
	text, err := decrypt(keys, id, kind, f)
	if err != nil {
		return Stored{}, err
	}
	size, stored := int(binary.BigEndian.Uint32(text[4:])), int(binary.BigEndian.Uint32(text[8:]))
	if stored > len(text)-innerSize || size > MaxPlaintext {
		return Stored{}, fmt.Errorf("%w: inner header", ErrFormat)
	}
	body := text[innerSize : innerSize+stored]
	switch {
	case text[0] == compressZstd && stored > 0 && stored < size:
		return Stored{Zstd: true, Plain: size, Body: body}, nil
	case text[0] == compressNone && stored == size:
		return Stored{Plain: size, Body: body}, nil
	}
	plain, err := inflate(nil, text, MaxPlaintext)
	if err != nil {
		return Stored{}, err
	}
	return Stored{Plain: len(plain), Body: plain}, nil
}
