package control

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"holdfast/authz"
	"holdfast/authz/ticket"
	"holdfast/internal/id"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/chunk"
)

// DataPath is the primary site's engine: it takes bytes in, gives them back,
// takes and seals snapshots. It has no way to destroy a copy.
type DataPath = *snapshots.Engine

// TicketVerifier checks the tickets that Deps.Tickets mints, as the site does.
type TicketVerifier = *ticket.Verifier

var _ = register(
	translation{snapshots.ErrNotFound, wire.TypeNotFound, "There is nothing here under this name that you may see."},
	translation{snapshots.ErrExists, wire.TypeConflict, "There is a volume under this name already."},
	translation{snapshots.ErrPath, wire.TypeInvalid, "This is not a usable path: relative, with no empty part, \".\", \"..\" or NUL, at most 4096 bytes, each name at most 255."},
	translation{snapshots.ErrName, wire.TypeInvalid, "This is not a usable name: not empty, no control characters, not too long."},
	translation{snapshots.ErrKind, wire.TypeConflict, "This does not fit what is there: a volume holds either files or one stream, and only files have content."},
	translation{snapshots.ErrQuota, wire.TypeQuota, "The tenant's quota is reached. Nothing of this was kept, and nothing was pruned to make room. Ask for a larger quota."},
	translation{blob.ErrFull, wire.TypeStorageFull, "The storage is full. Nothing of this was kept, and nothing was pruned to make room."},
	translation{syscall.ENOSPC, wire.TypeStorageFull, "The storage is full. Nothing of this was kept, and nothing was pruned to make room."},
	translation{syscall.EDQUOT, wire.TypeStorageFull, "The storage is full. Nothing of this was kept, and nothing was pruned to make room."},
	translation{snapshots.ErrPrecondition, wire.TypePrecondition, "The content is not the one that the precondition names. Nothing was changed."},
	translation{snapshots.ErrReclaimed, wire.TypeNotFound, "This moment is older than the undo window, and no snapshot keeps it."},
	translation{snapshots.ErrRange, wire.TypeRange, "The range lies outside the content."},
	translation{snapshots.ErrNotSealed, wire.TypeConflict, "The snapshot is not sealed yet. Try again in a moment."},
	translation{snapshots.ErrLease, wire.TypeUnavailable, "The transfer was interrupted for too long. Nothing is lost: send it again."},
	translation{snapshots.ErrChunkGone, wire.TypeUnavailable, "The transfer has to be repeated. Nothing is lost: send it again."},
	translation{snapshots.ErrClosed, wire.TypeUnavailable, "The service is shutting down. Try again in a moment."},
	translation{snapshots.ErrTooLarge, wire.TypeInvalid, "The metadata is too large."},
	translation{snapshots.ErrShorter, wire.TypeGateRequired, "Nobody shortens what is kept alone. Open a request."},
	translation{chunk.ErrProfile, wire.TypeInvalid, "There is no such chunk profile: write files, disk or pages."},
	translation{ticket.ErrInvalid, wire.TypeNotAuthenticated, "This ticket is not in force: it is unknown, expired or for another place."},
	translation{ticket.ErrNotPermitted, wire.TypeDenied, "The ticket does not cover this operation."},
	translation{ticket.ErrOps, wire.TypeInvalid, "Operations are put, get, delete, list and restore, each once."},
)

// From names what to read: a volume as it is (zero At), at a moment of the undo
// window, or a snapshot.
type From struct {
	Volume   string // id or exact name
	At       time.Time
	Snapshot string
}

// source is a From that was found and that the caller may use.
type source struct {
	volume   snapshots.Volume
	moment   snapshots.Moment
	snapshot snapshots.Snapshot // zero for a volume
}

// find resolves from and decides. past also finds deleted volumes, for a moment at
// which they lived. Another tenant's volume or snapshot is not found, in the very
// words of one that does not exist (T11).
func (c *Control) find(ctx context.Context, who Caller, from From, live, past authz.Action) (source, error) {
	if from.Snapshot == "" {
		v, err := c.volume(ctx, who, from.Volume, !from.At.IsZero())
		if err != nil {
			return source{}, err
		}
		return source{volume: v, moment: snapshots.Moment{Time: from.At}}, c.reach(who, v, live)
	}
	s, v, err := c.snapshot(ctx, who, from.Snapshot)
	if err != nil {
		return source{}, err
	}
	return source{v, snapshots.Moment{Snapshot: s.ID}, s}, c.reach(who, v, past)
}

// volume finds a volume of the caller's tenant by id or exact name. A deleted one
// is found only by id and only where deleted says so.
func (c *Control) volume(ctx context.Context, who Caller, ref string, deleted bool) (v snapshots.Volume, err error) {
	tenant := who.tenantID()
	if tenant == "" {
		return v, wrap(snapshots.ErrNotFound)
	}
	v, err = c.volumeOf(ctx, tenant, ref)
	if err == nil && (who.grant != nil && who.grant.Volume != v.ID.String() || !deleted && !v.DeletedAt.IsZero()) {
		err = snapshots.ErrNotFound
	}
	return v, wrap(err)
}

// volumeOf finds a volume of a tenant by id, deleted or not, or by exact name. It
// decides nothing.
func (c *Control) volumeOf(ctx context.Context, tenant, ref string) (snapshots.Volume, error) {
	if volumeID, bad := snapshots.ParseVolumeID(ref); bad == nil {
		return c.Data.Volume(ctx, tenant, volumeID)
	}
	return c.Data.VolumeByName(ctx, tenant, ref)
}

// snapshot finds a snapshot with its volume, of the caller's tenant, or for staff
// of any.
func (c *Control) snapshot(ctx context.Context, who Caller, ref string) (s snapshots.Snapshot, v snapshots.Volume, err error) {
	snapshotID, err := snapshots.ParseSnapshotID(ref)
	if err != nil {
		return s, v, wrap(snapshots.ErrNotFound)
	}
	tenant := who.tenantID()
	if tenant == "" && who.Principal.Staff != 0 {
		tenant, err = c.Data.SnapshotTenant(ctx, snapshotID)
	}
	if err == nil && tenant == "" {
		err = snapshots.ErrNotFound
	}
	if err == nil {
		s, err = c.Data.Snapshot(ctx, tenant, snapshotID)
	}
	if err == nil {
		v, err = c.Data.Volume(ctx, tenant, s.Volume)
	}
	if err == nil && who.grant != nil && who.grant.Volume != v.ID.String() {
		err = snapshots.ErrNotFound
	}
	return s, v, wrap(err)
}

// grantOps are the only actions that a ticket can open.
var grantOps = map[authz.Action]ticket.Op{
	authz.FileWrite: ticket.Put, authz.FileRead: ticket.Get, authz.FileDelete: ticket.Delete,
	authz.VolumeView: ticket.List, authz.SnapshotView: ticket.List, authz.SnapshotRead: ticket.Restore,
}

// reach decides an action on a volume or something in it: for a ticket by what it
// covers, otherwise by the policy.
func (c *Control) reach(who Caller, v snapshots.Volume, a authz.Action) error {
	if who.grant != nil {
		return wrap(who.grant.Permits(v.Tenant, v.ID.String(), grantOps[a]))
	}
	r, err := volumeResource(v)
	if err != nil {
		return wrap(err)
	}
	err = c.decide(who, a, r, "")
	if errors.Is(err, authz.ErrNotFound) {
		return wrap(snapshots.ErrNotFound) // the words of a thing that does not exist
	}
	return err
}

func volumeResource(v snapshots.Volume) (authz.Resource, error) {
	tenant, err := id.Parse[authz.TenantKind](v.Tenant)
	return authz.Resource{Kind: authz.ResourceVolume, ID: v.ID.String(), Tenant: tenant, Volume: v.ID.String()}, err
}

// ownTenant is the caller's tenant as a resource.
func ownTenant(who Caller) authz.Resource {
	return authz.Resource{Kind: authz.ResourceTenant, ID: who.tenantID(), Tenant: who.Principal.Tenant}
}

// reserved are names that would be mistaken for something else in a URL.
func reserved(name string) bool {
	return name == "." || name == ".." || name == "snapshots" || strings.ContainsAny(name, "/\\") ||
		strings.HasPrefix(name, "vol_") || strings.HasPrefix(name, "snp_") || strings.TrimSpace(name) != name
}
