package demo

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// ErrPurpose means that a service is no demonstration: the charter in force there does not say "purpose demo".
var ErrPurpose = errors.New("demo: the charter in force there does not say purpose demo, and nobody is borrowed for anything else")

// ErrDeceived means that a service asked for a signature of something else than the statement that it shows.
var ErrDeceived = errors.New("demo: the service asked for a signature of something else than it shows; nothing was signed")

// Signed is what a software key has signed.
type Signed struct {
	Approver    string `json:"approver"`
	Decision    string `json:"decision"`    // approve or deny
	Statement   string `json:"statement"`   // the whole text
	Digest      string `json:"digest"`      // of it: sha256: and 64 hex digits, computed here
	Fingerprint string `json:"fingerprint"` // the same for people to compare
	Nonce       string `json:"nonce"`       // hex
	Challenge   string `json:"challenge"`   // base64url: what nonce, decision and digest make, computed here
	Origin      string `json:"origin"`      // whose page it says it was
	Key         string `json:"key"`         // the passkey, as the charter spells it
}

// Decided is a request after a vote, and what that vote signed.
type Decided struct {
	wire.Request
	Signed Signed `json:"signed"`
}

// Decide casts the vote of an approver of the demonstration with their software passkey, which is on no device that a
// browser could ask. It computes what is signed from the statement, as a page's script does, and signs nothing else. It
// works only with a demonstration's own keys, and only where the charter in force says purpose demo.
// Errors: ErrPurpose, ErrDeceived, and what the service answers.
func Decide(ctx context.Context, dir, who, request, decision, reason string) (out Decided, err error) {
	s, p, err := borrow(dir, who)
	if err != nil {
		return out, err
	}
	defer s.keep(&err)
	c, err := p.signIn(ctx)
	if err != nil {
		return out, err
	}
	ch, err := c.Charter(ctx)
	if err != nil {
		return out, err
	}
	if ch.Purpose != "demo" {
		return out, ErrPurpose
	}
	text, err := c.Statement(ctx, request)
	if err != nil {
		return out, err
	}
	o, err := c.BeginVote(ctx, request, decision)
	if err != nil {
		return out, err
	}
	digest := sha256.Sum256([]byte(text))
	out.Signed = Signed{
		Approver: p.Name, Decision: decision, Statement: text, Digest: "sha256:" + hex.EncodeToString(digest[:]),
		Fingerprint: statement.Fingerprint(digest), Nonce: o.Nonce, Origin: p.base,
	}
	if out.Signed.Challenge, err = challenge(o, decision, digest); err != nil {
		return out, err
	}
	a, err := p.assert(o.PasskeyOptions)
	if err != nil {
		return out, err
	}
	var credential struct {
		ID string `json:"id"`
	}
	answer, err := json.Marshal(a.Credential)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(answer, &credential); err != nil {
		return out, err
	}
	out.Signed.Key = credential.ID
	out.Request, err = c.CastVote(ctx, request, wire.CastVote{Decision: decision, Reason: reason, Passkey: &a})
	return out, err
}

// challenge is what a vote on a statement of this digest signs. Options that ask for anything else are refused.
func challenge(o wire.VoteOptions, decision string, digest [32]byte) (string, error) {
	d, err := warrant.ParseDecision(decision)
	if err != nil {
		return "", err
	}
	raw, err := hex.DecodeString(o.Nonce)
	if err != nil || len(raw) != len(warrant.Nonce{}) {
		return "", fmt.Errorf("%w: nonce", ErrDeceived)
	}
	want, err := warrant.VoteChallenge(warrant.Nonce(raw), d, digest)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(o.PublicKey)
	if err != nil {
		return "", err
	}
	var asked struct {
		PublicKey struct {
			Challenge string `json:"challenge"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(text, &asked); err != nil {
		return "", err
	}
	out := base64.RawURLEncoding.EncodeToString(want[:])
	if asked.PublicKey.Challenge != out {
		return "", fmt.Errorf("%w: challenge", ErrDeceived)
	}
	return out, nil
}
