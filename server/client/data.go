package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/server/wire"
)

// Volumes lists the volumes that the caller may see.
func (c *Client) Volumes(ctx context.Context) (v []wire.Volume, err error) {
	return v, c.call(ctx, http.MethodGet, "/v1/volumes", nil, &v)
}

// CreateVolume makes a volume.
func (c *Client) CreateVolume(ctx context.Context, in wire.CreateVolume) (v wire.Volume, err error) {
	return v, c.call(ctx, http.MethodPost, "/v1/volumes", in, &v)
}

// Volume returns a volume by id or name.
func (c *Client) Volume(ctx context.Context, volume string) (v wire.Volume, err error) {
	return v, c.call(ctx, http.MethodGet, "/v1/volumes/"+escape(volume), nil, &v)
}

// DeleteVolume deletes a volume's primary data. Its snapshots stay.
func (c *Client) DeleteVolume(ctx context.Context, volume string) (r wire.Removed, err error) {
	return r, c.call(ctx, http.MethodDelete, "/v1/volumes/"+escape(volume), nil, &r)
}

// Entries lists a volume now, or at a moment when at is not zero.
func (c *Client) Entries(ctx context.Context, volume, prefix, cursor string, at time.Time) (e wire.Entries, err error) {
	return e, c.call(ctx, http.MethodGet, query("/v1/volumes/"+escape(volume)+"/entries", "prefix", prefix, "cursor", cursor, "at", moment(at)), nil, &e)
}

// Differences lists what differs from a snapshot, or from a moment, to now.
func (c *Client) Differences(ctx context.Context, volume, snapshot string, at time.Time, prefix, cursor string) (d wire.Differences, err error) {
	return d, c.call(ctx, http.MethodGet, query("/v1/volumes/"+escape(volume)+"/differences", "snapshot", snapshot, "at", moment(at), "prefix", prefix, "cursor", cursor), nil, &d)
}

// Deletions lists what was deleted within the undo window, newest first.
func (c *Client) Deletions(ctx context.Context, volume, cursor string) (d wire.Deletions, err error) {
	return d, c.call(ctx, http.MethodGet, query("/v1/volumes/"+escape(volume)+"/deletions", "cursor", cursor), nil, &d)
}

// Acts lists what was deleted as acts of deletion, newest first.
func (c *Client) Acts(ctx context.Context, volume, cursor string) (a wire.Acts, err error) {
	return a, c.call(ctx, http.MethodGet, query("/v1/volumes/"+escape(volume)+"/acts", "cursor", cursor), nil, &a)
}

// BringBack brings back what an act of deletion deleted, all of it, and overwrites
// nothing. progress, if any, hears what has come back so far.
func (c *Client) BringBack(ctx context.Context, volume string, ask wire.BringBack, progress func(wire.Brought)) (sum wire.Brought, err error) {
	for {
		var part wire.Brought
		if err := c.call(ctx, http.MethodPost, "/v1/volumes/"+escape(volume)+"/bring-back", ask, &part); err != nil {
			return sum, err
		}
		sum.Files, sum.Folders, sum.Bytes, sum.Differ = sum.Files+part.Files, sum.Folders+part.Folders, sum.Bytes+part.Bytes, sum.Differ+part.Differ
		if part.Next == "" {
			return sum, nil
		}
		if ask.Cursor = part.Next; progress != nil {
			progress(sum)
		}
	}
}

// Snapshots lists a volume's snapshots, newest first.
func (c *Client) Snapshots(ctx context.Context, volume string) (s []wire.Snapshot, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/volumes/"+escape(volume)+"/snapshots", nil, &s)
}

// TakeSnapshot captures a volume as it is now.
func (c *Client) TakeSnapshot(ctx context.Context, volume, name string) (s wire.Snapshot, err error) {
	return s, c.call(ctx, http.MethodPost, "/v1/volumes/"+escape(volume)+"/snapshots", wire.TakeSnapshot{Name: name}, &s)
}

// Snapshot returns a snapshot.
func (c *Client) Snapshot(ctx context.Context, id string) (s wire.Snapshot, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/snapshots/"+escape(id), nil, &s)
}

// DeleteSnapshot always fails: the error says how to ask for it.
func (c *Client) DeleteSnapshot(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/snapshots/"+escape(id), nil, nil)
}

// SnapshotEntries lists a snapshot.
func (c *Client) SnapshotEntries(ctx context.Context, id, prefix, cursor string) (e wire.Entries, err error) {
	return e, c.call(ctx, http.MethodGet, query("/v1/snapshots/"+escape(id)+"/entries", "prefix", prefix, "cursor", cursor), nil, &e)
}

// Restore brings a snapshot or moment back into a volume, on the server, in as
// many calls as it takes. The answer is of all of them together. progress, when
// not nil, is told after each.
func (c *Client) Restore(ctx context.Context, volume string, in wire.Restore, progress func(wire.Restored)) (sum wire.Restored, err error) {
	for {
		var r wire.Restored
		if err := c.call(ctx, http.MethodPost, "/v1/volumes/"+escape(volume)+"/restore", in, &r); err != nil {
			return sum, err
		}
		r.Files, r.Unchanged, r.Deleted = r.Files+sum.Files, r.Unchanged+sum.Unchanged, r.Deleted+sum.Deleted
		sum = r
		if progress != nil {
			progress(sum)
		}
		if r.Next == "" {
			return sum, nil
		}
		in.Cursor = r.Next
	}
}

// Ticket asks for a short-lived ticket for the data path of one volume.
func (c *Client) Ticket(ctx context.Context, volume string, operations ...string) (t wire.Ticket, err error) {
	return t, c.call(ctx, http.MethodPost, "/v1/volumes/"+escape(volume)+"/ticket", wire.AskTicket{Operations: operations}, &t)
}

// PutFile streams body into a file of a volume.
func (c *Client) PutFile(ctx context.Context, volume, path string, body io.Reader) (u wire.Uploaded, err error) {
	return u, c.send(ctx, "/v1/data/"+escape(volume)+"/files/"+escapePath(path), "application/octet-stream", body, &u)
}

// PutStream streams body into a volume of kind stream.
func (c *Client) PutStream(ctx context.Context, volume string, body io.Reader) (u wire.Uploaded, err error) {
	return u, c.send(ctx, "/v1/data/"+escape(volume)+"/stream", "application/octet-stream", body, &u)
}

// PutTar streams a POSIX pax archive into a volume; with remove, what the
// archive does not name is deleted.
func (c *Client) PutTar(ctx context.Context, volume string, body io.Reader, remove bool) (u wire.UploadedTree, err error) {
	path := "/v1/data/" + escape(volume) + "/tar"
	if remove {
		path += "?delete=true"
	}
	return u, c.send(ctx, path, "application/x-tar", body, &u)
}

// RemoveFile deletes a file of a volume, or with recursive everything below it.
func (c *Client) RemoveFile(ctx context.Context, volume, path string, recursive bool) (r wire.Removed, err error) {
	target := "/v1/data/" + escape(volume) + "/files/" + escapePath(path)
	if recursive {
		target += "?recursive=true"
	}
	return r, c.call(ctx, http.MethodDelete, target, nil, &r)
}

// Source names what to read: the live volume, a moment of it, or a snapshot.
type Source struct {
	Volume   string
	At       time.Time
	Snapshot string
}

func (s Source) path(rest string) string {
	if s.Snapshot != "" {
		return "/v1/data/snapshots/" + escape(s.Snapshot) + rest
	}
	return "/v1/data/" + escape(s.Volume) + rest
}

// GetFile opens a file; the caller closes it.
func (c *Client) GetFile(ctx context.Context, from Source, path string) (io.ReadCloser, error) {
	return c.fetch(ctx, query(from.path("/files/"+escapePath(path)), "at", moment(from.At)))
}

// GetStream opens the content of a volume of kind stream; the caller closes it.
func (c *Client) GetStream(ctx context.Context, from Source) (io.ReadCloser, error) {
	return c.fetch(ctx, query(from.path("/stream"), "at", moment(from.At)))
}

// GetTar opens a pax archive of everything below prefix; the caller closes it.
func (c *Client) GetTar(ctx context.Context, from Source, prefix string) (io.ReadCloser, error) {
	return c.fetch(ctx, query(from.path("/tar"), "at", moment(from.At), "prefix", prefix))
}

func (c *Client) fetch(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (c *Client) send(ctx context.Context, path, kind string, body io.Reader, out any) error {
	req, err := c.request(ctx, http.MethodPut, path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("the answer to the upload is not the JSON expected: %w", err)
	}
	return nil
}

func moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
