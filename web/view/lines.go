package view

import (
	"context"
	"html"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// Lines is a text whose lines matter, inside <pre>: each hangs, so that a line that goes
// on below is not taken for a new one. The text of the element stays the text, byte for
// byte, to whoever selects and copies it.
func Lines(text string) templ.Component {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body, ended := strings.CutSuffix(line, "\n")
		if body != "" {
			b.WriteString(`<span class="line">` + html.EscapeString(body) + `</span>`)
		}
		if ended {
			b.WriteByte('\n')
		}
	}
	return markup(b.String())
}

// fours shows a secret in groups of four to read it out. No space is part of it, so what
// is copied is exactly the secret.
func fours(secret string) templ.Component {
	var b strings.Builder
	for i := 0; i < len(secret); i += 4 {
		b.WriteString(`<span class="four">` + html.EscapeString(secret[i:min(len(secret), i+4)]) + `</span>`)
	}
	return markup(b.String())
}

// markup writes what the functions above have escaped.
func markup(escaped string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, escaped)
		return err
	})
}
