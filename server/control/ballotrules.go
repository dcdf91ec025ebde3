package control

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
)

// ballotRules is what decides with which factors an approval of one request counts: the charter that its statement
// names and the one in force must both take the key, and have taken it before the request was opened (T19). Every site
// checks the same again; here it keeps people from signing what no site would take.
type ballotRules struct {
	opened       time.Time
	named, force *charter.Charter
	since        map[string]time.Time // by credential: since when it is in force by the log
	codes        bool                 // one-time codes approve this
}

func (c *Control) ballotRules(ctx context.Context, tx *sqldb.Tx, st quorum.State, s statement.Statement) (b ballotRules, err error) {
	b = ballotRules{opened: st.OpenedAt, codes: st.Requirement.TOTP && st.Action == statement.DeleteCopies}
	if _, b.force, err = inForce(ctx, tx); err != nil {
		return b, err
	}
	b.named = b.force
	if s.Charter.Number != b.force.Number {
		if _, b.named, err = quorumsql.CharterAt(ctx, tx, s.Charter.Number); err != nil {
			return b, err
		}
	}
	b.since, err = c.keysInForce(ctx, tx, b.force)
	return b, err
}

// rulesOf reads the rules of a request.
func (c *Control) rulesOf(ctx context.Context, r quorumsql.Request) (b ballotRules, err error) {
	s, err := parseStatement(r)
	if err != nil {
		return b, wrap(err)
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		b, err = c.ballotRules(ctx, tx, r.State, s)
		return err
	})
	return b, err
}

// keysInForce is since when, by the log, each passkey of ch has been in force, by credential.
func (c *Control) keysInForce(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter) (map[string]time.Time, error) {
	return c.inForceFrom(ctx, tx, ch, func(ch *charter.Charter) (ids []string) {
		for _, a := range ch.Approvers {
			for _, k := range a.Keys {
				ids = append(ids, string(k.CredentialID))
			}
		}
		return ids
	})
}

// names says whether the charter in force names the passkey for the person.
func (b ballotRules) names(person string, credential []byte) bool {
	owner, _, ok := b.force.Key(credential)
	return ok && owner.ID == person
}

// from is when the person's approvals with the passkey begin to count for this request; false if they never do.
func (b ballotRules) from(person string, credential []byte) (time.Time, bool) {
	var out time.Time
	for _, ch := range []*charter.Charter{b.named, b.force} {
		at, ok := admittedAt(ch, person, credential, b.since)
		if !ok || !at.Before(b.opened) {
			return out, false
		}
		if at = at.Add(ch.Quarantine); at.After(out) {
			out = at
		}
	}
	return out, true
}

// approves says whether an approval with the passkey counts at a time.
func (b ballotRules) approves(person string, credential []byte, at time.Time) bool {
	from, ever := b.from(person, credential)
	return ever && !at.Before(from)
}

// admittedAt is when ch took in the person with the passkey, by its own words and by the log; the later counts.
func admittedAt(ch *charter.Charter, person string, credential []byte, since map[string]time.Time) (time.Time, bool) {
	owner, k, ok := ch.Key(credential)
	if !ok || owner.ID != person {
		return time.Time{}, false
	}
	at := since[string(credential)]
	for _, t := range []time.Time{owner.AdmittedAt, k.AdmittedAt} {
		if t.After(at) {
			at = t
		}
	}
	return at, true
}

// factorVotes says of each of an approver's factors what the charter in force makes of it; nothing while there is none.
func (c *Control) factorVotes(ctx context.Context, tx *sqldb.Tx, person string, factors []authz.Factor, out []wire.Factor) error {
	_, ch, err := inForce(ctx, tx)
	if isAny(err, errCharterMissing) {
		return nil
	}
	if err != nil {
		return err
	}
	since, err := c.keysInForce(ctx, tx, ch)
	if err != nil {
		return err
	}
	approver, named := ch.Approver(person)
	people, err := c.admissions(ctx, tx, ch)
	if err != nil {
		return err
	}
	codes := false
	for _, s := range ch.Sites {
		codes = codes || s.TOTP
	}
	for i, f := range factors {
		v := &wire.FactorVote{Charter: int64(ch.Number), Actions: []string{}, Standing: "votes"}
		out[i].Vote = v
		from := later(approver.AdmittedAt, people[person]).Add(ch.Quarantine)
		switch {
		case !named:
			v.Standing = "no-approver"
			continue
		case f.Passkey != nil:
			at, ok := admittedAt(ch, person, f.Passkey.Credential, since)
			if !ok {
				v.Standing = "not-named"
				continue
			}
			from = later(from, at.Add(ch.Quarantine))
			for _, a := range statement.Actions() {
				v.Actions = append(v.Actions, string(a))
			}
		case !codes:
			v.Standing = "not-admitted"
			continue
		default:
			from = later(from, f.UsableFrom)
			v.Actions = append(v.Actions, string(statement.DeleteCopies))
		}
		v.From = &from
		if c.now().Before(from) {
			v.Standing = "quarantine"
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
