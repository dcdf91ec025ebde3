package kill

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"holdfast/authz/passkey/softkey"
	"holdfast/server/app"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// The charter's delays: short, so that executions are under way whenever the
// process dies. The undo window is as long as a few rounds, so that bytes become
// reclaimable while others are still needed.
const undoWindow = 20 * time.Second

func charterLines() map[string]string {
	return map[string]string{
		"undo": undoWindow.String(), "quarantine": "1s", "cooling": "1s", "grace": "1s", "last-extra": "1s",
	}
}

// person has a password and a software passkey.
type person struct {
	name, email, id, team, password, origin string
	key                                     *softkey.Device

	mu sync.Mutex // the device counts its signatures
	c  *client.Client
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
	p.mu.Lock()
	defer p.mu.Unlock()
	credential, err := p.key.Get(p.origin, options)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Credential: json.RawMessage(credential)}, err
}

func (p *person) at(proc *process) string {
	if p.origin == consoleOrigin {
		return proc.console
	}
	return proc.portal
}

// signIn opens a session: the embedded Redis forgets them whenever it dies.
func (p *person) signIn(ctx context.Context, proc *process) error {
	c := client.New(p.at(proc), client.WithProver(p))
	if _, err := c.SignIn(ctx, p.email, p.password); err != nil {
		return fmt.Errorf("%s signs in: %w", p.email, err)
	}
	o, err := c.BeginPasskey(ctx)
	if err != nil {
		return fmt.Errorf("%s signs in: %w", p.email, err)
	}
	a, err := p.assert(o)
	if err != nil {
		return err
	}
	if _, err := c.FinishPasskey(ctx, a); err != nil {
		return fmt.Errorf("%s signs in: %w", p.email, err)
	}
	p.c = c
	return nil
}

// accept answers an invitation with a password and a passkey.
func (p *person) accept(ctx context.Context, proc *process, i wire.Invitation) error {
	p.id, p.key = i.Person.ID, softkey.New()
	c := client.New(p.at(proc), client.WithProver(p))
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

// house is an installation and its people.
type house struct {
	dir       string
	siteDSN   string
	env       []string
	owner     *person
	approvers []*person
	token     string
	volumes   []*volume
}

// found makes an installation: approvers, a sealed demo charter, a tenant with
// an owner, a token, and empty volumes.
func found(ctx context.Context, h *house, proc *process) error {
	secret, err := app.ReadOperator(h.dir)
	if err != nil {
		return err
	}
	operator := client.New(proc.portal, client.WithToken(secret))
	var genesis []wire.GenesisApprover
	for i, name := range []string{"Ada", "Dana", "Ben", "Enzo", "Mara"} {
		p := &person{name: name, email: strings.ToLower(name) + "@support.example", password: "violet harbour lantern " + strings.Repeat("q7", i+2),
			team: []string{"berlin", "lisbon"}[i%2], origin: consoleOrigin}
		invitation, err := operator.InviteStaff(ctx, wire.Invite{Name: name, Email: p.email, Role: "approver"})
		if err != nil {
			return fmt.Errorf("invite %s: %w", name, err)
		}
		if err := p.accept(ctx, proc, invitation); err != nil {
			return err
		}
		h.approvers = append(h.approvers, p)
		genesis = append(genesis, wire.GenesisApprover{Person: p.id, Team: p.team})
	}
	recovery, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if _, err := operator.ProposeGenesis(ctx, wire.ProposeGenesis{
		Purpose: "demo", Recipients: []string{recovery.Recipient().String()}, Approvers: genesis, Lines: charterLines(),
	}); err != nil {
		return fmt.Errorf("propose the charter: %w", err)
	}
	for _, p := range h.approvers {
		o, err := p.c.BeginSignCharter(ctx, "")
		if err != nil {
			return fmt.Errorf("%s signs the charter: %w", p.name, err)
		}
		a, err := p.assert(o.PasskeyOptions)
		if err != nil {
			return err
		}
		if _, err := p.c.SignCharter(ctx, "", a); err != nil {
			return fmt.Errorf("%s signs the charter: %w", p.name, err)
		}
	}
	h.owner = &person{name: "Olivia", email: "olivia@acme.example", password: "violet harbour lantern 29 steps", origin: portalOrigin}
	tenant, err := operator.CreateTenant(ctx, wire.CreateTenant{Name: "Acme", OwnerName: h.owner.name, OwnerEmail: h.owner.email})
	if err != nil {
		return fmt.Errorf("make the tenant: %w", err)
	}
	if err := h.owner.accept(ctx, proc, tenant.Invitation); err != nil {
		return err
	}
	t, err := h.owner.c.MintToken(ctx, wire.MintToken{Name: "agent", ExpiresAt: time.Now().Add(24 * time.Hour),
		Scopes: []string{"volume:read", "volume:write", "snapshot:create", "snapshot:read", "snapshot:restore"}})
	if err != nil {
		return fmt.Errorf("mint a token: %w", err)
	}
	h.token = t.Secret
	for _, v := range []*volume{{name: "alpha", kind: "files"}, {name: "beta", kind: "files"}, {name: "gamma", kind: "stream"}} {
		made, err := h.owner.c.CreateVolume(ctx, wire.CreateVolume{Name: v.name, Kind: v.kind})
		if err != nil {
			return fmt.Errorf("make volume %s: %w", v.name, err)
		}
		v.id, v.files, v.doubt = made.ID, map[string]content{}, map[string][]*content{}
		h.volumes = append(h.volumes, v)
	}
	return nil
}
