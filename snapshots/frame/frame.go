package frame

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/key"
)

// Errors of the package.
var (
	// ErrFormat is answered for bytes that are no frame, or of a version or algorithm that is not known.
	ErrFormat = errors.New("frame: malformed frame")
	// ErrSize is answered for a content or frame beyond the bound.
	ErrSize = errors.New("frame: too large")
	// ErrAuthentic is answered when the frame was changed, or sealed for another tenant, id, kind or key.
	ErrAuthentic = errors.New("frame: not authentic")
	// ErrIdentity is answered when the plaintext is not what its id says.
	ErrIdentity = errors.New("frame: plaintext does not match its id")
	// ErrTenant is answered when the key set is of another tenant than the ring.
	ErrTenant = errors.New("frame: key set of another tenant")
)

// Keys finds the key set that sealed a frame. *key.Ring and *key.Tenant do.
type Keys interface {
	Tenant() string
	Key(key.Number) (*key.Tenant, error)
}

// Hash is the SHA-256 of stored bytes: of a whole frame, or of a whole node.
type Hash [32]byte

// String is the hash in 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero says whether the hash is unset.
func (h Hash) IsZero() bool { return h == Hash{} }

// HashOf hashes stored bytes.
func HashOf(stored []byte) Hash { return sha256.Sum256(stored) }

// The clear header: version, cipher, two zero bytes, key number (4 bytes), salt (32 bytes).
// The inner header, encrypted: compression, three zero bytes, plaintext length, stored length (4 bytes each). What
// follows it is the stored bytes and zero bytes up to the padded size. All numbers are big-endian.
const (
	version      = 1
	cipherAESGCM = 1 // AES-256-GCM, key and nonce by HKDF-SHA-256

	compressNone = 1
	compressZstd = 2
	compressS2   = 3 // one S2 block

	saltSize   = 32
	tagSize    = 16
	headerSize = 8 + saltSize
	innerSize  = 12

	subkeyLabel = "holdfast frame v1\n"
)

// derive makes the frame's own cipher and nonce. The salt is random and long enough never to repeat, so that no two
// plaintexts ever share a key and a nonce, without any counter to be rolled back.
func derive(k *key.Tenant, salt []byte) (cipher.AEAD, []byte, error) {
	root := k.Encryption()
	okm, err := hkdf.Key(sha256.New, root.Bytes(), salt, subkeyLabel, 32+12)
	if err != nil {
		return nil, nil, fmt.Errorf("frame: deriving: %w", err)
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		return nil, nil, fmt.Errorf("frame: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("frame: %w", err)
	}
	return aead, okm[32:], nil
}

// associated is what the tag binds besides the ciphertext: the clear header, kind, id and tenant.
func associated(header []byte, kind chunk.Kind, id chunk.ID, tenant string) []byte {
	b := make([]byte, 0, headerSize+1+len(id)+len(tenant))
	b = append(b, header[:headerSize]...)
	b = append(b, byte(kind))
	b = append(b, id[:]...)
	return append(b, tenant...)
}

// Seal appends the frame of a content to dst. The id must be the one of kind and plaintext under k: it is bound into
// the frame, and not computed again here, for ingest has just computed it; a wrong one makes a frame that Open refuses.
// plaintext and dst must not overlap.
func Seal(dst []byte, k *key.Tenant, id chunk.ID, kind chunk.Kind, plaintext []byte) ([]byte, error) {
	return SealWith(dst, k, id, kind, plaintext, CompressionZstd)
}

// SealWith is Seal with a compression of the caller's choice.
func SealWith(dst []byte, k *key.Tenant, id chunk.ID, kind chunk.Kind, plaintext []byte, c Compression) ([]byte, error) {
	if !c.Valid() {
		return nil, fmt.Errorf("%w: %s", ErrFormat, c)
	}
	if len(plaintext) > MaxPlaintext {
		return nil, fmt.Errorf("%w: %d bytes", ErrSize, len(plaintext))
	}
	if !kind.Valid() {
		return nil, fmt.Errorf("%w: %s", ErrFormat, kind)
	}
	start := len(dst)
	// Room for the content as it is, padded, so that neither compression nor encryption allocates again.
	dst = slices.Grow(dst, headerSize+padded(innerSize+len(plaintext))+tagSize)
	dst = append(dst, version, cipherAESGCM, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(k.Number()))
	dst = dst[:start+headerSize+innerSize]
	header := dst[start : start+headerSize]
	_, _ = rand.Read(header[8:]) // never fails

	body := start + headerSize + innerSize
	dst, method := compress(c, dst[:body:cap(dst)], plaintext)
	if method == compressNone {
		dst = append(dst[:body], plaintext...)
	}
	header = dst[start : start+headerSize] // dst may have grown elsewhere
	stored := len(dst) - body
	inner := dst[start+headerSize : body]
	inner[0], inner[1], inner[2], inner[3] = method, 0, 0, 0
	binary.BigEndian.PutUint32(inner[4:], uint32(len(plaintext)))
	binary.BigEndian.PutUint32(inner[8:], uint32(stored))
	if pad := padded(innerSize+stored) - innerSize - stored; pad > 0 {
		n := len(dst)
		dst = slices.Grow(dst, pad+tagSize)[:n+pad]
		clear(dst[n:])
		header = dst[start : start+headerSize]
	}

	aead, nonce, err := derive(k, header[8:])
	if err != nil {
		return nil, err
	}
	message := dst[start+headerSize:]
	sealed := aead.Seal(dst[:start+headerSize], nonce, message, associated(header, kind, id, k.Tenant()))
	return sealed, nil
}

// padded is the size to which n bytes are padded, by Padmé (Nikitin and others, PETS 2019): at most 12 % more, and
// less than 4 % from 128 KiB on; of the size of a content only its order and a few bits leak. All sites store the same
// frames, so there is no site at which padding could be spared.
func padded(n int) int {
	if n < 2 {
		return n
	}
	e := bits.Len(uint(n)) - 1
	s := bits.Len(uint(e))
	low := 1<<(e-s) - 1
	return (n + low) &^ low
}

// NumberOf reads the number of the key set that sealed a frame. It is authentic only after Open.
func NumberOf(f []byte) (key.Number, error) {
	if len(f) < MinFrame {
		return 0, ErrFormat
	}
	if len(f) > MaxFrame {
		return 0, ErrSize
	}
	if f[0] != version || f[1] != cipherAESGCM || f[2] != 0 || f[3] != 0 {
		return 0, fmt.Errorf("%w: version or algorithm", ErrFormat)
	}
	return key.Number(binary.BigEndian.Uint32(f[4:])), nil
}

// Open appends the plaintext of a frame to dst, if it is that of this tenant, id and kind and at most max bytes long.
// The id is computed again from the plaintext. The frame itself is left as it is. Whatever the frame says, no more than
// its own length and max bytes are allocated.
func Open(dst []byte, keys Keys, id chunk.ID, kind chunk.Kind, f []byte, max int) ([]byte, error) {
	aead, nonce, k, err := unlock(keys, f)
	if err != nil {
		return nil, err
	}
	box := scratch.Get().(*[]byte)
	defer scratch.Put(box)
	text, err := aead.Open((*box)[:0], nonce, f[headerSize:], associated(f, kind, id, k.Tenant()))
	if err != nil {
		return nil, ErrAuthentic
	}
	*box = text
	plain, err := inflate(dst, text, max)
	if err != nil {
		return nil, err
	}
	got := k.Identifier().ID(kind, plain[len(dst):])
	if subtle.ConstantTimeCompare(got[:], id[:]) != 1 {
		return nil, ErrIdentity
	}
	return plain, nil
}

// Read appends the plaintext of a frame to dst like Open, but does not compute the id again: that the content was sealed
// for this tenant, id and kind by somebody who has the tenant's key is certain, that its id is the right one for it is
// what ingest has seen to and what a proof looks at. It decrypts in place: the bytes of f are spent, also when it fails.
func Read(dst []byte, keys Keys, id chunk.ID, kind chunk.Kind, f []byte, max int) ([]byte, error) {
	text, err := decrypt(keys, id, kind, f)
	if err != nil {
		return nil, err
	}
	return inflate(dst, text, max)
}

// decrypt decrypts a frame in place, and answers its text: the inner header, the stored bytes and the padding.
func decrypt(keys Keys, id chunk.ID, kind chunk.Kind, f []byte) ([]byte, error) {
	aead, nonce, k, err := unlock(keys, f)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(f[headerSize:headerSize], nonce, f[headerSize:], associated(f, kind, id, k.Tenant()))
	if err != nil {
		return nil, ErrAuthentic
	}
	return text, nil
}

// unlock finds the key set that sealed a frame, and makes the frame's cipher and nonce. A frame that is too short for its
// headers, or has others than this version's, is refused here.
func unlock(keys Keys, f []byte) (cipher.AEAD, []byte, *key.Tenant, error) {
	n, err := NumberOf(f)
	if err != nil {
		return nil, nil, nil, err
	}
	k, err := keys.Key(n)
	if err != nil {
		return nil, nil, nil, err
	}
	if k.Tenant() != keys.Tenant() {
		return nil, nil, nil, ErrTenant
	}
	aead, nonce, err := derive(k, f[8:headerSize])
	return aead, nonce, k, err
}

// inflate reads the inner header and appends the plaintext to dst.
func inflate(dst, text []byte, max int) ([]byte, error) {
	size, stored := int(binary.BigEndian.Uint32(text[4:])), int(binary.BigEndian.Uint32(text[8:]))
	if text[1] != 0 || text[2] != 0 || text[3] != 0 || stored > len(text)-innerSize || len(text) != padded(innerSize+stored) {
		return nil, fmt.Errorf("%w: inner header", ErrFormat)
	}
	if size > min(max, MaxPlaintext) {
		return nil, fmt.Errorf("%w: a content of %d bytes", ErrSize, size)
	}
	body, pad := text[innerSize:innerSize+stored], text[innerSize+stored:]
	for _, b := range pad {
		if b != 0 {
			return nil, fmt.Errorf("%w: padding", ErrFormat)
		}
	}
	switch text[0] {
	case compressNone:
		if size != stored {
			return nil, fmt.Errorf("%w: length", ErrFormat)
		}
		return append(dst, body...), nil
	case compressZstd:
		return decompress(dst, body, size)
	case compressS2:
		return decompressS2(dst, body, size)
	}
	return nil, fmt.Errorf("%w: compression", ErrFormat)
}
