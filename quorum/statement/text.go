package statement

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// Text is a statement's text: printable ASCII and LF. Only Render and a successful Parse make one that means anything.
type Text []byte

// Digest is SHA-256 of the entire text: what every vote signs.
func (t Text) Digest() [32]byte { return sha256.Sum256(t) }

// Fingerprint is the fingerprint of the text's digest.
func (t Text) Fingerprint() string { return Fingerprint(t.Digest()) }

// Fingerprint spells the first 160 bits of a digest for people to compare: eight groups of four characters of base32
// (RFC 4648, section 6), joined by hyphens.
func Fingerprint(digest [32]byte) string {
	s := base32.StdEncoding.EncodeToString(digest[:20])
	groups := make([]string, 0, 8)
	for i := 0; i < len(s); i += 4 {
		groups = append(groups, s[i:i+4])
	}
	return strings.Join(groups, "-")
}

func (t Text) cut() (header, body []byte) {
	if i := bytes.Index(t, []byte("\n\n")); i >= 0 {
		return t[:i+1], t[i+2:]
	}
	return t, nil
}

// Header is the text up to the empty line, which people see whole.
func (t Text) Header() string {
	h, _ := t.cut()
	return string(h)
}

// BodyLines is the number of lines of the body.
func (t Text) BodyLines() int {
	_, b := t.cut()
	return bytes.Count(b, []byte{'\n'})
}

// Page returns up to limit body lines (and at most PageLines), starting with line number from, which counts from zero.
func (t Text) Page(from, limit int) []string {
	_, b := t.cut()
	limit = min(limit, PageLines)
	if from < 0 || limit <= 0 {
		return nil
	}
	var out []string
	for n := 0; len(b) > 0 && len(out) < limit; n++ {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		if n >= from {
			out = append(out, string(b[:i]))
		}
		b = b[i+1:]
	}
	return out
}
