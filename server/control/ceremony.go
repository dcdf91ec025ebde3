package control

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
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

// Ceremony says how far the founding ceremony has come, or for a change-charter
// request which keys that the next charter adds have signed it.
func (c *Control) Ceremony(ctx context.Context, who Caller, request string) (out wire.Ceremony, err error) {
	if request != "" {
		return c.proposalState(ctx, who, request)
	}
	if who.Principal.System != SystemOperator {
		if err := c.decide(who, authz.CharterView, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
			return out, err
		}
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		s, ch, err := inForce(ctx, tx)
		if err == nil {
			out = wire.Ceremony{State: "sealed", Text: string(s.Text), Hash: digestText(charter.Hash(s.Text)), Signed: actors(ch.Approvers)}
			return nil
		}
		if !errors.Is(err, errCharterMissing) {
			return err
		}
		p, err := c.proposed(ctx, tx, "")
		if errors.Is(err, quorum.ErrNotFound) {
			out = wire.Ceremony{State: "none"}
			return nil
		}
		if err == nil {
			out = p.state()
		}
		return err
	})
	return out, err
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
		Approvals: 2, Teams: 2, TOTP: true,
		Caps: charter.Caps{RequestCopies: 1000, RequestBytes: 1 << 44, DayCopies: 5000, DayBytes: 1 << 46},
	}
	if ch.Purpose == charter.Demo {
		// Five people in two teams cannot spare any two and still have both teams.
		ch.Undo, ch.Quarantine, primary.Teams = 10*time.Minute, 2*time.Second, 1
		// The grace leaves time for the next one-time code.
		primary.Cooling, primary.Grace, primary.LastExtra = 10*time.Second, 90*time.Second, 5*time.Second
	} else {
		day := 24 * time.Hour
		ch.Undo, ch.Quarantine, ch.Stagger, ch.Clocks = 14*day, 7*day, time.Hour, 1
		primary.Cooling, primary.Grace, primary.LastExtra = 3*day, 7*day, 4*day
	}
	for name, value := range in.Lines {
		if err := setLine(ch, &primary, name, value); err != nil {
			return nil, newError(wire.TypeCharterRefused, err, "The line %q: %v.", name, err)
		}
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

// BeginSignCharter returns the options for signing a proposed charter with one of
// the caller's passkeys that has not signed it yet: the founding one, or the next
// one that a change-charter request proposes.
func (c *Control) BeginSignCharter(ctx context.Context, who Caller, request string) (out wire.VoteOptions, err error) {
	if err := c.mayVote(who); err != nil {
		return out, err
	}
	var p proposedCharter
	if err := c.read(ctx, func(tx *sqldb.Tx) (err error) {
		p, err = c.proposed(ctx, tx, request)
		return err
	}); err != nil {
		return out, err
	}
	return c.beginPossession(ctx, who, p.charter, charter.Hash([]byte(p.Text)), func(key string) bool {
		return p.Proofs[key] == nil && slices.ContainsFunc(p.wanted, func(k charter.SigningKey) bool { return k.ID == key })
	})
}

// SignCharter adds one signature. The last one seals a founding charter; a next
// one waits for its votes and its delay.
func (c *Control) SignCharter(ctx context.Context, who Caller, request string, in wire.PasskeyAnswer) (out wire.Ceremony, err error) {
	if err := c.mayVote(who); err != nil {
		return out, err
	}
	assertion, f, nonce, hash, err := c.finishPossession(ctx, who, in)
	if err != nil {
		return out, err
	}
	text, err := evidence(assertion, nonce).Render()
	if err != nil {
		return out, wrap(err)
	}
	at := c.now()
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := quorumsql.LockCharter(ctx, tx); err != nil {
			return err
		}
		p, err := c.proposed(ctx, tx, request)
		if err != nil {
			return err
		}
		if charter.Hash([]byte(p.Text)) != hash {
			return newError(wire.TypeConflict, nil, "Another charter was proposed meanwhile. Read it and sign that.")
		}
		if err := c.advance(ctx, tx, f, assertion); err != nil {
			return err
		}
		p.Proofs[charter.PasskeyID(assertion.CredentialID)] = []byte(text)
		out = p.state()
		if request != "" {
			return c.keepProposal(ctx, tx, request, p.genesis)
		}
		if _, err := quorumsql.TakeDraft(ctx, tx, genesisTenant, genesisDraft); err != nil {
			return err
		}
		if len(out.Missing) > 0 {
			return keepGenesis(ctx, tx, p.genesis, who.ID(), at)
		}
		signed := charter.Signed{Text: []byte(p.Text), Proofs: proofsOf(p.Proofs)}
		if _, err := charter.VerifyGenesis(signed, warrant.CharterVerifier{}, charter.Options{Now: at}); err != nil {
			return refusedCharter(err)
		}
		out.State = "sealed"
		return c.sealCharter(ctx, tx, signed, p.charter, who.ID(), at)
	})
	return out, err
}

// proposedCharter is a proposal with the keys that have to sign it.
type proposedCharter struct {
	genesis
	charter *charter.Charter
	wanted  []charter.SigningKey
}

// proposed finds a proposal: the founding one, or that of a request.
func (c *Control) proposed(ctx context.Context, tx *sqldb.Tx, request string) (p proposedCharter, err error) {
	if request == "" {
		p.genesis, p.charter, err = proposedGenesis(ctx, tx)
		if err == nil {
			p.wanted = charter.Added(nil, p.charter)
		}
		return p, err
	}
	if p.genesis, err = c.proposal(ctx, tx, request); err != nil {
		return p, err
	}
	if p.charter, err = charter.Parse([]byte(p.Text)); err != nil {
		return p, err
	}
	_, before, err := inForce(ctx, tx)
	if err == nil {
		p.wanted = charter.Added(before, p.charter)
	}
	return p, err
}

// unsigned says that a change of the charter waits for keys that it adds to sign it.
func (c *Control) unsigned(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request) (bool, error) {
	if r.State.Action != statement.ChangeCharter || r.State.Phase.Ended() {
		return false, nil
	}
	p, err := c.proposed(ctx, tx, r.ID())
	return err == nil && len(p.state().Missing) > 0, err
}

// state says who has signed with every key that has to, and who has not.
func (p proposedCharter) state() wire.Ceremony {
	out := wire.Ceremony{State: "signing", Text: p.Text, Hash: digestText(charter.Hash([]byte(p.Text)))}
	for _, a := range p.charter.Approvers {
		wanted, missing := false, false
		for _, k := range p.wanted {
			if k.Person != a.ID {
				continue
			}
			wanted = true
			missing = missing || p.Proofs[k.ID] == nil
		}
		switch {
		case missing:
			out.Missing = append(out.Missing, approverActor(a))
		case wanted:
			out.Signed = append(out.Signed, approverActor(a))
		}
	}
	return out
}

func (c *Control) proposalState(ctx context.Context, who Caller, request string) (out wire.Ceremony, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := c.visible(ctx, tx, who, request); err != nil {
			return err
		}
		p, err := c.proposed(ctx, tx, request)
		out = p.state()
		return err
	})
	return out, err
}

// mayVote refuses who is no approver, whatever the charter says of them.
func (c *Control) mayVote(who Caller) error {
	return c.decide(who, authz.RequestVote, authz.Resource{Kind: authz.ResourceRequest, ID: genesisDraft}, "")
}

// beginPossession asks for a signature over a charter's hash by a key of the
// caller's that the charter names and that want still misses.
func (c *Control) beginPossession(ctx context.Context, who Caller, ch *charter.Charter, hash [32]byte, want func(key string) bool) (out wire.VoteOptions, err error) {
	party, err := c.party(who)
	if err != nil {
		return out, wrap(err)
	}
	user, _, err := c.passkeyUser(ctx, who.Person)
	if err != nil {
		return out, wrap(err)
	}
	user.Credentials = slices.DeleteFunc(user.Credentials, func(k passkey.Credential) bool {
		owner, _, ok := ch.Key(k.ID)
		return !ok || owner.ID != who.ID() || !want(charter.PasskeyID(k.ID))
	})
	if len(user.Credentials) == 0 {
		return out, newError(wire.TypeConflict, nil, "The charter asks for no further signature of yours.")
	}
	var nonce warrant.Nonce
	rand.Read(nonce[:])
	options, state, err := party.BeginAssertion(user, passkey.Challenge(warrant.PossessionChallenge(nonce, hash)))
	if err != nil {
		return out, wrap(err)
	}
	begun, err := c.begun(ctx, ceremonyPossession, who.Session.Handle, slices.Concat(nonce[:], hash[:], state), options)
	return wire.VoteOptions{PasskeyOptions: begun, Nonce: fmt.Sprintf("%x", nonce), Digest: digestText(hash)}, err
}

func (c *Control) finishPossession(ctx context.Context, who Caller, in wire.PasskeyAnswer) (a passkey.Assertion, f authz.Factor, nonce warrant.Nonce, hash [32]byte, err error) {
	kept, response, err := c.finished(ctx, ceremonyPossession, who.Session.Handle, in)
	if err != nil {
		return a, f, nonce, hash, err
	}
	if len(kept) < len(nonce)+len(hash) {
		return a, f, nonce, hash, wrap(authz.ErrInvalid)
	}
	copy(nonce[:], kept)
	copy(hash[:], kept[len(nonce):])
	a, f, err = c.assert(ctx, who, passkey.Challenge(warrant.PossessionChallenge(nonce, hash)), kept[len(nonce)+len(hash):], response)
	return a, f, nonce, hash, err
}

const ceremonyPossession = "possession"

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

func proofsOf(byKey map[string][]byte) (out []charter.Proof) {
	for key, evidence := range byKey {
		out = append(out, charter.Proof{Key: key, Evidence: evidence})
	}
	slices.SortFunc(out, func(a, b charter.Proof) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	return out
}

func approverActor(a charter.Approver) wire.Actor {
	return wire.Actor{Kind: "staff", ID: a.ID, Name: a.Name, Team: a.Team}
}

func actors(approvers []charter.Approver) (out []wire.Actor) {
	for _, a := range approvers {
		out = append(out, approverActor(a))
	}
	return out
}

// refusedCharter names the case in which a charter is refused.
func refusedCharter(err error) error {
	var invalid *charter.InvalidError
	if errors.As(err, &invalid) {
		return newError(wire.TypeCharterRefused, err, "%s: %s", invalid.Case, invalid.Detail)
	}
	if errors.Is(err, charter.ErrMalformed) || errors.Is(err, charter.ErrVersion) {
		return newError(wire.TypeCharterRefused, err, "This is no charter's text: %v.", err)
	}
	return wrap(err)
}
