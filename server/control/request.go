package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// Request returns a request, or a draft, that the caller may see.
func (c *Control) Request(ctx context.Context, who Caller, request string) (out wire.Request, err error) {
	var d draft
	isDraft := false
	var named []string
	var s statement.Statement
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		r, err := c.visible(ctx, tx, who, request)
		if errors.Is(err, quorum.ErrNotFound) {
			isDraft = true
			d, _, err = c.draftOf(ctx, tx, who, request)
			return err
		}
		if err != nil {
			return err
		}
		if s, err = parseStatement(r); err != nil {
			return err
		}
		named = nil
		for _, k := range s.Copies {
			named = append(named, k.Snapshot)
		}
		out, err = c.describe(ctx, tx, r)
		return err
	})
	if err == nil && !isDraft {
		c.ask(ctx, &out, named)
		c.beside(ctx, s, out.Impact)
	}
	if err != nil || !isDraft {
		return out, err
	}
	if err := c.decide(who, authz.RequestView, c.requestResource(request, d.Tenant, [32]byte{}), ""); err != nil {
		return out, err
	}
	if out, err = c.describeDraft(who, request, d); err == nil && d.Ask.Charter != "" {
		out.Changes, err = c.CompareCharter(ctx, who, d.Ask.Charter)
	}
	if err == nil && d.Text != nil {
		if s, err = statement.Parse(d.Text); err == nil {
			c.beside(ctx, s, out.Impact)
		}
	}
	return out, wrap(err)
}

// ask adds what the site says of a request that lives: how many bytes a deletion
// would really free, as it estimates now, and what it waits for. Where it cannot
// say, nothing is added.
func (c *Control) ask(ctx context.Context, r *wire.Request, snapshots []string) {
	if p, err := quorum.ParsePhase(r.State); err != nil || p.Ended() {
		return
	}
	if words, ok := c.waits.Load(r.ID); ok {
		r.Blocked = append(r.Blocked, words.(string))
	}
	if len(snapshots) == 0 {
		return
	}
	query := site.Query{Tenant: r.Tenant, Snapshots: snapshots}
	if found, err := c.Gate.Describe(ctx, query); err == nil {
		r.Impact.Frees, r.Impact.FreesMore = int64(found.Frees), found.FreesMore
	}
}

// visible loads a request that the caller may see; any other is not found (T11).
func (c *Control) visible(ctx context.Context, tx *sqldb.Tx, who Caller, request string) (quorumsql.Request, error) {
	r, err := quorumsql.LoadRequest(ctx, tx, request)
	if err != nil {
		return r, err
	}
	return r, c.decide(who, authz.RequestView, c.requestResource(request, r.State.Tenant, [32]byte{}), "")
}

// Requests lists requests that the caller may see: for members their tenant's,
// newest first; for staff the queue of open ones, fair to every tenant and most
// urgent first, then the rest. An empty state lists all.
func (c *Control) Requests(ctx context.Context, who Caller, state string) ([]wire.Request, error) {
	out, _, err := c.RequestPage(ctx, who, state, 0, maxListedRequests)
	return out, err
}

// RequestPage is a part of what Requests lists, limit of them from a place on, and
// how many the whole list has.
func (c *Control) RequestPage(ctx context.Context, who Caller, state string, from, limit int) (out []wire.Request, all int, err error) {
	if err := c.decide(who, authz.RequestView, c.requestResource("", who.tenantID(), [32]byte{}), ""); err != nil {
		return nil, 0, err
	}
	var want quorum.Phase
	if state != "" {
		if want, err = quorum.ParsePhase(state); err != nil {
			return nil, 0, newError(wire.TypeInvalid, err, "There is no state %q.", state)
		}
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		lines, err := c.lines(ctx, tx, who, want)
		if err != nil {
			return err
		}
		all = len(lines)
		from := min(max(from, 0), all)
		out, err = c.listed(ctx, tx, lines[from:from+min(max(limit, 0), all-from)])
		return err
	})
	return out, all, err
}

// underWay are the phases of a request that has not ended.
var underWay = []quorum.Phase{quorum.Open, quorum.Cooling, quorum.Executing, quorum.Tombstoned}

// UnderWay lists all requests of a tenant that have not ended, newest first,
// however many came after them.
func (c *Control) UnderWay(ctx context.Context, who Caller, tenant string) (out []wire.Request, err error) {
	if err := c.decide(who, authz.RequestView, c.requestResource("", tenant, [32]byte{}), ""); err != nil {
		return nil, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		lines, err := quorumsql.OfTenant(ctx, tx, tenant, maxListedRequests, underWay...)
		if err == nil {
			out, err = c.listed(ctx, tx, lines)
		}
		return err
	})
	return out, err
}

func (c *Control) listed(ctx context.Context, tx *sqldb.Tx, lines []quorumsql.Line) ([]wire.Request, error) {
	out := []wire.Request{}
	for _, line := range lines {
		r, err := quorumsql.LoadRequest(ctx, tx, line.ID)
		if errors.Is(err, quorum.ErrTampered) { // the others stay readable
			out = append(out, wire.Request{ID: line.ID, Tenant: line.Tenant, State: line.Phase.String(), Votes: []wire.Vote{}, Blocked: []string{AsError(err).Detail}})
			continue
		}
		if err != nil {
			return nil, err
		}
		w, err := c.describe(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

func (c *Control) lines(ctx context.Context, tx *sqldb.Tx, who Caller, want quorum.Phase) ([]quorumsql.Line, error) {
	if tenant := who.tenantID(); tenant != "" {
		if want != 0 {
			return quorumsql.OfTenant(ctx, tx, tenant, maxListedRequests, want)
		}
		return quorumsql.OfTenant(ctx, tx, tenant, maxListedRequests)
	}
	if want != 0 && want != quorum.Open {
		return quorumsql.InPhase(ctx, tx, want, "", maxListedRequests)
	}
	lines, err := quorumsql.Queue(ctx, tx, quorum.MaxQueue)
	if err != nil || want == quorum.Open {
		return lines, err
	}
	for _, p := range []quorum.Phase{quorum.Cooling, quorum.Executing, quorum.Tombstoned, quorum.Denied, quorum.Cancelled, quorum.Expired, quorum.Restored, quorum.Erased, quorum.Applied} {
		more, err := quorumsql.InPhase(ctx, tx, p, "", maxListedRequests)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	return lines[:min(len(lines), maxListedRequests)], nil
}

// Statement returns the whole statement, byte for byte as it is signed.
func (c *Control) Statement(ctx context.Context, who Caller, request string) (text string, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		r, err := c.visible(ctx, tx, who, request)
		text = string(r.Statement)
		return err
	})
	if AsErrorOrNil(err).is(wire.TypeNotFound) {
		d, e := c.Request(ctx, who, request)
		if e != nil {
			return "", e
		}
		return d.Statement, nil
	}
	return text, err
}

// StatementBody returns a page of the statement's body.
func (c *Control) StatementBody(ctx context.Context, who Caller, request string, from, limit int) (lines []string, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		r, err := c.visible(ctx, tx, who, request)
		if err != nil {
			return err
		}
		lines = statement.Text(r.Statement).Page(max(from, 0), min(max(limit, 1), statement.PageLines))
		return nil
	})
	return lines, err
}

// describe is a request as the API shows it.
func (c *Control) describe(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request) (wire.Request, error) {
	s, err := statement.Parse(r.Statement)
	if err != nil {
		return wire.Request{}, errors.Join(quorum.ErrTampered, err)
	}
	text := statement.Text(r.Statement)
	st := r.State
	tally := st.Tally()
	out := wire.Request{
		ID: st.Request, Tenant: st.Tenant, Action: string(st.Action), State: st.Phase.String(), Reason: s.Reason,
		Requester: wire.Actor{Kind: string(s.Requester.Kind), ID: s.Requester.ID, Name: s.Requester.Name},
		OpenedAt:  st.OpenedAt, VoteUntil: st.VoteUntil, ExecuteUntil: st.ExecuteUntil,
		Digest: digestText(st.Digest), Fingerprint: text.Fingerprint(), Statement: string(text.Header()), BodyLines: text.BodyLines(),
		Need: wire.Need{
			Approvals: st.Requirement.Approvals, Teams: st.Requirement.Teams, Hardware: st.Requirement.Hardware,
			Independent: st.Requirement.Independent, Got: tally.Approvals, TOTP: st.Requirement.TOTP, Surcharges: c.surcharges(ctx, tx, s, st),
		},
		Votes: []wire.Vote{},
	}
	switch st.Action {
	case statement.DeleteCopies:
		out.Impact = impactOf(s)
	case statement.ChangeCharter:
		out.Changes = c.proposedChanges(ctx, tx, r.ID(), s)
	}
	for _, v := range st.Votes {
		out.Votes = append(out.Votes, c.describeVote(ctx, tx, st, v))
	}
	switch st.Phase {
	case quorum.Cooling, quorum.Executing:
		out.Timer = &wire.Timer{Of: "cooling", Seconds: st.Timer.Need.Seconds(), Accrued: st.Timer.Accrued.Seconds()}
	case quorum.Tombstoned:
		out.Timer = &wire.Timer{Of: "grace", Seconds: st.Timer.Need.Seconds(), Accrued: st.Timer.Accrued.Seconds()}
	}
	if out.Ending, err = c.ending(ctx, tx, st); err != nil {
		return out, err
	}
	if !st.Phase.Ended() {
		out.Blocked = c.blocked(ctx, tx, st)
		missing, err := c.unsigned(ctx, tx, r)
		if err != nil {
			return out, err
		}
		if missing {
			out.Blocked = append(out.Blocked, "a key that the next charter adds has not signed it")
		}
		if out.Timer != nil && st.Stopped() != nil {
			out.Timer.Stopped = AsError(st.Stopped()).Detail
		}
	}
	return out, nil
}

func (c *Control) describeVote(ctx context.Context, tx *sqldb.Tx, st quorum.State, v quorum.Vote) wire.Vote {
	out := wire.Vote{
		Approver: wire.Actor{Kind: "staff", ID: v.Person, Name: c.nameOf(ctx, tx, v.Person)},
		Decision: string(v.Decision), Method: string(v.Method), At: v.At,
	}
	for _, a := range st.Roster {
		if a.Person != v.Person {
			continue
		}
		out.Approver.Team = a.Team
		out.Counts = !a.Suspended
		if a.Suspended {
			out.Why = "suspended"
		}
		return out
	}
	out.Why = "no approver any more"
	return out
}

// blocked says in words why nothing happens to a request now.
func (c *Control) blocked(ctx context.Context, tx *sqldb.Tx, st quorum.State) []string {
	var out []string
	if st.Phase == quorum.Open {
		out = append(out, c.missingVotes(ctx, tx, st))
	}
	if err := st.Stopped(); err != nil {
		out = append(out, AsError(err).Detail)
	}
	if st.Phase == quorum.Cooling && !st.Met() {
		out = append(out, "votes that were cast do not count any more; others are needed")
	}
	return out
}

// missingVotes says how many approvals are still missing, and whose count.
func (c *Control) missingVotes(ctx context.Context, tx *sqldb.Tx, st quorum.State) string {
	need, got := st.Requirement.Approvals, st.Tally().Approvals
	words := fmt.Sprintf("%d of %d approvals are still missing", need-got, need)
	if got >= need {
		words = "the approvals are there, but not yet from enough teams or by such keys as the charter demands"
	}
	voted := map[string]bool{}
	for _, v := range st.Votes {
		voted[v.Person] = true
	}
	var may []string
	for _, a := range st.Roster {
		if !voted[a.Person] && st.Refusal(a.Person, quorum.Approve, c.now()) == nil {
			may = append(may, c.nameOf(ctx, tx, a.Person))
		}
	}
	if len(may) == 0 {
		return words + "; nobody else may vote now"
	}
	return words + "; may vote: " + strings.Join(may, ", ")
}

// surcharges says in words why a request needs more approvals than others.
func (c *Control) surcharges(ctx context.Context, tx *sqldb.Tx, s statement.Statement, st quorum.State) []string {
	var out []string
	if s.LastPoint() {
		out = append(out, "a last restore point would go")
	}
	_, ch, err := quorumsql.CharterAt(ctx, tx, s.Charter.Number)
	if err != nil {
		return out
	}
	if s.LastCopy() && ch.MultiSite() {
		out = append(out, "a last copy would go")
	}
	if s.StaffOpened() {
		return append(out, "staff asked for it")
	}
	var sites []string
	for name := range st.Sites {
		sites = append(sites, name)
	}
	if need, err := strictest(ch, s.Action, circumstanceOf(s), sites); err == nil && st.Requirement.Approvals > need.Approvals {
		out = append(out, "it was confirmed by a one-time code or a young passkey")
	}
	return out
}

// impactOf is what a statement says would be gone.
func impactOf(s statement.Statement) *wire.Impact {
	out := &wire.Impact{Volumes: []wire.VolumeImpact{}}
	for _, v := range s.Volumes {
		line := wire.VolumeImpact{Volume: v.ID, Name: v.Name}
		if v.NewestLeft != "" {
			line.NewestLeft = &v.NewestLeftAt
		}
		for _, k := range s.Copies {
			if k.Volume != v.ID {
				continue
			}
			line.Copies++
			out.Copies++
			out.Bytes += int64(k.Bytes)
			out.Files += int64(k.Files)
			if k.Last == statement.LastCopy || k.Last == statement.LastBoth {
				line.LastCopies = append(line.LastCopies, k.Snapshot)
			}
		}
		out.Volumes = append(out.Volumes, line)
	}
	return out
}

// waiting says for people what a site waits for, by its own words for it. What
// only takes time is shown by the timer.
var waiting = map[string]string{
	"witnesses": "the site waits for witnesses of the log",
	"release":   "the site waits for a fresh vote over its own nonce",
	"hold":      "the site has a hold on it",
	"freeze":    "the site is frozen",
	"clock":     "the site's clocks contradict each other",
	"caps":      "the site has let go as much as the charter allows in a day",
	"last-copy": "the site refuses: it would be a last copy or restore point, and the approvals are not for that",
	"inventory": "the site refuses: it does not hold what the statement names",
	"charter":   "the site refuses: the charter is not the one that it knows",
	"votes":     "the site refuses: the votes that count now are not enough",
	"evidence":  "the site refuses the evidence",
	"marks":     "the site has suspended everything: its database is not of the life that its marks name",
	"late":      "the time to execute it is over",
}
