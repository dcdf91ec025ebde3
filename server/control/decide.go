package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"holdfast/authz"
	"holdfast/authz/session"
	"holdfast/server/wire"
)

// decide asks the policy. Where a step-up is missing the error says for which
// text; text is what the resource's statement digest is of, empty for an
// operation, whose text follows from action and resource.
func (c *Control) decide(who Caller, a authz.Action, r authz.Resource, text string) error {
	err := c.Decider.Decide(who.Principal, a, r)
	var step *authz.StepUpRequiredError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &step):
		return c.challenge(who, a, r, text)
	case errors.Is(err, authz.ErrDenied) && who.Principal.Kind == authz.KindToken:
		return newError(wire.TypeTokenNotAPerson, err, "A token can never do this, whatever its scopes, or its scopes do not reach it. A person signs in and does it.")
	}
	return wrap(err)
}

// decideOnce is decide for a power that needs a step-up for exactly this call,
// and uses it up: a second call needs another. It returns the step-up.
func (c *Control) decideOnce(ctx context.Context, who Caller, a authz.Action, r authz.Resource, text string) (authz.StepUp, error) {
	if err := c.decide(who, a, r, text); err != nil {
		return authz.StepUp{}, err
	}
	if who.Principal.Kind != authz.KindPerson {
		return authz.StepUp{}, nil // the host's operator, where the policy lets him
	}
	step, err := c.Sessions.ConsumeStepUp(ctx, who.secret, who.Face, digestOf(a, r))
	if errors.Is(err, session.ErrNoStepUp) || errors.Is(err, session.ErrNone) {
		return authz.StepUp{}, c.challenge(who, a, r, text)
	}
	if err != nil {
		return authz.StepUp{}, wrap(err)
	}
	return step, nil
}

func (c *Control) challenge(who Caller, a authz.Action, r authz.Resource, text string) error {
	if text == "" {
		text = authz.OperationText(a, r)
	}
	e := newError(wire.TypeStepUpRequired, authz.ErrStepUpRequired, "Use your second factor for exactly this, then repeat the call.")
	e.StepUp = &wire.StepUpChallenge{
		Digest: digestText(digestOf(a, r)), Text: text, Methods: []string{"totp", "passkey"}, MaxAgeSeconds: int(authz.MaxStepUpAge.Seconds()),
	}
	return e
}

// digestOf is what a step-up for the action must have been made for.
func digestOf(a authz.Action, r authz.Resource) authz.Digest {
	if !r.Statement.IsZero() {
		return r.Statement
	}
	return authz.OperationDigest(a, r)
}

const digestPrefix = "sha256:"

func digestText(d [sha256.Size]byte) string { return digestPrefix + hex.EncodeToString(d[:]) }

func parseDigest(text string) (d [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, digestPrefix))
	if err != nil || len(raw) != len(d) || !strings.HasPrefix(text, digestPrefix) {
		return d, newError(wire.TypeInvalid, err, "A digest is %q and 64 hexadecimal digits.", digestPrefix)
	}
	copy(d[:], raw)
	return d, nil
}
