package control

import (
	"context"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// OpenPull opens a volume, a moment of it, or a snapshot for pulling; Close it.
func (c *Control) OpenPull(ctx context.Context, who Caller, from From, in wire.Pull) (*snapshots.Pull, error) {
	if in.At != nil {
		from.At = *in.At
	}
	src, err := c.find(ctx, who, from, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return nil, err
	}
	p, err := c.Data.OpenPull(ctx, snapshots.PullRequest{
		Tenant: src.volume.Tenant, Volume: src.volume.ID, Moment: src.moment,
		Prefix: string(in.Prefix), After: string(in.After), Until: string(in.Until),
		List: in.List, Path: string(in.Path), Offset: in.Offset,
	})
	return p, wrap(err)
}

// ReadKeys answers the id keys with which a client checks what it pulls, to who
// may pull it. They open nothing: encryption keys never leave the service.
func (c *Control) ReadKeys(ctx context.Context, who Caller, from From) (out wire.ReadKeys, err error) {
	src, err := c.find(ctx, who, from, authz.FileRead, authz.SnapshotRead)
	if err != nil {
		return out, err
	}
	keys, err := c.Data.Readers(ctx, src.volume.Tenant)
	for _, k := range keys {
		out.Keys = append(out.Keys, wire.ReadKey{Number: uint32(k.Number), Identity: k.Identity.Bytes()})
	}
	return out, wrap(err)
}
