// Package chartertest owns charters with software keys for tests. Every key in it is derived from a public seed: it
// must never be imported outside tests and demos.
package chartertest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
)

// Identity is the age identity of the recovery recipient of every charter made here.
const Identity = "AGE-SECRET-KEY-18MSZ4UNUDLE4Z2GRR6ZGSSLVM3ZG66FTUC45YUVX0V26MQZTP0SQ9KFQJY"

const recipient = "age1kpk8g6v7e6y2lsvchtgj0d4a8jecchavcfn90drpfdvunw0z2vrs38z52l"

// The origins of the charters made here.
const (
	Origin            = "https://console.example.org"
	RP                = "example.org"
	IndependentOrigin = "http://localhost:7777"
	IndependentRP     = "localhost"
)

// Fixture is a charter with the private halves of its keys.
type Fixture struct {
	Charter *charter.Charter
	// Passkeys holds private keys by charter.PasskeyID.
	Passkeys map[string]*ecdsa.PrivateKey
	// Ed25519 holds private keys by the id of charter.SigningKey, such as "site:primary".
	Ed25519 map[string]ed25519.PrivateKey
}

// New returns a valid first charter created at `at`, purpose production: approvers per_a1 to per_a6 in teams red (1, 2),
// green (3, 4), blue (5, 6), each with a device-bound passkey for RP and one for IndependentRP; sites primary and
// berlin (independent, witness berlin/witness); an external witness; one attestation key att-1; approvals 2, teams 2,
// hardware 2 and independent 1 at berlin.
func New(at time.Time) *Fixture {
	f := &Fixture{Passkeys: map[string]*ecdsa.PrivateKey{}, Ed25519: map[string]ed25519.PrivateKey{}}
	day := 24 * time.Hour
	caps := charter.Caps{RequestCopies: 10_000, RequestBytes: 1 << 50, DayCopies: 20_000, DayBytes: 1 << 51}
	c := &charter.Charter{
		Number: 1, Purpose: charter.Production, CreatedAt: at, Undo: 14 * day, Quarantine: 3 * day, Stagger: time.Hour,
		Clocks: 1, Witnesses: 1, KeepRules: charter.KeepByOwner,
		Origins:      []charter.Origin{{URL: Origin, RP: RP}, {URL: IndependentOrigin, RP: IndependentRP, Independent: true}},
		Log:          charter.Signer{ID: "log.example.org", Key: f.Key("log:log.example.org")},
		Attestations: []charter.Signer{{ID: "att-1", Key: f.Key("attestation:att-1")}},
		WitnessKeys: []charter.Witness{
			{Name: "berlin/witness", Key: f.Key("witness:berlin/witness"), HolderKind: "site", Holder: "berlin"},
			{Name: "witness.example.net", Key: f.Key("witness:witness.example.net"), HolderKind: "external", Holder: "example.net"},
		},
		Recipients: []charter.Recipient{{Name: "Recovery safe", Age: recipient}},
		Mailboxes:  []charter.Mailbox{{Site: "berlin", URL: "https://mail.example.net/stops"}},
		Sites: []charter.Site{
			{Name: "berlin", Role: charter.Independent, Key: f.Key("site:berlin"), Approvals: 2, Teams: 2, Hardware: 2,
				Independent: 1, Cooling: 3 * day, Grace: 7 * day, LastExtra: 4 * day, Caps: caps},
			{Name: "primary", Role: charter.Primary, Key: f.Key("site:primary"), Approvals: 2, Teams: 1, Hardware: 0,
				Independent: 0, TOTP: true, Cooling: 3 * day, Grace: 7 * day, LastExtra: 4 * day, Caps: caps},
		},
	}
	for i, team := range []string{"red", "red", "green", "green", "blue", "blue"} {
		c.Approvers = append(c.Approvers, f.Approver(fmt.Sprintf("per_a%d", i+1), fmt.Sprintf("Approver %d", i+1), team, at))
	}
	f.Charter = c.Normalise()
	return f
}

// Demo returns New with purpose demo and delays of seconds.
func Demo(at time.Time) *Fixture {
	f := New(at)
	c := f.Charter
	c.Purpose, c.Undo, c.Quarantine, c.Stagger, c.Clocks = charter.Demo, time.Minute, time.Second, 0, 0
	for i := range c.Sites {
		c.Sites[i].Cooling, c.Sites[i].Grace, c.Sites[i].LastExtra = 2*time.Second, 2*time.Second, time.Second
	}
	return f
}

// Key derives the Ed25519 key of an id, keeps its private half and returns the public one.
func (f *Fixture) Key(id string) (pub [32]byte) {
	seed := sha256.Sum256([]byte("holdfast test key " + id))
	k := ed25519.NewKeyFromSeed(seed[:])
	f.Ed25519[id] = k
	copy(pub[:], k.Public().(ed25519.PublicKey))
	return pub
}

// Passkey derives a device-bound P-256 passkey for an RP and keeps its private half. Equal labels give equal keys.
func (f *Fixture) Passkey(label, rp string, admitted time.Time) charter.Key {
	seed := sha256.Sum256([]byte("holdfast test passkey " + label + " " + rp))
	seed[0] = 1 // below the order of the curve, and not zero
	priv, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		panic(err)
	}
	point, err := priv.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	id := sha256.Sum256([]byte("credential " + label + " " + rp))
	k := charter.Key{CredentialID: id[:16], RP: rp, PublicKey: COSE(point[1:33], point[33:]), Hardware: true, AdmittedAt: admitted}
	f.Passkeys[charter.PasskeyID(k.CredentialID)] = priv
	return k
}

// COSE spells a P-256 point as a COSE_Key for ES256.
func COSE(x, y []byte) []byte {
	out := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, x...)
	return append(append(out, 0x22, 0x58, 0x20), y...)
}

// Approver makes an approver with one passkey for RP and one for IndependentRP.
func (f *Fixture) Approver(id, name, team string, admitted time.Time) charter.Approver {
	return charter.Approver{ID: id, Name: name, Team: team, AdmittedAt: admitted,
		Keys: []charter.Key{f.Passkey(id, RP, admitted), f.Passkey(id, IndependentRP, admitted)}}
}

// Text renders the charter; it panics if that fails.
func (f *Fixture) Text() []byte {
	t, err := f.Charter.Render()
	if err != nil {
		panic(err)
	}
	return t
}

// Genesis is the first charter with all its proofs, for Verifier.
func (f *Fixture) Genesis() charter.Signed {
	return charter.Signed{Text: f.Text(), Proofs: f.Proofs(nil, f.Charter)}
}

// Next returns a deep copy of the charter as its own successor, created at `at`.
func (f *Fixture) Next(at time.Time) *charter.Charter {
	n := f.Charter.Normalise()
	n.Number++
	n.Previous = charter.Hash(f.Text())
	n.CreatedAt = at
	return n.Normalise()
}

// Proofs are the proofs of possession of every key that next adds to prev, for Verifier.
func (f *Fixture) Proofs(prev, next *charter.Charter) []charter.Proof {
	text, err := next.Render()
	if err != nil {
		panic(err)
	}
	hash := charter.Hash(text)
	var out []charter.Proof
	for _, k := range charter.Added(prev, next) {
		p := charter.Proof{Key: k.ID}
		if k.Passkey != nil {
			p.Evidence = sign(f.Passkeys[k.ID], charter.ProofMessage(hash))
		} else {
			p.Evidence = ed25519.Sign(f.Ed25519[k.ID], charter.ProofMessage(hash))
		}
		out = append(out, p)
	}
	return out
}

// Change is the statement of a change from the fixture's charter to next, opened by the staff member at `at`.
func (f *Fixture) Change(next *charter.Charter, requester string, at time.Time) statement.Text {
	text, err := next.Render()
	if err != nil {
		panic(err)
	}
	p := statement.Party{Kind: statement.Staff, ID: requester, Name: "Requester"}
	s := statement.Statement{
		Action: statement.ChangeCharter, Request: "req_test", Charter: statement.Charter{Number: f.Charter.Number, Hash: charter.Hash(f.Text())},
		Reason: "Test of a change", Requester: p, OpenedBy: p, OpenedAt: at, VoteUntil: at.Add(7 * 24 * time.Hour), ExecuteUntil: at.Add(30 * 24 * time.Hour),
		Facts: []statement.Fact{statement.NumberFact("next-number", next.Number), statement.DigestFact("next-hash", charter.Hash(text))},
	}
	t, err := s.Render()
	if err != nil {
		panic(err)
	}
	return t
}

// Ballot is a vote in the encoding of Verifier.
type Ballot struct {
	Credential []byte
	Approve    bool
	Signature  []byte
}

// Vote signs a statement's digest with the person's passkey for the RP.
func (f *Fixture) Vote(person, rp string, approve bool, digest [32]byte) []byte {
	k := f.Passkey(person, rp, time.Time{})
	b, err := json.Marshal(Ballot{k.CredentialID, approve, sign(f.Passkeys[charter.PasskeyID(k.CredentialID)], voteMessage(approve, digest))})
	if err != nil {
		panic(err)
	}
	return b
}

// Signed is next with a statement opened by requester, approving votes of the people, and all proofs.
func (f *Fixture) Signed(next *charter.Charter, requester string, at time.Time, approvers ...string) charter.Signed {
	st := f.Change(next, requester, at)
	text, err := next.Render()
	if err != nil {
		panic(err)
	}
	s := charter.Signed{Text: text, Statement: st, Proofs: f.Proofs(f.Charter, next)}
	for _, a := range approvers {
		s.Votes = append(s.Votes, f.Vote(a, IndependentRP, true, st.Digest()))
	}
	return s
}

func voteMessage(approve bool, digest [32]byte) []byte {
	b := byte(2)
	if approve {
		b = 1
	}
	return append([]byte{b}, digest[:]...)
}

func sign(k *ecdsa.PrivateKey, msg []byte) []byte {
	h := sha256.Sum256(msg)
	sig, err := ecdsa.SignASN1(nil, k, h[:]) // nil: deterministic, RFC 6979
	if err != nil {
		panic(err)
	}
	return sig
}

// Verifier checks plain ECDSA signatures where quorum/warrant checks WebAuthn assertions.
type Verifier struct{}

var _ charter.Verifier = Verifier{}

var errSignature = errors.New("wrong signature")

// Vote implements charter.Verifier.
func (Verifier) Vote(c *charter.Charter, digest [32]byte, vote []byte) (charter.Vote, error) {
	var b Ballot
	if err := json.Unmarshal(vote, &b); err != nil {
		return charter.Vote{}, err
	}
	a, k, ok := c.Key(b.Credential)
	if !ok || !verify(k, voteMessage(b.Approve, digest), b.Signature) {
		return charter.Vote{}, errSignature
	}
	return charter.Vote{Approval: charter.Approval{Person: a.ID, Hardware: k.Hardware, Independent: k.RP == IndependentRP},
		CredentialID: k.CredentialID, Approve: b.Approve}, nil
}

// Possession implements charter.Verifier.
func (Verifier) Possession(_ *charter.Charter, k charter.Key, hash [32]byte, evidence []byte) error {
	if !verify(k, charter.ProofMessage(hash), evidence) {
		return errSignature
	}
	return nil
}

func verify(k charter.Key, msg, sig []byte) bool {
	if k.Algorithm() != charter.AlgES256 {
		return false
	}
	point := append(append([]byte{4}, k.PublicKey[10:42]...), k.PublicKey[45:]...)
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return false
	}
	h := sha256.Sum256(msg)
	return ecdsa.VerifyASN1(pub, h[:], sig)
}
