package warrant

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	attestationHead = "holdfast attestation v1\n"
	// timeLayout is RFC 3339 in UTC with exactly six digits: one moment has one text.
	timeLayout = "2006-01-02T15:04:05.000000Z"
)

// Method is the factor that the control plane saw. The zero value is invalid.
type Method uint8

const (
	// MethodTOTP is a one-time code (RFC 6238) whose step was burnt in the same transaction.
	MethodTOTP Method = 1
	// MethodPasskey is a passkey step-up whose assertion is not carried along.
	MethodPasskey Method = 2
)

// String returns `totp`, `passkey` or `invalid`.
func (m Method) String() string {
	switch m {
	case MethodTOTP:
		return "totp"
	case MethodPasskey:
		return "passkey"
	}
	return "invalid"
}

// Purpose is what an attestation is good for. The zero value is invalid.
type Purpose uint8

const (
	// PurposeApprove attests an approving vote on the statement with the digest.
	PurposeApprove Purpose = 1
	// PurposeDeny attests a denying vote.
	PurposeDeny Purpose = 2
	// PurposeConfirm attests the requester's presence.
	PurposeConfirm Purpose = 3
	// PurposeStop attests a stop; the digest is that of the stop's text.
	PurposeStop Purpose = 4
)

var purposes = map[Purpose]string{PurposeApprove: "approve", PurposeDeny: "deny", PurposeConfirm: "confirm", PurposeStop: "stop"}

// String returns the word that the attestation's text uses, or `invalid`.
func (p Purpose) String() string {
	if s, ok := purposes[p]; ok {
		return s
	}
	return "invalid"
}

// Attestation is the control plane's signed word that a person used a factor for one text. It never stands for a
// hardware vote and counts only where the charter says so.
type Attestation struct {
	// Key is the name, in the charter, of the Ed25519 key that signed.
	Key string
	// Person is who used the factor.
	Person string
	// Method is the factor.
	Method Method
	// Purpose is what for.
	Purpose Purpose
	// Digest is of the statement, or of the stop's text.
	Digest Digest
	// Nonce is fresh for each attestation.
	Nonce Nonce
	// At is when, UTC, to the microsecond.
	At time.Time
	// Signature is Ed25519 over Text.
	Signature []byte
}

// Text is what the key signs: everything but the signature line.
func (a Attestation) Text() ([]byte, error) {
	if err := checkWord("key", a.Key); err != nil {
		return nil, err
	}
	if err := checkWord("person", a.Person); err != nil {
		return nil, err
	}
	if a.Method != MethodTOTP && a.Method != MethodPasskey {
		return nil, fmt.Errorf("%w: method %d", ErrSyntax, a.Method)
	}
	if _, ok := purposes[a.Purpose]; !ok {
		return nil, fmt.Errorf("%w: purpose %d", ErrSyntax, a.Purpose)
	}
	if err := checkTime(a.At); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%skey %s\nperson %s\nmethod %s\npurpose %s\ndigest %x\nnonce %x\nat %s\n", attestationHead,
		a.Key, a.Person, a.Method, a.Purpose, a.Digest, a.Nonce, a.At.UTC().Format(timeLayout))
	return b.Bytes(), nil
}

// Sign fills Signature. The caller has burnt the factor in the same transaction.
func (a Attestation) Sign(key ed25519.PrivateKey) (Attestation, error) {
	t, err := a.Text()
	if err != nil {
		return Attestation{}, err
	}
	a.Signature = ed25519.Sign(key, t)
	return a, nil
}

// Verify checks the signature by the key that the charter names a.Key.
func (a Attestation) Verify(key ed25519.PublicKey) error {
	t, err := a.Text()
	if err != nil {
		return err
	}
	if len(key) != ed25519.PublicKeySize || len(a.Signature) != ed25519.SignatureSize || !ed25519.Verify(key, t, a.Signature) {
		return fmt.Errorf("%w: attestation by %s", ErrSignature, a.Key)
	}
	return nil
}

// Render is the text followed by the signature line.
func (a Attestation) Render() ([]byte, error) {
	t, err := a.Text()
	if err != nil {
		return nil, err
	}
	if len(a.Signature) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: signature of %d bytes", ErrSyntax, len(a.Signature))
	}
	return append(t, "signature "+b64(a.Signature)+"\n"...), nil
}

// ParseAttestation reads what Render wrote and nothing else. It does not check the signature.
func ParseAttestation(text []byte) (Attestation, error) {
	var a Attestation
	if len(text) > MaxAttestationBytes {
		return a, fmt.Errorf("%w: attestation of %d bytes", ErrBound, len(text))
	}
	rest, ok := strings.CutPrefix(string(text), attestationHead)
	if !ok {
		return a, fmt.Errorf("%w: not a %q", ErrVersion, strings.TrimSpace(attestationHead))
	}
	v, err := takeLines(rest, "key", "person", "method", "purpose", "digest", "nonce", "at", "signature")
	if err != nil {
		return a, err
	}
	a.Key, a.Person = v[0], v[1]
	switch v[2] {
	case "totp":
		a.Method = MethodTOTP
	case "passkey":
		a.Method = MethodPasskey
	}
	for p, s := range purposes {
		if s == v[3] {
			a.Purpose = p
		}
	}
	if err := fromHex(a.Digest[:], v[4]); err != nil {
		return Attestation{}, err
	}
	if err := fromHex(a.Nonce[:], v[5]); err != nil {
		return Attestation{}, err
	}
	if a.At, err = parseTime(v[6]); err != nil {
		return Attestation{}, err
	}
	if a.Signature, err = unb64(v[7]); err != nil {
		return Attestation{}, err
	}
	// One value has one text: whatever the fields above forgave is refused here.
	again, err := a.Render()
	if err != nil {
		return Attestation{}, err
	}
	if !bytes.Equal(again, text) {
		return Attestation{}, fmt.Errorf("%w: attestation is not in its one form", ErrSyntax)
	}
	return a, nil
}

// takeLines splits `word value` lines that must carry exactly these words in this order.
func takeLines(s string, words ...string) ([]string, error) {
	out := make([]string, 0, len(words))
	for _, w := range words {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok {
			return nil, fmt.Errorf("%w: %s is missing", ErrSyntax, w)
		}
		v, ok := strings.CutPrefix(line, w+" ")
		if !ok {
			return nil, fmt.Errorf("%w: want %s", ErrSyntax, w)
		}
		out = append(out, v)
		s = rest
	}
	if s != "" {
		return nil, fmt.Errorf("%w: unknown line after %s", ErrSyntax, words[len(words)-1])
	}
	return out, nil
}

func fromHex(dst []byte, s string) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(dst) || strings.ToLower(s) != s {
		return fmt.Errorf("%w: want %d bytes of lower-case hex", ErrSyntax, len(dst))
	}
	copy(dst, b)
	return nil
}

func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(timeLayout, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: time", ErrSyntax)
	}
	return t, checkTime(t)
}

// checkTime refuses what the layout cannot carry.
func checkTime(t time.Time) error {
	if y := t.UTC().Year(); y < 1970 || y > 9999 || !t.Equal(t.Truncate(time.Microsecond)) {
		return fmt.Errorf("%w: time", ErrSyntax)
	}
	return nil
}

// checkWord admits ids and names: printable ASCII without space, quote or backslash.
func checkWord(what, s string) error {
	if s == "" || len(s) > MaxNameBytes {
		return fmt.Errorf("%w: %s of %d bytes", ErrSyntax, what, len(s))
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return fmt.Errorf("%w: %s has byte 0x%02x", ErrSyntax, what, c)
		}
	}
	return nil
}
