package control

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
)

// Charter returns the charter in force.
func (c *Control) Charter(ctx context.Context, who Caller) (wire.Charter, error) {
	return c.charterAt(ctx, who, 0)
}

// CharterAt returns the charter of a number.
func (c *Control) CharterAt(ctx context.Context, who Caller, number int64) (wire.Charter, error) {
	if number < 1 {
		return wire.Charter{}, wrap(quorum.ErrNotFound)
	}
	return c.charterAt(ctx, who, uint64(number))
}

func (c *Control) charterAt(ctx context.Context, who Caller, number uint64) (out wire.Charter, err error) {
	if err := c.decide(who, authz.CharterView, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
		return out, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		signed, ch, err := inForce(ctx, tx)
		if number > 0 {
			signed, ch, err = quorumsql.CharterAt(ctx, tx, number)
		}
		if err != nil {
			return err
		}
		since, err := c.inForceSince(ctx, tx, ch)
		out = wire.Charter{
			Number: int64(ch.Number), Hash: digestText(charter.Hash(signed.Text)), Purpose: string(ch.Purpose),
			Text: string(signed.Text), InForceAt: since,
		}
		if err != nil || ch.Number == 1 {
			return err
		}
		_, before, err := quorumsql.CharterAt(ctx, tx, ch.Number-1)
		if err == nil {
			out.Changes = changes(before, ch)
		}
		return err
	})
	return out, err
}

// changes are the lines in which two charters differ, as the API shows them.
func changes(from, to *charter.Charter) (out []wire.CharterChange) {
	for _, d := range charter.Diff(from, to) {
		out = append(out, wire.CharterChange{What: d.What, From: d.From, To: d.To, Weakens: d.Weakens})
	}
	return out
}

// proposedChanges are the changes that a change-charter request asks for; none where its
// proposal cannot be read.
func (c *Control) proposedChanges(ctx context.Context, tx *sqldb.Tx, request string, s statement.Statement) []wire.CharterChange {
	g, err := c.proposal(ctx, tx, request)
	if err != nil {
		return nil
	}
	next, err := charter.Parse([]byte(g.Text))
	if err != nil {
		return nil
	}
	_, named, err := quorumsql.CharterAt(ctx, tx, s.Charter.Number)
	if err != nil {
		return nil
	}
	return changes(named, next)
}

// inForce is the newest charter of the chain: errCharterMissing before genesis.
func inForce(ctx context.Context, tx *sqldb.Tx) (charter.Signed, *charter.Charter, error) {
	s, ch, err := quorumsql.NewestCharter(ctx, tx)
	if errors.Is(err, quorum.ErrNotFound) {
		err = errCharterMissing
	}
	return s, ch, err
}

// inForceSince is when the leaf of a charter was written.
func (c *Control) inForceSince(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter) (time.Time, error) {
	entry, err := c.charterLeaf(ctx, tx, ch)
	if errors.Is(err, quorum.ErrNotFound) {
		return time.Time{}, nil
	}
	return entry.At, err
}

// charterLeaf finds the leaf that put a charter in force.
func (c *Control) charterLeaf(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter) (quorumsql.LogEntry, error) {
	hash, err := ch.Hash()
	if err != nil {
		return quorumsql.LogEntry{}, err
	}
	entries, err := quorumsql.LogEntriesOfSubject(ctx, tx, digestText(hash), 0, 1)
	if err != nil {
		return quorumsql.LogEntry{}, err
	}
	if len(entries) == 0 {
		return quorumsql.LogEntry{}, quorum.ErrNotFound
	}
	return entries[0], nil
}

// quarantine is how long a new factor may stop but not confirm: the charter's
// line, none before genesis, when there is nothing to confirm.
func (c *Control) quarantine(ctx context.Context, tx *sqldb.Tx) (time.Duration, error) {
	_, ch, err := inForce(ctx, tx)
	if errors.Is(err, errCharterMissing) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return ch.Quarantine, nil
}

// recoveryRecipients are the age recipients that every tenant's keys are wrapped
// for besides the primary's own: those of the charter in force, none before it.
func (c *Control) recoveryRecipients(ctx context.Context) (out []string, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out = nil
		_, ch, err := inForce(ctx, tx)
		if errors.Is(err, errCharterMissing) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, r := range ch.Recipients {
			out = append(out, r.Age)
		}
		return nil
	})
	return out, err
}

// UndoWindow is the charter's undo window, and false before genesis, when
// nothing is reclaimed.
func (c *Control) UndoWindow(ctx context.Context) (window time.Duration, ok bool, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if errors.Is(err, errCharterMissing) {
			return nil
		}
		if err == nil {
			window, ok = ch.Undo, true
		}
		return err
	})
	return window, ok, err
}

// Purpose is production or demo, and empty before genesis; every page shows a
// demo as one.
func (c *Control) Purpose(ctx context.Context) (purpose string, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if errors.Is(err, errCharterMissing) {
			return nil
		}
		if err == nil {
			purpose = string(ch.Purpose)
		}
		return err
	})
	return purpose, err
}

// sealCharter puts a verified charter in force in tx: its row and its public
// leaf. The site is told by the outbox.
func (c *Control) sealCharter(ctx context.Context, tx *sqldb.Tx, s charter.Signed, ch *charter.Charter, by string, at time.Time) error {
	if err := quorumsql.AppendCharter(ctx, tx, s, at); err != nil {
		return err
	}
	hash := charter.Hash(s.Text)
	if err := quorumsql.Enqueue(ctx, tx, quorumsql.Job{ID: "charter " + digestText(hash), Topic: topicCharter, DueAt: at}); err != nil {
		return err
	}
	if err := c.tighten(ctx, tx, ch, at); err != nil {
		return err
	}
	kind := audit.KindCharterChanged
	if ch.Number == 1 {
		kind = audit.KindCharterSealed
	}
	_, err := c.record(ctx, tx, at, entry{
		kind: kind, subject: digestText(hash), facts: audit.CharterFacts(ch.Number, hash),
		body: map[string]string{"charter": digestText(hash), "by": by},
	})
	return err
}

// requirement is what a charter demands, in the words of the state machine.
func requirement(ch *charter.Charter, r charter.Requirement, hides bool) quorum.Requirement {
	out := quorum.Requirement{
		Approvals: r.Approvals, Teams: r.Teams, Hardware: r.Hardware, Independent: r.Independent, TOTP: r.TOTP,
		Cooling: r.Cooling, Clocks: ch.Clocks, Quarantine: ch.Quarantine,
	}
	if hides {
		out.Grace = r.Grace
	}
	return out
}

// strictest is what the charter demands of an action at all of its sites.
func strictest(ch *charter.Charter, a statement.Action, k charter.Circumstance, sites []string) (charter.Requirement, error) {
	if a != statement.DeleteCopies || len(sites) == 0 {
		return ch.Requirement(a, k, "")
	}
	out, err := ch.Requirement(a, k, sites[0])
	for _, name := range sites[1:] {
		r, e := ch.Requirement(a, k, name)
		err = errors.Join(err, e)
		out = charter.Stricter(out, r)
	}
	return out, err
}

// roster is who may vote now: the charter's approvers, with when each came in
// force by the log and whether they are suspended.
func (c *Control) roster(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter) ([]quorum.Approver, error) {
	suspended, err := quorumsql.Suspended(ctx, tx)
	if err != nil {
		return nil, err
	}
	since, err := c.admissions(ctx, tx, ch)
	if err != nil {
		return nil, err
	}
	var out []quorum.Approver
	for _, a := range ch.Approvers {
		admitted := a.AdmittedAt
		if s := since[a.ID]; s.After(admitted) {
			admitted = s
		}
		line := quorum.Approver{Person: a.ID, Team: a.Team, Admitted: admitted}
		for _, p := range suspended {
			line.Suspended = line.Suspended || p == a.ID
		}
		out = append(out, line)
	}
	return out, nil
}

// admissions is when, by the log, each approver of ch came in force and has been
// ever since: a charter that backdates an admission gains nothing.
func (c *Control) admissions(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter) (map[string]time.Time, error) {
	return c.inForceFrom(ctx, tx, ch, func(ch *charter.Charter) (names []string) {
		for _, a := range ch.Approvers {
			names = append(names, a.ID)
		}
		return names
	})
}

// inForceFrom is since when, by the log, every charter up to ch has named what names finds in it.
func (c *Control) inForceFrom(ctx context.Context, tx *sqldb.Tx, ch *charter.Charter, names func(*charter.Charter) []string) (map[string]time.Time, error) {
	since := map[string]time.Time{}
	for n := uint64(1); n <= ch.Number; n++ {
		_, earlier, err := quorumsql.CharterAt(ctx, tx, n)
		if err != nil {
			return nil, err
		}
		at, err := c.inForceSince(ctx, tx, earlier)
		if err != nil {
			return nil, err
		}
		now := map[string]time.Time{}
		for _, name := range names(earlier) {
			now[name] = at
			if before, ok := since[name]; ok {
				now[name] = before
			}
		}
		since = now
	}
	return since, nil
}
