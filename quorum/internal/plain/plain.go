// Package plain owns the line syntax that statements and charters share: words, quoted values, times, durations and
// hashes, each with exactly one spelling. It must never accept a second spelling of anything: two texts that mean the
// same would have two digests, and a person would sign one while a site executes the other.
//
// The syntax is described in docs/spec/statement.md, "Lines and values".
package plain

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrSyntax is wrapped by every error of this package: the text is not in the one canonical spelling.
var ErrSyntax = errors.New("not canonical text")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSyntax, fmt.Sprintf(format, args...))
}

func isPlain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("_.:/@+=-", c) >= 0
}

// IsWord reports whether s may stand unquoted: not empty, and only letters, digits and _ . : / @ + = -.
func IsWord(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isPlain(s[i]) {
			return false
		}
	}
	return true
}

// Quote spells any valid UTF-8 value: as it is when it is a word, else between double quotes.
func Quote(s string) string {
	if IsWord(s) {
		return s
	}
	return Name(s)
}

// Name spells a value always between double quotes. Inside, `"` and `\` are escaped by `\`, and every rune outside
// U+0020..U+007E is `\u{hex}` (lower case, no leading zero), so that overrides, invisible characters and look-alikes
// are visible (T50).
func Name(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= 0x20 && r <= 0x7e:
			b.WriteRune(r)
		default:
			b.WriteString(`\u{`)
			b.WriteString(strconv.FormatInt(int64(r), 16))
			b.WriteByte('}')
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Checked refuses a value that is not valid UTF-8 or longer than limit bytes.
func Checked(what, s string, limit int) error {
	if !utf8.ValidString(s) {
		return bad("%s is not valid UTF-8", what)
	}
	if len(s) > limit {
		return bad("%s is longer than %d bytes", what, limit)
	}
	return nil
}

// Token is one token of a line, with the way in which it was spelled.
type Token struct {
	Value  string
	Quoted bool
}

// Fields splits one line (without its LF) into tokens, which single spaces separate.
func Fields(line string) ([]Token, error) {
	var out []Token
	for i := 0; ; {
		if i >= len(line) {
			return nil, bad("empty token")
		}
		start := i
		if line[i] != '"' {
			for i < len(line) && isPlain(line[i]) {
				i++
			}
			if i == start {
				return nil, bad("unexpected byte 0x%02x", line[i])
			}
			out = append(out, Token{Value: line[start:i]})
		} else {
			end, err := quotedEnd(line, i)
			if err != nil {
				return nil, err
			}
			v, err := unquote(line[i+1 : end])
			if err != nil {
				return nil, err
			}
			if Name(v) != line[i:end+1] {
				return nil, bad("value has another spelling")
			}
			out = append(out, Token{Value: v, Quoted: true})
			i = end + 1
		}
		if i == len(line) {
			return out, nil
		}
		if line[i] != ' ' {
			return nil, bad("tokens are separated by one space")
		}
		i++
	}
}

func quotedEnd(line string, start int) (int, error) {
	for i := start + 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i, nil
		}
	}
	return 0, bad("unterminated quote")
}

func unquote(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		if c < 0x20 || c > 0x7e {
			return "", bad("byte 0x%02x in a quoted value", c)
		}
		if c != '\\' {
			b.WriteByte(c)
			i++
			continue
		}
		if i+1 >= len(s) {
			return "", bad("unfinished escape")
		}
		switch s[i+1] {
		case '"', '\\':
			b.WriteByte(s[i+1])
			i += 2
		case 'u':
			end := strings.IndexByte(s[i:], '}')
			if i+2 >= len(s) || s[i+2] != '{' || end < 4 || end > 9 {
				return "", bad("malformed \\u{} escape")
			}
			n, err := strconv.ParseUint(s[i+3:i+end], 16, 32)
			if err != nil || !utf8.ValidRune(rune(n)) {
				return "", bad("malformed \\u{} escape")
			}
			b.WriteRune(rune(n))
			i += end + 1
		default:
			return "", bad("unknown escape")
		}
	}
	return b.String(), nil
}

// Time spells an instant in UTC: RFC 3339 with no fraction when the second is whole, else with exactly six digits.
func Time(t time.Time) string {
	t = Instant(t)
	if t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04:05Z")
	}
	return t.Format("2006-01-02T15:04:05.000000Z")
}

// Instant is t as a text can hold it: UTC, whole microseconds, no monotonic reading.
func Instant(t time.Time) time.Time { return t.Round(0).UTC().Truncate(time.Microsecond) }

// ParseTime reads what Time spells, in years 1970 to 9999.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, bad("malformed time %s", Quote(s))
	}
	t = t.UTC()
	if t.Year() < 1970 || t.Year() > 9999 || Time(t) != s {
		return time.Time{}, bad("time %s has another spelling", Quote(s))
	}
	return t, nil
}

// CheckTime refuses an instant that Time cannot spell.
func CheckTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1970 || y > 9999 {
		return bad("%s is not a time between 1970 and 9999", what)
	}
	return nil
}

var units = []struct {
	name string
	d    time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// Duration spells a non-negative duration of whole seconds by the largest of d, h, m, s that divides it; zero is 0s.
func Duration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	for _, u := range units {
		if d%u.d == 0 {
			return strconv.FormatInt(int64(d/u.d), 10) + u.name
		}
	}
	return d.String()
}

// ParseDuration reads what Duration spells.
func ParseDuration(s string) (time.Duration, error) {
	if len(s) < 2 {
		return 0, bad("malformed duration %s", Quote(s))
	}
	for _, u := range units {
		if s[len(s)-1:] != u.name {
			continue
		}
		n, err := ParseUint(s[:len(s)-1])
		if err != nil || n > uint64((1<<63-1)/int64(u.d)) {
			break
		}
		d := time.Duration(n) * u.d
		if Duration(d) != s {
			break
		}
		return d, nil
	}
	return 0, bad("malformed duration %s", Quote(s))
}

// CheckDuration refuses a duration that Duration cannot spell.
func CheckDuration(what string, d time.Duration) error {
	if d < 0 || d%time.Second != 0 {
		return bad("%s is not a non-negative number of whole seconds", what)
	}
	return nil
}

// ParseUint reads a decimal number up to 2^63-1 without sign or leading zeros.
func ParseUint(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, bad("malformed number %s", Quote(s))
	}
	return n, nil
}

// Digest spells a SHA-256 hash as sha256:<64 lower-case hex digits>.
func Digest(d [32]byte) string { return "sha256:" + hex.EncodeToString(d[:]) }

// ParseDigest reads what Digest spells.
func ParseDigest(s string) ([32]byte, error) {
	var d [32]byte
	h, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(h) != 64 || strings.ToLower(h) != h {
		return d, bad("malformed digest %s", Quote(s))
	}
	if _, err := hex.Decode(d[:], []byte(h)); err != nil {
		return d, bad("malformed digest %s", Quote(s))
	}
	return d, nil
}

// Key spells bytes with the id of their algorithm: <algorithm>:<base64url without padding>.
func Key(alg string, raw []byte) string {
	return alg + ":" + base64.RawURLEncoding.EncodeToString(raw)
}

// ParseKey reads what Key spells.
func ParseKey(s string) (alg string, raw []byte, err error) {
	alg, b, ok := strings.Cut(s, ":")
	if !ok || alg == "" {
		return "", nil, bad("key without algorithm")
	}
	raw, err = ParseBytes(b)
	return alg, raw, err
}

// Bytes spells bytes as base64url without padding.
func Bytes(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// ParseBytes reads what Bytes spells; an empty value is refused.
func ParseBytes(s string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) == 0 || Bytes(raw) != s {
		return nil, bad("malformed base64url")
	}
	return raw, nil
}

// YesNo spells a boolean.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
