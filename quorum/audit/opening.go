package audit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// OpeningHeader is the first line of an opening's text.
const OpeningHeader = "holdfast opening v1"

// ErrOpeningText means that text is not an opening.
var ErrOpeningText = errors.New("audit: malformed opening")

// Opening shows the body behind a leaf. It is as confidential as the body.
type Opening struct {
	Index int64
	Salt  [32]byte
	Body  []byte
}

// Render writes the opening: header, index, salt, body length, then the body's bytes as they are.
func (o Opening) Render() ([]byte, error) {
	if o.Index < 0 || o.Index >= MaxSize || len(o.Body) > MaxBody {
		return nil, fmt.Errorf("%w: out of bounds", ErrOpeningText)
	}
	head := fmt.Sprintf("%s\nindex %d\nsalt %x\nbody %d\n", OpeningHeader, o.Index, o.Salt[:], len(o.Body))
	return append([]byte(head), o.Body...), nil
}

// ParseOpening reads an opening strictly; what it accepts renders to the same bytes. ErrOpeningText otherwise.
func ParseOpening(text []byte) (Opening, error) {
	parts := bytes.SplitN(text, []byte("\n"), 5)
	if len(parts) != 5 || string(parts[0]) != OpeningHeader {
		return Opening{}, fmt.Errorf("%w: header", ErrOpeningText)
	}
	index, okI := strings.CutPrefix(string(parts[1]), "index ")
	salt, okS := strings.CutPrefix(string(parts[2]), "salt ")
	size, okB := strings.CutPrefix(string(parts[3]), "body ")
	n, err := decimal(index)
	raw, errS := hex.DecodeString(salt)
	if !okI || !okS || !okB || err != nil || errS != nil || len(raw) != 32 || !lowerHex(salt) {
		return Opening{}, fmt.Errorf("%w: fields", ErrOpeningText)
	}
	if n >= MaxSize || len(parts[4]) > MaxBody || size != strconv.Itoa(len(parts[4])) {
		return Opening{}, fmt.Errorf("%w: bounds", ErrOpeningText)
	}
	return Opening{Index: n, Salt: [32]byte(raw), Body: bytes.Clone(parts[4])}, nil
}

// decimal reads a number without sign or leading zeroes.
func decimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, errors.New("not a canonical decimal number")
	}
	return n, nil
}
