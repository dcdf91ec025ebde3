package site

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/quorum/audit"
)

// Event is what a site says in the log, signed with the key that its line of the charter names: the body of a leaf.
type Event struct {
	Kind    audit.Kind
	Site    string
	Request string
	// Statement is the digest of the request's statement.
	Statement [32]byte
	// Stage is the stage that an intent announces; empty for other events.
	Stage string
	// At is the site's own time, to the microsecond.
	At time.Time
	// Snapshots are the copies at the site that the event is about.
	Snapshots []string
}

const (
	eventHead  = "holdfast site event v1\n"
	timeLayout = "2006-01-02T15:04:05.000000Z"
)

var eventKinds = map[audit.Kind]bool{audit.KindRequestSeen: true, audit.KindRequestIntent: true, audit.KindRequestTombstoned: true,
	audit.KindRequestErased: true, audit.KindRequestRestored: true, audit.KindReplicaHeld: true, audit.KindSnapshotProven: true}

func (e Event) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%skind %s\nsite %s\nrequest %s\nstatement %x\nstage %s\nat %s\ncopies %d\n", eventHead, e.Kind, e.Site, dash(e.Request),
		e.Statement, dash(e.Stage), e.At.UTC().Format(timeLayout), len(e.Snapshots))
	for _, s := range e.Snapshots {
		fmt.Fprintf(&b, "copy %s\n", s)
	}
	return b.Bytes()
}

// Sign renders the event with the site's signature, an Ed25519 signature of the text before its line.
func (e Event) Sign(key ed25519.PrivateKey) ([]byte, error) {
	text := e.text()
	sig := ed25519.Sign(key, text)
	out := fmt.Appendf(text, "signature %x\n", sig)
	if _, err := ParseEvent(out, [32]byte(key.Public().(ed25519.PublicKey))); err != nil {
		return nil, err
	}
	return out, nil
}

// ParseEvent reads an event and verifies its signature. What it accepts has one form.
func ParseEvent(in []byte, key [32]byte) (Event, error) {
	e, signed, sig, err := parseEvent(in)
	if err != nil {
		return Event{}, err
	}
	if !ed25519.Verify(key[:], signed, sig) {
		return Event{}, fmt.Errorf("%w: the signature of an event", ErrLog)
	}
	return e, nil
}

// EventSite reads whose event a text says it is, without verifying anything; false when it is none.
func EventSite(in []byte) (string, bool) {
	e, _, _, err := parseEvent(in)
	return e.Site, err == nil
}

func parseEvent(in []byte) (e Event, signed, sig []byte, err error) {
	bad := fmt.Errorf("%w: not a site's event", ErrLog)
	if len(in) > maxEvent || !bytes.HasPrefix(in, []byte(eventHead)) || !bytes.HasSuffix(in, []byte("\n")) {
		return e, nil, nil, bad
	}
	lines := strings.Split(strings.TrimSuffix(string(in[len(eventHead):]), "\n"), "\n")
	names := []string{"kind", "site", "request", "statement", "stage", "at", "copies"}
	if len(lines) < len(names)+1 {
		return e, nil, nil, bad
	}
	v := make([]string, len(names))
	for i, n := range names {
		var ok bool
		if v[i], ok = strings.CutPrefix(lines[i], n+" "); !ok {
			return e, nil, nil, bad
		}
	}
	digest, errD := hex.DecodeString(v[3])
	at, errT := time.Parse(timeLayout, v[5])
	n, errN := strconv.Atoi(v[6])
	if errD != nil || len(digest) != 32 || errT != nil || errN != nil || n != len(lines)-len(names)-1 {
		return e, nil, nil, bad
	}
	e = Event{Kind: audit.Kind(v[0]), Site: v[1], Request: undash(v[2]), Statement: [32]byte(digest), Stage: undash(v[4]), At: at.UTC()}
	for _, l := range lines[len(names) : len(lines)-1] {
		s, ok := strings.CutPrefix(l, "copy ")
		if !ok || s == "" {
			return e, nil, nil, bad
		}
		e.Snapshots = append(e.Snapshots, s)
	}
	hexSig, ok := strings.CutPrefix(lines[len(lines)-1], "signature ")
	sig, errS := hex.DecodeString(hexSig)
	if !ok || errS != nil || len(sig) != ed25519.SignatureSize || !eventKinds[e.Kind] || e.Site == "" {
		return e, nil, nil, bad
	}
	signed = e.text()
	if !bytes.Equal(fmt.Appendf(bytes.Clone(signed), "signature %x\n", sig), in) {
		return e, nil, nil, bad
	}
	return e, signed, sig, nil
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func undash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}
