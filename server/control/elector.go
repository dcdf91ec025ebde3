package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
)

// Who may vote on a request, and who may not and why: the rules of the state machine for the person, and then whether
// they have a factor that the charters take for a vote on this.

// electorWords say why a vote would be refused, of somebody else.
var electorWords = []struct {
	err   error
	words string
}{
	{quorum.ErrNotApprover, "suspended"},
	{quorum.ErrRequesterVotes, "asked for this, or is of the account that did: a person never votes on their own request"},
	{quorum.ErrQuarantine, "came into the charter too recently for this request"},
	{quorum.ErrOwnCause, "this is about them: nobody blocks their own removal or thaw"},
	{quorum.ErrLate, "the time to vote is over"},
	{quorum.ErrPhase, "no votes are taken in this state"},
	{quorum.ErrEnded, "the request has ended"},
}

func whyNot(err error) string {
	for _, w := range electorWords {
		if errors.Is(err, w.err) {
			return w.words
		}
	}
	return "the rules refuse it"
}

// electors says of every approver, and of staff who are none, what they can do.
func (c *Control) electors(ctx context.Context, tx *sqldb.Tx, st quorum.State, s statement.Statement) ([]wire.Elector, error) {
	out := []wire.Elector{}
	at := c.now()
	voted := map[string]string{}
	for _, v := range st.Votes {
		voted[v.Person] = map[quorum.Decision]string{quorum.Approve: "approved", quorum.Deny: "denied"}[v.Decision]
	}
	rules, err := c.ballotRules(ctx, tx, st, s)
	if err != nil {
		return nil, err
	}
	for _, a := range st.Roster {
		e := wire.Elector{Approver: wire.Actor{Kind: "staff", ID: a.Person, Name: c.nameOf(ctx, tx, a.Person), Team: a.Team}}
		no, stop := st.Refusal(a.Person, quorum.Approve, at), st.Refusal(a.Person, quorum.Deny, at)
		switch {
		case voted[a.Person] != "":
			e.Standing = voted[a.Person]
			if a.Suspended {
				e.Why = "suspended: this vote does not count"
			}
		case no == nil:
			e.Standing = "may"
			if stop != nil {
				e.Why = "may approve, not deny: " + whyNot(stop)
			}
			if err := c.armed(ctx, tx, rules, at, stop == nil, &e); err != nil {
				return nil, err
			}
		case stop == nil:
			e.Standing, e.Why = "may-deny", whyNot(no)
		default:
			e.Standing, e.Why = "may-not", whyNot(no)
		}
		out = append(out, e)
	}
	staff, err := c.Accounts.StaffMembers(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, p := range staff {
		named := slices.ContainsFunc(st.Roster, func(a quorum.Approver) bool { return a.Person == p.ID.String() })
		if named || p.Staff != authz.StaffApprover || p.Status != authz.PersonActive {
			continue
		}
		e := wire.Elector{Approver: wire.Actor{Kind: "staff", ID: p.ID.String(), Name: p.Name}, Standing: "may-not", Why: "came into the charter too late for this request"}
		if _, in := rules.force.Approver(p.ID.String()); !in {
			e.Why, e.Missing = "the charter in force does not name this person, nor any factor of theirs", "person"
		}
		out = append(out, e)
	}
	return out, nil
}

// armed says of an approver who may vote by the rules whether they have a factor to do it with.
func (c *Control) armed(ctx context.Context, tx *sqldb.Tx, rules ballotRules, at time.Time, mayDeny bool, e *wire.Elector) error {
	personID, err := parsePerson(e.Approver.ID)
	if err != nil {
		return err
	}
	factors, err := c.Accounts.Factors(ctx, tx, personID)
	if err != nil {
		return err
	}
	approves, denies, named, codes := false, false, false, false
	var until time.Time
	for _, f := range factors {
		if f.Passkey == nil {
			denies = true // a stop takes any factor
			codes = codes || rules.codes && !f.Quarantined(at)
			continue
		}
		if !rules.names(e.Approver.ID, f.Passkey.Credential) {
			continue
		}
		named, denies = true, true
		from, ever := rules.from(e.Approver.ID, f.Passkey.Credential)
		approves = approves || rules.approves(e.Approver.ID, f.Passkey.Credential, at)
		if ever && (until.IsZero() || from.Before(until)) {
			until = from
		}
	}
	if approves {
		return nil
	}
	if !named {
		e.Missing = "key"
	}
	if codes {
		e.Why = "with a one-time code: " + map[bool]string{true: "the charter took the passkeys of this account in too recently", false: "the charter in force names no passkey of this account"}[named]
		return nil
	}
	switch {
	case !named && rules.codes:
		e.Why = "none of the factors of this account is one that the charter admits for this action: it names none of its passkeys, and there is no app with one-time codes"
	case !named:
		e.Why = "none of the factors of this account is one that the charter admits for this action: only passkeys count here, and it names none of this account"
	case until.IsZero():
		e.Why = "the charter took the passkeys of this account in after this was asked"
	default:
		e.Why = "the passkeys of this account are in quarantine until " + until.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	e.Standing = "may-not"
	if mayDeny && denies {
		e.Standing = "may-deny"
	}
	return nil
}
