package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Algorithm bytes of signed notes; the zero value is invalid.
const (
	// AlgLog is a plain Ed25519 note signature, the log's own.
	AlgLog byte = 0x01
	// AlgCosign is a timestamped Ed25519 cosignature/v1.
	AlgCosign byte = 0x04
)

const noteDash = "— "

// VerifierKey is a named Ed25519 key in the C2SP vkey form name+keyid+base64(algorithm ‖ key).
type VerifierKey struct {
	Name      string
	Algorithm byte
	Public    [ed25519.PublicKeySize]byte
}

// ParseVerifierKey reads a vkey strictly: ErrKey.
func ParseVerifierKey(vkey string) (VerifierKey, error) {
	if len(vkey) > MaxName+64 {
		return VerifierKey{}, fmt.Errorf("%w: too long", ErrKey)
	}
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 || !validSignerName(parts[0]) {
		return VerifierKey{}, fmt.Errorf("%w: not name+id+key", ErrKey)
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || (raw[0] != AlgLog && raw[0] != AlgCosign) {
		return VerifierKey{}, fmt.Errorf("%w: not an Ed25519 log or cosignature key", ErrKey)
	}
	k := VerifierKey{Name: parts[0], Algorithm: raw[0], Public: [32]byte(raw[1:])}
	if k.String() != vkey {
		return VerifierKey{}, fmt.Errorf("%w: key id does not match", ErrKey)
	}
	return k, nil
}

// String is the vkey form.
func (k VerifierKey) String() string {
	raw := append([]byte{k.Algorithm}, k.Public[:]...)
	return fmt.Sprintf("%s+%08x+%s", k.Name, k.ID(), base64.StdEncoding.EncodeToString(raw))
}

// ID is the signed note's key id: the first four bytes of SHA-256(name ‖ "\n" ‖ algorithm ‖ key).
func (k VerifierKey) ID() uint32 {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%c%s", k.Name, rune(k.Algorithm), k.Public[:])
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// noteKey makes a VerifierKey a note.Verifier.
type noteKey struct{ VerifierKey }

func (k noteKey) Name() string    { return k.VerifierKey.Name }
func (k noteKey) KeyHash() uint32 { return k.ID() }

func (k noteKey) Verify(msg, sig []byte) bool {
	switch k.Algorithm {
	case AlgLog:
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(k.Public[:], msg, sig)
	case AlgCosign:
		if len(sig) != 8+ed25519.SignatureSize {
			return false
		}
		t := binary.BigEndian.Uint64(sig)
		return t>>63 == 0 && ed25519.Verify(k.Public[:], cosignMessage(t, msg), sig[8:])
	}
	return false
}

// cosignMessage is what a cosignature/v1 signs.
func cosignMessage(unix uint64, text []byte) []byte {
	return append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", unix), text...)
}

// validSignerName is ValidName without the header that separates the two signed messages: a log of that name could have
// its checkpoint read as a cosignature by the same key.
func validSignerName(s string) bool { return ValidName(s) && s != "cosignature/v1" }

// Signer signs as a log or as a witness with one Ed25519 key. It prints as its name only.
type Signer struct {
	name string
	key  ed25519.PrivateKey
}

// NewSigner takes the log's origin or the witness's name, and its private key: ErrKey.
func NewSigner(name string, key ed25519.PrivateKey) (*Signer, error) {
	if !validSignerName(name) || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: signer", ErrKey)
	}
	return &Signer{name: name, key: ed25519.NewKeyFromSeed(key.Seed())}, nil
}

// Name is the origin or witness name.
func (s *Signer) Name() string { return s.name }

// String, GoString and LogValue keep the key out of every print.
func (s *Signer) String() string       { return "audit.Signer(" + s.name + ")" }
func (s *Signer) GoString() string     { return s.String() }
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// LogKey is the key under which strangers verify the log.
func (s *Signer) LogKey() VerifierKey { return s.verifier(AlgLog) }

// WitnessKey is the key under which the signer's cosignatures verify.
func (s *Signer) WitnessKey() VerifierKey { return s.verifier(AlgCosign) }

func (s *Signer) verifier(alg byte) VerifierKey {
	return VerifierKey{Name: s.name, Algorithm: alg, Public: [32]byte(s.key.Public().(ed25519.PublicKey))}
}

func (s *Signer) line(alg byte, sig []byte) string {
	raw := binary.BigEndian.AppendUint32(nil, s.verifier(alg).ID())
	return noteDash + s.name + " " + base64.StdEncoding.EncodeToString(append(raw, sig...)) + "\n"
}

func (s *Signer) signLine(text []byte) string { return s.line(AlgLog, ed25519.Sign(s.key, text)) }

func (s *Signer) cosignLine(text []byte, at time.Time) (string, error) {
	if at.Unix() <= 0 {
		return "", fmt.Errorf("%w: no time to sign", ErrCheckpoint)
	}
	t := uint64(at.Unix())
	return s.line(AlgCosign, append(binary.BigEndian.AppendUint64(nil, t), ed25519.Sign(s.key, cosignMessage(t, text))...)), nil
}

// Keys are the keys that a reader trusts: one log, and the independent witnesses whose cosignatures count.
type Keys struct {
	log       VerifierKey
	witnesses []VerifierKey
}

// NewKeys takes the log's vkey (algorithm 0x01) and the witnesses' (0x04). It refuses witnesses that are the log's own key
// under another name, two witnesses with one key or one name, and more than MaxWitnesses: ErrKey.
func NewKeys(log string, witnesses ...string) (*Keys, error) {
	l, err := ParseVerifierKey(log)
	if err != nil {
		return nil, err
	}
	if l.Algorithm != AlgLog {
		return nil, fmt.Errorf("%w: not a log key", ErrKey)
	}
	if len(witnesses) > MaxWitnesses {
		return nil, fmt.Errorf("%w: %d witnesses", ErrKey, len(witnesses))
	}
	k := &Keys{log: l}
	names, publics := map[string]bool{l.Name: true}, map[[32]byte]bool{l.Public: true}
	for _, v := range witnesses {
		w, err := ParseVerifierKey(v)
		if err != nil {
			return nil, err
		}
		if w.Algorithm != AlgCosign || names[w.Name] || publics[w.Public] {
			return nil, fmt.Errorf("%w: witness %s is no cosignature key, or not distinct", ErrKey, w.Name)
		}
		names[w.Name], publics[w.Public] = true, true
		k.witnesses = append(k.witnesses, w)
	}
	return k, nil
}

// Origin is the log's name.
func (k *Keys) Origin() string { return k.log.Name }

// Log is the log's key.
func (k *Keys) Log() VerifierKey { return k.log }

// Witnesses are the witness keys in the given order.
func (k *Keys) Witnesses() []VerifierKey { return append([]VerifierKey(nil), k.witnesses...) }
