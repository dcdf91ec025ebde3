package scrub

import (
	"context"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// Status is what scrubbing knows.
type Status struct {
	// Pass is the newest pass, zero before the first; Tally is of it. Last is the newest one that was finished.
	Pass  Pass
	Tally Tally
	Last  Pass
	// Rate is in bytes a second.
	Rate int64
	// Quarantined counts bad frames, healed ones included.
	Quarantined int64
	// Packs are those whose newest reading found something, Affected what needs rotten frames; each at most MaxListed.
	Packs    []PackResult
	Affected []Affected
}

// Clean reports whether nothing is rotten. Unknown packs are no rot.
func (s Status) Clean() bool {
	return s.Quarantined == 0 && len(s.Affected) == 0 && s.Tally.Damaged == 0 && s.Tally.Missing == 0
}

// Status answers it.
func (s *Scrubber) Status(ctx context.Context) (out Status, err error) {
	err = s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		out = Status{Rate: s.Rate()}
		passes, err := s.c.Store.Passes(ctx, tx, batchPacks)
		if err != nil {
			return err
		}
		for i, p := range passes {
			if i == 0 {
				out.Pass = p
			}
			if p.FinishedAt.After(p.StartedAt) {
				out.Last = p
				break
			}
		}
		if out.Tally, err = s.c.Store.Tally(ctx, tx, out.Pass.Number); err != nil {
			return err
		}
		if out.Quarantined, err = s.c.Store.CountQuarantined(ctx, tx); err != nil {
			return err
		}
		if out.Packs, err = s.c.Store.PackResults(ctx, tx, MaxListed); err != nil {
			return err
		}
		out.Affected, err = s.c.Store.AffectedNow(ctx, tx, "", MaxListed)
		return err
	})
	return out, err
}

// Verified answers since when every byte of a sealed snapshot has been read as it was written: the beginning of the
// newest finished pass that found the snapshot sealed. It is zero if there is none, or if the snapshot is affected.
func (s *Scrubber) Verified(ctx context.Context, snap snapshots.Snapshot) (time.Time, error) {
	verified, err := s.Verifier(ctx, snap.Tenant)
	if err != nil {
		return time.Time{}, err
	}
	return verified(snap), nil
}

// Verifier answers what answers, for snapshots of one tenant, what Verified does, as things stand now.
func (s *Scrubber) Verifier(ctx context.Context, tenant string) (func(snapshots.Snapshot) time.Time, error) {
	var passes []Pass
	affected := map[snapshots.SnapshotID]bool{}
	full := false
	if err := s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if passes, err = s.c.Store.Passes(ctx, tx, batchPacks); err != nil {
			return err
		}
		list, err := s.c.Store.AffectedNow(ctx, tx, tenant, MaxListed)
		full = len(list) == MaxListed
		for _, a := range list {
			affected[a.Snapshot] = true
		}
		return err
	}); err != nil {
		return nil, err
	}
	return func(snap snapshots.Snapshot) (at time.Time) {
		if snap.Seal == nil || full || affected[snap.ID] { // of more than are listed nothing is said
			return at
		}
		for _, p := range passes {
			if p.FinishedAt.After(p.StartedAt) && p.StartedAt.After(snap.Seal.At) {
				return p.StartedAt
			}
		}
		return at
	}, nil
}
