package authz

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FoldEmail checks an address and returns the form by which it is unique. Only
// plain ASCII addresses are taken, so that no two look alike.
func FoldEmail(address string) (string, error) {
	if len(address) > MaxEmailLength {
		return "", ErrInvalid
	}
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<>[\]`, c) >= 0 {
			return "", ErrInvalid
		}
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" {
		return "", ErrInvalid
	}
	return strings.ToLower(address), nil
}

// CheckName refuses names and labels that are empty, too long, not UTF-8, or
// that carry control or format characters (bidirectional overrides among them).
func CheckName(name string) error { return checkLine(name, 1, MaxNameLength) }

// CheckDetail refuses what CheckName does, but for emptiness, at MaxDetailLength.
func CheckDetail(detail string) error { return checkLine(detail, 0, MaxDetailLength) }

func checkLine(s string, least, most int) error {
	if len(s) < least || len(s) > most || !utf8.ValidString(s) || s != strings.TrimSpace(s) {
		return ErrInvalid
	}
	for _, r := range s {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) {
			return ErrInvalid
		}
	}
	return nil
}
