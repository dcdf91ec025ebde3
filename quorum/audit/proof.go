package audit

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// ProofHeader is the first line of a proof: https://c2sp.org/tlog-proof.
const ProofHeader = "c2sp.org/tlog-proof@v1"

// Proof shows offline that a leaf is in the log: a warrant carries one for each event that it rests on. The leaf's text
// travels in the format's extra line; it is believed only because it hashes into the signed root.
type Proof struct {
	Index  int64
	Leaf   []byte
	Hashes []Hash
	Signed []byte // the signed checkpoint with its cosignatures
}

// Render writes the proof's text: ErrProof.
func (p Proof) Render() ([]byte, error) {
	if p.Index < 0 || p.Index >= MaxSize || len(p.Hashes) > MaxProofHashes || len(p.Leaf) == 0 || len(p.Leaf) > MaxLeaf ||
		len(p.Signed) == 0 || len(p.Signed) > MaxSignedCheckpoint {
		return nil, ErrProof
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", ProofHeader, base64.StdEncoding.EncodeToString(p.Leaf), p.Index)
	writeHashes(&b, p.Hashes)
	b.WriteByte('\n')
	b.Write(p.Signed)
	return b.Bytes(), nil
}

// ParseProof reads a proof's text strictly; what it accepts renders to the same bytes. It verifies nothing. ErrProof.
func ParseProof(text []byte) (Proof, error) {
	if len(text) > MaxProofText {
		return Proof{}, fmt.Errorf("%w: %d bytes", ErrProof, len(text))
	}
	head, signed, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || len(lines) > 3+MaxProofHashes || lines[0] != ProofHeader {
		return Proof{}, fmt.Errorf("%w: shape", ErrProof)
	}
	extra, okE := strings.CutPrefix(lines[1], "extra ")
	index, okI := strings.CutPrefix(lines[2], "index ")
	leaf, errE := base64.StdEncoding.Strict().DecodeString(extra)
	n, errI := decimal(index)
	if !okE || !okI || errE != nil || errI != nil {
		return Proof{}, fmt.Errorf("%w: fields", ErrProof)
	}
	hashes, err := parseHashes(lines[3:])
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	p := Proof{Index: n, Leaf: leaf, Hashes: hashes, Signed: []byte(signed)}
	again, err := p.Render()
	if err != nil {
		return Proof{}, err
	}
	if !bytes.Equal(again, text) { // the decoder skips line breaks inside base64
		return Proof{}, fmt.Errorf("%w: not canonical", ErrProof)
	}
	return p, nil
}

// Verify checks the checkpoint's signatures, the inclusion and the leaf's form. How many witnesses and how new is the
// caller's question (Opened.Fresh). Errors: those of Keys.Open, ErrProof, ErrLeaf.
func (p Proof) Verify(keys *Keys) (Opened, Leaf, error) {
	o, err := keys.Open(p.Signed)
	if err != nil {
		return Opened{}, Leaf{}, err
	}
	if err := VerifyInclusion(p.Index, p.Leaf, o.Checkpoint, p.Hashes); err != nil {
		return Opened{}, Leaf{}, err
	}
	l, err := ParseLeaf(p.Leaf)
	if err != nil {
		return Opened{}, Leaf{}, err
	}
	return o, l, nil
}

// Disclose verifies the proof and that the opening is of its leaf: what a stranger does with a disclosed event. Errors:
// those of Verify, ErrOpening.
func (p Proof) Disclose(keys *Keys, o Opening) (Opened, Leaf, error) {
	at, l, err := p.Verify(keys)
	if err != nil {
		return Opened{}, Leaf{}, err
	}
	if o.Index != p.Index {
		return Opened{}, Leaf{}, ErrOpening
	}
	if _, err := o.Check(p.Leaf); err != nil {
		return Opened{}, Leaf{}, err
	}
	return at, l, nil
}
