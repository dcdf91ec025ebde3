package charter

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"holdfast/quorum/internal/plain"
	"holdfast/quorum/statement"
)

// Signed is a charter's text with everything that makes it follow.
type Signed struct {
	Text []byte
	// Statement is the text of the change-charter statement that was voted on; empty for genesis.
	Statement []byte
	// Votes are the votes on it, in the encoding that the Verifier knows; empty for genesis.
	Votes [][]byte
	// Proofs prove possession of every key that the charter adds; for genesis, of every key.
	Proofs []Proof
}

// Proof proves possession of one signing key.
type Proof struct {
	// Key is the key's id: passkey:<credential id in base64url>, attestation:<id>, log:<id>, witness:<name> or site:<name>.
	Key string
	// Evidence is an Ed25519 signature of ProofMessage, or for a passkey what the Verifier knows.
	Evidence []byte
}

// Vote is a verified vote on a change-charter statement.
type Vote struct {
	Approval
	CredentialID []byte
	// Approve is false for a deny.
	Approve bool
}

// Verifier is the WebAuthn part, which this package does not do. quorum/warrant implements it.
type Verifier interface {
	// Vote verifies a vote on a statement's digest against the keys and origins of c. It answers for votes that are
	// cryptographically right; whether they count is decided here.
	Vote(c *Charter, digest [32]byte, vote []byte) (Vote, error)
	// Possession verifies that evidence was made by the passkey over the hash of the charter, by an origin of c.
	Possession(c *Charter, key Key, hash [32]byte, evidence []byte) error
}

// Options are the facts outside the texts.
type Options struct {
	// Now is the verifier's time: of first sight, or of the log leaf when history is verified.
	Now time.Time
	// Suspended are the people whose approvals do not count.
	Suspended []string
	// InForceAt says when a person's key came in force by the log; nil if that is not known.
	InForceAt func(person string, credentialID []byte) time.Time
}

// ProofMessage is what an Ed25519 key signs to prove its possession for a charter.
func ProofMessage(hash [32]byte) []byte {
	return append([]byte("holdfast charter proof v1\n"), hash[:]...)
}

// SigningKey is a key that must prove its possession when it comes into a charter.
type SigningKey struct {
	// ID is the id that Proof.Key names.
	ID string
	// Passkey is the passkey, and Person whose it is; else nil.
	Passkey *Key
	Person  string
	// Ed25519 is the key if it is not a passkey.
	Ed25519 [32]byte
}

// PasskeyID is the id of a passkey in proofs.
func PasskeyID(credentialID []byte) string { return "passkey:" + plain.Bytes(credentialID) }

// SigningKeys returns every signing key of the charter, in the order of its text.
func (c *Charter) SigningKeys() []SigningKey {
	var out []SigningKey
	for _, a := range c.Approvers {
		for _, k := range a.Keys {
			out = append(out, SigningKey{ID: PasskeyID(k.CredentialID), Passkey: &k, Person: a.ID})
		}
	}
	for _, s := range c.Attestations {
		out = append(out, SigningKey{ID: "attestation:" + s.ID, Ed25519: s.Key})
	}
	out = append(out, SigningKey{ID: "log:" + c.Log.ID, Ed25519: c.Log.Key})
	for _, w := range c.WitnessKeys {
		out = append(out, SigningKey{ID: "witness:" + w.Name, Ed25519: w.Key})
	}
	for _, s := range c.Sites {
		out = append(out, SigningKey{ID: "site:" + s.Name, Ed25519: s.Key})
	}
	return out
}

func (k SigningKey) same(o SigningKey) bool {
	if k.Passkey != nil {
		return o.Passkey != nil && k.Person == o.Person && bytes.Equal(k.Passkey.PublicKey, o.Passkey.PublicKey)
	}
	return o.Passkey == nil && k.Ed25519 == o.Ed25519
}

// Added returns the signing keys of next that prev does not name, or names otherwise; all of them if prev is nil.
func Added(prev, next *Charter) []SigningKey {
	before := map[string]SigningKey{}
	if prev != nil {
		for _, k := range prev.SigningKeys() {
			before[k.ID] = k
		}
	}
	var out []SigningKey
	for _, k := range next.SigningKeys() {
		if b, ok := before[k.ID]; !ok || !k.same(b) {
			out = append(out, k)
		}
	}
	return out
}

// VerifyGenesis verifies the first charter: number one, no predecessor, and a proof of possession of every key that it
// names. That it is the right one is decided in the ceremony, by comparing its hash.
func VerifyGenesis(s Signed, v Verifier, o Options) (*Charter, error) {
	c, err := Parse(s.Text)
	if err != nil {
		return nil, err
	}
	if c.Number != 1 || len(s.Statement) != 0 || len(s.Votes) != 0 {
		return nil, fmt.Errorf("%w: not a first charter", ErrSuccession)
	}
	if err := freshness(c, o.Now); err != nil {
		return nil, err
	}
	if err := admissions(nil, c); err != nil {
		return nil, err
	}
	return c, proofs(nil, c, s, v)
}

// VerifySuccession verifies that next follows prev: its number and predecessor, the quorum that prev demands of a charter
// change on a statement that names next's hash, a proof of possession of every key that it adds, and that nobody's
// admission is backdated. ErrFork, ErrRollback and ErrSkip are told apart, for a fork stops everything.
func VerifySuccession(prev *Charter, next Signed, v Verifier, o Options) (*Charter, error) {
	c, err := Amends(prev, next.Text, o.Now)
	if err != nil {
		return nil, err
	}
	prevHash, err := prev.Hash()
	if err != nil {
		return nil, err
	}
	hash := Hash(next.Text)
	if err := voted(prev, prevHash, c, hash, next, v, o); err != nil {
		return nil, err
	}
	if err := proofs(prev, c, next, v); err != nil {
		return nil, err
	}
	return c, nil
}

// Amends says whether a text may follow prev as far as both texts alone tell: number and predecessor, age, and that
// nobody's admission is backdated. Who proposes a change learns so at once what VerifySuccession would refuse at its end.
func Amends(prev *Charter, text []byte, now time.Time) (*Charter, error) {
	c, err := Parse(text)
	if err != nil {
		return nil, err
	}
	prevHash, err := prev.Hash()
	if err != nil {
		return nil, err
	}
	if err := Follows(prev, prevHash, c, Hash(text)); err != nil {
		return nil, err
	}
	if !c.CreatedAt.After(prev.CreatedAt) {
		return nil, fmt.Errorf("%w: created no later than its predecessor", ErrSuccession)
	}
	if err := freshness(c, now); err != nil {
		return nil, err
	}
	return c, admissions(prev, c)
}

// Follows compares numbers and hashes alone: nil if next may follow prev, ErrFork for another charter of the same number
// or of the next number with another predecessor's hash, ErrRollback for an older number and ErrSkip for one too far.
// The same charter again is ErrSuccession.
func Follows(prev *Charter, prevHash [32]byte, next *Charter, nextHash [32]byte) error {
	switch {
	case next.Number == prev.Number && nextHash != prevHash:
		return ErrFork
	case next.Number == prev.Number:
		return fmt.Errorf("%w: it is the same charter", ErrSuccession)
	case next.Number < prev.Number:
		return ErrRollback
	case next.Number > prev.Number+1:
		return ErrSkip
	case next.Previous != prevHash:
		return fmt.Errorf("%w: %w", ErrPrevious, ErrFork)
	}
	return nil
}

func freshness(c *Charter, now time.Time) error {
	if age := now.Sub(c.CreatedAt); now.IsZero() || age > MaxAge || age < -MaxEarly {
		return fmt.Errorf("%w: created too long ago, or in the future", ErrSuccession)
	}
	return nil
}

// admissions: who is new was admitted at the creation of this charter, and who is not new is described as before.
func admissions(prev, next *Charter) error {
	no := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrSuccession, fmt.Sprintf(format, args...))
	}
	owner := map[string]string{}
	if prev != nil {
		for _, a := range prev.Approvers {
			for _, k := range a.Keys {
				owner[k.material()] = a.ID
			}
		}
	}
	for _, a := range next.Approvers {
		var before Approver
		known := false
		if prev != nil {
			before, known = prev.Approver(a.ID)
		}
		want := next.CreatedAt
		if known {
			want = before.AdmittedAt
		}
		if !a.AdmittedAt.Equal(want) {
			return no("admission of approver %s", a.ID)
		}
		for _, k := range a.Keys {
			if o, ok := owner[k.material()]; ok && o != a.ID {
				return no("a key of %s was that of %s", a.ID, o)
			}
			i := slices.IndexFunc(before.Keys, func(b Key) bool { return bytes.Equal(b.CredentialID, k.CredentialID) })
			switch {
			case i < 0 && !k.AdmittedAt.Equal(next.CreatedAt):
				return no("admission of a key of %s", a.ID)
			case i >= 0 && !sameKey(before.Keys[i], k):
				return no("a key of %s is described otherwise than before", a.ID)
			}
		}
	}
	return nil
}

func sameKey(a, b Key) bool {
	return bytes.Equal(a.CredentialID, b.CredentialID) && bytes.Equal(a.PublicKey, b.PublicKey) && a.RP == b.RP &&
		a.Hardware == b.Hardware && a.AAGUID == b.AAGUID && a.AdmittedAt.Equal(b.AdmittedAt)
}

func voted(prev *Charter, prevHash [32]byte, c *Charter, hash [32]byte, next Signed, v Verifier, o Options) error {
	no := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrSignatures, fmt.Sprintf(format, args...))
	}
	st, err := statement.Parse(next.Statement)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignatures, err)
	}
	number, _ := st.Number("next-number")
	named, _ := st.Hash("next-hash")
	switch {
	case st.Action != statement.ChangeCharter:
		return no("the statement is of another action")
	case st.Charter.Number != prev.Number || st.Charter.Hash != prevHash:
		return no("the statement names another predecessor")
	case number != c.Number || named != hash:
		return no("the statement names another successor")
	case c.CreatedAt.After(st.OpenedAt):
		return no("the statement is older than the charter")
	case o.Now.After(st.ExecuteUntil):
		return no("the statement has expired")
	}
	need, err := prev.Requirement(st.Action, Circumstance{}, "")
	if err != nil {
		return err
	}
	digest := statement.Text(next.Statement).Digest()
	ballot := Ballot{OpenedAt: st.OpenedAt, Excluded: append(slices.Clone(o.Suspended), st.Requester.ID, st.OpenedBy.ID)}
	var approvals []Approval
	if len(next.Votes) > 2*MaxApprovers*MaxKeysEach {
		return no("too many votes")
	}
	for _, raw := range next.Votes {
		vote, err := v.Vote(prev, digest, raw)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSignatures, err)
		}
		if !vote.Approve {
			// Nobody blocks their own removal (T55); any other approver's deny ends the request.
			if _, stays := c.Approver(vote.Person); stays {
				return no("denied by %s", vote.Person)
			}
			continue
		}
		if o.InForceAt != nil {
			ballot.InForceAt = o.InForceAt(vote.Person, vote.CredentialID)
		}
		if vote.CredentialID == nil || vote.TOTP {
			continue
		}
		// A vote that does not count is left out; it does not spoil the others.
		if prev.Eligible(vote.Person, vote.CredentialID, ballot, o.Now) == nil {
			approvals = append(approvals, vote.Approval)
		}
	}
	if got := prev.Count(need, approvals); !need.Met(got) {
		return no("%d approvals of %d, %d teams of %d, %d hardware of %d, %d independent of %d", got.Approvals, need.Approvals,
			got.Teams, need.Teams, got.Hardware, need.Hardware, got.Independent, need.Independent)
	}
	return nil
}

func proofs(prev, c *Charter, s Signed, v Verifier) error {
	hash := Hash(s.Text)
	evidence := map[string][]byte{}
	for _, p := range s.Proofs {
		if _, twice := evidence[p.Key]; twice {
			return fmt.Errorf("%w: two proofs of %s", ErrSignatures, plain.Quote(p.Key))
		}
		evidence[p.Key] = p.Evidence
	}
	added := Added(prev, c)
	if len(evidence) != len(added) {
		return fmt.Errorf("%w: %d proofs of possession for %d keys", ErrSignatures, len(evidence), len(added))
	}
	for _, k := range added {
		e, ok := evidence[k.ID]
		if !ok {
			return fmt.Errorf("%w: no proof of possession of %s", ErrSignatures, k.ID)
		}
		if k.Passkey != nil {
			if err := v.Possession(c, *k.Passkey, hash, e); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrSignatures, k.ID, err)
			}
		} else if !ed25519.Verify(k.Ed25519[:], ProofMessage(hash), e) {
			return fmt.Errorf("%w: wrong proof of possession of %s", ErrSignatures, k.ID)
		}
	}
	return nil
}
