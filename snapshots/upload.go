package snapshots

import (
	"context"
	"fmt"
	"time"

	"holdfast/internal/id"
	"holdfast/internal/sqldb"
)

// UploadState is how far an upload is.
type UploadState string

const (
	// UploadOpen takes more bytes.
	UploadOpen UploadState = "open"
	// UploadDone became a version.
	UploadDone UploadState = "done"
	// UploadGivenUp takes no more bytes, and what it brought is released.
	UploadGivenUp UploadState = "given up"
)

// Upload is one file on its way here as plain bytes that may break off and go on. Nothing of it is visible before its last
// byte. It belongs to who began it, and is forgotten UploadLife after its last use.
type Upload struct {
	ID          UploadID
	Tenant      string
	Volume      VolumeID
	Owner       string
	Path        string
	Size        int64 // as announced; exactly so many bytes make a version
	Modified    int64 // of the file, in nanoseconds since 1970 UTC, as announced
	ContentType string

	State    UploadState
	Offset   int64 // durable bytes
	Segments int64 // partials that it has
	ETag     [32]byte
	Seq      int64 // of the version, when it is done
	Began    int64 // microseconds since 1970 UTC
	At       int64 // of its last use
}

// push is the push under which the upload's partials are kept.
func (u Upload) push() PushID { return PushID(u.ID) }

// NewUpload announces a file. Path is empty or StreamPath for stream volumes.
type NewUpload struct {
	Tenant      string
	Volume      VolumeID
	Owner       string
	Path        string
	Size        int64 // 1 to maxUploadSize bytes
	Modified    time.Time
	ContentType string
}

// BegunUpload is an upload that was begun, or found.
type BegunUpload struct {
	Upload
	// Found means that the same file was begun before: the same owner, path, size and date. It is done when the volume has
	// it still.
	Found bool
	// Changed means that a file of another size or date was begun at the path, and was given up for this one.
	Changed bool
}

// BeginUpload finds the owner's upload of this very file, or begins one. ErrUploads when too many are open, ErrQuota when
// the quota leaves no room.
func (e *Engine) BeginUpload(ctx context.Context, n NewUpload) (out BegunUpload, err error) {
	v, err := e.Volume(ctx, n.Tenant, n.Volume)
	if err != nil {
		return out, err
	}
	if v.Kind == Stream {
		if n.Path != "" && n.Path != StreamPath {
			return out, ErrKind
		}
		n.Path = StreamPath
	}
	now := e.c.Now()
	u := Upload{ID: id.New[uploadKind](now), Tenant: n.Tenant, Volume: v.ID, Owner: n.Owner, Path: n.Path, Size: n.Size, Modified: n.Modified.UnixNano(),
		ContentType: n.ContentType, State: UploadOpen, Began: sqldb.Micros(now), At: sqldb.Micros(now)}
	if err := u.entry().Check(); err != nil {
		return out, &PathError{u.Path, err}
	}
	if u.Size < 1 || u.Size > maxUploadSize {
		return out, fmt.Errorf("%w: an upload has 1 to %d bytes", ErrFormat, int64(maxUploadSize))
	}
	if !v.DeletedAt.IsZero() {
		return out, ErrNotFound
	}
	err = e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		out = BegunUpload{}
		return e.beginUpload(ctx, tx, u, &out)
	})
	return out, err
}

// beginUpload works under the tenant's lock, so that the bounds hold.
func (e *Engine) beginUpload(ctx context.Context, tx *sqldb.Tx, u Upload, out *BegunUpload) error {
	s := e.c.Store
	t, err := s.LockTenant(ctx, tx, u.Tenant)
	if err != nil {
		return err
	}
	since := freshUpload(u.At)
	list, err := s.UploadsTo(ctx, tx, u.Volume, u.Owner, u.Path, since, maxUploadsOfOwner)
	if err != nil {
		return err
	}
	for _, old := range list {
		same := old.Size == u.Size && old.Modified == u.Modified
		switch {
		case same && old.State == UploadOpen && !out.Found:
			out.Upload, out.Found = old, true
			continue
		case same && old.State == UploadDone && !out.Found:
			live, err := s.LiveVersions(ctx, tx, u.Volume, []string{u.Path})
			if err != nil {
				return err
			}
			if len(live) == 1 && live[0].ETag == old.ETag {
				out.Upload, out.Found = old, true
			}
		}
		if old.State == UploadOpen {
			out.Changed = true
			if err := e.release(ctx, tx, old, since); err != nil {
				return err
			}
		}
	}
	if out.Found {
		return nil
	}
	if t.StoredBytes >= t.QuotaBytes {
		return ErrQuota
	}
	mine, all, err := s.OpenUploads(ctx, tx, u.Tenant, u.Owner, since)
	if err == nil && (mine >= maxUploadsOfOwner || all >= maxUploadsOfTenant) {
		err = ErrUploads
	}
	if err == nil {
		err = s.ForgetUploads(ctx, tx, u.Tenant, u.At-PartialLife.Microseconds())
	}
	if err != nil {
		return err
	}
	out.Upload = u
	return s.InsertUpload(ctx, tx, u)
}

// release gives an open upload up: the sweep may take what it brought.
func (e *Engine) release(ctx context.Context, tx *sqldb.Tx, u Upload, since int64) error {
	segments := u.Segments
	u.State = UploadGivenUp
	if err := e.c.Store.AdvanceUpload(ctx, tx, u, segments, since); err != nil {
		return err
	}
	return e.c.Store.FinishPartials(ctx, tx, u.Volume, u.push(), segments)
}

// Upload shows an upload that is not forgotten.
func (e *Engine) Upload(ctx context.Context, tenant string, id UploadID) (u Upload, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		u, err = e.c.Store.Upload(ctx, tx, tenant, id)
		return err
	})
	if err == nil && u.At < freshUpload(sqldb.Micros(e.c.Now())) {
		return Upload{}, ErrNotFound
	}
	return u, err
}

// Uploads lists what an owner has open in a volume, newest first.
func (e *Engine) Uploads(ctx context.Context, v VolumeID, owner string) (list []Upload, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		list, err = e.c.Store.UploadsTo(ctx, tx, v, owner, "", freshUpload(sqldb.Micros(e.c.Now())), maxUploadsOfOwner)
		return err
	})
	return list, err
}

// GiveUpUpload gives an open upload up. One that is not open stays as it is.
func (e *Engine) GiveUpUpload(ctx context.Context, tenant string, id UploadID) error {
	since := freshUpload(sqldb.Micros(e.c.Now()))
	return e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.LockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		u, err := e.c.Store.Upload(ctx, tx, tenant, id)
		if err != nil || u.State != UploadOpen || u.At < since {
			return err
		}
		return e.release(ctx, tx, u, since)
	})
}

// entry is the version that the upload will be, without its content.
func (u Upload) entry() Entry {
	return Entry{Path: u.Path, Type: TypeFile, Meta: Meta{Mode: 0o644, MTime: u.Modified, ContentType: u.ContentType}}
}
