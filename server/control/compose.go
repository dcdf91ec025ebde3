package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// composeDeletion names the copies as the site holds them, and finds out what
// would be gone.
func (c *Control) composeDeletion(ctx context.Context, s *statement.Statement, refs []wire.CopyRef) (*wire.Impact, error) {
	if len(refs) == 0 || len(refs) > statement.MaxByHand {
		return nil, newError(wire.TypeInvalid, nil, "Name 1 to %d snapshots.", statement.MaxByHand)
	}
	query := site.Query{Tenant: s.Tenant.ID}
	for _, ref := range refs {
		if ref.Site != "" && ref.Site != c.Gate.Name() {
			return nil, newError(wire.TypeNotFound, nil, "There is no site %q.", ref.Site)
		}
		if slices.Contains(query.Snapshots, ref.Snapshot) {
			return nil, newError(wire.TypeInvalid, nil, "%s is named twice.", ref.Snapshot)
		}
		query.Snapshots = append(query.Snapshots, ref.Snapshot)
	}
	found, err := c.Gate.Describe(ctx, query)
	if err != nil {
		return nil, wrap(err)
	}
	s.Selection = statement.ByHand
	return c.nameCopies(s, query.Snapshots, found)
}

// nameCopies puts the copies of snapshots here into a statement, as the site
// describes them, and sums up what would be gone.
func (c *Control) nameCopies(s *statement.Statement, named []string, found site.Description) (*wire.Impact, error) {
	impact := &wire.Impact{Frees: int64(found.Frees), FreesMore: found.FreesMore, Volumes: []wire.VolumeImpact{}}
	byVolume := map[string]*wire.VolumeImpact{}
	for _, v := range found.Volumes {
		s.Volumes = append(s.Volumes, statement.Volume{ID: v.Volume, Name: v.Name, NewestLeft: v.NewestLeft, NewestLeftAt: v.NewestLeftAt})
		line := wire.VolumeImpact{Volume: v.Volume, Name: v.Name}
		if v.NewestLeft != "" {
			line.NewestLeft = &v.NewestLeftAt
		}
		impact.Volumes = append(impact.Volumes, line)
	}
	for i := range impact.Volumes {
		byVolume[impact.Volumes[i].Volume] = &impact.Volumes[i]
	}
	here := make(map[string]site.CopyFacts, len(found.Copies))
	for _, k := range found.Copies {
		here[k.Snapshot] = k
	}
	for _, snapshot := range named {
		k, ok := here[snapshot]
		if !ok || k.Tenant != s.Tenant.ID {
			return nil, newError(wire.TypeNotFound, nil, "There is no copy of %s here.", snapshot)
		}
		switch {
		case k.State == "tombstoned" || k.State == "erased":
			return nil, newError(wire.TypeConflict, nil, "%s is %s already.", snapshot, k.State)
		case k.Digest == [32]byte{}:
			return nil, newError(wire.TypeConflict, nil, "%s is not sealed yet. Try again in a moment.", snapshot)
		}
		s.Copies = append(s.Copies, statement.Copy{
			Site: k.Site, Volume: k.Volume, Snapshot: k.Snapshot, TakenAt: k.TakenAt, Digest: k.Digest, Bytes: k.Bytes, Files: k.Files, Last: k.Last,
		})
		impact.Copies++
		impact.Bytes += int64(k.Bytes)
		impact.Files += int64(k.Files)
		if v := byVolume[k.Volume]; v != nil {
			v.Copies++
			if k.Last == statement.LastCopy || k.Last == statement.LastBoth {
				v.LastCopies = append(v.LastCopies, k.Snapshot)
			}
		}
	}
	return impact, nil
}

// composeOther names what a gated action other than a deletion is about. What the
// caller says is only which thing; every fact comes from the databases.
func (c *Control) composeOther(ctx context.Context, s *statement.Statement, d draft) error {
	return c.read(ctx, func(tx *sqldb.Tx) error {
		switch s.Action {
		case statement.ChangeCharter:
			return composeCharter(ctx, tx, s, d.Ask.Charter)
		case statement.ReleaseHold:
			return composeReleaseHold(ctx, tx, s, d.Ask.Subject)
		case statement.LiftFreeze:
			return composeLiftFreeze(ctx, tx, s, d.Ask.Subject)
		case statement.EndSuspension:
			return c.composeEndSuspension(ctx, tx, s, d.Ask.Subject)
		case statement.ResetFactor:
			return c.composeResetFactor(ctx, tx, s, d.Ask.Subject)
		case statement.CloseTenant:
			return c.composeCloseTenant(ctx, s)
		case statement.ShortenRetention:
			_, ch, err := inForce(ctx, tx)
			if err != nil {
				return err
			}
			return c.composeShortenRetention(ctx, s, ch.KeepRules, d.Ask.Subject, d.Ask.Facts["to"])
		case statement.ShortenUndo:
			return c.composeShortenUndo(ctx, tx, s, d.Ask.Subject, d.Ask.Facts["to"])
		case statement.DestroyKey:
			return c.composeDestroyKey(ctx, tx, s, d.Ask.Subject)
		case statement.DetachSite:
			return c.composeDetachSite(ctx, tx, s, d.Ask.Subject)
		}
		return newError(wire.TypeInvalid, nil, "Nobody has to be asked for %s.", s.Action)
	})
}

// composeCharter refuses what would be refused when it comes into force anyway,
// by name of the case (T22, T23).
func composeCharter(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, text string) error {
	next, err := charter.Parse([]byte(text))
	if err != nil {
		return refusedCharter(err)
	}
	if err := next.Validate(); err != nil {
		return refusedCharter(err)
	}
	if next.Number != s.Charter.Number+1 {
		return newError(wire.TypeCharterRefused, nil, "The charter in force is number %d: the next one's number is %d.", s.Charter.Number, s.Charter.Number+1)
	}
	if next.Previous != s.Charter.Hash {
		return newError(wire.TypeCharterRefused, nil, "The next charter must name the hash of the one in force as its predecessor.")
	}
	_, now, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := charter.Amends(now, []byte(text), s.OpenedAt); err != nil {
		return newError(wire.TypeCharterRefused, err, "This charter cannot follow the one in force: %v.", err)
	}
	for _, k := range charter.Added(now, next) {
		if k.Passkey == nil {
			return newError(wire.TypeCharterRefused, nil, "The key %s would have to sign this charter first, and here only passkeys of approvers can.", k.ID)
		}
	}
	s.Facts = []statement.Fact{
		statement.NumberFact("next-number", next.Number),
		statement.DigestFact("next-hash", charter.Hash([]byte(text))),
	}
	return nil
}

func composeReleaseHold(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, hold string) error {
	holds, err := quorumsql.HoldsInForce(ctx, tx, s.Tenant.ID)
	if err != nil {
		return err
	}
	for _, h := range holds {
		if h.ID == hold && h.Tenant == s.Tenant.ID {
			s.Subjects = []statement.Subject{{Kind: "hold", ID: h.ID, Name: nameOr(h.Reason, h.ID)}}
			s.Facts = []statement.Fact{statement.TextFact("kind", string(h.Kind)), statement.TimeFact("placed-at", h.At)}
			return nil
		}
	}
	return newError(wire.TypeNotFound, nil, "There is no hold %s in force.", hold)
}

func composeLiftFreeze(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, freeze string) error {
	scope := s.Tenant.ID
	if scope == "" {
		scope = warrant.Everywhere
	}
	freezes, err := quorumsql.FreezesInForce(ctx, tx, scope)
	if err != nil {
		return err
	}
	for _, f := range freezes {
		if f.ID == freeze && f.Tenant == scope {
			s.Subjects = []statement.Subject{{Kind: "freeze", ID: f.ID, Name: nameOr(f.Reason, f.ID)}}
			s.Facts = []statement.Fact{statement.TimeFact("placed-at", f.At)}
			return nil
		}
	}
	return newError(wire.TypeNotFound, nil, "There is no freeze %s in force.", freeze)
}

func (c *Control) composeEndSuspension(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, suspension string) error {
	all, err := quorumsql.SuspensionsInForce(ctx, tx)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.ID != suspension {
			continue
		}
		s.Subjects = []statement.Subject{
			{Kind: "suspension", ID: x.ID, Name: nameOr(x.Reason, x.ID)},
			{Kind: "person", ID: x.Subject, Name: c.nameOf(ctx, tx, x.Subject)},
			{Kind: "person", ID: x.Person, Name: c.nameOf(ctx, tx, x.Person)},
		}
		s.Facts = []statement.Fact{statement.TimeFact("since", x.At)}
		return nil
	}
	return newError(wire.TypeNotFound, nil, "There is no suspension %s in force.", suspension)
}

// composeResetFactor asks to take every factor of a person away, so that they can
// enrol again: of a member for their tenant, of staff for the installation.
func (c *Control) composeResetFactor(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, person string) error {
	personID, err := id.Parse[authz.PersonKind](person)
	if err != nil {
		return authz.ErrNotFound
	}
	p, err := c.Accounts.Person(ctx, tx, personID)
	if err != nil {
		return err
	}
	if tenantText(p.Tenant) != s.Tenant.ID {
		return authz.ErrNotFound
	}
	s.Subjects = []statement.Subject{{Kind: "person", ID: person, Name: p.Name}, {Kind: "factor", ID: "all", Name: "every factor"}}
	return nil
}

func (c *Control) composeCloseTenant(ctx context.Context, s *statement.Statement) error {
	var volumes, copies uint64
	seen := map[string]bool{}
	if err := c.eachCopy(ctx, s.Tenant.ID, func(k site.CopyFacts) {
		copies++
		seen[k.Volume] = true
	}); err != nil {
		return err
	}
	volumes = uint64(len(seen))
	s.Subjects = []statement.Subject{{Kind: "tenant", ID: s.Tenant.ID, Name: s.Tenant.Name}}
	s.Facts = []statement.Fact{statement.NumberFact("volumes", volumes), statement.NumberFact("copies", copies)}
	return nil
}

// nameOf is a person's name as a statement shows it; unknown people keep their id.
func (c *Control) nameOf(ctx context.Context, tx *sqldb.Tx, person string) string {
	personID, err := id.Parse[authz.PersonKind](person)
	if err != nil {
		return person
	}
	p, err := c.Accounts.Person(ctx, tx, personID)
	if err != nil {
		return person
	}
	return p.Name
}

func nameOr(name, otherwise string) string {
	if strings.TrimSpace(name) == "" {
		return otherwise
	}
	return name
}

func tenantText(t authz.TenantID) string {
	if t.IsZero() {
		return ""
	}
	return t.String()
}

// subjectsOf are the people whose own cause an action is: their deny does not
// count (T55).
func subjectsOf(ctx context.Context, tx *sqldb.Tx, s statement.Statement, next *charter.Charter, now *charter.Charter) ([]string, error) {
	switch s.Action {
	case statement.ChangeCharter:
		var out []string
		for _, a := range now.Approvers {
			if _, stays := next.Approver(a.ID); !stays {
				out = append(out, a.ID)
			}
		}
		return out, nil
	case statement.LiftFreeze:
		u, _ := s.Subject("freeze")
		f, err := quorumsql.StopByID(ctx, tx, u.ID)
		return []string{f.Person}, err
	case statement.EndSuspension:
		return []string{s.Subjects[1].ID, s.Subjects[2].ID}, nil
	}
	return nil, nil
}

// leafTime is when an entry of the log was written.
func leafTime(ctx context.Context, tx *sqldb.Tx, index int64) (time.Time, error) {
	e, err := quorumsql.LogEntryAt(ctx, tx, index)
	if err != nil {
		return time.Time{}, err
	}
	if e.Kind != audit.KindFactorEnrolled {
		return time.Time{}, quorum.ErrTampered
	}
	return e.At, nil
}

func parseStatement(r quorumsql.Request) (statement.Statement, error) {
	s, err := statement.Parse(r.Statement)
	if err != nil {
		return s, errors.Join(quorum.ErrTampered, err)
	}
	return s, nil
}

// circumstanceOf is what a statement itself says makes it cost more.
func circumstanceOf(s statement.Statement) charter.Circumstance {
	return charter.Circumstance{LastCopy: s.LastCopy(), LastPoint: s.LastPoint(), StaffOpened: s.StaffOpened()}
}
