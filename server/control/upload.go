package control

import (
	"context"
	"errors"
	"io"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

var _ = register(
	translation{snapshots.ErrOffset, wire.TypeConflict, "The upload does not go on there. Ask for its offset, and go on from that."},
	translation{snapshots.ErrUploads, wire.TypeThrottled, "Too many uploads are open. Finish one or give one up; what nobody goes on with is given up after a day."},
)

// BeginUpload announces a file, or finds the caller's upload of this very file;
// fresh says which.
func (c *Control) BeginUpload(ctx context.Context, who Caller, ref string, in wire.BeginUpload) (out wire.Upload, fresh bool, err error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err != nil {
		return out, false, err
	}
	if (in.Path == "") != (v.Kind == snapshots.Stream) {
		return out, false, wrap(snapshots.ErrKind)
	}
	if in.Modified.Year() < 1970 || in.Modified.Year() > 2200 {
		return out, false, newError(wire.TypeInvalid, nil, "The file's date lies outside the years 1970 to 2200.")
	}
	u, err := c.Data.BeginUpload(ctx, snapshots.NewUpload{Tenant: v.Tenant, Volume: v.ID, Owner: who.ID(), Path: in.Path, Size: in.Size,
		Modified: in.Modified, ContentType: mediaType(in.ContentType)})
	if errors.Is(err, snapshots.ErrFormat) {
		return out, false, newError(wire.TypeInvalid, err, "This is not a size that an upload can have.")
	}
	if err != nil {
		return out, false, wrap(err)
	}
	out = showUpload(u.Upload)
	out.Found, out.Changed = u.Found, u.Changed
	return out, !u.Found, nil
}

// Uploads lists what the caller has open in a volume, newest first.
func (c *Control) Uploads(ctx context.Context, who Caller, ref string) ([]wire.Upload, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err != nil {
		return nil, err
	}
	list, err := c.Data.Uploads(ctx, v.ID, who.ID())
	out := []wire.Upload{}
	for _, u := range list {
		out = append(out, showUpload(u))
	}
	return out, wrap(err)
}

// Upload shows one of the caller's.
func (c *Control) Upload(ctx context.Context, who Caller, ref, name string) (wire.Upload, error) {
	u, err := c.useUpload(ctx, who, ref, name)
	if err != nil {
		return wire.Upload{}, err
	}
	return showUpload(u), nil
}

// AppendUpload takes more bytes of an upload, from its offset on, and answers it
// as it then is. What came before body broke off is kept. Who was shut out, signed
// out everywhere, or lost the right meanwhile is stopped at the next step; that a
// session merely grew old does not end a transfer under way, as for any other.
func (c *Control) AppendUpload(ctx context.Context, who Caller, ref, name string, offset int64, body io.Reader) (wire.Upload, error) {
	u, err := c.useUpload(ctx, who, ref, name)
	if err != nil {
		return wire.Upload{}, err
	}
	got, err := c.Data.AppendUpload(ctx, u.Tenant, u.ID, offset, body, func() error {
		ctx := context.WithoutCancel(ctx)
		if err := c.stillAdmitted(ctx, who); err != nil {
			return err
		}
		_, err := c.useUpload(ctx, who, ref, name)
		return err
	})
	if errors.Is(err, snapshots.ErrFormat) {
		return wire.Upload{}, newError(wire.TypeTooLarge, err, "The upload is longer than was announced. What came too much was not kept.")
	}
	if err != nil {
		return wire.Upload{}, wrap(err)
	}
	return showUpload(got), nil
}

// GiveUpUpload gives one of the caller's up.
func (c *Control) GiveUpUpload(ctx context.Context, who Caller, ref, name string) error {
	u, err := c.useUpload(ctx, who, ref, name)
	if err != nil {
		return err
	}
	return wrap(c.Data.GiveUpUpload(ctx, u.Tenant, u.ID))
}

// useUpload finds an upload of the caller's own, to a volume that he may still
// write. Whose another's is, nobody learns (T11).
func (c *Control) useUpload(ctx context.Context, who Caller, ref, name string) (snapshots.Upload, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.FileWrite)
	}
	if err != nil {
		return snapshots.Upload{}, err
	}
	var u snapshots.Upload
	none := newError(wire.TypeNotFound, nil, "There is no such upload. If it was yours, it was given up, or nobody went on with it for a day: begin again.")
	id, err := snapshots.ParseUploadID(name)
	if err == nil {
		u, err = c.Data.Upload(ctx, v.Tenant, id)
	} else {
		err = snapshots.ErrNotFound
	}
	if errors.Is(err, snapshots.ErrNotFound) || err == nil && (u.Owner != who.ID() || u.Volume != v.ID) {
		return u, none
	}
	return u, wrap(err)
}

// stillAdmitted asks the database whether a caller who was let in would be still.
func (c *Control) stillAdmitted(ctx context.Context, who Caller) error {
	over := newError(wire.TypeNotAuthenticated, nil, "You were signed out, or your access was taken away. What came so far is kept for a day.")
	switch {
	case who.grant != nil:
		return c.stillHolds(ctx, *who.grant)
	case who.Principal.Kind == authz.KindToken:
		err := c.DB.Read(ctx, func(tx *sqldb.Tx) error {
			_, err := c.Accounts.LiveToken(ctx, tx, who.Principal.Token, c.now())
			return err
		})
		if errors.Is(err, authz.ErrNotFound) {
			return over
		}
		return wrap(err)
	case who.Principal.Kind == authz.KindPerson:
		var p authz.Person
		var t authz.Tenant
		err := c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			if p, err = c.Accounts.Person(ctx, tx, who.Person.ID); err == nil && !p.Tenant.IsZero() {
				t, err = c.Accounts.Tenant(ctx, tx, p.Tenant)
			}
			return err
		})
		if errors.Is(err, authz.ErrNotFound) || err == nil && (!p.Admits(t, who.Session.CreatedAt) || p.Role != who.Person.Role) {
			return over
		}
		return wrap(err)
	}
	return over
}

func showUpload(u snapshots.Upload) wire.Upload {
	at := sqldb.FromMicros(u.At)
	out := wire.Upload{ID: u.ID.String(), Path: printable(u.Path), Size: u.Size, Modified: time.Unix(0, u.Modified).UTC(), State: string(u.State),
		Offset: u.Offset, Began: sqldb.FromMicros(u.Began), KeptUntil: at.Add(snapshots.UploadLife), Seq: u.Seq}
	if u.State == snapshots.UploadDone {
		out.ETag = ETag(snapshots.Entry{ETag: u.ETag})
	}
	return out
}
