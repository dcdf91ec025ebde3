package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/authz/totp"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// person is somebody who does not exist, with a password, a TOTP generator and a
// software passkey.
type person struct {
	Name       string `json:"name"`
	Email      string `json:"email"`
	Role       string `json:"role"`
	Team       string `json:"team,omitempty"`
	Password   string `json:"password"`
	TOTP       string `json:"totp,omitempty"`
	ID         string `json:"id,omitempty"`
	Invitation string `json:"invitation,omitempty"` // until it is accepted
	LastStep   int64  `json:"last_step,omitempty"`  // of the last TOTP code that was used
	Key        key    `json:"key"`

	mu   sync.Mutex
	base string // origin of the face where they sign in
}

// key is a software authenticator that is saved with its person.
type key struct{ *softkey.Device }

// MarshalJSON saves the device, private keys included.
func (k key) MarshalJSON() ([]byte, error) {
	if k.Device == nil {
		return []byte("null"), nil
	}
	return k.Device.MarshalBinary()
}

// UnmarshalJSON reads a saved device.
func (k *key) UnmarshalJSON(text []byte) (err error) {
	if string(text) != "null" {
		k.Device, err = softkey.Parse(text)
	}
	return err
}

func (p *person) staff() bool { return p.Role == "approver" || p.Role == "auditor" }

// code returns a TOTP code that was not used yet. A code works once, so it may
// have to wait for the next time step; say is told when it does.
func (p *person) code(ctx context.Context, say func(format string, args ...any)) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := totp.ParseSecret(p.TOTP)
	if err != nil {
		return "", err
	}
	if wait := time.Until(time.Unix((p.LastStep+1)*int64(totp.Period/time.Second), 0)); wait > 0 {
		if say != nil {
			say("%s has used this half minute's code already and waits %.0f s for the next: a code works once.", p.Name, wait.Seconds())
		}
		if err := pause(ctx, wait+50*time.Millisecond); err != nil {
			return "", err
		}
	}
	now := time.Now()
	p.LastStep = totp.Step(now)
	return totp.Code(s, now)
}

// Prove answers a step-up challenge with the passkey.
func (p *person) Prove(ctx context.Context, _ wire.StepUpChallenge, options func(context.Context) (wire.PasskeyOptions, error)) (wire.StepUp, error) {
	o, err := options(ctx)
	if err != nil {
		return wire.StepUp{}, err
	}
	a, err := p.assert(o)
	return wire.StepUp{Passkey: &a}, err
}

func (p *person) assert(o wire.PasskeyOptions) (wire.PasskeyAnswer, error) {
	return assertAt(p.Key.Device, p.base, o)
}

// assertAt answers options on a page of origin.
func assertAt(d *softkey.Device, origin string, o wire.PasskeyOptions) (wire.PasskeyAnswer, error) {
	options, err := json.Marshal(o.PublicKey)
	if err != nil {
		return wire.PasskeyAnswer{}, err
	}
	credential, err := d.Get(origin, options)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Credential: json.RawMessage(credential)}, err
}

// create answers the options of an enrolment.
func (p *person) create(o wire.PasskeyOptions, name string) (wire.PasskeyAnswer, error) {
	options, err := json.Marshal(o.PublicKey)
	if err != nil {
		return wire.PasskeyAnswer{}, err
	}
	credential, err := p.Key.Create(p.base, options)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Name: name, Credential: json.RawMessage(credential)}, err
}

// signIn opens a session with password and passkey. The client proves presence
// with the passkey whenever it is asked.
func (p *person) signIn(ctx context.Context) (*client.Client, error) {
	c := client.New(p.base, client.WithProver(p))
	if _, err := c.SignIn(ctx, p.Email, p.Password); err != nil {
		return nil, fmt.Errorf("%s signs in: %w", p.Email, err)
	}
	o, err := c.BeginPasskey(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s signs in: %w", p.Email, err)
	}
	a, err := p.assert(o)
	if err != nil {
		return nil, err
	}
	if _, err := c.FinishPasskey(ctx, a); err != nil {
		return nil, fmt.Errorf("%s signs in: %w", p.Email, err)
	}
	return c, nil
}

// accept answers the invitation: password and passkey first, then a TOTP
// generator, for which the passkey proves presence.
func (p *person) accept(ctx context.Context) (*client.Client, error) {
	c := client.New(p.base, client.WithProver(p))
	begun, err := c.BeginInvitation(ctx, p.Invitation, "passkey")
	if err != nil {
		return nil, fmt.Errorf("invitation of %s: %w", p.Email, err)
	}
	p.Key = key{softkey.New()}
	a, err := p.create(*begun.Passkey, "Software key")
	if err != nil {
		return nil, err
	}
	if _, err := c.AcceptInvitation(ctx, wire.AcceptInvitation{Secret: p.Invitation, Password: p.Password, Passkey: &a}); err != nil {
		return nil, fmt.Errorf("invitation of %s: %w", p.Email, err)
	}
	p.Invitation = ""
	return c, p.enrolTOTP(ctx, c)
}

func (p *person) enrolTOTP(ctx context.Context, c *client.Client) error {
	e, err := c.BeginTOTP(ctx)
	if err != nil {
		return fmt.Errorf("TOTP of %s: %w", p.Email, err)
	}
	p.TOTP, p.LastStep = e.Secret, 0
	code, err := p.code(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := c.ConfirmTOTP(ctx, wire.Code{Code: code, Ceremony: e.Ceremony, Name: "Authenticator app"}); err != nil {
		return fmt.Errorf("TOTP of %s: %w", p.Email, err)
	}
	return nil
}

// vote casts a vote with the passkey.
func (p *person) vote(ctx context.Context, c *client.Client, request, decision string) (wire.Request, error) {
	o, err := c.BeginVote(ctx, request, decision)
	if err != nil {
		return wire.Request{}, err
	}
	a, err := p.assert(o.PasskeyOptions)
	if err != nil {
		return wire.Request{}, err
	}
	return c.CastVote(ctx, request, wire.CastVote{Decision: decision, Reason: "demonstration", Passkey: &a})
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// until asks again and again until done says so, ctx ends or limit is over.
func until(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: still waiting after %s", what, limit)
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}
