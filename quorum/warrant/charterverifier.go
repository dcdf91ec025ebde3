package warrant

import (
	"fmt"
	"strings"

	"holdfast/quorum/charter"
)

// CharterVerifier is the WebAuthn part of a charter's succession: it implements charter.Verifier.
type CharterVerifier struct{}

var _ charter.Verifier = CharterVerifier{}

// PossessionChallenge is what a passkey signs to enter a charter:
// SHA-256("holdfast possession v1\n" ‖ nonce ‖ hash of the charter's text).
func PossessionChallenge(n Nonce, charterHash Digest) Digest {
	return hashAll("holdfast possession v1\n", n[:], charterHash[:])
}

// EncodeVote spells a vote for charter.Signed: person, decision and proof in one line without line feed. Only passkeys
// vote on charters.
func EncodeVote(person string, d Decision, p Passkey) ([]byte, error) {
	if err := checkWord("person", person); err != nil {
		return nil, err
	}
	if d != Approve && d != Deny {
		return nil, fmt.Errorf("%w: decision %d", ErrSyntax, d)
	}
	proof, err := Proof{Passkey: &p}.Render()
	if err != nil {
		return nil, err
	}
	return []byte(person + " " + d.String() + " " + proof), nil
}

// Vote verifies what EncodeVote spelled against the keys and origins of c.
func (CharterVerifier) Vote(c *charter.Charter, digest [32]byte, vote []byte) (charter.Vote, error) {
	f := strings.SplitN(string(vote), " ", 3)
	if len(f) != 3 || len(vote) > MaxStopBytes {
		return charter.Vote{}, fmt.Errorf("%w: vote", ErrSyntax)
	}
	d, err := ParseDecision(f[1])
	if err != nil {
		return charter.Vote{}, err
	}
	p, err := ParseProof(f[2])
	if err != nil {
		return charter.Vote{}, err
	}
	if p.Passkey == nil {
		return charter.Vote{}, ErrTOTP
	}
	presence, err := CheckVote(c, f[0], *p.Passkey, d, digest)
	if err != nil {
		return charter.Vote{}, err
	}
	return charter.Vote{
		Approval:     charter.Approval{Person: f[0], Hardware: presence.Hardware, Independent: presence.Independent},
		CredentialID: p.Passkey.CredentialID, Approve: d == Approve,
	}, nil
}

// Possession verifies a rendered passkey proof over PossessionChallenge.
func (CharterVerifier) Possession(c *charter.Charter, key charter.Key, hash [32]byte, evidence []byte) error {
	if c == nil {
		return fmt.Errorf("%w: missing", ErrCharter)
	}
	if len(evidence) > MaxStopBytes {
		return fmt.Errorf("%w: evidence of %d bytes", ErrBound, len(evidence))
	}
	p, err := ParseProof(string(evidence))
	if err != nil {
		return err
	}
	if p.Passkey == nil {
		return ErrTOTP
	}
	_, err = p.Passkey.Verify(charterKey(key), Parties(c), PossessionChallenge(p.Passkey.Nonce, hash))
	return err
}
