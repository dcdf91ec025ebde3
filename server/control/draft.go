package control

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
)

// draft is a request that nobody has confirmed: it binds nobody (T03, T09).
type draft struct {
	Ask      wire.AskRequest `json:"ask"`
	Tenant   string          `json:"tenant"`
	OpenedBy statement.Party `json:"opened_by"`
	// Text is the statement as it was last rendered, for For; a person who
	// confirms gets one rendered for themselves, with the facts of the moment.
	For      string       `json:"for,omitempty"`
	Text     []byte       `json:"text,omitempty"`
	Impact   *wire.Impact `json:"impact,omitempty"`
	Rendered time.Time    `json:"rendered"`
}

// Draft drafts a request for a gated action.
func (c *Control) Draft(ctx context.Context, who Caller, ask wire.AskRequest) (wire.Request, error) {
	tenant, err := c.mayDraft(ctx, who, ask)
	if err != nil {
		return wire.Request{}, err
	}
	d := draft{Ask: ask, Tenant: tenant, OpenedBy: party(who)}
	request := id.New[quorum.RequestKind](c.now()).String()
	if err := c.render(ctx, who, request, &d); err != nil {
		return wire.Request{}, err
	}
	if err := c.write(ctx, func(tx *sqldb.Tx) error { return keepDraft(ctx, tx, request, who.ID(), d, c.now()) }); err != nil {
		return wire.Request{}, err
	}
	return c.describeDraft(who, request, d)
}

// mayDraft decides whether the caller may draft what they ask for, and returns
// the tenant that it concerns, empty for what concerns the installation.
func (c *Control) mayDraft(ctx context.Context, who Caller, ask wire.AskRequest) (string, error) {
	action := statement.Action(ask.Action)
	if !action.Valid() {
		return "", newError(wire.TypeInvalid, nil, "There is no gated action %q.", ask.Action)
	}
	if ask.ByRule != "" && (len(ask.Copies) > 0 || action != statement.DeleteCopies) {
		return "", newError(wire.TypeInvalid, nil, "By rule are deletions only, and then the rule names the snapshots.")
	}
	own := who.tenantID()
	if own != "" {
		if ask.Tenant != "" && ask.Tenant != own {
			return "", wrap(authz.ErrNotFound)
		}
		power := authz.RequestDraftWeakening
		if action == statement.DeleteCopies {
			power = authz.RequestDraft
		}
		r := tenantResource(who.Principal.Tenant)
		if who.Principal.Kind == authz.KindToken && !who.Principal.AllVolumes && (len(ask.Copies) > 0 || ask.ByRule != "") {
			return own, c.draftWithin(ctx, who, power, ask)
		}
		return own, c.decide(who, power, r, "")
	}
	if ask.Tenant == "" {
		power := authz.RequestDraftService
		if action == statement.ChangeCharter {
			power = authz.CharterPropose
		}
		return "", c.decide(who, power, service, "")
	}
	tenantID, err := id.Parse[authz.TenantKind](ask.Tenant)
	if err != nil {
		return "", wrap(authz.ErrNotFound)
	}
	if err := c.decide(who, authz.RequestDraftForTenant, tenantResource(tenantID), ""); err != nil {
		return "", err
	}
	return ask.Tenant, c.read(ctx, func(tx *sqldb.Tx) error {
		_, err := c.Accounts.Tenant(ctx, tx, tenantID)
		return err
	})
}

// draftWithin holds a token to its volumes: every snapshot that it names must be
// of one of them.
func (c *Control) draftWithin(ctx context.Context, who Caller, power authz.Action, ask wire.AskRequest) error {
	for _, ref := range ask.Copies {
		_, v, err := c.snapshot(ctx, who, ref.Snapshot)
		if err != nil {
			return err
		}
		if err := c.reach(who, v, power); err != nil {
			return err
		}
	}
	if ask.ByRule == "" {
		return nil
	}
	v, err := c.volume(ctx, who, ask.ByRule, true)
	if err != nil {
		return err
	}
	return c.reach(who, v, power)
}

// render composes the statement of d for a person who would confirm it; for a
// token it finds out what would be gone and leaves the text to that person.
func (c *Control) render(ctx context.Context, who Caller, request string, d *draft) error {
	at := c.now()
	s, impact, err := c.compose(ctx, who, request, *d, at)
	if err != nil {
		return err
	}
	d.Impact, d.Rendered, d.For, d.Text = impact, at, "", nil
	if who.Principal.Kind != authz.KindPerson {
		return nil
	}
	text, err := s.Render()
	if err != nil {
		return newError(wire.TypeInvalid, err, "A statement of this cannot be made: %v.", err)
	}
	d.For, d.Text = who.ID(), text
	return nil
}

// compose gathers the facts of a statement from the sites and the databases.
func (c *Control) compose(ctx context.Context, who Caller, request string, d draft, at time.Time) (*statement.Statement, *wire.Impact, error) {
	s := &statement.Statement{
		Action: statement.Action(d.Ask.Action), Request: request, Reason: d.Ask.Reason,
		Requester: party(who), OpenedBy: d.OpenedBy,
		OpenedAt: at, VoteUntil: at.Add(voteWindow), ExecuteUntil: at.Add(voteWindow + executeWindow),
	}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		hash, err := ch.Hash()
		if err != nil {
			return err
		}
		s.Charter = statement.Charter{Number: ch.Number, Hash: hash}
		if d.Tenant == "" {
			return nil
		}
		tenantID, err := id.Parse[authz.TenantKind](d.Tenant)
		if err != nil {
			return err
		}
		t, err := c.Accounts.Tenant(ctx, tx, tenantID)
		s.Tenant = statement.Tenant{ID: d.Tenant, Name: t.Name}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if s.Action == statement.DeleteCopies {
		if d.Ask.ByRule != "" {
			impact, _, err := c.composeByRule(ctx, s, d.Ask.ByRule)
			return s, impact, err
		}
		impact, err := c.composeDeletion(ctx, s, d.Ask.Copies)
		return s, impact, err
	}
	return s, nil, c.composeOther(ctx, s, d)
}

// party is the caller as a statement names them.
func party(who Caller) statement.Party {
	a := who.actor()
	if a.Name == "" {
		a.Name = a.ID
	}
	return statement.Party{Kind: statement.PartyKind(a.Kind), ID: a.ID, Name: a.Name}
}

func keepDraft(ctx context.Context, tx *sqldb.Tx, request, drafter string, d draft, at time.Time) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return quorumsql.KeepDraft(ctx, tx, quorumsql.Draft{ID: request, Tenant: draftsOf(d.Tenant), Drafter: drafter, Body: body, At: at})
}

// draftsOf is under which tenant a draft is kept: those that concern the
// installation have a place of their own.
func draftsOf(tenant string) string {
	if tenant == "" {
		return serviceTenant
	}
	return tenant
}

const serviceTenant = "service"

// draftOf finds a draft that the caller may see: their tenant's, for staff any.
func (c *Control) draftOf(ctx context.Context, tx *sqldb.Tx, who Caller, request string) (d draft, drafter string, err error) {
	places := []string{who.tenantID()}
	if who.tenantID() == "" {
		places = []string{serviceTenant}
		tenants, err := c.Accounts.Tenants(ctx, tx, authz.TenantID{})
		if err != nil {
			return d, "", err
		}
		for _, t := range tenants {
			places = append(places, t.ID.String())
		}
	}
	for _, place := range places {
		drafts, err := quorumsql.Drafts(ctx, tx, place)
		if err != nil {
			return d, "", err
		}
		if i := slices.IndexFunc(drafts, func(d quorumsql.Draft) bool { return d.ID == request }); i >= 0 {
			return d, drafts[i].Drafter, json.Unmarshal(drafts[i].Body, &d)
		}
	}
	return d, "", quorum.ErrNotFound
}

// describeDraft is a draft as the API shows it, with what a person has to prove
// presence for.
func (c *Control) describeDraft(who Caller, request string, d draft) (wire.Request, error) {
	out := wire.Request{
		ID: request, Tenant: d.Tenant, Action: d.Ask.Action, State: "draft", Reason: d.Ask.Reason,
		Requester: wire.Actor{Kind: string(d.OpenedBy.Kind), ID: d.OpenedBy.ID, Name: d.OpenedBy.Name},
		OpenedAt:  d.Rendered, Votes: []wire.Vote{}, Impact: d.Impact,
	}
	if d.Text == nil {
		return out, nil
	}
	s, err := statement.Parse(d.Text)
	if err != nil {
		return out, wrap(err)
	}
	text := statement.Text(d.Text)
	out.VoteUntil, out.ExecuteUntil = s.VoteUntil, s.ExecuteUntil
	out.Digest, out.Fingerprint = digestText(text.Digest()), text.Fingerprint()
	out.Statement, out.BodyLines = string(text.Header()), text.BodyLines()
	if d.For == who.ID() {
		var e *Error
		if errors.As(c.challenge(who, authz.RequestConfirm, c.requestResource(request, d.Tenant, text.Digest()), string(text.Header())), &e) {
			out.Confirm = e.StepUp
		}
	}
	return out, nil
}

// requestResource is a request as the policy sees it. digest is its statement's.
func (c *Control) requestResource(request, tenant string, digest [32]byte) authz.Resource {
	r := authz.Resource{Kind: authz.ResourceRequest, ID: request, Statement: digest}
	if t, err := id.Parse[authz.TenantKind](tenant); err == nil && tenant != "" {
		r.Tenant = t
	}
	return r
}
