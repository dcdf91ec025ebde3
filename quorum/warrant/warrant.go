package warrant

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"holdfast/quorum/audit"
)

const warrantHead = "holdfast warrant v1\n"

// Record places a body in the log: the leaf that commits to it and the proof that the leaf stands in the warrant's
// checkpoint. The body is not carried, for it follows from the warrant (OpeningBody, VoteBody).
type Record struct {
	Index  int64
	Leaf   []byte
	Salt   [32]byte
	Hashes []audit.Hash
}

// Ballot is one vote with its evidence.
type Ballot struct {
	Person   string
	Decision Decision
	Proof    Proof
	Record   Record
}

// Enrolment shows that a member's passkey stands in the log.
type Enrolment struct {
	Person       string
	CredentialID []byte
	RP           string
	COSE         []byte
	Record       Record
}

// Warrant is everything that a stranger needs to check a gated action.
type Warrant struct {
	// Statement is the statement's text, byte for byte.
	Statement []byte
	// CharterNumber and CharterHash repeat the statement's charter, so that a reader knows what to fetch.
	CharterNumber uint64
	CharterHash   Digest
	// Confirm is the requester's proof; Enrolment shows the passkey behind it and is nil for any other factor.
	Confirm   Proof
	Enrolment *Enrolment
	// Opening is the record of OpeningBody.
	Opening Record
	// Votes are in the order of the log.
	Votes []Ballot
	// Checkpoint is the signed checkpoint, with cosignatures, that all records are proven in.
	Checkpoint []byte
}

// OpeningBody is the body of the request-opened leaf.
func OpeningBody(request string, statement Digest, confirm Proof) ([]byte, error) {
	p, err := confirm.Render()
	if err != nil {
		return nil, err
	}
	if err := checkWord("request", request); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "holdfast request opened v1\nrequest %s\nstatement %x\nconfirm %s\n", request, statement, p), nil
}

// VoteBody is the body of the request-voted leaf.
func VoteBody(request string, statement Digest, b Ballot) ([]byte, error) {
	p, err := b.Proof.Render()
	if err != nil {
		return nil, err
	}
	for _, w := range []string{request, b.Person} {
		if err := checkWord("id", w); err != nil {
			return nil, err
		}
	}
	if b.Decision != Approve && b.Decision != Deny {
		return nil, fmt.Errorf("%w: decision %d", ErrSyntax, b.Decision)
	}
	return fmt.Appendf(nil, "holdfast request voted v1\nrequest %s\nstatement %x\nperson %s\ndecision %s\nproof %s\n",
		request, statement, b.Person, b.Decision, p), nil
}

// EnrolmentBody is the body of the factor-enrolled leaf of a member's passkey.
func EnrolmentBody(e Enrolment) ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "holdfast passkey enrolled v1\nperson %s\ncredential %s\nrp %s\nkey %s\n",
		e.Person, b64(e.CredentialID), e.RP, b64(e.COSE)), nil
}

func (e Enrolment) validate() error {
	if err := checkWord("person", e.Person); err != nil {
		return err
	}
	if err := checkWord("rp", e.RP); err != nil {
		return err
	}
	if n := len(e.CredentialID); n == 0 || n > MaxCredentialIDBytes || len(e.COSE) == 0 || len(e.COSE) > MaxRecordBytes {
		return fmt.Errorf("%w: enrolment", ErrSyntax)
	}
	return nil
}

// Render writes the warrant in its one form.
func (w Warrant) Render() ([]byte, error) {
	var b bytes.Buffer
	if len(w.Statement) == 0 || len(w.Statement) > MaxStatementBytes {
		return nil, fmt.Errorf("%w: statement of %d bytes", ErrBound, len(w.Statement))
	}
	if len(w.Checkpoint) == 0 || len(w.Checkpoint) > MaxCheckpointBytes {
		return nil, fmt.Errorf("%w: checkpoint of %d bytes", ErrBound, len(w.Checkpoint))
	}
	if len(w.Votes) > MaxVotes {
		return nil, fmt.Errorf("%w: %d votes", ErrBound, len(w.Votes))
	}
	confirm, err := w.Confirm.Render()
	if err != nil {
		return nil, err
	}
	opening, err := w.Opening.render()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "%scharter %d %x\nstatement %d\n", warrantHead, w.CharterNumber, w.CharterHash, len(w.Statement))
	b.Write(w.Statement)
	fmt.Fprintf(&b, "confirm %s\n", confirm)
	if e := w.Enrolment; e == nil {
		b.WriteString("enrolment " + none + "\n")
	} else {
		if err := e.validate(); err != nil {
			return nil, err
		}
		r, err := e.Record.render()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "enrolment %s %s %s %s %s\n", e.Person, b64(e.CredentialID), e.RP, b64(e.COSE), r)
	}
	fmt.Fprintf(&b, "opening %s\nvotes %d\n", opening, len(w.Votes))
	for _, v := range w.Votes {
		p, err := v.Proof.Render()
		if err != nil {
			return nil, err
		}
		r, err := v.Record.render()
		if err != nil {
			return nil, err
		}
		if err := checkWord("person", v.Person); err != nil {
			return nil, err
		}
		if v.Decision != Approve && v.Decision != Deny {
			return nil, fmt.Errorf("%w: decision %d", ErrSyntax, v.Decision)
		}
		fmt.Fprintf(&b, "vote %s %s %s\nproof %s\n", v.Person, v.Decision, r, p)
	}
	fmt.Fprintf(&b, "checkpoint %d\n", len(w.Checkpoint))
	b.Write(w.Checkpoint)
	b.WriteString("end\n")
	if b.Len() > MaxWarrantBytes {
		return nil, fmt.Errorf("%w: warrant of %d bytes", ErrBound, b.Len())
	}
	return b.Bytes(), nil
}

// Parse reads what Render wrote and nothing else. It verifies nothing.
func Parse(text []byte) (Warrant, error) {
	if len(text) > MaxWarrantBytes {
		return Warrant{}, fmt.Errorf("%w: warrant of %d bytes", ErrBound, len(text))
	}
	w, err := parse(text)
	if err != nil {
		return Warrant{}, err
	}
	again, err := w.Render()
	if err != nil {
		return Warrant{}, err
	}
	if !bytes.Equal(again, text) {
		return Warrant{}, fmt.Errorf("%w: warrant is not in its one form", ErrSyntax)
	}
	return w, nil
}

func parse(text []byte) (w Warrant, err error) {
	rest, ok := bytes.CutPrefix(text, []byte(warrantHead))
	if !ok {
		return w, fmt.Errorf("%w: not a %q", ErrVersion, strings.TrimSpace(warrantHead))
	}
	l := &lines{rest: rest}
	f := l.fields("charter", 2)
	if w.CharterNumber, err = strconv.ParseUint(f[0], 10, 64); err != nil {
		return w, fmt.Errorf("%w: charter", ErrSyntax)
	}
	if err := fromHex(w.CharterHash[:], f[1]); err != nil {
		return w, err
	}
	w.Statement = l.block("statement", MaxStatementBytes)
	if w.Confirm, err = ParseProof(l.value("confirm")); err != nil {
		return w, err
	}
	if v := l.value("enrolment"); v != none {
		f := strings.SplitN(v, " ", 5)
		if len(f) != 5 {
			return w, fmt.Errorf("%w: enrolment", ErrSyntax)
		}
		e := &Enrolment{Person: f[0], RP: f[2]}
		if e.CredentialID, err = unb64(f[1]); err != nil {
			return w, err
		}
		if e.COSE, err = unb64(f[3]); err != nil {
			return w, err
		}
		if e.Record, err = parseRecord(f[4]); err != nil {
			return w, err
		}
		w.Enrolment = e
	}
	if w.Opening, err = parseRecord(l.value("opening")); err != nil {
		return w, err
	}
	n, err := strconv.Atoi(l.value("votes"))
	if err != nil || n < 0 || n > MaxVotes {
		return w, fmt.Errorf("%w: votes", ErrSyntax)
	}
	for range n {
		f := strings.SplitN(l.value("vote"), " ", 3)
		if len(f) != 3 {
			return w, fmt.Errorf("%w: vote", ErrSyntax)
		}
		v := Ballot{Person: f[0]}
		if v.Decision, err = ParseDecision(f[1]); err != nil {
			return w, err
		}
		if v.Record, err = parseRecord(f[2]); err != nil {
			return w, err
		}
		if v.Proof, err = ParseProof(l.value("proof")); err != nil {
			return w, err
		}
		w.Votes = append(w.Votes, v)
	}
	w.Checkpoint = l.block("checkpoint", MaxCheckpointBytes)
	if l.bad || string(l.rest) != "end\n" {
		return w, fmt.Errorf("%w: warrant", ErrSyntax)
	}
	return w, nil
}

// lines reads a text from the top; the first mistake sticks.
type lines struct {
	rest []byte
	bad  bool
}

func (l *lines) value(word string) string {
	line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
	v, is := strings.CutPrefix(string(line), word+" ")
	if !ok || !is || l.bad {
		l.bad = true
		return ""
	}
	l.rest = rest
	return v
}

func (l *lines) fields(word string, n int) []string {
	f := strings.Split(l.value(word), " ")
	if len(f) != n {
		l.bad = true
		return make([]string, n)
	}
	return f
}

func (l *lines) block(word string, bound int) []byte {
	n, err := strconv.Atoi(l.value(word))
	if l.bad || err != nil || n < 1 || n > bound || n > len(l.rest) {
		l.bad = true
		return nil
	}
	b := l.rest[:n:n]
	l.rest = l.rest[n:]
	return bytes.Clone(b)
}

func (r Record) render() (string, error) {
	if r.Index < 0 || r.Index >= audit.MaxSize || len(r.Leaf) == 0 || len(r.Leaf) > MaxRecordBytes || len(r.Hashes) > MaxPathHashes {
		return "", fmt.Errorf("%w: record", ErrBound)
	}
	path := none
	if len(r.Hashes) > 0 {
		var b []byte
		for _, h := range r.Hashes {
			b = append(b, h[:]...)
		}
		path = b64(b)
	}
	return fmt.Sprintf("%d %s %s %s", r.Index, b64(r.Leaf), b64(r.Salt[:]), path), nil
}

func parseRecord(s string) (r Record, err error) {
	f := strings.Split(s, " ")
	if len(f) != 4 {
		return r, fmt.Errorf("%w: record", ErrSyntax)
	}
	if r.Index, err = strconv.ParseInt(f[0], 10, 64); err != nil {
		return r, fmt.Errorf("%w: record", ErrSyntax)
	}
	if r.Leaf, err = unb64(f[1]); err != nil {
		return r, err
	}
	salt, err := unb64(f[2])
	if err != nil || len(salt) != len(r.Salt) {
		return r, fmt.Errorf("%w: salt", ErrSyntax)
	}
	copy(r.Salt[:], salt)
	if f[3] != none {
		path, err := unb64(f[3])
		if err != nil || len(path)%32 != 0 || len(path) > 32*MaxPathHashes {
			return r, fmt.Errorf("%w: path", ErrSyntax)
		}
		for ; len(path) > 0; path = path[32:] {
			r.Hashes = append(r.Hashes, audit.Hash(path[:32]))
		}
	}
	return r, nil
}
