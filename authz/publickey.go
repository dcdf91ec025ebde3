package authz

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// PublicKeyDigest returns the SHA-256 of the key material of a COSE key, the
// same for every encoding of one key: who re-encodes a key, or names another
// algorithm for it, does not get a second one (I2). Unknown key types are ErrInvalid.
func PublicKeyDigest(cose []byte) ([32]byte, error) {
	if len(cose) == 0 || len(cose) > MaxPublicKeyLength {
		return [32]byte{}, ErrInvalid
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return [32]byte{}, ErrInvalid
	}
	h := sha256.New()
	put := func(number []byte) {
		b := new(big.Int).SetBytes(number).Bytes() // leading zeroes are no difference
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		// Without y: (x, y) and (x, -y) are one private key up to its sign.
		h.Write([]byte("holdfast key v1\nec2\n"))
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(k.Curve)))
		put(k.XCoord)
	case webauthncose.OKPPublicKeyData:
		h.Write([]byte("holdfast key v1\nokp\n"))
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(k.Curve)))
		h.Write(k.XCoord)
	case webauthncose.RSAPublicKeyData:
		h.Write([]byte("holdfast key v1\nrsa\n"))
		put(k.Modulus)
	default:
		return [32]byte{}, ErrInvalid
	}
	return [32]byte(h.Sum(nil)), nil
}
