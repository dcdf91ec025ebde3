package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Hash is an RFC 6962 SHA-256 tree hash.
type Hash = tlog.Hash

// Checkpoint is a tree head: https://c2sp.org/tlog-checkpoint without extension lines.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   Hash
}

// Render writes the note's text: origin, size, root, a line each. ErrCheckpoint.
func (c Checkpoint) Render() ([]byte, error) {
	if !validSignerName(c.Origin) || c.Size < 0 || c.Size > MaxSize || (c.Size == 0 && c.Root != EmptyRoot) {
		return nil, ErrCheckpoint
	}
	return fmt.Appendf(nil, "%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:])), nil
}

// ParseCheckpoint reads the note's text strictly; what it accepts renders to the same bytes. Extension lines are refused:
// nothing of a checkpoint may go unread. ErrCheckpoint.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	if len(text) > MaxName+128 {
		return Checkpoint{}, ErrCheckpoint
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("%w: %d lines", ErrCheckpoint, len(lines)-1)
	}
	size, err := decimal(lines[1])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: size", ErrCheckpoint)
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: root", ErrCheckpoint)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if again, err := c.Render(); err != nil || !bytes.Equal(again, text) {
		return Checkpoint{}, ErrCheckpoint
	}
	return c, nil
}

// MarshalText is Render, so that a checkpoint can be kept as a high-water mark.
func (c Checkpoint) MarshalText() ([]byte, error) { return c.Render() }

// UnmarshalText is ParseCheckpoint.
func (c *Checkpoint) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCheckpoint(text)
	return err
}

// Cosignature is a witness's verified statement that, at a time, this was the largest consistent tree that it had seen.
type Cosignature struct {
	Witness string
	At      time.Time // whole seconds, UTC
	Line    string    // the note's signature line, with its newline
}

// Opened is a checkpoint whose signatures were verified.
type Opened struct {
	Checkpoint
	// Signed is the text as it came.
	Signed []byte
	// At is the time that the log itself signed, or zero if it signed none.
	At time.Time
	// Cosignatures are those of known witnesses, at most one each.
	Cosignatures []Cosignature
}

// SignCheckpoint signs a tree head twice with the log's key: the plain signature that C2SP demands, and a cosignature/v1
// under the same name, which is where the log states the time (in whole seconds). The origin must be the signer's name.
func (s *Signer) SignCheckpoint(c Checkpoint, at time.Time) ([]byte, error) {
	if c.Origin != s.name {
		return nil, ErrOrigin
	}
	text, err := c.Render()
	if err != nil {
		return nil, err
	}
	timed, err := s.cosignLine(text, at)
	if err != nil {
		return nil, err
	}
	return []byte(string(text) + "\n" + s.signLine(text) + timed), nil
}

// Cosign makes the signature line of a witness. It checks nothing: Witness.Cosign is the door.
func (s *Signer) Cosign(c Checkpoint, at time.Time) (string, error) {
	text, err := c.Render()
	if err != nil {
		return "", err
	}
	return s.cosignLine(text, at)
}

// Attach adds signature lines to a signed checkpoint. The caller has verified them or lets Open do so.
func Attach(signed []byte, lines ...string) []byte {
	return append(bytes.Clone(signed), strings.Join(lines, "")...)
}

// Open verifies a signed checkpoint. The log's plain signature must be there; unknown keys are ignored, a wrong signature
// by a known key is an error. Errors: ErrCheckpoint, ErrOrigin, ErrUnsigned.
func (k *Keys) Open(signed []byte) (Opened, error) {
	if len(signed) > MaxSignedCheckpoint || bytes.Count(signed, []byte("\n"+noteDash)) > MaxCosignatures {
		return Opened{}, fmt.Errorf("%w: too large", ErrCheckpoint)
	}
	timed := k.log
	timed.Algorithm = AlgCosign
	known := []note.Verifier{noteKey{k.log}, noteKey{timed}}
	for _, w := range k.witnesses {
		known = append(known, noteKey{w})
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return Opened{}, fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	c, err := ParseCheckpoint([]byte(n.Text))
	if err != nil {
		return Opened{}, err
	}
	if c.Origin != k.log.Name {
		return Opened{}, ErrOrigin
	}
	o := Opened{Checkpoint: c, Signed: bytes.Clone(signed)}
	ok := false
	for _, s := range n.Sigs {
		switch {
		case s.Name == k.log.Name && s.Hash == k.log.ID():
			ok = true
		case s.Name == k.log.Name:
			o.At = signedAt(s)
		default:
			o.Cosignatures = append(o.Cosignatures, Cosignature{
				Witness: s.Name, At: signedAt(s), Line: noteDash + s.Name + " " + s.Base64 + "\n",
			})
		}
	}
	if !ok {
		return Opened{}, ErrUnsigned
	}
	return o, nil
}

// signedAt reads the time of a verified cosignature.
func signedAt(s note.Signature) time.Time {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(raw) < 12 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()
}

// Witnessed counts the witnesses that cosigned strictly after a time. The zero time counts all of them.
func (o Opened) Witnessed(after time.Time) int {
	n := 0
	for _, c := range o.Cosignatures {
		if c.At.After(after) {
			n++
		}
	}
	return n
}

// Fresh demands that the log itself and at least witnesses independent parties signed strictly after a time (for instance
// a timer's end): ErrStale otherwise. Times are whole seconds, rounded down, so a signature in the same second is not after.
func (o Opened) Fresh(after time.Time, witnesses int) error {
	if o.At.IsZero() || !o.At.After(after) || o.Witnessed(after) < witnesses {
		return fmt.Errorf("%w: %d of %d witnesses", ErrStale, o.Witnessed(after), witnesses)
	}
	return nil
}

func parseHash(s string) (Hash, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != tlog.HashSize {
		return Hash{}, fmt.Errorf("not a base64 SHA-256")
	}
	return Hash(raw), nil
}
