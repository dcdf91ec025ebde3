package password

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// ErrWeak is what every PolicyError is.
var ErrWeak = errors.New("password: refused")

// Fault says why a new password is refused. The zero value is invalid.
type Fault uint8

// The faults of a new password.
const (
	TooShort Fault = iota + 1
	TooLong
	NotText
	TooFew
	Common
	Personal
)

// String is a sentence that can be shown to the person.
func (f Fault) String() string {
	switch f {
	case TooShort:
		return fmt.Sprintf("shorter than %d characters", MinRunes)
	case TooLong:
		return fmt.Sprintf("longer than %d bytes", MaxBytes)
	case NotText:
		return "contains control characters or is not valid text"
	case TooFew:
		return "made of too few different characters"
	case Common:
		return "one of the commonest passwords"
	case Personal:
		return "contains the e-mail address or the name"
	default:
		return "invalid fault"
	}
}

// PolicyError tells why a new password is refused, never the password.
type PolicyError struct{ Fault Fault }

func (e *PolicyError) Error() string { return "password: " + e.Fault.String() }

// Is makes every PolicyError an ErrWeak.
func (e *PolicyError) Is(target error) bool { return target == ErrWeak }

// Check applies the rule for new passwords: MinRunes code points at least,
// MaxBytes bytes at most, no control characters, not one of the commonest
// passwords (also with digits and punctuation around it), not containing the
// e-mail address, its local part, or a word of the name. It demands no mixture
// of character classes (NIST SP 800-63B section 5.1.1.2). The error is a
// *PolicyError.
func Check(password string, personal ...string) error {
	if len(password) > MaxBytes {
		return &PolicyError{TooLong}
	}
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return &PolicyError{NotText}
	}
	plain := norm.NFKC.String(password)
	if utf8.RuneCountInString(plain) < MinRunes {
		return &PolicyError{TooShort}
	}
	distinct := map[rune]struct{}{}
	for _, r := range plain {
		distinct[r] = struct{}{}
	}
	if len(distinct) < minDistinct {
		return &PolicyError{TooFew}
	}
	lower := strings.ToLower(plain)
	if common(lower) {
		return &PolicyError{Common}
	}
	for _, p := range personal {
		for _, word := range personalWords(p) {
			if strings.Contains(lower, word) {
				return &PolicyError{Personal}
			}
		}
	}
	return nil
}

// personalWords are the whole value and its words, lower case, long enough to
// mean something. The parts of an e-mail address are words too.
func personalWords(s string) []string {
	s = strings.ToLower(norm.NFKC.String(s))
	words := append([]string{s}, strings.FieldsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})...)
	out := words[:0]
	for _, w := range words {
		if utf8.RuneCountInString(w) >= minPersonal && !commonDomains[w] {
			out = append(out, w)
		}
	}
	return out
}

// commonDomains are words of e-mail addresses that say nothing about a person.
var commonDomains = map[string]bool{
	"mail": true, "gmail": true, "example": true, "outlook": true, "hotmail": true, "yahoo": true, "icloud": true, "info": true,
}

//go:embed common.txt
var commonText string

var commonSet = sync.OnceValue(func() map[string]struct{} {
	set := map[string]struct{}{}
	for word := range strings.FieldsSeq(commonText) {
		set[word] = struct{}{}
	}
	return set
})

// common reports whether a lower-case password is a common one: as it stands,
// without the digits and punctuation around it, or as a common one repeated.
func common(lower string) bool {
	core := strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, candidate := range []string{lower, core, unit(lower), unit(core), plainLetters(core)} {
		if _, ok := commonSet()[candidate]; ok && candidate != "" {
			return true
		}
	}
	return false
}

// unit is the shortest piece whose repetition is s.
func unit(s string) string {
	for n := 1; n <= len(s)/2; n++ {
		if len(s)%n == 0 && strings.Repeat(s[:n], len(s)/n) == s {
			return s[:n]
		}
	}
	return s
}

// plainLetters undoes the usual substitutions (p@ssw0rd).
func plainLetters(s string) string {
	return strings.NewReplacer("@", "a", "4", "a", "3", "e", "1", "i", "!", "i", "0", "o", "$", "s", "5", "s", "7", "t").Replace(s)
}
