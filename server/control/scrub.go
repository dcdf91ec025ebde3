package control

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
	"holdfast/snapshots/scrub"
	"holdfast/snapshots/site"
)

var _ = register(
	translation{scrub.ErrConfig, wire.TypeInvalid, "A rate is from 64 KiB to 1 TiB a second."},
	translation{site.ErrNotReady, wire.TypeConflict, "The site's database cannot be adopted now."},
)

// Scrub says what the reading of everything that the primary site keeps has found. Staff and the host's operator see it.
func (c *Control) Scrub(ctx context.Context, who Caller) (wire.Scrub, error) {
	if err := c.decide(who, authz.StatusView, service, ""); err != nil {
		return wire.Scrub{}, err
	}
	return c.scrubStatus(ctx)
}

// BeginScrub has everything be read now. The host's operator does it.
func (c *Control) BeginScrub(ctx context.Context, who Caller, in wire.BeginScrub) (wire.Scrub, error) {
	if who.Principal.System != SystemOperator {
		return wire.Scrub{}, newError(wire.TypeDenied, authz.ErrDenied, "The operator of the host does this, at its keyboard.")
	}
	if err := c.decide(who, authz.JobRun, service, ""); err != nil {
		return wire.Scrub{}, err
	}
	if c.Scrubber == nil {
		return wire.Scrub{}, noScrubber()
	}
	if in.Rate != 0 {
		if err := c.Scrubber.SetRate(in.Rate); err != nil {
			return wire.Scrub{}, wrap(err)
		}
	}
	if _, err := c.Scrubber.Begin(ctx, in.All); err != nil {
		return wire.Scrub{}, wrap(err)
	}
	return c.scrubStatus(ctx)
}

func noScrubber() error {
	return newError(wire.TypeUnavailable, nil, "This service does not read its site's packs again.")
}

func (c *Control) scrubStatus(ctx context.Context) (wire.Scrub, error) {
	if c.Scrubber == nil {
		return wire.Scrub{}, noScrubber()
	}
	s, err := c.Scrubber.Status(ctx)
	if err != nil {
		return wire.Scrub{}, wrap(err)
	}
	return ShowScrub(s), nil
}

// ShowScrub is a status as it leaves the service.
func ShowScrub(s scrub.Status) wire.Scrub {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	out := wire.Scrub{State: "idle", Clean: s.Clean(), Pass: s.Pass.Number, StartedAt: moment(s.Pass.StartedAt), FinishedAt: moment(s.Pass.FinishedAt),
		VerifiedAt: moment(s.Last.StartedAt), Rate: s.Rate, Packs: s.Tally.Packs, OfPacks: s.Tally.OfPacks, Bytes: s.Tally.Bytes, OfBytes: s.Tally.OfBytes,
		Frames: s.Tally.Frames, Quarantined: s.Quarantined, Damaged: s.Tally.Damaged, Missing: s.Tally.Missing, Unknown: s.Tally.Unknown}
	switch {
	case s.Pass.Number == 0:
		out.State = "never"
	case s.Pass.FinishedAt.IsZero():
		out.State = "running"
	}
	for _, p := range s.Packs {
		out.Findings = append(out.Findings, wire.ScrubPack{Pack: p.Pack.String(), Tenant: p.Tenant, State: string(p.State), Bad: p.Bad, At: p.At, Detail: printable(p.Detail)})
	}
	for _, a := range s.Affected {
		x := wire.ScrubAffected{Tenant: a.Tenant, Volume: a.Volume.String(), Path: a.Path, At: a.FoundAt}
		if !a.Snapshot.IsZero() {
			x.Snapshot = a.Snapshot.String()
		}
		out.Affected = append(out.Affected, x)
	}
	return out
}

// rotBody is the private body of an alarm about rot.
type rotBody struct {
	Alarm    string    `json:"alarm"`
	Tenant   string    `json:"tenant"`
	Volume   string    `json:"volume"`
	Snapshot string    `json:"snapshot,omitempty"`
	Site     string    `json:"site"`
	At       time.Time `json:"at"`
	Paths    int       `json:"paths"`
}

// EnterRot enters into the log which snapshots, and which volumes' living data, need bytes that cannot be read: once for
// each time that it was found.
func (c *Control) EnterRot(ctx context.Context) error {
	if c.Scrubber == nil {
		return nil
	}
	s, err := c.Scrubber.Status(ctx)
	if err != nil {
		return wrap(err)
	}
	type thing struct{ tenant, volume, snapshot string }
	first, paths := map[thing]time.Time{}, map[thing]int{}
	for _, a := range s.Affected {
		t := thing{tenant: a.Tenant, volume: a.Volume.String()}
		if !a.Snapshot.IsZero() {
			t.snapshot = a.Snapshot.String()
		}
		if at, ok := first[t]; !ok || a.FoundAt.Before(at) {
			first[t] = a.FoundAt
		}
		paths[t]++
	}
	var errs []error
	for t, at := range first {
		subject := t.snapshot
		if subject == "" {
			subject = t.volume
		}
		errs = append(errs, c.enter(ctx, "rot "+deedAt(subject, at), entry{kind: audit.KindAlarm, tenant: t.tenant, subject: subject,
			body: rotBody{Alarm: "bytes cannot be read as they were written", Tenant: t.tenant, Volume: t.volume, Snapshot: t.snapshot, Site: c.Site, At: at, Paths: paths[t]}}))
	}
	return wrap(errors.Join(errs...))
}

// adopter is a site that the host's operator can tell that its database was rebuilt on purpose.
type adopter interface {
	Adopt(ctx context.Context) error
}

// AdoptRebuilt takes a database that was made from packs for the site's: what was suspended for it goes on, and every
// warrant of the life before is spent. The host's operator does it, having looked.
func (c *Control) AdoptRebuilt(ctx context.Context, who Caller) (wire.Adopted, error) {
	if who.Principal.System != SystemOperator {
		return wire.Adopted{}, newError(wire.TypeDenied, authz.ErrDenied, "The operator of the host does this, at its keyboard.")
	}
	if err := c.decide(who, authz.JobRun, service, ""); err != nil {
		return wire.Adopted{}, err
	}
	local, ok := c.Gate.(adopter)
	if !ok {
		return wire.Adopted{}, newError(wire.TypeConflict, nil, "This site has a keyboard of its own.")
	}
	if err := c.bringCharters(ctx); err != nil {
		return wire.Adopted{}, err
	}
	if err := local.Adopt(ctx); errors.Is(err, site.ErrNotReady) {
		return wire.Adopted{}, newError(wire.TypeConflict, err, "It cannot be adopted now: %s.", printable(err.Error()))
	} else if err != nil {
		return wire.Adopted{}, wrap(err)
	}
	m, err := c.Gate.Marks(ctx)
	if err != nil {
		return wire.Adopted{}, wrap(err)
	}
	at := c.now()
	// By the epoch, so that a second call after a crash adds no second leaf.
	return wire.Adopted{Site: m.Site, Epoch: m.Epoch, Spent: m.Spent}, c.enter(ctx, deedAt("adopted "+m.Site, time.UnixMicro(m.Epoch)), entry{kind: audit.KindAlarm, subject: m.Site,
		body: map[string]any{"alarm": "the operator took a rebuilt database for the site's", "epoch": m.Epoch, "spent": m.Spent, "at": at}})
}

// bringCharters brings the site the charters that it lacks, one after the other, and has it read the log: the outbox has
// brought them to the life before.
func (c *Control) bringCharters(ctx context.Context) error {
	m, err := c.Gate.Marks(ctx)
	if err != nil {
		return wrap(err)
	}
	var missing []site.Succession
	if err := c.read(ctx, func(tx *sqldb.Tx) error {
		missing = nil
		_, newest, err := quorumsql.NewestCharter(ctx, tx)
		if errors.Is(err, quorum.ErrNotFound) {
			return nil // none was ever sealed: the site says so
		}
		if err != nil {
			return err
		}
		for n := m.Charter.Number + 1; n <= newest.Number; n++ {
			signed, ch, err := quorumsql.CharterAt(ctx, tx, n)
			if err != nil {
				return err
			}
			hash, err := ch.Hash()
			if err != nil {
				return err
			}
			entries, err := quorumsql.LogEntriesOfSubject(ctx, tx, digestText(hash), 0, 1)
			if err != nil {
				return err
			}
			if len(entries) == 0 {
				return quorum.ErrNotFound
			}
			missing = append(missing, site.Succession{Signed: signed, Leaf: entries[0].Index})
		}
		return nil
	}); err != nil {
		return err
	}
	if len(missing) == 0 && m.Charter.Number == 0 {
		return nil
	}
	if err := c.SignCheckpoint(ctx); err != nil {
		return err
	}
	for _, next := range missing {
		if _, err := c.Gate.AcceptCharter(ctx, next); err != nil {
			return wrap(err)
		}
	}
	_, err = c.Gate.Follow(ctx)
	return wrap(err)
}
