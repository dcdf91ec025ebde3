package warrant

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const stopHead = "holdfast stop v1\n"

// StopKind is what a stop does. The zero value is invalid.
type StopKind uint8

const (
	// StopCancel ends a request before it is executed.
	StopCancel StopKind = 1
	// StopDeny is an approver's no, by whatever route it comes.
	StopDeny StopKind = 2
	// StopHold keeps everything of a tenant or a volume from deletion and reclaim.
	StopHold StopKind = 3
	// StopFreeze stops everything destructive, for a tenant or everywhere.
	StopFreeze StopKind = 4
	// StopRestore brings tombstoned copies back until they are erased.
	StopRestore StopKind = 5
	// StopSuspend suspends an approver and the approver who says so.
	StopSuspend StopKind = 6
)

var stopKinds = map[StopKind]string{StopCancel: "cancel", StopDeny: "deny", StopHold: "hold", StopFreeze: "freeze",
	StopRestore: "restore", StopSuspend: "suspend"}

// String returns the word that the stop's text uses, or `invalid`.
func (k StopKind) String() string {
	if s, ok := stopKinds[k]; ok {
		return s
	}
	return "invalid"
}

// Everywhere is the tenant of a freeze that concerns all tenants.
const Everywhere = "*"

// none is how an absent field is written.
const none = "-"

// Stop is a signed object that strengthens: valid by whatever route it comes, for it carries its own proof. Which
// fields are set depends on the kind: cancel, deny and restore name a request and its statement's digest; hold names a
// tenant and perhaps a volume; freeze names a tenant or Everywhere; suspend names the approver as Subject.
type Stop struct {
	// ID is the stop's id in text form; the same stop by two routes is one stop.
	ID   string
	Kind StopKind
	// Request and Statement are of the request that is stopped.
	Request   string
	Statement Digest
	// Tenant is the scope; Everywhere only for a freeze.
	Tenant string
	// Volume narrows a hold.
	Volume string
	// Subject is the approver whom a suspend suspends.
	Subject string
	// Person is who stops.
	Person string
	// At is when, UTC, to the microsecond.
	At time.Time
	// Reason is for people, at most MaxReasonBytes of printable text.
	Reason string
	// Proof is a passkey assertion over StopChallenge or an attestation with PurposeStop; absent only for a stop that
	// was typed at the site's own keyboard.
	Proof Proof
}

// Text is what Person signs: everything but the proof.
func (s Stop) Text() ([]byte, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	digest := none
	if s.Statement != (Digest{}) {
		digest = fmt.Sprintf("%x", s.Statement)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sid %s\nkind %s\nrequest %s\nstatement %s\ntenant %s\nvolume %s\nsubject %s\nperson %s\nat %s\nreason %s\n",
		stopHead, s.ID, s.Kind, dash(s.Request), digest, dash(s.Tenant), dash(s.Volume), dash(s.Subject), s.Person,
		s.At.UTC().Format(timeLayout), strconv.QuoteToASCII(s.Reason))
	return b.Bytes(), nil
}

// Digest is the SHA-256 of Text: what StopChallenge and attestations take.
func (s Stop) Digest() (Digest, error) {
	t, err := s.Text()
	if err != nil {
		return Digest{}, err
	}
	return sha256.Sum256(t), nil
}

// Render is the text followed by the proof line.
func (s Stop) Render() ([]byte, error) {
	t, err := s.Text()
	if err != nil {
		return nil, err
	}
	if s.Proof.IsZero() {
		return append(t, "proof "+none+"\n"...), nil
	}
	p, err := s.Proof.Render()
	if err != nil {
		return nil, err
	}
	return append(t, "proof "+p+"\n"...), nil
}

// ParseStop reads what Render wrote and nothing else. It verifies nothing.
func ParseStop(text []byte) (Stop, error) {
	if len(text) > MaxStopBytes {
		return Stop{}, fmt.Errorf("%w: stop of %d bytes", ErrBound, len(text))
	}
	rest, ok := strings.CutPrefix(string(text), stopHead)
	if !ok {
		return Stop{}, fmt.Errorf("%w: not a %q", ErrVersion, strings.TrimSpace(stopHead))
	}
	v, err := takeLines(rest, "id", "kind", "request", "statement", "tenant", "volume", "subject", "person", "at", "reason", "proof")
	if err != nil {
		return Stop{}, err
	}
	s := Stop{ID: v[0], Request: undash(v[2]), Tenant: undash(v[4]), Volume: undash(v[5]), Subject: undash(v[6]), Person: v[7]}
	for k, w := range stopKinds {
		if w == v[1] {
			s.Kind = k
		}
	}
	if v[3] != none {
		if err := fromHex(s.Statement[:], v[3]); err != nil {
			return Stop{}, err
		}
	}
	if s.At, err = parseTime(v[8]); err != nil {
		return Stop{}, err
	}
	if s.Reason, err = strconv.Unquote(v[9]); err != nil {
		return Stop{}, fmt.Errorf("%w: reason", ErrSyntax)
	}
	if v[10] != none {
		if s.Proof, err = ParseProof(v[10]); err != nil {
			return Stop{}, err
		}
	}
	again, err := s.Render()
	if err != nil {
		return Stop{}, err
	}
	if !bytes.Equal(again, text) {
		return Stop{}, fmt.Errorf("%w: stop is not in its one form", ErrSyntax)
	}
	return s, nil
}

func (s Stop) validate() error {
	for _, f := range []struct{ what, v string }{{"id", s.ID}, {"person", s.Person}} {
		if err := checkWord(f.what, f.v); err != nil {
			return err
		}
	}
	for _, f := range []struct{ what, v string }{{"request", s.Request}, {"tenant", s.Tenant}, {"volume", s.Volume}, {"subject", s.Subject}} {
		if f.v == "" {
			continue
		}
		if err := checkWord(f.what, f.v); err != nil {
			return err
		}
		if f.v == none {
			return fmt.Errorf("%w: %s is %q", ErrSyntax, f.what, none)
		}
	}
	if err := checkTime(s.At); err != nil {
		return err
	}
	if len(s.Reason) > MaxReasonBytes || !utf8.ValidString(s.Reason) || strings.ContainsFunc(s.Reason, unicode.IsControl) {
		return fmt.Errorf("%w: reason", ErrSyntax)
	}
	ofRequest := s.Request != "" && s.Statement != Digest{}
	noRequest := s.Request == "" && s.Statement == Digest{}
	good := false
	switch s.Kind {
	case StopCancel, StopDeny, StopRestore:
		good = ofRequest && s.Volume == "" && s.Subject == "" && s.Tenant != Everywhere
	case StopHold:
		good = noRequest && s.Tenant != "" && s.Tenant != Everywhere && s.Subject == ""
	case StopFreeze:
		good = noRequest && s.Tenant != "" && s.Volume == "" && s.Subject == ""
	case StopSuspend:
		good = noRequest && s.Tenant == "" && s.Volume == "" && s.Subject != "" && s.Subject != s.Person
	}
	if !good {
		return fmt.Errorf("%w: fields of a stop of kind %s", ErrSyntax, s.Kind)
	}
	return nil
}

func dash(s string) string {
	if s == "" {
		return none
	}
	return s
}

func undash(s string) string {
	if s == none {
		return ""
	}
	return s
}
