package snapshots

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

// NewVolume is what a volume is made of. The zero Profile is the default of the kind, the zero Compression zstd.
type NewVolume struct {
	Tenant  string
	Name    string
	Kind    Kind
	Profile chunk.Profile
	// Compression is what uploads try.
	Compression frame.Compression
	By          string
}

// CreateVolume makes a volume; a live one of the name is ErrExists.
func (e *Engine) CreateVolume(ctx context.Context, n NewVolume) (Volume, error) {
	if err := checkName(n.Name, MaxVolumeName); err != nil {
		return Volume{}, err
	}
	if err := checkNote(n.By); err != nil {
		return Volume{}, err
	}
	if !n.Kind.Valid() {
		return Volume{}, ErrKind
	}
	if n.Profile == 0 {
		n.Profile = chunk.ProfileFiles
	}
	if !n.Profile.Valid() {
		return Volume{}, fmt.Errorf("%w: chunk profile", ErrKind)
	}
	if n.Compression == 0 {
		n.Compression = frame.CompressionZstd
	}
	if !n.Compression.Valid() {
		return Volume{}, fmt.Errorf("%w: compression", ErrKind)
	}
	w, err := e.writer(ctx, n.Tenant)
	if err != nil {
		return Volume{}, err
	}
	now := sqldb.FromMicros(sqldb.Micros(e.c.Now()))
	v := Volume{ID: id.New[volumeKind](now), Tenant: n.Tenant, Name: n.Name, Kind: n.Kind, Profile: n.Profile, Compression: n.Compression, CreatedAt: now, CreatedBy: n.By}
	if err := w.submit(ctx, &op{volume: v.ID, create: &v, muts: []Mutation{{Op: OpCreate, Name: n.Name, Kind: n.Kind, Profile: n.Profile, By: n.By}}}); err != nil {
		return Volume{}, err
	}
	return e.Volume(ctx, n.Tenant, v.ID)
}

// Volume answers a volume of the tenant, deleted ones too.
func (e *Engine) Volume(ctx context.Context, tenant string, v VolumeID) (out Volume, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Volume(ctx, tx, tenant, v)
		return err
	})
	return out, err
}

// VolumeByName finds a live volume.
func (e *Engine) VolumeByName(ctx context.Context, tenant, name string) (out Volume, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.VolumeByName(ctx, tx, tenant, name)
		return err
	})
	return out, err
}

// Volumes lists the tenant's volumes in the order of their making.
func (e *Engine) Volumes(ctx context.Context, tenant string, deleted bool, after VolumeID, limit int) (out []Volume, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Volumes(ctx, tx, tenant, deleted, after, pageSize(limit))
		return err
	})
	return out, err
}

// DeleteVolume deletes primary data: the volume can be brought back within the undo window. Its snapshots stay.
func (e *Engine) DeleteVolume(ctx context.Context, tenant string, v VolumeID, by string) error {
	return e.change(ctx, tenant, v, nil, Mutation{Op: OpDeleteVolume, By: by})
}

// UndeleteVolume brings a deleted volume back, under its name if that is free.
func (e *Engine) UndeleteVolume(ctx context.Context, tenant string, v VolumeID, by string) error {
	old, err := e.Volume(ctx, tenant, v)
	if err != nil {
		return err
	}
	return e.change(ctx, tenant, v, func(ctx context.Context, tx *sqldb.Tx, v Volume) error {
		if v.DeletedAt.IsZero() {
			return ErrExists
		}
		cutoff, err := e.undoBegins(ctx, tx, v)
		if err == nil && v.DeletedAt.Before(cutoff) {
			err = ErrReclaimed
		}
		return err
	}, Mutation{Op: OpUndelete, Name: old.Name, By: by})
}

// change commits mutations that bring no bytes.
func (e *Engine) change(ctx context.Context, tenant string, v VolumeID, check func(context.Context, *sqldb.Tx, Volume) error, muts ...Mutation) error {
	w, err := e.writer(ctx, tenant)
	if err != nil {
		return err
	}
	return w.submit(ctx, &op{volume: v, check: check, muts: muts})
}

// undo is the undo window that holds for a tenant: the longer of the charter's and its own.
func (e *Engine) undo(ctx context.Context, tx *sqldb.Tx, tenant string) (time.Duration, error) {
	t, err := e.c.Store.Tenant(ctx, tx, tenant)
	return max(t.Undo, e.c.Undo()), err
}

func pageSize(n int) int {
	if n <= 0 {
		return DefaultPage
	}
	return min(n, MaxPage)
}
