package key

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"filippo.io/age"
)

// Errors of wraps.
var (
	// ErrFormat is answered for bytes that are not the text of wraps, or of a version that is not known.
	ErrFormat = errors.New("key: malformed wraps")
	// ErrRecipient is answered for a text that is not an age recipient, or twice the same.
	ErrRecipient = errors.New("key: not an age recipient")
	// ErrNoIdentity is answered when no wrap opens with the identities at hand.
	ErrNoIdentity = errors.New("key: no wrap opens with these identities")
	// ErrMissing is answered when a recipient has no wrap.
	ErrMissing = errors.New("key: a recipient has no wrap")
)

const (
	wrapsHeader = "holdfast wraps v1"
	innerHeader = "holdfast tenant key v1"
)

type wrap struct {
	recipient string
	file      []byte
}

// Wraps is one key set, encrypted for each recipient on its own (age-encryption.org/v1), with the set's commitment. It
// is immutable. Anybody may see it.
type Wraps struct {
	tenant     string
	number     Number
	commitment Commitment
	wraps      []wrap
}

// ParseRecipient reads an age recipient: X25519 (age1…) or post-quantum hybrid (age1pq1…).
func ParseRecipient(s string) (age.Recipient, error) {
	if len(s) > MaxRecipient {
		return nil, ErrRecipient
	}
	if strings.HasPrefix(s, "age1pq1") {
		r, err := age.ParseHybridRecipient(s)
		if err != nil || r.String() != s {
			return nil, ErrRecipient
		}
		return r, nil
	}
	r, err := age.ParseX25519Recipient(s)
	if err != nil || r.String() != s {
		return nil, ErrRecipient
	}
	return r, nil
}

// Wrap encrypts a set for one to MaxRecipients recipients. Two wraps of one set differ.
func Wrap(t *Tenant, recipients ...string) (*Wraps, error) {
	if len(recipients) == 0 || len(recipients) > MaxRecipients {
		return nil, fmt.Errorf("%w: %d recipients", ErrRecipient, len(recipients))
	}
	w := &Wraps{tenant: t.tenant, number: t.number, commitment: t.Commitment()}
	inner := fmt.Appendf(nil, "%s\ntenant %s\nkey %d\nchunking %x\nid %x\nencryption %x\n",
		innerHeader, t.tenant, t.number, t.chunking.b[:], t.ident.b[:], t.encryption.b[:])
	defer clear(inner)
	for _, name := range recipients {
		r, err := ParseRecipient(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %q", err, name)
		}
		if slices.ContainsFunc(w.wraps, func(x wrap) bool { return x.recipient == name }) {
			return nil, fmt.Errorf("%w: %q is named twice", ErrRecipient, name)
		}
		var file bytes.Buffer
		out, err := age.Encrypt(&file, r)
		if err != nil {
			return nil, fmt.Errorf("key: wrapping: %w", err)
		}
		if _, err := out.Write(inner); err != nil {
			return nil, fmt.Errorf("key: wrapping: %w", err)
		}
		if err := out.Close(); err != nil {
			return nil, fmt.Errorf("key: wrapping: %w", err)
		}
		w.wraps = append(w.wraps, wrap{name, file.Bytes()})
	}
	return w, nil
}

// Render is the text of the wraps: ASCII, one fact a line.
//
//	holdfast wraps v1
//	tenant TENANT
//	key NUMBER
//	commitment HEX
//	wrap RECIPIENT BASE64
func (w *Wraps) Render() []byte {
	b := fmt.Appendf(nil, "%s\ntenant %s\nkey %d\ncommitment %s\n", wrapsHeader, w.tenant, w.number, w.commitment)
	for _, x := range w.wraps {
		b = append(b, "wrap "+x.recipient+" "...)
		b = base64.StdEncoding.AppendEncode(b, x.file)
		b = append(b, '\n')
	}
	return b
}

// ParseWraps reads what Render writes and nothing else: rendering gives the same bytes again. It needs no key, and
// cannot tell a wrap from garbage: that is what Open is for.
func ParseWraps(in []byte) (*Wraps, error) {
	if len(in) > MaxWraps {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(in))
	}
	l := lines{rest: string(in)}
	l.expect(wrapsHeader)
	w := &Wraps{tenant: l.value("tenant"), number: l.number("key")}
	l.hex("commitment", w.commitment[:])
	if l.err == nil {
		l.err = checkTenant(w.tenant)
	}
	for l.err == nil && l.rest != "" {
		if len(w.wraps) == MaxRecipients {
			return nil, fmt.Errorf("%w: too many wraps", ErrFormat)
		}
		name, body, _ := strings.Cut(l.value("wrap"), " ")
		if base64.StdEncoding.DecodedLen(len(body)) > MaxWrap {
			return nil, fmt.Errorf("%w: wrap is too long", ErrFormat)
		}
		file, err := base64.StdEncoding.DecodeString(body)
		if err != nil || len(file) == 0 {
			return nil, fmt.Errorf("%w: wrap", ErrFormat)
		}
		if _, err := ParseRecipient(name); err != nil {
			return nil, fmt.Errorf("%w: recipient of a wrap", ErrFormat)
		}
		if slices.ContainsFunc(w.wraps, func(x wrap) bool { return x.recipient == name }) {
			return nil, fmt.Errorf("%w: recipient named twice", ErrFormat)
		}
		w.wraps = append(w.wraps, wrap{name, file})
	}
	if l.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, l.err)
	}
	if len(w.wraps) == 0 || !bytes.Equal(w.Render(), in) {
		return nil, ErrFormat
	}
	return w, nil
}

// Tenant is the tenant's id.
func (w *Wraps) Tenant() string { return w.tenant }

// Number is the number of the set.
func (w *Wraps) Number() Number { return w.number }

// Commitment is the commitment to the set. It is worth what its source is worth: compare it with the logged one.
func (w *Wraps) Commitment() Commitment { return w.commitment }

// Recipients names whom the set is wrapped for.
func (w *Wraps) Recipients() []string {
	var out []string
	for _, x := range w.wraps {
		out = append(out, x.recipient)
	}
	return out
}

// Covers answers ErrMissing, with the name, if one of the recipients has no wrap.
func (w *Wraps) Covers(recipients ...string) error {
	have := w.Recipients()
	for _, r := range recipients {
		if !slices.Contains(have, r) {
			return fmt.Errorf("%w: %s", ErrMissing, r)
		}
	}
	return nil
}

// Open opens the first wrap that one of the identities fits. It answers ErrNoIdentity if none fits, and ErrCommitment
// or ErrFormat if what lies in the wrap is not the set that the wraps name.
func (w *Wraps) Open(identities ...age.Identity) (*Tenant, error) {
	if len(identities) == 0 {
		return nil, ErrNoIdentity
	}
	for _, x := range w.wraps {
		r, err := age.Decrypt(bytes.NewReader(x.file), identities...)
		if err != nil {
			continue // for another identity, or garbage: both leave the other wraps
		}
		inner, err := io.ReadAll(io.LimitReader(r, maxInner+1))
		if err != nil || len(inner) > maxInner {
			continue
		}
		t, err := parseInner(inner)
		clear(inner)
		if err != nil {
			return nil, err
		}
		if t.tenant != w.tenant || t.number != w.number {
			return nil, ErrCommitment
		}
		if err := CheckCommitment(t, w.commitment); err != nil {
			return nil, err
		}
		return t, nil
	}
	return nil, ErrNoIdentity
}

func parseInner(in []byte) (*Tenant, error) {
	l := lines{rest: string(in)}
	l.expect(innerHeader)
	tenant, n := l.value("tenant"), l.number("key")
	var chunking, ident, encryption Secret
	l.hex("chunking", chunking.b[:])
	l.hex("id", ident.b[:])
	l.hex("encryption", encryption.b[:])
	if l.err != nil || l.rest != "" {
		return nil, ErrFormat
	}
	return newTenant(tenant, n, chunking, ident, encryption)
}

// lines reads "name value" lines; its errors never carry a value.
type lines struct {
	rest string
	err  error
}

func (l *lines) line() string {
	s, rest, ok := strings.Cut(l.rest, "\n")
	if !ok && l.err == nil {
		l.err = errors.New("unfinished line")
	}
	l.rest = rest
	return s
}

func (l *lines) expect(want string) {
	if l.line() != want && l.err == nil {
		l.err = errors.New("unknown header or version")
	}
}

func (l *lines) value(name string) string {
	v, ok := strings.CutPrefix(l.line(), name+" ")
	if !ok && l.err == nil {
		l.err = fmt.Errorf("line %q expected", name)
	}
	return v
}

func (l *lines) number(name string) Number {
	v := l.value(name)
	n, err := strconv.ParseUint(v, 10, 32)
	if (err != nil || n == 0 || n > MaxSets || strconv.FormatUint(n, 10) != v) && l.err == nil {
		l.err = fmt.Errorf("%q is no key number", name)
	}
	return Number(n)
}

func (l *lines) hex(name string, into []byte) {
	v := l.value(name)
	if len(v) != 2*len(into) || strings.ToLower(v) != v {
		if l.err == nil {
			l.err = fmt.Errorf("%q has the wrong length or case", name)
		}
		return
	}
	if _, err := hex.Decode(into, []byte(v)); err != nil && l.err == nil {
		l.err = fmt.Errorf("%q is not hexadecimal", name)
	}
}
