package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// ConfirmRequest opens a draft. It needs a second factor used for exactly the
// draft's statement, which is rendered for who confirms: without one the error
// carries the statement and nothing is recorded as requested (T03).
func (c *Control) ConfirmRequest(ctx context.Context, who Caller, request string) (wire.Request, error) {
	d, err := c.freshDraft(ctx, who, request)
	if err != nil {
		return wire.Request{}, err
	}
	s, err := statement.Parse(d.Text)
	if err != nil {
		return wire.Request{}, wrap(err)
	}
	text := statement.Text(d.Text)
	r := c.requestResource(request, d.Tenant, text.Digest())
	if who.tenantID() != "" && s.Action != statement.DeleteCopies {
		// What only the owner may ask for, only the owner confirms.
		if err := c.decide(who, authz.RequestDraftWeakening, r, string(text.Header())); err != nil {
			return wire.Request{}, err
		}
	}
	step, err := c.decideOnce(ctx, who, authz.RequestConfirm, r, string(text.Header()))
	if err != nil {
		return wire.Request{}, err
	}
	proof, err := warrant.ParseProof(step.Evidence)
	if err != nil {
		return wire.Request{}, wrap(err)
	}
	err = c.write(ctx, func(tx *sqldb.Tx) error { return c.open(ctx, tx, who, s, d, proof) })
	if err != nil {
		c.refused(ctx, who, d.Tenant, request, string(s.Action), err)
		return wire.Request{}, err
	}
	return c.Request(ctx, who, request)
}

// freshDraft returns the draft with a statement rendered for the caller a short
// while ago, and keeps it so that the very same text can be confirmed.
func (c *Control) freshDraft(ctx context.Context, who Caller, request string) (d draft, err error) {
	var drafter string
	if err := c.read(ctx, func(tx *sqldb.Tx) error {
		d, drafter, err = c.draftOf(ctx, tx, who, request)
		return err
	}); err != nil {
		return d, err
	}
	if who.Principal.Kind != authz.KindPerson {
		return d, c.decide(who, authz.RequestConfirm, c.requestResource(request, d.Tenant, [32]byte{1}), "")
	}
	at := c.now()
	if d.For == who.ID() && at.Sub(d.Rendered) >= 0 && at.Sub(d.Rendered) <= freshStatement {
		return d, nil
	}
	if err := c.render(ctx, who, request, &d); err != nil {
		return d, err
	}
	return d, c.write(ctx, func(tx *sqldb.Tx) error {
		if _, err := quorumsql.TakeDraft(ctx, tx, draftsOf(d.Tenant), request); err != nil {
			return err
		}
		return keepDraft(ctx, tx, request, drafter, d, at)
	})
}

// open makes a confirmed draft a request, in tx.
func (c *Control) open(ctx context.Context, tx *sqldb.Tx, who Caller, s statement.Statement, d draft, proof warrant.Proof) error {
	if err := quorumsql.LockCharter(ctx, tx); err != nil {
		return err
	}
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	if ch.Number != s.Charter.Number {
		return newError(wire.TypeConflict, nil, "The charter changed meanwhile. Read the request again and confirm that.")
	}
	if _, err := quorumsql.TakeDraft(ctx, tx, draftsOf(d.Tenant), s.Request); err != nil {
		return err
	}
	at := c.now()
	opened, err := c.openedEvent(ctx, tx, who, s, d, proof, ch, at)
	if err != nil {
		return err
	}
	r, err := quorumsql.OpenRequest(ctx, tx, d.Text, opened, proof)
	if err != nil {
		return err
	}
	if err := keepOrigin(ctx, tx, who, s.Request, at); err != nil {
		return err
	}
	if s.Action == statement.ChangeCharter {
		if err := c.keepProposal(ctx, tx, s.Request, genesis{Text: d.Ask.Charter, Proofs: map[string][]byte{}}); err != nil {
			return err
		}
	}
	if err := c.applyStanding(ctx, tx, r, s, at); err != nil {
		return err
	}
	if err := c.tellConcerned(ctx, tx, ch, d.Tenant, "request-opened", fmt.Sprintf("%s asks to %s: %s", s.Requester.Name, strings.ReplaceAll(string(s.Action), "-", " "), s.Request), at); err != nil {
		return err
	}
	body, err := warrant.OpeningBody(s.Request, opened.Digest, proof)
	if err != nil {
		return err
	}
	_, err = c.record(ctx, tx, at, entry{kind: audit.KindRequestOpened, tenant: d.Tenant, subject: s.Request, raw: body})
	return err
}

func (c *Control) openedEvent(ctx context.Context, tx *sqldb.Tx, who Caller, s statement.Statement, d draft, proof warrant.Proof, ch *charter.Charter, at time.Time) (quorum.Opened, error) {
	proven, err := c.provenRequester(ctx, tx, who, proof, ch, at)
	if err != nil {
		return quorum.Opened{}, err
	}
	var sites []string
	for _, k := range s.Copies {
		if !slices.Contains(sites, k.Site) {
			sites = append(sites, k.Site)
		}
	}
	if len(sites) == 0 {
		sites = []string{c.Gate.Name()}
	}
	need, err := strictest(ch, s.Action, charter.Circumstance{
		LastCopy: s.LastCopy(), LastPoint: s.LastPoint(), StaffOpened: s.StaffOpened(), UnprovenPasskey: !proven,
	}, sites)
	if err != nil {
		return quorum.Opened{}, err
	}
	if err := withinCaps(ch, s); err != nil {
		return quorum.Opened{}, err
	}
	roster, err := c.roster(ctx, tx, ch)
	if err != nil {
		return quorum.Opened{}, err
	}
	var next *charter.Charter
	if s.Action == statement.ChangeCharter {
		if next, err = charter.Parse([]byte(d.Ask.Charter)); err != nil {
			return quorum.Opened{}, err
		}
	}
	subjects, err := subjectsOf(ctx, tx, s, next, ch)
	if err != nil {
		return quorum.Opened{}, err
	}
	return quorum.Opened{
		Request: s.Request, Tenant: d.Tenant, Action: s.Action, Digest: statement.Text(d.Text).Digest(),
		Requester: s.Requester.ID, Drafter: s.OpenedBy.ID, Subjects: subjects, Sites: sites,
		Requirement: requirement(ch, need, quorum.Hides(s.Action)), Roster: roster,
		VoteUntil: s.VoteUntil, ExecuteUntil: s.ExecuteUntil, At: at,
	}, nil
}

// provenRequester says whether the proof is a passkey whose enrolment has stood
// in the log, or in the charter, for the quarantine; otherwise one approval more
// is needed, here and at every site.
func (c *Control) provenRequester(ctx context.Context, tx *sqldb.Tx, who Caller, proof warrant.Proof, ch *charter.Charter, at time.Time) (bool, error) {
	if proof.Passkey == nil {
		return false, nil
	}
	if owner, k, ok := ch.Key(proof.Passkey.CredentialID); ok && owner.ID == who.ID() {
		return !k.AdmittedAt.Add(ch.Quarantine).After(at), nil
	}
	f, err := c.Accounts.PasskeyByCredential(ctx, tx, proof.Passkey.CredentialID)
	if err != nil || f.LeafIndex < 0 {
		return false, err
	}
	enrolled, err := leafTime(ctx, tx, f.LeafIndex)
	return err == nil && !enrolled.Add(ch.Quarantine).After(at), err
}

// applyStanding brings the freezes and holds that are in force to a new request.
func (c *Control) applyStanding(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	scope := r.State.Tenant
	if scope == "" {
		scope = warrant.Everywhere
	}
	freezes, err := quorumsql.FreezesInForce(ctx, tx, scope)
	if err != nil {
		return err
	}
	for _, f := range freezes {
		if r, err = quorumsql.Record(ctx, tx, r, quorum.FreezeSet{Stop: f.ID, At: at}); err != nil {
			return err
		}
	}
	if r.State.Tenant == "" {
		return nil
	}
	holds, err := quorumsql.HoldsInForce(ctx, tx, r.State.Tenant)
	if err != nil {
		return err
	}
	for _, h := range holds {
		if !holdConcerns(h, s) {
			continue
		}
		if r, err = quorumsql.Record(ctx, tx, r, quorum.HoldPlaced{Hold: h.ID, At: at}); err != nil {
			return err
		}
	}
	return nil
}

// holdConcerns says whether a hold lies on any target of a statement.
func holdConcerns(h quorumsql.Hold, s statement.Statement) bool {
	return h.Tenant == s.Tenant.ID && (h.Volume == "" || len(s.Copies) == 0 ||
		slices.ContainsFunc(s.Copies, func(k statement.Copy) bool { return k.Volume == h.Volume }))
}

// tellConcerned posts a notice to all approvers and the tenant's members.
func (c *Control) tellConcerned(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter, tenant, what, detail string, at time.Time) error {
	for _, a := range ch.Approvers {
		if personID, err := parsePerson(a.ID); err == nil {
			if err := c.Accounts.Post(ctx, tx, personID, what, detail, at); err != nil {
				return err
			}
		}
	}
	if tenant == "" {
		return nil
	}
	tenantID, err := parseTenant(tenant)
	if err != nil {
		return err
	}
	members, err := c.Accounts.Members(ctx, tx, tenantID)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Status != authz.PersonActive {
			continue
		}
		if err := c.Accounts.Post(ctx, tx, m.ID, what, detail, at); err != nil {
			return err
		}
	}
	return nil
}

// A proposal is the text of a next charter with the signatures of the keys that
// it adds; it belongs to a change-charter request.

func (c *Control) keepProposal(ctx context.Context, tx *sqldb.Tx, request string, g genesis) error {
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO proposals (request, body) VALUES ($1, $2) ON CONFLICT (request) DO UPDATE SET body = excluded.body`, request, body)
	return err
}

func (c *Control) proposal(ctx context.Context, tx *sqldb.Tx, request string) (g genesis, err error) {
	var body []byte
	if err := tx.QueryRow(ctx, `SELECT body FROM proposals WHERE request = $1`, request).Scan(&body); err != nil {
		return g, errors.Join(quorum.ErrNotFound, err)
	}
	return g, json.Unmarshal(body, &g)
}

// withinCaps refuses early what no site would ever let go in one request; the
// sites count for themselves, and over the day (T25).
func withinCaps(ch *charter.Charter, s statement.Statement) error {
	for _, line := range ch.Sites {
		var copies, bytes uint64
		for _, k := range s.Copies {
			if k.Site == line.Name {
				copies++
				bytes += k.Bytes
			}
		}
		if copies > line.Caps.RequestCopies || bytes > line.Caps.RequestBytes {
			return newError(wire.TypeCapExceeded, nil, "The charter lets at most %d copies with %d bytes go at %s in one request.", line.Caps.RequestCopies, line.Caps.RequestBytes, line.Name)
		}
	}
	return nil
}
