package view

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Run is a piece of foreign text: either as it is, or the name of a character
// that people would not see or that would move others about.
type Run struct {
	Text string
	Odd  bool
}

// Visible splits text that somebody else chose, such as a volume's name, into
// runs. Whatever is not plainly visible (controls, bidi overrides, zero-width
// and private characters, bytes that are no UTF-8, combining marks in excess)
// becomes an odd run that names it (T50). Markup is escaped where it is written.
func Visible(s string) []Run {
	var out []Run
	plain := 0
	flush := func(end int) {
		if end > plain {
			out = append(out, Run{Text: s[plain:end]})
		}
	}
	marks := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		if name := odd(r, size, marks); name != "" {
			flush(i)
			out = append(out, Run{Text: name, Odd: true})
			plain = i + size
			if r == utf8.RuneError && size == 1 {
				out[len(out)-1].Text = fmt.Sprintf("\\x%02X", s[i])
			}
		}
		i += size
	}
	flush(len(s))
	return out
}

// maxMarks is how many combining marks may stand on one letter.
const maxMarks = 2

func odd(r rune, size, marks int) string {
	switch {
	case r == ' ':
		return ""
	case r == utf8.RuneError && size == 1, !unicode.IsPrint(r), invisible(r), marks > maxMarks:
		// IsPrint has no control, format, surrogate or private characters and no
		// space but the plain one.
		return fmt.Sprintf("U+%04X", r)
	}
	return ""
}

// invisible are characters that Unicode calls letters, marks or symbols and
// that draw nothing.
func invisible(r rune) bool {
	switch {
	case r == 0x034F, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5, r == 0x2800, r == 0x3164, r == 0xFFA0:
		return true
	case r >= 0x180B && r <= 0x180F, r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0100 && r <= 0xE01EF:
		return true
	}
	return false
}

// Spelled is text in ASCII quotes as a statement spells it, or "" where that
// would say nothing new: letters of other scripts can look like ASCII ones, those of
// Latin-1 with an accent cannot.
func Spelled(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf && !accented(r) }) < 0 {
		return ""
	}
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r < ' ' || r > '~':
			fmt.Fprintf(&out, `\u{%x}`, r)
		default:
			out.WriteRune(r)
		}
	}
	return `"` + out.String() + `"`
}

// accented are the letters of Latin-1 with an accent, such as ü: each is drawn with
// something that no ASCII letter has.
func accented(r rune) bool { return r >= 0xC0 && r <= 0xFF && !strings.ContainsRune("×÷ßÞþ", r) }
