package warrant

import (
	"fmt"
	"slices"
	"time"

	"holdfast/quorum/charter"
	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
)

// Authorise adds to the stranger's check what only the site knows, and mints the permit for one stage. It is called
// afresh, under the site's lock, before tombstone and again before erase: every check is repeated. Any doubt is an error.
func Authorise(v Verified, f SiteFacts, now clock.Reading) (Permit, error) {
	if !v.ok {
		return Permit{}, ErrNotVerified
	}
	if !f.Complete || f.Site == "" {
		return Permit{}, ErrFacts
	}
	if _, ok := v.charters.Newest.Site(f.Site); !ok {
		return Permit{}, fmt.Errorf("%w: the charter does not name site %q", ErrFacts, f.Site)
	}
	hides := v.statement.Action == statement.DeleteCopies || v.statement.Action == statement.DestroyKey
	switch f.Stage {
	case StageTombstone, StageErase:
		if !hides {
			return Permit{}, fmt.Errorf("%w: %s has no %s", ErrFacts, v.statement.Action, f.Stage)
		}
	case StageApply:
		if hides {
			return Permit{}, fmt.Errorf("%w: %s is hidden first", ErrFacts, v.statement.Action)
		}
	default:
		return Permit{}, fmt.Errorf("%w: stage %d", ErrFacts, f.Stage)
	}
	r, err := v.requirement(f.Site)
	if err != nil {
		return Permit{}, err
	}
	for _, check := range []func() error{
		func() error { return v.checkQuorum(f.Site) },
		func() error { return v.checkStops(f) },
		func() error { return v.checkTimers(f, r, now) },
		func() error { return v.checkLog(f) },
		func() error { return v.checkSpent(f) },
		func() error { return v.checkTargets(f) },
		func() error { return v.checkLast(f, now.Wall) },
		func() error { return v.checkCaps(f, r.Caps) },
		func() error { return v.checkStagger(f, now.Wall) },
		func() error { return v.checkRelease(f) },
	} {
		if err := check(); err != nil {
			return Permit{}, err
		}
	}
	p := Permit{seal: minted, site: f.Site, request: v.statement.Request, tenant: v.statement.Tenant.ID,
		action: string(v.statement.Action), stage: f.Stage, digest: v.digest, until: now.Wall.Add(PermitLife)}
	for _, c := range v.statement.At(f.Site) {
		p.copies = append(p.copies, Target{Volume: c.Volume, Snapshot: c.Snapshot, Digest: c.Digest, TakenAt: c.TakenAt, Bytes: c.Bytes, Files: c.Files})
	}
	for _, s := range v.statement.Subjects {
		p.subjects = append(p.subjects, s.ID)
	}
	return p, nil
}

func (v Verified) checkStops(f SiteFacts) error {
	for _, s := range f.Stops {
		if !s.Valid() {
			return fmt.Errorf("%w: a stop that nobody verified", ErrFacts)
		}
		if s.Concerns(v.statement.Request, v.statement.Tenant.ID, v.digest) && !v.ownCause(s.stop, f.OwnCause) {
			return fmt.Errorf("%w: %s by %s", ErrStopped, s.stop.Kind, s.stop.Person)
		}
	}
	if f.Suspect {
		return fmt.Errorf("%w: destruction is suspended", ErrClock)
	}
	switch v.statement.Action {
	case statement.ChangeCharter, statement.LiftFreeze, statement.EndSuspension:
		// These run during a freeze, or no freeze could end.
	default:
		if f.Frozen {
			return ErrFrozen
		}
	}
	switch v.statement.Action {
	case statement.ReleaseHold, statement.ChangeCharter, statement.LiftFreeze, statement.EndSuspension, statement.ResetFactor:
		return nil
	}
	if f.TenantHeld {
		return fmt.Errorf("%w: tenant", ErrHeld)
	}
	for _, c := range v.statement.At(f.Site) {
		if slices.Contains(f.Held, c.Volume) {
			return fmt.Errorf("%w: volume %s", ErrHeld, c.Volume)
		}
	}
	for _, s := range v.statement.Subjects {
		if slices.Contains(f.Held, s.ID) {
			return fmt.Errorf("%w: %s %s", ErrHeld, s.Kind, s.ID)
		}
	}
	return nil
}

// ownCause says whether a deny or a cancel is by somebody whose own case this is: it does not count (T55). Who asked
// for something may cancel it all the same.
func (v Verified) ownCause(s Stop, own []string) bool {
	if s.Kind != StopDeny && (s.Kind != StopCancel || s.Person == v.statement.Requester.ID) {
		return false
	}
	switch v.statement.Action {
	case statement.EndSuspension:
		return slices.ContainsFunc(v.statement.Subjects, func(t statement.Subject) bool { return t.Kind == "person" && t.ID == s.Person })
	case statement.ChangeCharter, statement.LiftFreeze:
		return slices.Contains(own, s.Person)
	}
	return false
}

func (v Verified) checkTimers(f SiteFacts, r charter.Requirement, now clock.Reading) error {
	clocks := max(v.charters.Named.Clocks, v.charters.Newest.Clocks)
	if !now.Agrees(clocks) {
		return fmt.Errorf("%w: fewer than %d outside clocks", ErrClock, clocks)
	}
	if f.Cooling.Suspended || f.Grace.Suspended {
		return fmt.Errorf("%w: a jump was seen", ErrClock)
	}
	if !f.Cooling.Done() || f.Cooling.Need < r.Cooling || f.CoolingEnded.IsZero() || f.CoolingEnded.After(now.Wall) {
		return fmt.Errorf("%w: cooling-off", ErrNotDue)
	}
	switch f.Stage {
	case StageErase:
		if !f.Grace.Done() || f.Grace.Need < r.Grace || r.Grace <= 0 || f.GraceEnded.IsZero() || f.GraceEnded.After(now.Wall) {
			return fmt.Errorf("%w: grace", ErrNotDue)
		}
	default:
		// A tombstone that stands in time is erased even if its grace runs past execute-until.
		if !now.Wall.Before(v.statement.ExecuteUntil) {
			return ErrLate
		}
	}
	return nil
}

// checkLog demands a checkpoint newer than the timer's end, witnessed, whose every leaf the site has replayed, with the
// site's own intent in it and the other holders past it.
func (v Verified) checkLog(f SiteFacts) error {
	ended := f.CoolingEnded
	if f.Stage == StageErase {
		ended = f.GraceEnded
	}
	c := v.charters.Newest
	if f.Checkpoint.Origin != c.Log.ID || f.Checkpoint.Size <= v.lastVote {
		return fmt.Errorf("%w: checkpoint of another or a shorter log", ErrLog)
	}
	if f.Checkpoint.Size < v.checkpoint.Size {
		return fmt.Errorf("%w: checkpoint older than the warrant's", ErrNotDue)
	}
	need := max(v.charters.Named.Witnesses, c.Witnesses)
	if need == 0 {
		if !f.Checkpoint.At.After(ended) {
			return fmt.Errorf("%w: no checkpoint since the timer's end", ErrNotDue)
		}
	} else if n := Witnessed(f.Checkpoint, c, ended); n < need {
		return fmt.Errorf("%w: %d of %d since the timer's end", ErrWitnesses, n, need)
	}
	if f.Replayed < f.Checkpoint.Size {
		return fmt.Errorf("%w: replayed %d of %d leaves", ErrNotDue, f.Replayed, f.Checkpoint.Size)
	}
	if f.Stage != StageTombstone {
		return nil
	}
	if f.Intent < 0 || f.Intent >= f.Checkpoint.Size || f.Intent <= v.lastVote {
		return fmt.Errorf("%w: intent is not in the log", ErrNotDue)
	}
	if !f.HoldersPast {
		return fmt.Errorf("%w: other holders have not seen the intent", ErrNotDue)
	}
	return nil
}

func (v Verified) checkSpent(f SiteFacts) error {
	switch f.Stage {
	case StageErase:
		if !f.Spent {
			return fmt.Errorf("%w: erase before tombstone", ErrNotDue)
		}
	default:
		if f.Spent {
			return ErrSpent
		}
	}
	return nil
}

// checkTargets compares each target with the site's own word (T20, T58). Nothing is skipped: one that differs stops all.
func (v Verified) checkTargets(f SiteFacts) error {
	copies := v.statement.At(f.Site)
	if v.statement.Action != statement.DeleteCopies {
		return nil
	}
	if len(copies) == 0 {
		return fmt.Errorf("%w: nothing at site %s", ErrInventory, f.Site)
	}
	held := map[[2]string]Holding{}
	for _, h := range f.Inventory {
		held[[2]string{h.Volume, h.Snapshot}] = h
	}
	for _, c := range copies {
		h, ok := held[[2]string{c.Volume, c.Snapshot}]
		switch {
		case !ok:
			return fmt.Errorf("%w: %s is not here", ErrInventory, c.Snapshot)
		case h.Digest != c.Digest || !h.TakenAt.Equal(c.TakenAt) || h.Bytes != c.Bytes || h.Files != c.Files:
			return fmt.Errorf("%w: %s", ErrInventory, c.Snapshot)
		case h.Held:
			return fmt.Errorf("%w: snapshot %s", ErrHeld, c.Snapshot)
		case f.Stage == StageErase && !h.Tombstoned:
			return fmt.Errorf("%w: %s is not tombstoned", ErrInventory, c.Snapshot)
		case v.statement.Selection == statement.ByRule && f.Stage == StageTombstone && !slices.Contains(f.Chosen, c.Snapshot):
			return fmt.Errorf("%w: the keep rule does not choose %s", ErrInventory, c.Snapshot)
		}
	}
	return nil
}

// checkLast refuses what the people did not read: a copy that is the last by the site's own facts but not by the
// statement. Where the statement says it, the surcharge was in the requirement all along (I8, T26, T52).
func (v Verified) checkLast(f SiteFacts, now time.Time) error {
	if v.statement.Action != statement.DeleteCopies {
		return nil
	}
	undo := max(v.charters.Named.Undo, v.charters.Newest.Undo)
	remains := map[string]bool{}
	for _, p := range f.Points {
		if p.Counts(now, undo) {
			remains[p.Volume] = true
		}
	}
	elsewhere := map[string]bool{}
	for _, h := range f.Inventory {
		if h.ProvenElsewhere {
			elsewhere[h.Snapshot] = true
		}
	}
	for _, c := range v.statement.At(f.Site) {
		saysCopy := c.Last == statement.LastCopy || c.Last == statement.LastBoth
		saysPoint := c.Last == statement.LastPoint || c.Last == statement.LastBoth
		if v.charters.Newest.MultiSite() && !elsewhere[c.Snapshot] && !saysCopy {
			return fmt.Errorf("%w: no proven copy of %s is left elsewhere", ErrLastCopy, c.Snapshot)
		}
		if !remains[c.Volume] && !saysPoint {
			return fmt.Errorf("%w: no restore point of %s is left", ErrLastCopy, c.Volume)
		}
	}
	return nil
}

// checkCaps counts this request on top of the rolling day and of what is under way (T25). For the erase stage the
// request was counted when it was tombstoned.
func (v Verified) checkCaps(f SiteFacts, caps charter.Caps) error {
	if v.statement.Action != statement.DeleteCopies {
		return nil
	}
	var sum Amount
	for _, c := range v.statement.At(f.Site) {
		if !sum.add(Amount{1, c.Bytes}) {
			return fmt.Errorf("%w: sum", ErrCaps)
		}
	}
	if sum.Copies > caps.RequestCopies || sum.Bytes > caps.RequestBytes {
		return fmt.Errorf("%w: %d copies, %d bytes in one request", ErrCaps, sum.Copies, sum.Bytes)
	}
	if f.Stage == StageErase {
		return nil
	}
	if !sum.add(f.Destroyed) || !sum.add(f.Pending) || sum.Copies > caps.DayCopies || sum.Bytes > caps.DayBytes {
		return fmt.Errorf("%w: %d copies, %d bytes in a day", ErrCaps, sum.Copies, sum.Bytes)
	}
	return nil
}

// add reports false instead of wrapping around.
func (a *Amount) add(b Amount) bool {
	c, d := a.Copies+b.Copies, a.Bytes+b.Bytes
	if c < a.Copies || d < a.Bytes {
		return false
	}
	a.Copies, a.Bytes = c, d
	return true
}

func (v Verified) checkStagger(f SiteFacts, now time.Time) error {
	stagger := max(v.charters.Named.Stagger, v.charters.Newest.Stagger)
	if !f.OtherErased.IsZero() && now.Before(f.OtherErased.Add(stagger)) {
		return fmt.Errorf("%w: another site erased a copy at %s", ErrNotDue, f.OtherErased.Format(timeLayout))
	}
	return nil
}

// checkRelease demands, at an independent site, one independent vote again, fresh, over the site's own nonce (T30, T53).
func (v Verified) checkRelease(f SiteFacts) error {
	site, _ := v.charters.Newest.Site(f.Site)
	if site.Role != charter.Independent {
		return nil
	}
	if f.Release == nil || f.ReleaseNonce == (Nonce{}) {
		return ErrRelease
	}
	rel := *f.Release
	voted := slices.ContainsFunc(v.approvals, func(a charter.Approval) bool { return a.Person == rel.Person && a.Independent })
	if !voted {
		return fmt.Errorf("%w: %s cast no independent vote", ErrRelease, rel.Person)
	}
	owner, k, ok := v.charters.Newest.Key(rel.Passkey.CredentialID)
	if !ok || owner.ID != rel.Person {
		return fmt.Errorf("%w: %w", ErrRelease, ErrUnknownKey)
	}
	presence, err := rel.Passkey.Verify(charterKey(k), Parties(v.charters.Newest), ReleaseChallenge(f.ReleaseNonce, v.digest))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRelease, err)
	}
	if !presence.Independent {
		return fmt.Errorf("%w: not from an independent origin", ErrRelease)
	}
	return nil
}
