package control

import (
	"context"
	"encoding/json"
	"slices"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

const alarmKind = audit.KindAlarm

// alarmWords are what an alarm's body says first.
func alarmWords(body []byte) string {
	var b struct {
		Alarm  string `json:"alarm"`
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &b) == nil && b.Alarm != "" {
		return b.Alarm
	}
	if b.Detail != "" {
		return b.Detail
	}
	return "an alarm; its entry says what"
}

// Terms are the rules of the charter of a number as data, of the one in force for 0.
func (c *Control) Terms(ctx context.Context, who Caller, number int64) (out wire.Terms, err error) {
	if err := c.decide(who, authz.CharterView, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
		return out, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if number > 0 {
			_, ch, err = quorumsql.CharterAt(ctx, tx, uint64(number))
		}
		if err == nil {
			out = terms(ch)
		}
		return err
	})
	return out, err
}

func terms(ch *charter.Charter) wire.Terms {
	out := wire.Terms{
		Number: int64(ch.Number), Undo: ch.Undo.Seconds(), Quarantine: ch.Quarantine.Seconds(), Stagger: ch.Stagger.Seconds(),
		Clocks: ch.Clocks, Witnesses: ch.Witnesses, KeepRules: string(ch.KeepRules), Approvers: len(ch.Approvers), Teams: []string{},
		Recipients: len(ch.Recipients), Origins: []string{}, Sites: []wire.SiteTerms{},
	}
	for _, a := range ch.Approvers {
		if !slices.Contains(out.Teams, a.Team) {
			out.Teams = append(out.Teams, a.Team)
		}
	}
	slices.Sort(out.Teams)
	for _, o := range ch.Origins {
		out.Origins = append(out.Origins, o.URL)
	}
	for _, s := range ch.Sites {
		out.Sites = append(out.Sites, wire.SiteTerms{
			Site: s.Name, Role: string(s.Role), Approvals: s.Approvals, Teams: s.Teams, Hardware: s.Hardware, Independent: s.Independent, TOTP: s.TOTP,
			Cooling: s.Cooling.Seconds(), Grace: s.Grace.Seconds(), LastExtra: s.LastExtra.Seconds(),
			RequestCopies: int64(s.Caps.RequestCopies), RequestBytes: int64(s.Caps.RequestBytes), DayCopies: int64(s.Caps.DayCopies), DayBytes: int64(s.Caps.DayBytes),
		})
	}
	return out
}

// CharterPeople are the approvers whom the charter in force names. Its text names them to everybody who may read it, so
// this needs no other power than that; what they may do now, and with which keys, Approvers says to staff.
func (c *Control) CharterPeople(ctx context.Context, who Caller) (out []wire.Actor, err error) {
	if err := c.decide(who, authz.CharterView, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
		return nil, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		out = nil
		for _, a := range ch.Approvers {
			out = append(out, wire.Actor{Kind: "staff", ID: a.ID, Name: a.Name, Team: a.Team})
		}
		return nil
	})
	return out, err
}

// ComposeCharter writes the text of a next charter that differs from the one in force as asked, and lists the
// differences. It proposes nothing: that is a request with this text, and a quorum's decision.
func (c *Control) ComposeCharter(ctx context.Context, who Caller, in wire.ComposeCharter) (out wire.ComposedCharter, err error) {
	if err := c.decide(who, authz.CharterPropose, service, ""); err != nil {
		return out, err
	}
	at := c.now()
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		signed, now, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		next, err := charter.Parse(signed.Text) // a copy of its own
		if err != nil {
			return err
		}
		next.Number, next.Previous, next.CreatedAt = now.Number+1, charter.Hash(signed.Text), at
		i := slices.IndexFunc(next.Sites, func(s charter.Site) bool { return s.Role == charter.Primary })
		if i < 0 {
			return charter.ErrUnknownSite
		}
		for name, value := range in.Lines {
			if err := setLine(next, &next.Sites[i], name, value); err != nil {
				return newError(wire.TypeCharterRefused, err, "The line %q: %v.", name, err)
			}
		}
		next.Approvers = slices.DeleteFunc(next.Approvers, func(a charter.Approver) bool { return slices.Contains(in.Remove, a.ID) })
		for _, a := range in.Add {
			line, err := c.approverLine(ctx, tx, a, at)
			if err != nil {
				return err
			}
			next.Approvers = withApprover(next.Approvers, line)
		}
		next = next.Normalise()
		text, err := next.Render()
		if err != nil {
			return refusedCharter(err)
		}
		if err := next.Validate(); err != nil {
			return refusedCharter(err)
		}
		out = wire.ComposedCharter{Text: string(text), Changes: changes(now, next)}
		return nil
	})
	return out, err
}

// CompareCharter lists in what a charter's text differs from the charter in force.
func (c *Control) CompareCharter(ctx context.Context, who Caller, text string) (out []wire.CharterChange, err error) {
	if err := c.decide(who, authz.CharterView, authz.Resource{Kind: authz.ResourceCharter}, ""); err != nil {
		return nil, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, now, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		next, err := charter.Parse([]byte(text))
		if err != nil {
			return refusedCharter(err)
		}
		out = changes(now, next)
		return nil
	})
	return out, err
}

// withApprover adds an approver, or to one who is there the keys that are new: who is there, and their keys, keep their
// times.
func withApprover(list []charter.Approver, a charter.Approver) []charter.Approver {
	i := slices.IndexFunc(list, func(x charter.Approver) bool { return x.ID == a.ID })
	if i < 0 {
		return append(list, a)
	}
	if a.Team != "" {
		list[i].Team = a.Team
	}
	for _, k := range a.Keys {
		if !slices.ContainsFunc(list[i].Keys, func(x charter.Key) bool { return string(x.CredentialID) == string(k.CredentialID) }) {
			list[i].Keys = append(list[i].Keys, k)
		}
	}
	return list
}
