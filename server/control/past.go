package control

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// Compare answers a page of what differs between two moments, of one volume or of
// two: entries below prefix that were added, changed or deleted from was to is.
func (c *Control) Compare(ctx context.Context, who Caller, was, is From, prefix, cursor string, limit int) (wire.Differences, error) {
	a, err := c.find(ctx, who, was, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return wire.Differences{}, err
	}
	b, err := c.find(ctx, who, is, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return wire.Differences{}, err
	}
	if a.volume.Tenant != b.volume.Tenant {
		return wire.Differences{}, wrap(snapshots.ErrNotFound)
	}
	found, err := c.Data.Compare(ctx, snapshots.CompareRequest{Tenant: a.volume.Tenant, From: a.volume.ID, Was: a.moment, To: b.volume.ID, Is: b.moment,
		Prefix: prefix, Cursor: cursor, Limit: limit})
	if errors.Is(err, snapshots.ErrFormat) {
		return wire.Differences{}, newError(wire.TypeInvalid, err, "The cursor is not one of a page before.")
	}
	out := wire.Differences{Changes: []wire.Change{}, Next: found.Next}
	for _, x := range found.Changes {
		change := wire.Change{Kind: "changed"}
		if x.Was != nil {
			e := showEntry(x.Was.Entry)
			change.Was = &e
		} else {
			change.Kind = "added"
		}
		if x.Is != nil {
			e := showEntry(x.Is.Entry)
			change.Is = &e
		} else {
			change.Kind = "deleted"
		}
		out.Changes = append(out.Changes, change)
	}
	return out, wrap(err)
}

// Deletions answers a page of what was deleted from a volume within its undo window
// and is not there now, newest first.
func (c *Control) Deletions(ctx context.Context, who Caller, ref, cursor string) (wire.Deletions, error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.FileRead)
	}
	if err != nil {
		return wire.Deletions{}, err
	}
	at, err := parseRemoved(cursor)
	if err != nil {
		return wire.Deletions{}, newError(wire.TypeInvalid, err, "The cursor is not one of a page before.")
	}
	found, next, err := c.Data.Removed(ctx, v.Tenant, v.ID, at)
	out := wire.Deletions{Deletions: []wire.Deletion{}}
	for _, r := range found {
		e := showEntry(r.Entry)
		e.ETag, e.ModTime = "", time.Time{}
		out.Deletions = append(out.Deletions, wire.Deletion{Entry: e, At: r.At, Before: r.Before})
	}
	if next != nil {
		out.Next = strconv.FormatInt(next.Seq, 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(next.Path))
	}
	return out, wrap(err)
}

func parseRemoved(cursor string) (at snapshots.RemovedCursor, err error) {
	if cursor == "" {
		return at, nil
	}
	seq, path, ok := strings.Cut(cursor, ".")
	if at.Seq, err = strconv.ParseInt(seq, 10, 64); err != nil || at.Seq < 1 || !ok {
		return at, snapshots.ErrFormat
	}
	raw, err := base64.RawURLEncoding.DecodeString(path)
	if err != nil || len(raw) == 0 || len(raw) > snapshots.MaxPath {
		return at, snapshots.ErrFormat
	}
	at.Path = string(raw)
	return at, nil
}

// Timeline counts a volume's snapshots from a moment on, in spans of equal width.
func (c *Control) Timeline(ctx context.Context, who Caller, ref string, from time.Time, width time.Duration, spans int) (wire.Timeline, error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotView)
	}
	if err != nil {
		return wire.Timeline{}, err
	}
	found, err := c.Data.Timeline(ctx, v.Tenant, v.ID, from, width, spans)
	if errors.Is(err, snapshots.ErrRange) {
		return wire.Timeline{}, newError(wire.TypeInvalid, err, "A timeline has spans of at least a second, and not too many.")
	}
	out := wire.Timeline{From: from, Width: width, Spans: spans}
	for _, b := range found {
		if len(out.Lanes) == 0 || out.Lanes[len(out.Lanes)-1].Site != b.Site {
			out.Lanes = append(out.Lanes, wire.Lane{Site: b.Site})
		}
		lane := &out.Lanes[len(out.Lanes)-1]
		lane.Marks = append(lane.Marks, wire.Mark{Span: int(b.Number), Count: b.Count, Whole: b.Whole, Proven: b.Proven, Erased: b.Erased, Newest: b.Newest.String()})
	}
	return out, wrap(err)
}

// Glances says how well the tenant's volumes are protected: a page of them from
// after the one named, and the id to go on after.
func (c *Control) Glances(ctx context.Context, who Caller, after string) (out []wire.Glance, next string, err error) {
	if err := c.decide(who, authz.VolumeView, ownTenant(who), ""); err != nil {
		return nil, "", err
	}
	if err := c.decide(who, authz.SnapshotView, ownTenant(who), ""); err != nil {
		return nil, "", err
	}
	var from snapshots.VolumeID
	if after != "" {
		if from, err = snapshots.ParseVolumeID(after); err != nil {
			return nil, "", newError(wire.TypeInvalid, err, "after is a volume's id.")
		}
	}
	undo, still, err := c.undoOf(ctx, who.tenantID())
	if err != nil {
		return nil, "", err
	}
	page, err := c.Data.Volumes(ctx, who.tenantID(), true, from, glancePage+1)
	if err != nil {
		return nil, "", wrap(err)
	}
	if len(page) > glancePage {
		page = page[:glancePage]
		next = page[glancePage-1].ID.String()
	}
	own, err := c.Data.OwnUndos(ctx, who.tenantID())
	if err != nil {
		return nil, "", wrap(err)
	}
	read, err := c.readBack(ctx, who.tenantID())
	if err != nil {
		return nil, "", wrap(err)
	}
	for _, v := range page {
		g, err := c.glance(ctx, v, read)
		if err != nil {
			return nil, "", wrap(err)
		}
		g.Volume = c.showVolume(v, max(undo, own[v.ID]), still.Of(v.ID))
		out = append(out, g)
	}
	return out, next, nil
}

// Glance says how well one volume is protected.
func (c *Control) Glance(ctx context.Context, who Caller, ref string) (g wire.Glance, err error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.VolumeView)
	}
	if err == nil {
		err = c.reach(who, v, authz.SnapshotView)
	}
	if err != nil {
		return g, err
	}
	read, err := c.readBack(ctx, v.Tenant)
	if err != nil {
		return g, wrap(err)
	}
	if g, err = c.glance(ctx, v, read); err != nil {
		return g, wrap(err)
	}
	g.Volume, err = c.shown(ctx, v)
	return g, err
}

// glance looks at one volume; read is the tenant's readBack.
func (c *Control) glance(ctx context.Context, v snapshots.Volume, read func(snapshots.Snapshot) time.Time) (g wire.Glance, err error) {
	newest, err := c.Data.Standing(ctx, v.Tenant, v.ID, glanceSnapshots)
	if err != nil {
		return g, err
	}
	logged, err := c.sealLogged(ctx, newest...)
	if err != nil {
		return g, err
	}
	for _, s := range newest {
		shown, err := c.present(ctx, s, logged[s.ID.String()], read)
		if err != nil {
			return g, err
		}
		if g.Latest == nil {
			g.Latest = &shown
		}
		for _, k := range shown.Copies {
			whole := k.State == string(snapshots.Held) || k.State == string(snapshots.Proven)
			if whole && g.Sealed == nil {
				g.Sealed = &shown
			}
			if k.Suspect {
				g.Suspect++
			}
			if k.Proven != nil && whole && (g.Proven == nil || k.Proven.After(*g.Proven)) {
				g.Proven = k.Proven
			}
			if k.Read != nil && whole && (g.Read == nil || k.Read.After(*g.Read)) {
				g.Read = k.Read
			}
		}
	}
	sizes, err := c.Data.Sizes(ctx, v.Tenant, v.ID, glanceSizes)
	for i := len(sizes) - 1; i >= 0; i-- {
		g.Sizes = append(g.Sizes, sizes[i].Bytes)
	}
	return g, err
}

// PreviewRequest says what a request for a deletion would come to, and drafts
// nothing.
func (c *Control) PreviewRequest(ctx context.Context, who Caller, ask wire.AskRequest) (*wire.Impact, error) {
	tenant, err := c.mayDraft(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	_, impact, err := c.compose(ctx, who, "", draft{Ask: ask, Tenant: tenant, OpenedBy: party(who)}, c.now())
	return impact, err
}

const (
	// glancePage is how many volumes one answer looks at; glanceSnapshots how many
	// snapshots of each, the newest that stand; glanceSizes how many sizes.
	glancePage      = 20
	glanceSnapshots = 3
	glanceSizes     = 60
)
