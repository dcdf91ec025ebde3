package charter

import (
	"bytes"
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
)

// Algorithm names a signature algorithm as the text spells it. The zero value is invalid.
type Algorithm string

// The algorithms of passkeys, with their COSE numbers: ES256 is -7, EdDSA with Ed25519 -8, RS256 -257. Ed25519 keys
// outside COSE are spelled as AlgEd25519.
const (
	AlgES256   Algorithm = "es256"
	AlgEdDSA   Algorithm = "eddsa"
	AlgRS256   Algorithm = "rs256"
	AlgEd25519 Algorithm = "ed25519"
)

var errCOSE = errors.New("public key is not a COSE_Key in its canonical encoding")

// The canonical encodings (CTAP2 section 8) around the key material. An authenticator gives exactly these bytes, and
// one key has exactly one spelling, so that equal keys are found by comparing bytes (T15).
var (
	coseES256  = []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	coseES256y = []byte{0x22, 0x58, 0x20}
	coseEdDSA  = []byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20}
	coseRS256  = []byte{0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20, 0x59}
	coseRS256e = []byte{0x21, 0x43, 0x01, 0x00, 0x01}
)

// COSEAlgorithm returns the algorithm of a COSE_Key, or an error if it is not one of ES256 (a point on P-256), EdDSA
// (Ed25519) and RS256 (modulus of 2048 to 4096 bits, exponent 65537) in its canonical encoding.
func COSEAlgorithm(key []byte) (Algorithm, error) {
	switch {
	case len(key) == len(coseES256)+32+len(coseES256y)+32 && bytes.HasPrefix(key, coseES256):
		x, rest := key[len(coseES256):len(coseES256)+32], key[len(coseES256)+32:]
		if !bytes.HasPrefix(rest, coseES256y) {
			return "", errCOSE
		}
		point := append(append([]byte{4}, x...), rest[len(coseES256y):]...)
		if _, err := ecdh.P256().NewPublicKey(point); err != nil {
			return "", errCOSE
		}
		return AlgES256, nil
	case len(key) == len(coseEdDSA)+32 && bytes.HasPrefix(key, coseEdDSA):
		return AlgEdDSA, nil
	case len(key) > len(coseRS256)+2 && bytes.HasPrefix(key, coseRS256):
		rest := key[len(coseRS256):]
		n := int(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
		if n < 256 || n > 512 || len(rest) != n+len(coseRS256e) || rest[0]&0x80 == 0 || rest[n-1]&1 == 0 || !bytes.Equal(rest[n:], coseRS256e) {
			return "", errCOSE
		}
		return AlgRS256, nil
	}
	return "", errCOSE
}

// Algorithm is the algorithm of the key; empty if the key is malformed.
func (k Key) Algorithm() Algorithm {
	a, err := COSEAlgorithm(k.PublicKey)
	if err != nil {
		return ""
	}
	return a
}

// material is the bare key, so that one Ed25519 key is recognised inside and outside COSE.
func (k Key) material() string {
	if k.Algorithm() == AlgEdDSA {
		return string(k.PublicKey[len(coseEdDSA):])
	}
	return string(k.PublicKey)
}

// vkey spells a verifier key as golang.org/x/mod/sumdb/note and C2SP signed-note do: name+hash+base64(alg ‖ key).
func vkey(name string, alg byte, key [32]byte) string {
	raw := append([]byte{alg}, key[:]...)
	h := sha256.Sum256(append([]byte(name+"\n"), raw...))
	return name + "+" + hex.EncodeToString(h[:4]) + "+" + base64.StdEncoding.EncodeToString(raw)
}

// VKey is the signer's key as a C2SP signed-note verifier key of type 0x01 (Ed25519).
func (s Signer) VKey() string { return vkey(s.ID, 0x01, s.Key) }

// VKey is the witness's key as a C2SP verifier key of type 0x04 (timestamped Ed25519 cosignature/v1).
func (w Witness) VKey() string { return vkey(w.Name, 0x04, w.Key) }
