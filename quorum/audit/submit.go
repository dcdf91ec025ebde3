package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrSubmission means that text is not an add-checkpoint request.
var ErrSubmission = errors.New("audit: malformed add-checkpoint request")

// Submission is the body of a witness's add-checkpoint request: https://c2sp.org/tlog-witness.
type Submission struct {
	Old    int64
	Proof  []Hash
	Signed []byte // the signed checkpoint as it is; Keys.Open reads it
}

// Render writes the request's body: ErrSubmission.
func (s Submission) Render() ([]byte, error) {
	if s.Old < 0 || s.Old > MaxSize || len(s.Proof) > MaxProofHashes || len(s.Signed) == 0 || len(s.Signed) > MaxSignedCheckpoint {
		return nil, ErrSubmission
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", s.Old)
	writeHashes(&b, s.Proof)
	b.WriteByte('\n')
	b.Write(s.Signed)
	return b.Bytes(), nil
}

// ParseSubmission reads the request's body strictly; what it accepts renders to the same bytes. ErrSubmission.
func ParseSubmission(text []byte) (Submission, error) {
	if len(text) > MaxSignedCheckpoint+64*(MaxProofHashes+1) {
		return Submission{}, ErrSubmission
	}
	head, signed, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	size, okOld := strings.CutPrefix(lines[0], "old ")
	old, err := decimal(size)
	if !ok || !okOld || err != nil || len(lines)-1 > MaxProofHashes {
		return Submission{}, ErrSubmission
	}
	proof, err := parseHashes(lines[1:])
	if err != nil {
		return Submission{}, fmt.Errorf("%w: %w", ErrSubmission, err)
	}
	s := Submission{Old: old, Proof: proof, Signed: []byte(signed)}
	if _, err := s.Render(); err != nil {
		return Submission{}, err
	}
	return s, nil
}

func writeHashes(b *bytes.Buffer, hashes []Hash) {
	for _, h := range hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]))
		b.WriteByte('\n')
	}
}

func parseHashes(lines []string) ([]Hash, error) {
	var out []Hash
	for _, line := range lines {
		h, err := parseHash(line)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}
