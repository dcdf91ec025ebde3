package plain

import (
	"bytes"
	"time"
)

// Lines splits a text into its lines. Every line ends with LF, and there are at most limit of them.
func Lines(text []byte, limit int) ([]string, error) {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, bad("text does not end with a line feed")
	}
	n := bytes.Count(text, []byte{'\n'})
	if n > limit {
		return nil, bad("more than %d lines", limit)
	}
	out := make([]string, 0, n)
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		out = append(out, string(text[:i]))
		text = text[i+1:]
	}
	return out, nil
}

// Reader takes the tokens of one line in order and remembers the first error.
type Reader struct {
	line string
	toks []Token
	err  error
}

// Line starts to read a line.
func Line(line string) *Reader {
	toks, err := Fields(line)
	return &Reader{line: line, toks: toks, err: err}
}

func (r *Reader) next() Token {
	if r.err == nil && len(r.toks) == 0 {
		r.err = bad("line ends early: %s", Name(r.line))
	}
	if r.err != nil {
		return Token{}
	}
	t := r.toks[0]
	r.toks = r.toks[1:]
	return t
}

// Fail records an error, unless one is recorded already.
func (r *Reader) Fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
	}
}

// Left says how many tokens are left.
func (r *Reader) Left() int { return len(r.toks) }

// Word takes an unquoted token.
func (r *Reader) Word() string {
	t := r.next()
	if t.Quoted {
		r.Fail(bad("quoted where a word belongs: %s", Name(t.Value)))
	}
	return t.Value
}

// Keyword takes exactly the word want.
func (r *Reader) Keyword(want string) {
	if got := r.Word(); got != want {
		r.Fail(bad("%s where %s belongs", Name(got), Name(want)))
	}
}

// Name takes a token that must be quoted, of at most limit bytes.
func (r *Reader) Name(limit int) string {
	t := r.next()
	if r.err == nil && !t.Quoted {
		r.Fail(bad("not quoted: %s", Name(t.Value)))
	}
	r.Fail(Checked("value", t.Value, limit))
	return t.Value
}

// Value takes a token that is quoted exactly when it is not a word.
func (r *Reader) Value(limit int) string {
	t := r.next()
	if r.err == nil && t.Quoted == IsWord(t.Value) {
		r.Fail(bad("value has another spelling: %s", Name(t.Value)))
	}
	r.Fail(Checked("value", t.Value, limit))
	return t.Value
}

func take[T any](r *Reader, parse func(string) (T, error)) T {
	w := r.Word()
	if r.err != nil {
		var zero T
		return zero
	}
	v, err := parse(w)
	r.Fail(err)
	return v
}

// Uint takes a number.
func (r *Reader) Uint() uint64 { return take(r, ParseUint) }

// Int takes a number that fits an int.
func (r *Reader) Int() int {
	n := take(r, ParseUint)
	if n > 1<<31-1 {
		r.Fail(bad("number too large"))
		return 0
	}
	return int(n)
}

// Time takes an instant.
func (r *Reader) Time() time.Time { return take(r, ParseTime) }

// Duration takes a duration.
func (r *Reader) Duration() time.Duration { return take(r, ParseDuration) }

// Digest takes a hash.
func (r *Reader) Digest() [32]byte { return take(r, ParseDigest) }

// Bytes takes base64url bytes.
func (r *Reader) Bytes() []byte { return take(r, ParseBytes) }

// YesNo takes a boolean.
func (r *Reader) YesNo() bool {
	switch w := r.Word(); w {
	case "yes":
		return true
	case "no":
	default:
		r.Fail(bad("%s where yes or no belongs", Name(w)))
	}
	return false
}

// End refuses tokens that are left, and returns the first error of the line.
func (r *Reader) End() error {
	if r.err == nil && len(r.toks) > 0 {
		r.err = bad("unknown field: %s", Name(r.toks[0].Value))
	}
	return r.err
}
