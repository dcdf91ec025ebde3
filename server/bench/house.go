package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"holdfast/authz/passkey/softkey"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// The charter of the bench: the shortest delays that a demonstration may have.
func charterLines() map[string]string {
	return map[string]string{"undo": "1s", "quarantine": "1s", "cooling": "1s", "grace": "1s", "last-extra": "1s"}
}

// person has a password and a software passkey.
type person struct {
	name, email, id, team, password, origin string
	key                                     *softkey.Device
	c                                       *client.Client
}

// Prove answers a step-up with the passkey.
func (p *person) Prove(ctx context.Context, _ wire.StepUpChallenge, options func(context.Context) (wire.PasskeyOptions, error)) (wire.StepUp, error) {
	o, err := options(ctx)
	if err != nil {
		return wire.StepUp{}, err
	}
	a, err := p.assert(o)
	return wire.StepUp{Passkey: &a}, err
}

func (p *person) assert(o wire.PasskeyOptions) (wire.PasskeyAnswer, error) {
	options, err := json.Marshal(o.PublicKey)
	if err != nil {
		return wire.PasskeyAnswer{}, err
	}
	credential, err := p.key.Get(p.origin, options)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Credential: json.RawMessage(credential)}, err
}

// accept answers an invitation with a password and a passkey.
func (p *person) accept(ctx context.Context, base string, i wire.Invitation) error {
	p.id, p.key = i.Person.ID, softkey.New()
	c := client.New(base, client.WithProver(p))
	begun, err := c.BeginInvitation(ctx, i.Secret, "passkey")
	if err != nil {
		return fmt.Errorf("invitation of %s: %w", p.email, err)
	}
	options, err := json.Marshal(begun.Passkey.PublicKey)
	if err != nil {
		return err
	}
	credential, err := p.key.Create(p.origin, options)
	if err != nil {
		return err
	}
	a := wire.PasskeyAnswer{Ceremony: begun.Passkey.Ceremony, Name: "key", Credential: json.RawMessage(credential)}
	if _, err := c.AcceptInvitation(ctx, wire.AcceptInvitation{Secret: i.Secret, Password: p.password, Passkey: &a}); err != nil {
		return fmt.Errorf("invitation of %s: %w", p.email, err)
	}
	p.c = c
	return nil
}

// house is the people of an installation and the token of its agent.
type house struct {
	owner     *person
	approvers []*person
	token     string
}

// operator is the secret of the host's operator, which the service leaves in its
// directory.
func operator(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "operator.secret"))
	if err != nil {
		return "", err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	return "hfo_" + base64.RawURLEncoding.EncodeToString(raw), err
}

// found makes approvers, a sealed charter, a tenant with an owner, and a token.
func found(ctx context.Context, dir, portal, console string) (*house, error) {
	secret, err := operator(dir)
	if err != nil {
		return nil, err
	}
	op := client.New(portal, client.WithToken(secret))
	h := &house{}
	var genesis []wire.GenesisApprover
	for i, name := range []string{"Ada", "Dana", "Ben", "Enzo", "Mara"} {
		p := &person{name: name, email: strings.ToLower(name) + "@support.example", password: "violet harbour lantern " + strings.Repeat("q7", i+2),
			team: []string{"berlin", "lisbon"}[i%2], origin: consoleOrigin}
		invitation, err := op.InviteStaff(ctx, wire.Invite{Name: name, Email: p.email, Role: "approver"})
		if err != nil {
			return nil, err
		}
		if err := p.accept(ctx, console, invitation); err != nil {
			return nil, err
		}
		h.approvers = append(h.approvers, p)
		genesis = append(genesis, wire.GenesisApprover{Person: p.id, Team: p.team})
	}
	recovery, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	if _, err := op.ProposeGenesis(ctx, wire.ProposeGenesis{
		Purpose: "demo", Recipients: []string{recovery.Recipient().String()}, Approvers: genesis, Lines: charterLines(),
	}); err != nil {
		return nil, err
	}
	for _, p := range h.approvers {
		o, err := p.c.BeginSignCharter(ctx, "")
		if err != nil {
			return nil, err
		}
		a, err := p.assert(o.PasskeyOptions)
		if err != nil {
			return nil, err
		}
		if _, err := p.c.SignCharter(ctx, "", a); err != nil {
			return nil, err
		}
	}
	h.owner = &person{name: "Olivia", email: "olivia@acme.example", password: "violet harbour lantern 29 steps", origin: portalOrigin}
	tenant, err := op.CreateTenant(ctx, wire.CreateTenant{Name: "Acme", OwnerName: h.owner.name, OwnerEmail: h.owner.email})
	if err != nil {
		return nil, err
	}
	if err := h.owner.accept(ctx, portal, tenant.Invitation); err != nil {
		return nil, err
	}
	t, err := h.owner.c.MintToken(ctx, wire.MintToken{Name: "agent", ExpiresAt: time.Now().Add(24 * time.Hour),
		Scopes: []string{"volume:read", "volume:write", "snapshot:create", "snapshot:read", "snapshot:restore"}})
	h.token = t.Secret
	return h, err
}

// decide has a drafted request confirmed by the owner and approved by everybody.
func (h *house) decide(ctx context.Context, snapshots []string) (wire.Request, error) {
	ask := wire.AskRequest{Action: "delete-copies", Reason: "the bench is done with them"}
	for _, id := range snapshots {
		ask.Copies = append(ask.Copies, wire.CopyRef{Snapshot: id})
	}
	q, err := h.owner.c.Draft(ctx, ask)
	if err != nil {
		return q, fmt.Errorf("draft a deletion: %w", err)
	}
	if q, err = h.owner.c.ConfirmRequest(ctx, q.ID); err != nil {
		return q, fmt.Errorf("confirm a deletion: %w", err)
	}
	for _, p := range h.approvers {
		err := p.approve(ctx, q.ID)
		if err != nil && !client.Is(err, wire.TypeConflict) { // enough others have
			return q, fmt.Errorf("%s approves: %w", p.name, err)
		}
	}
	return q, nil
}

func (p *person) approve(ctx context.Context, request string) error {
	o, err := p.c.BeginVote(ctx, request, "approve")
	if err != nil {
		return err
	}
	a, err := p.assert(o.PasskeyOptions)
	if err != nil {
		return err
	}
	_, err = p.c.CastVote(ctx, request, wire.CastVote{Decision: "approve", Reason: "as agreed", Passkey: &a})
	return err
}

var errGate = errors.New("the gate")
