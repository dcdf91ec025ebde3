package control

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/snapshots"
)

// These are the data path's jobs: what server/jobs calls again and again. Each
// does a bounded part of what is due, goes on after a failure of one thing, and
// can be stopped anywhere.

// SealSnapshots seals snapshots that wait for it and enters their digests into
// the log. It answers how many it finished.
func (c *Control) SealSnapshots(ctx context.Context, limit int) (int, error) {
	deeds, tenants, err := c.owed(ctx, audit.KindSnapshotSealed, limit)
	if err != nil {
		return 0, err
	}
	done := 0
	var errs []error
	seal := func(tenant string, s snapshots.SnapshotID) {
		if err := c.seal(ctx, tenant, s); err != nil {
			errs = append(errs, err)
			return
		}
		done++
	}
	for i := range deeds {
		s, err := snapshots.ParseSnapshotID(deeds[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seal(tenants[i], s)
	}
	waiting, err := c.Data.Unsealed(ctx, limit)
	errs = append(errs, err)
	for _, s := range waiting {
		if ctx.Err() != nil {
			break
		}
		seal(s.Tenant, s.ID)
	}
	return done, wrap(errors.Join(errs...))
}

// seal seals one snapshot: its taking is in the log first, and that its seal will
// be due is written down before the seal is made. Done again it changes nothing:
// the first seal stands (T33).
func (c *Control) seal(ctx context.Context, tenant string, snapshot snapshots.SnapshotID) error {
	s, err := c.Data.Snapshot(ctx, tenant, snapshot)
	if err != nil {
		return err
	}
	if err := c.enterTaken(ctx, s); err != nil {
		return err
	}
	if err := c.owe(ctx, audit.KindSnapshotSealed, s.ID.String(), tenant); err != nil {
		return err
	}
	seal, err := c.Data.Seal(ctx, tenant, s.ID)
	if err != nil {
		return err
	}
	return c.enterSealed(ctx, s, seal)
}

func (c *Control) enterSealed(ctx context.Context, s snapshots.Snapshot, seal snapshots.Seal) error {
	return c.enter(ctx, s.ID.String(), entry{kind: audit.KindSnapshotSealed, tenant: s.Tenant, subject: s.ID.String(),
		body: snapshotBody{Tenant: s.Tenant, Volume: s.Volume.String(), Snapshot: s.ID.String(), Site: c.Site, By: s.TakenBy,
			At: seal.At, Digest: digestText(seal.Digest), Files: seal.Files, Bytes: seal.Bytes}})
}

// ProveSnapshots restores, with the keys, copies of this site that were not proven
// for age, and compares. A copy that fails is flagged as suspect and alarms. It
// answers how many it tried.
func (c *Control) ProveSnapshots(ctx context.Context, age time.Duration, limit int) (int, error) {
	due, err := c.Data.Unproven(ctx, c.now().Add(-age), limit)
	if err != nil {
		return 0, wrap(err)
	}
	tried := 0
	var errs []error
	for _, k := range due {
		if ctx.Err() != nil {
			break
		}
		p, err := c.Data.Prove(ctx, k.Tenant, k.Snapshot)
		if err == nil {
			tried++
			err = c.enterProof(ctx, k, p.At, p.OK, p.Detail)
		}
		errs = append(errs, err)
	}
	return tried, wrap(errors.Join(errs...))
}

func (c *Control) enterProof(ctx context.Context, k snapshots.Copy, when time.Time, ok bool, detail string) error {
	e := entry{kind: audit.KindSnapshotProven, tenant: k.Tenant, subject: k.Snapshot.String(),
		body: snapshotBody{Tenant: k.Tenant, Volume: k.Volume.String(), Snapshot: k.Snapshot.String(), Site: k.Site, At: when, Detail: printable(detail)}}
	if !ok {
		e.kind = audit.KindAlarm
		c.Log.ErrorContext(ctx, "a copy could not be restored and is flagged as suspect", "snapshot", k.Snapshot.String(), "detail", detail)
	}
	return c.enter(ctx, deedAt(k.Snapshot.String(), when), e)
}

// RepairLog compares what the primary site has with what the log has, and enters
// leaves that are missing: of a process that died between a deed and its leaf, or
// of a control database that was restored from before. It answers how many.
func (c *Control) RepairLog(ctx context.Context) (int, error) {
	r := &repair{c: c}
	err := c.eachTenant(ctx, func(tenant string) error { return r.tenant(ctx, tenant) })
	return r.missing, wrap(err)
}

// eachTenant visits every tenant, closed ones too: their copies are still there.
func (c *Control) eachTenant(ctx context.Context, visit func(tenant string) error) error {
	var after authz.TenantID
	for {
		var page []authz.Tenant
		if err := c.read(ctx, func(tx *sqldb.Tx) (err error) {
			page, err = c.Accounts.Tenants(ctx, tx, after)
			return err
		}); err != nil {
			return err
		}
		for _, t := range page {
			if err := visit(t.ID.String()); err != nil {
				return err
			}
			after = t.ID
		}
		if len(page) < authz.MaxListed {
			return nil
		}
	}
}

type repair struct {
	c       *Control
	missing int
}

func (r *repair) tenant(ctx context.Context, tenant string) error {
	if err := r.c.eachVolume(ctx, tenant, func(v snapshots.Volume) error { return r.volume(ctx, v) }); err != nil {
		return err
	}
	var before snapshots.SnapshotID
	for {
		page, err := r.c.Data.Snapshots(ctx, tenant, snapshots.VolumeID{}, before, repairPage)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := r.page(ctx, page); err != nil {
			return err
		}
		before = page[len(page)-1].ID
	}
}

// absent enters a deed that the log does not have.
func (r *repair) absent(ctx context.Context, kind audit.Kind, deed string, enter func() error) error {
	have, err := r.c.entered(ctx, kind, deed)
	if err != nil || have[deed] {
		return err
	}
	r.missing++
	return enter()
}

func (r *repair) volume(ctx context.Context, v snapshots.Volume) error {
	err := r.absent(ctx, audit.KindVolumeCreated, v.ID.String(), func() error { return r.c.enterCreated(ctx, v) })
	if err == nil {
		err = r.retention(ctx, v)
	}
	if err != nil || v.DeletedAt.IsZero() {
		return err
	}
	return r.absent(ctx, audit.KindVolumeDeleted, deedAt(v.ID.String(), v.DeletedAt), func() error { return r.c.enterDeleted(ctx, v, "") })
}

func (r *repair) page(ctx context.Context, page []snapshots.Snapshot) error {
	ids := make([]string, len(page))
	for i, s := range page {
		ids[i] = s.ID.String()
	}
	taken, err := r.c.entered(ctx, audit.KindSnapshotTaken, ids...)
	if err != nil {
		return err
	}
	sealed, err := r.c.entered(ctx, audit.KindSnapshotSealed, ids...)
	if err != nil {
		return err
	}
	for i, s := range page {
		if !taken[ids[i]] {
			r.missing++
			if err := r.c.enterTaken(ctx, s); err != nil {
				return err
			}
		}
		if s.Seal == nil {
			continue
		}
		if !sealed[ids[i]] {
			r.missing++
			if err := r.c.enterSealed(ctx, s, *s.Seal); err != nil {
				return err
			}
		}
		copies, err := r.c.Data.Copies(ctx, s.Tenant, s.ID)
		if err != nil {
			return err
		}
		for _, k := range copies {
			if k.Site != r.c.Site || k.ProvenAt.IsZero() {
				continue
			}
			deed := deedAt(s.ID.String(), k.ProvenAt)
			if err := r.absent(ctx, audit.KindSnapshotProven, deed, func() error { return r.c.enterProof(ctx, k, k.ProvenAt, true, "") }); err != nil {
				return err
			}
		}
	}
	return nil
}
