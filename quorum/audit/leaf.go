package audit

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Header is the first line of a leaf.
const Header = "holdfast leaf v1"

// commitDomain starts the commitment's pre-image, so that the hash can mean nothing else.
const commitDomain = "holdfast leaf body v1\n"

// timeLayout is RFC 3339 in UTC with exactly six decimals.
const timeLayout = "2006-01-02T15:04:05.000000Z"

var (
	// ErrLeaf means that text is not a leaf, or that a leaf cannot be written.
	ErrLeaf = errors.New("audit: malformed leaf")
	// ErrDraft means that a draft breaks a rule: unknown kind, a clear fact where none may stand, a bound.
	ErrDraft = errors.New("audit: draft refused")
	// ErrOpening means that a body and salt are not what the leaf commits to.
	ErrOpening = errors.New("audit: body does not match the leaf's commitment")
)

// Leaf is one entry of the public log: a small ASCII text.
type Leaf struct {
	Kind Kind
	// At is the moment of the event by the log's clock: UTC, whole microseconds, years 1970 to 9999.
	At time.Time
	// Commitment is Commit(salt, body).
	Commitment [32]byte
	// Facts are the clear facts, in the kind's order. Empty for everything about a tenant.
	Facts []Fact
}

// Draft is what a domain asks the log to record.
type Draft struct {
	Kind Kind
	// At is cut to whole microseconds.
	At time.Time
	// Tenant is the text id of the tenant concerned, or empty. It stays in the private index and never enters the leaf;
	// with a tenant no clear fact is allowed.
	Tenant string
	// Subject is the private index key by which the entry is found again, for instance a request id. It may be empty.
	Subject string
	// Facts are clear facts of public business.
	Facts []Fact
	// Body is the private body in its canonical bytes: at most MaxBody. It names tenant and subject itself where they
	// matter, for only the body is committed to.
	Body []byte
}

// Entry is a leaf at its place in the log with what opens it.
type Entry struct {
	Index int64
	Leaf  []byte
	Salt  [32]byte
	Body  []byte
}

// Commit is SHA-256("holdfast leaf body v1\n" ‖ salt ‖ body).
func Commit(salt [32]byte, body []byte) [32]byte {
	h := sha256.New()
	io.WriteString(h, commitDomain)
	h.Write(salt[:])
	h.Write(body)
	return [32]byte(h.Sum(nil))
}

// Validate checks a draft before anything is locked or written: ErrDraft.
func (d Draft) Validate() error {
	rule, ok := kinds[d.Kind]
	if !ok {
		return fmt.Errorf("%w: unknown kind %q", ErrDraft, string(d.Kind))
	}
	if len(d.Body) > MaxBody {
		return fmt.Errorf("%w: body of %d bytes", ErrDraft, len(d.Body))
	}
	if d.Tenant != "" && len(d.Facts) != 0 {
		return fmt.Errorf("%w: clear facts about a tenant", ErrDraft)
	}
	if len(d.Tenant) > MaxName || len(d.Subject) > MaxName {
		return fmt.Errorf("%w: tenant or subject too long", ErrDraft)
	}
	if err := rule.check(d.Facts); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDraft, d.Kind, err)
	}
	return nil
}

// Enter makes the entry of a draft at an index, with a fresh salt from random (crypto/rand.Reader outside tests).
func (d Draft) Enter(index int64, random io.Reader) (Entry, error) {
	if err := d.Validate(); err != nil {
		return Entry{}, err
	}
	if index < 0 || index >= MaxSize {
		return Entry{}, fmt.Errorf("%w: index %d", ErrDraft, index)
	}
	e := Entry{Index: index, Body: bytes.Clone(d.Body)}
	if _, err := io.ReadFull(random, e.Salt[:]); err != nil {
		return Entry{}, fmt.Errorf("audit: salt: %w", err)
	}
	l := Leaf{Kind: d.Kind, At: d.At.UTC().Truncate(time.Microsecond), Commitment: Commit(e.Salt, e.Body), Facts: slices.Clone(d.Facts)}
	text, err := l.Render()
	if err != nil {
		return Entry{}, err
	}
	e.Leaf = text
	return e, nil
}

// Opening is what shows a body to someone who is authorised to see it.
func (e Entry) Opening() Opening { return Opening{Index: e.Index, Salt: e.Salt, Body: e.Body} }

// Open parses the leaf and checks that salt and body are what it commits to: ErrLeaf or ErrOpening.
func (e Entry) Open() (Leaf, error) { return e.Opening().Check(e.Leaf) }

// Check parses leaf and compares, in constant time, its commitment with the opening. The caller proves elsewhere
// (VerifyInclusion) that the leaf stands at Index.
func (o Opening) Check(leaf []byte) (Leaf, error) {
	l, err := ParseLeaf(leaf)
	if err != nil {
		return Leaf{}, err
	}
	c := Commit(o.Salt, o.Body)
	if len(o.Body) > MaxBody || subtle.ConstantTimeCompare(c[:], l.Commitment[:]) != 1 {
		return Leaf{}, ErrOpening
	}
	return l, nil
}

// Render writes the leaf's text, or ErrLeaf if it would not parse.
func (l Leaf) Render() ([]byte, error) {
	if !validKind(l.Kind) {
		return nil, fmt.Errorf("%w: kind %q", ErrLeaf, string(l.Kind))
	}
	if l.At.Location() != time.UTC || l.At.Nanosecond()%1000 != 0 || l.At.Year() < 1970 || l.At.Year() > 9999 {
		return nil, fmt.Errorf("%w: time is not UTC in whole microseconds from 1970 to 9999", ErrLeaf)
	}
	if err := l.checkFacts(); err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nkind %s\nat %s\ncommitment %x\n", Header, l.Kind, l.At.Format(timeLayout), l.Commitment[:])
	for _, f := range l.Facts {
		fmt.Fprintf(&b, "%s %s\n", f.Name, f.Value)
	}
	if b.Len() > MaxLeaf {
		return nil, fmt.Errorf("%w: %d bytes", ErrLeaf, b.Len())
	}
	return []byte(b.String()), nil
}

// ParseLeaf reads a leaf strictly: whatever it accepts renders to the same bytes. ErrLeaf otherwise.
func ParseLeaf(text []byte) (Leaf, error) {
	if len(text) > MaxLeaf {
		return Leaf{}, fmt.Errorf("%w: %d bytes", ErrLeaf, len(text))
	}
	rest, ok := strings.CutPrefix(string(text), Header+"\n")
	if !ok {
		return Leaf{}, fmt.Errorf("%w: unknown header", ErrLeaf)
	}
	body, ok := strings.CutSuffix(rest, "\n")
	if !ok {
		return Leaf{}, fmt.Errorf("%w: no final newline", ErrLeaf)
	}
	lines := strings.Split(body, "\n")
	if len(lines) < 3 || len(lines) > 3+MaxFacts {
		return Leaf{}, fmt.Errorf("%w: %d lines", ErrLeaf, len(lines)+1)
	}
	var l Leaf
	kind, ok := strings.CutPrefix(lines[0], "kind ")
	if l.Kind = Kind(kind); !ok || !validKind(l.Kind) {
		return Leaf{}, fmt.Errorf("%w: kind", ErrLeaf)
	}
	at, ok := strings.CutPrefix(lines[1], "at ")
	t, err := time.Parse(timeLayout, at)
	if l.At = t.UTC(); !ok || err != nil {
		return Leaf{}, fmt.Errorf("%w: at", ErrLeaf)
	}
	c, ok := strings.CutPrefix(lines[2], "commitment ")
	sum, err := hex.DecodeString(c)
	if !ok || err != nil || len(sum) != 32 {
		return Leaf{}, fmt.Errorf("%w: commitment", ErrLeaf)
	}
	l.Commitment = [32]byte(sum)
	for _, line := range lines[3:] {
		name, value, ok := strings.Cut(line, " ")
		if !ok {
			return Leaf{}, fmt.Errorf("%w: fact", ErrLeaf)
		}
		l.Facts = append(l.Facts, Fact{Name: name, Value: value})
	}
	again, err := l.Render()
	if err != nil {
		return Leaf{}, err
	}
	// One text for one leaf: upper-case hex, other spellings of a time and the like end here.
	if !bytes.Equal(again, text) {
		return Leaf{}, fmt.Errorf("%w: not canonical", ErrLeaf)
	}
	return l, nil
}

func (l Leaf) checkFacts() error {
	if rule, ok := kinds[l.Kind]; ok {
		if err := rule.check(l.Facts); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrLeaf, l.Kind, err)
		}
		return nil
	}
	if len(l.Facts) > MaxFacts {
		return fmt.Errorf("%w: too many facts", ErrLeaf)
	}
	for _, f := range l.Facts {
		if !validKind(Kind(f.Name)) || !plainValue(f.Value) {
			return fmt.Errorf("%w: fact", ErrLeaf)
		}
	}
	return nil
}
