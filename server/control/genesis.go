package control

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// The founding ceremony: the host's operator proposes charter number one, and
// every passkey that it names signs it. The last signature seals it. Until then
// nothing can be deleted.

// The proposal waits among the drafts, under a tenant that cannot exist.
const (
	genesisDraft  = "genesis"
	genesisTenant = "-"
)

type genesis struct {
	Text   string            `json:"text"`
	Proofs map[string][]byte `json:"proofs"` // by key id
}

// ProposeGenesis drafts charter number one from the approvers' enrolled passkeys
// and the service's own keys. Proposing again replaces the draft and with it
// every signature so far.
func (c *Control) ProposeGenesis(ctx context.Context, who Caller, in wire.ProposeGenesis) (out wire.Ceremony, err error) {
	if err := c.decide(who, authz.CharterPropose, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
		return out, err
	}
	at := c.now()
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		if _, _, err := inForce(ctx, tx); !errors.Is(err, errCharterMissing) {
			if err == nil {
				err = newError(wire.TypeConflict, nil, "A charter is sealed already. Propose a change of it instead.")
			}
			return err
		}
		ch, err := c.genesis(ctx, tx, in, at)
		if err != nil {
			return err
		}
		text, err := ch.Render()
		if err != nil {
			return refusedCharter(err)
		}
		if err := ch.Validate(); err != nil {
			return refusedCharter(err)
		}
		g := genesis{Text: string(text), Proofs: map[string][]byte{}}
		message := charter.ProofMessage(charter.Hash(text))
		g.Proofs["attestation:"+c.AttestationKey] = ed25519.Sign(c.Attestation, message)
		g.Proofs["log:"+c.LogKeys.Origin()] = ed25519.Sign(c.LogKey, message)
		g.Proofs["site:"+c.Site] = ed25519.Sign(c.SiteKey, message)
		if _, err := quorumsql.TakeDraft(ctx, tx, genesisTenant, genesisDraft); err != nil && !errors.Is(err, quorum.ErrNotFound) {
			return err
		}
		out = proposedCharter{g, ch, charter.Added(nil, ch)}.state()
		return keepGenesis(ctx, tx, g, who.ID(), at)
	})
	return out, err
}

// genesis composes charter number one.
func (c *Control) genesis(ctx context.Context, tx *sqldb.Tx, in wire.ProposeGenesis, at time.Time) (*charter.Charter, error) {
	ch := &charter.Charter{
		Number: 1, Purpose: charter.Purpose(in.Purpose), CreatedAt: at, KeepRules: charter.KeepByOwner,
		Log:          charter.Signer{ID: c.LogKeys.Origin(), Key: [32]byte(c.LogKey.Public().(ed25519.PublicKey))},
		Attestations: []charter.Signer{{ID: c.AttestationKey, Key: [32]byte(c.Attestation.Public().(ed25519.PublicKey))}},
		Origins:      []charter.Origin{{URL: c.PortalURL, RP: c.RPID}, {URL: c.ConsoleURL, RP: c.RPID}},
	}
	for i, r := range in.Recipients {
		ch.Recipients = append(ch.Recipients, charter.Recipient{Name: "Recovery key " + strconv.Itoa(i+1), Age: r})
	}
	primary := charter.Site{
		Name: c.Site, Role: charter.Primary, Key: [32]byte(c.SiteKey.Public().(ed25519.PublicKey)),
		Approvals: genesisApprovals, Teams: genesisTeams, TOTP: true,
		Caps: charter.Caps{RequestCopies: genesisRequestCopies, RequestBytes: genesisRequestBytes, DayCopies: genesisDayCopies, DayBytes: genesisDayBytes},
	}
	if ch.Purpose == charter.Demo {
		ch.Undo, ch.Quarantine, primary.Teams = demoUndo, demoQuarantine, demoTeams
		primary.Cooling, primary.Grace, primary.LastExtra = demoCooling, demoGrace, demoLastExtra
	} else {
		ch.Undo, ch.Quarantine, ch.Stagger, ch.Clocks = genesisUndo, genesisQuarantine, genesisStagger, genesisClocks
		primary.Cooling, primary.Grace, primary.LastExtra = genesisCooling, genesisGrace, genesisLastExtra
	}
	for name, value := range in.Lines {
		if err := setLine(ch, &primary, name, value); err != nil {
			return nil, newError(wire.TypeCharterRefused, err, "The line %q: %v.", name, err)
		}
	}
	if ch.Witnesses > 0 {
		return nil, newError(wire.TypeCharterRefused, nil, "The line \"witnesses\": this version's programs cosign nothing, and the charter would name no witness: the site would wait for one for ever. Leave it at 0; a later charter can raise it.")
	}
	ch.Sites = []charter.Site{primary}
	for _, a := range in.Approvers {
		approver, err := c.approverLine(ctx, tx, a, at)
		if err != nil {
			return nil, err
		}
		ch.Approvers = append(ch.Approvers, approver)
	}
	return ch.Normalise(), nil
}

// approverLine is an approver's line, with every passkey that they have now.
func (c *Control) approverLine(ctx context.Context, tx *sqldb.Tx, a wire.GenesisApprover, at time.Time) (charter.Approver, error) {
	personID, err := id.Parse[authz.PersonKind](a.Person)
	if err != nil {
		return charter.Approver{}, newError(wire.TypeInvalid, err, "%q is not a person's id.", a.Person)
	}
	p, err := c.Accounts.Person(ctx, tx, personID)
	if err != nil {
		return charter.Approver{}, err
	}
	if p.Staff != authz.StaffApprover || p.Status != authz.PersonActive {
		return charter.Approver{}, newError(wire.TypeInvalid, nil, "%s is not an active approver. Approvers accept their invitation first.", p.Name)
	}
	line := charter.Approver{ID: p.ID.String(), Name: p.Name, Team: a.Team, AdmittedAt: at}
	factors, err := c.Accounts.Factors(ctx, tx, personID)
	if err != nil {
		return line, err
	}
	for _, f := range factors {
		if f.Passkey == nil {
			continue
		}
		k, err := credentialOf(f)
		if err != nil {
			return line, err
		}
		line.Keys = append(line.Keys, charter.Key{
			CredentialID: k.ID, RP: c.RPID, PublicKey: k.PublicKey, Hardware: k.DeviceBound(), AAGUID: k.AAGUID, AdmittedAt: at,
		})
	}
	if len(line.Keys) == 0 {
		return line, newError(wire.TypeInvalid, nil, "%s has no passkey yet. Approvers enrol one on the console first.", p.Name)
	}
	return line, nil
}

// setLine changes a line of the first charter from its purpose's default.
func setLine(ch *charter.Charter, s *charter.Site, name, value string) error {
	durations := map[string]*time.Duration{
		"undo": &ch.Undo, "quarantine": &ch.Quarantine, "stagger": &ch.Stagger,
		"cooling": &s.Cooling, "grace": &s.Grace, "last-extra": &s.LastExtra,
	}
	numbers := map[string]*int{
		"clocks": &ch.Clocks, "witnesses": &ch.Witnesses, "approvals": &s.Approvals, "teams": &s.Teams,
		"hardware": &s.Hardware, "independent": &s.Independent,
	}
	amounts := map[string]*uint64{
		"request-copies": &s.Caps.RequestCopies, "request-bytes": &s.Caps.RequestBytes,
		"day-copies": &s.Caps.DayCopies, "day-bytes": &s.Caps.DayBytes,
	}
	var err error
	switch {
	case durations[name] != nil:
		*durations[name], err = time.ParseDuration(value)
	case numbers[name] != nil:
		*numbers[name], err = strconv.Atoi(value)
	case amounts[name] != nil:
		*amounts[name], err = strconv.ParseUint(value, 10, 63)
	case name == "totp":
		s.TOTP = value == "yes"
		if value != "yes" && value != "no" {
			err = errors.New("write yes or no")
		}
	case name == "keep-rules":
		ch.KeepRules = charter.KeepAuthority(value)
	default:
		err = errors.New("there is no such line")
	}
	return err
}

func proposedGenesis(ctx context.Context, tx *sqldb.Tx) (g genesis, ch *charter.Charter, err error) {
	drafts, err := quorumsql.Drafts(ctx, tx, genesisTenant)
	if err != nil {
		return g, nil, err
	}
	for _, d := range drafts {
		if d.ID != genesisDraft {
			continue
		}
		if err := json.Unmarshal(d.Body, &g); err != nil {
			return g, nil, err
		}
		ch, err = charter.Parse([]byte(g.Text))
		return g, ch, err
	}
	return g, nil, quorum.ErrNotFound
}

func keepGenesis(ctx context.Context, tx *sqldb.Tx, g genesis, by string, at time.Time) error {
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return quorumsql.KeepDraft(ctx, tx, quorumsql.Draft{ID: genesisDraft, Tenant: genesisTenant, Drafter: by, Body: body, At: at})
}
