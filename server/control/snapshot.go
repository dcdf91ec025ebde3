package control

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"holdfast/authz"
	"holdfast/authz/throttle"
	"holdfast/quorum/audit"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// snapshotBody is the private body of a snapshot's leaves.
type snapshotBody struct {
	Tenant   string    `json:"tenant"`
	Volume   string    `json:"volume"`
	Snapshot string    `json:"snapshot"`
	Site     string    `json:"site,omitempty"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
	Digest   string    `json:"digest,omitempty"`
	Files    int64     `json:"files,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"`
	Detail   string    `json:"detail,omitempty"`
}

// TakeSnapshot captures a volume as it is. From now on nobody destroys it alone.
func (c *Control) TakeSnapshot(ctx context.Context, who Caller, ref string, in wire.TakeSnapshot) (wire.Snapshot, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotTake)
	}
	if err != nil {
		return wire.Snapshot{}, err
	}
	s, err := c.Data.TakeSnapshot(ctx, v.Tenant, v.ID, who.ID(), in.Name)
	if err != nil {
		return wire.Snapshot{}, wrap(err)
	}
	if err := c.enterTaken(ctx, s); err != nil {
		return wire.Snapshot{}, err
	}
	return c.showSnapshot(ctx, s)
}

func (c *Control) enterTaken(ctx context.Context, s snapshots.Snapshot) error {
	return c.enter(ctx, s.ID.String(), entry{kind: audit.KindSnapshotTaken, tenant: s.Tenant, subject: s.ID.String(),
		body: snapshotBody{Tenant: s.Tenant, Volume: s.Volume.String(), Snapshot: s.ID.String(), By: s.TakenBy, At: s.TakenAt}})
}

// Snapshots lists a volume's snapshots, newest first, from before the one named,
// which may be empty.
func (c *Control) Snapshots(ctx context.Context, who Caller, ref, before string, limit int) ([]wire.Snapshot, error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotView)
	}
	if err != nil {
		return nil, err
	}
	var from snapshots.SnapshotID
	if before != "" {
		if from, err = snapshots.ParseSnapshotID(before); err != nil {
			return nil, newError(wire.TypeInvalid, err, "before is a snapshot's id.")
		}
	}
	if limit <= 0 {
		limit = snapshots.MaxPage
	}
	page, err := c.Data.Snapshots(ctx, v.Tenant, v.ID, from, limit)
	if err != nil {
		return nil, wrap(err)
	}
	out := []wire.Snapshot{}
	logged, err := c.sealLogged(ctx, page...)
	if err != nil {
		return nil, err
	}
	read, err := c.readBack(ctx, v.Tenant)
	for i := 0; i < len(page) && err == nil; i++ {
		var shown wire.Snapshot
		if shown, err = c.present(ctx, page[i], logged[page[i].ID.String()], read); err == nil {
			out = append(out, shown)
		}
	}
	return out, wrap(err)
}

// Snapshot shows a snapshot with its copies.
func (c *Control) Snapshot(ctx context.Context, who Caller, ref string) (wire.Snapshot, error) {
	s, v, err := c.snapshot(ctx, who, ref)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotView)
	}
	if err != nil {
		return wire.Snapshot{}, err
	}
	return c.showSnapshot(ctx, s)
}

// DeleteSnapshot deletes nothing: no caller has this power. Who may see the
// snapshot is told how to ask for it, and the attempt is logged.
func (c *Control) DeleteSnapshot(ctx context.Context, who Caller, ref string) error {
	s, v, err := c.snapshot(ctx, who, ref)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotView)
	}
	if err != nil {
		return err
	}
	// Refused all the same, but without a leaf: one client does not fill the log.
	if err := c.Throttle.Attempt(ctx, throttle.Refusal, "", address(who.Address)); err != nil {
		return wrap(err)
	}
	e := newError(wire.TypeGateRequired, nil,
		"Nobody deletes a snapshot alone. Open a request; it is done when a quorum of support people has signed it and the delay has passed.")
	e.Ask = &wire.Ask{Method: http.MethodPost, Path: "/v1/requests", Example: fmt.Sprintf("holdfast request delete %s --reason \"…\"", s.ID)}
	c.refused(ctx, who, v.Tenant, s.ID.String(), "delete-snapshot", e)
	return e
}

func (c *Control) showSnapshot(ctx context.Context, s snapshots.Snapshot) (wire.Snapshot, error) {
	logged, err := c.sealLogged(ctx, s)
	if err != nil {
		return wire.Snapshot{}, err
	}
	read, err := c.readBack(ctx, s.Tenant)
	if err != nil {
		return wire.Snapshot{}, err
	}
	out, err := c.present(ctx, s, logged[s.ID.String()], read)
	return out, wrap(err)
}

// sealLogged answers which seals have their digest in the log: only those count.
func (c *Control) sealLogged(ctx context.Context, page ...snapshots.Snapshot) (map[string]bool, error) {
	var ids []string
	for _, s := range page {
		if s.Seal != nil {
			ids = append(ids, s.ID.String())
		}
	}
	return c.entered(ctx, audit.KindSnapshotSealed, ids...)
}

// readBack says since when the bytes of a tenant's snapshots were read back by the
// scrub, the zero time where they never were.
func (c *Control) readBack(ctx context.Context, tenant string) (func(snapshots.Snapshot) time.Time, error) {
	if c.Scrubber == nil {
		return func(snapshots.Snapshot) time.Time { return time.Time{} }, nil
	}
	read, err := c.Scrubber.Verifier(ctx, tenant)
	return read, wrap(err)
}

func (c *Control) present(ctx context.Context, s snapshots.Snapshot, sealed bool, read func(snapshots.Snapshot) time.Time) (wire.Snapshot, error) {
	out := wire.Snapshot{ID: s.ID.String(), Volume: s.Volume.String(), Name: s.Note, At: s.At, TakenAt: s.TakenAt,
		State: string(snapshots.Taken), Copies: []wire.Copy{}}
	if !sealed || s.Seal == nil {
		return out, nil
	}
	out.State, out.Digest = string(snapshots.Sealed), digestText(s.Seal.Digest)
	out.Files, out.Bytes = s.Seal.Files, s.Seal.Bytes
	copies, err := c.Data.Copies(ctx, s.Tenant, s.ID)
	for _, k := range copies {
		shown := showCopy(k)
		if at := read(s); k.Site == c.Site && k.ErasedAt.IsZero() && !at.IsZero() {
			shown.Read = &at
		}
		out.Copies = append(out.Copies, shown)
	}
	return out, err
}

func showCopy(k snapshots.Copy) wire.Copy {
	out := wire.Copy{Site: k.Site, State: string(k.State), Since: k.HeldAt, Suspect: k.Suspect != ""}
	switch k.State {
	case snapshots.Tombstoned:
		out.Since = k.TombstonedAt
	case snapshots.Erased:
		out.Since = k.ErasedAt
	case snapshots.Proven:
		out.Since = k.ProvenAt
	}
	if !k.ProvenAt.IsZero() {
		out.Proven = &k.ProvenAt
	}
	return out
}
