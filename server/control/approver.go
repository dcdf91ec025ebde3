package control

import (
	"context"
	"encoding/base64"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// Approvers lists whom the charter in force names, with their keys, their quarantine, and who is suspended.
func (c *Control) Approvers(ctx context.Context, who Caller) ([]wire.Approver, error) {
	if err := c.decide(who, authz.StaffView, service, ""); err != nil {
		return nil, err
	}
	suspended, err := c.Suspensions(ctx, who)
	if err != nil {
		return nil, err
	}
	out := []wire.Approver{}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		_, ch, err := inForce(ctx, tx)
		if err != nil {
			return err
		}
		since, err := c.admissions(ctx, tx, ch)
		if err != nil {
			return err
		}
		for _, a := range ch.Approvers {
			line := wire.Approver{Person: approverActor(a), AdmittedAt: a.AdmittedAt, Keys: []wire.ApproverKey{}}
			if s := since[a.ID]; s.After(line.AdmittedAt) {
				line.AdmittedAt = s
			}
			line.UsableFrom = line.AdmittedAt.Add(ch.Quarantine)
			for _, k := range a.Keys {
				line.Keys = append(line.Keys, wire.ApproverKey{
					ID: base64.RawURLEncoding.EncodeToString(k.CredentialID), Hardware: k.Hardware, AdmittedAt: k.AdmittedAt, UsableFrom: k.AdmittedAt.Add(ch.Quarantine),
				})
			}
			for i := range suspended {
				if suspended[i].Subject.ID == a.ID || suspended[i].By.ID == a.ID {
					line.Suspension = &suspended[i]
				}
			}
			out = append(out, line)
		}
		return nil
	})
	return out, err
}

// Sites says how every place that the charter names stands. Of a site outside this process only the charter's line is
// known here: its own keyboard tells the rest.
func (c *Control) Sites(ctx context.Context, who Caller) ([]wire.Site, error) {
	if err := c.decide(who, authz.SiteView, service, ""); err != nil {
		return nil, err
	}
	out := []wire.Site{}
	clocks := 0
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		_, ch, err := inForce(ctx, tx)
		if isAny(err, errCharterMissing) {
			out = append(out, wire.Site{Name: c.Site, Role: "primary", Alarms: []wire.SiteAlarm{}})
			return nil
		}
		if err != nil {
			return err
		}
		clocks = ch.Clocks
		for _, s := range ch.Sites {
			out = append(out, wire.Site{Name: s.Name, Role: string(s.Role), Alarms: []wire.SiteAlarm{}})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Name != c.Gate.Name() {
			continue
		}
		if err := c.standing(ctx, who, clocks, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// standing adds what the site in this process says of itself.
func (c *Control) standing(ctx context.Context, who Caller, clocks int, s *wire.Site) error {
	m, err := c.Gate.Marks(ctx)
	if err != nil {
		return wrap(err)
	}
	s.Here, s.Suspended, s.Charter = true, m.Suspended, int64(m.Charter.Number)
	s.LogSize, s.Spent, s.Epoch = m.LogSize, m.Spent, m.Epoch
	if reading, err := c.Clock.Read(ctx); err == nil { // clocks that cannot be read are shown as none
		s.Clock = &wire.SiteClock{Wall: reading.Wall, Boot: reading.Boot.Seconds(), Outside: []wire.OutsideClock{}, Needed: clocks, Agree: reading.Agrees(clocks)}
		for _, o := range reading.Outside {
			s.Clock.Outside = append(s.Clock.Outside, wire.OutsideClock{Name: o.Name, Off: o.Wall.Sub(reading.Wall).Seconds()})
		}
	}
	if c.decideAudit(who) != nil || who.tenantID() != "" { // members read their own tenant's alarms in their activity
		return nil
	}
	return c.read(ctx, func(tx *sqldb.Tx) error {
		s.Alarms = s.Alarms[:0]
		alarms, err := quorumsql.LatestOfKind(ctx, tx, alarmKind, maxAlarms)
		for _, e := range alarms {
			s.Alarms = append(s.Alarms, wire.SiteAlarm{Index: e.Index, At: e.At, Tenant: e.Tenant, What: alarmWords(e.Body)})
		}
		return err
	})
}
