package transfer

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

// recordType is the media type of a record stream.
const recordType = "application/vnd.holdfast.records"

// reading is what answers a client that restores: the records, and the keys to
// check them with.
func (h *handler) reading(c echo.Context, who control.Caller, t target) error {
	switch m := c.Request().Method; {
	case t.kind == "pull" && m == http.MethodPost:
		return h.pull(c, who, t)
	case t.kind == "keys" && m == http.MethodGet:
		return h.keys(c, who, t)
	}
	allow := http.MethodPost
	if t.kind == "keys" {
		allow = http.MethodGet
	}
	c.Response().Header().Set("Allow", allow)
	e := control.NewError(wire.TypeInvalid, nil, "This place takes %s alone.", allow)
	e.Status = http.StatusMethodNotAllowed
	return e
}

// pull sends entries and their content as a record stream.
func (h *handler) pull(c echo.Context, who control.Caller, t target) error {
	r := c.Request()
	if _, err := query(r); err != nil {
		return err
	}
	var in wire.Pull
	body := http.MaxBytesReader(c.Response(), io.NopCloser(h.body(c)), maxPullRequest)
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if err == nil {
		_, err = io.Copy(io.Discard, body) // to its end: no deadline for reading is left then
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err != nil && !errors.Is(err, io.EOF) { // no body: everything, as it is now
		return control.NewError(wire.TypeInvalid, err, "The body says in JSON what to pull, in at most %d bytes: at, prefix, after, until, list, path, offset.", maxPullRequest)
	}
	if t.snapshot != "" && in.At != nil {
		return control.NewError(wire.TypeInvalid, nil, "A snapshot is one moment already: leave at out.")
	}
	p, err := h.control.OpenPull(r.Context(), who, control.From{Volume: t.volume, Snapshot: t.snapshot}, in)
	if err != nil {
		return err
	}
	defer p.Close()
	header := c.Response().Header()
	header.Set("Content-Type", recordType)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set(wire.PullKind, string(p.Kind))
	if !p.At.IsZero() && t.snapshot == "" {
		header.Set(wire.PullAt, p.At.UTC().Format(time.RFC3339Nano))
	}
	return h.stream(c, http.StatusOK, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, pullBuffer)
		sink := &pullSink{enc: record.NewEncoder(out)}
		err := p.Send(r.Context(), sink)
		var at *snapshots.PathError
		switch {
		case err == nil:
			err = sink.enc.Stop()
		case sink.failed || r.Context().Err() != nil:
			return err // nobody is there to be told
		case errors.As(err, &at):
			h.Log.ErrorContext(r.Context(), "content cannot be read", "volume", t.volume, "snapshot", t.snapshot, "error", err)
			err = sink.enc.Error(damage(err))
		case c.Response().Committed:
			h.Log.ErrorContext(r.Context(), "pull broken off", "volume", t.volume, "snapshot", t.snapshot, "error", err)
			err = sink.enc.Error("interrupted: the service could not go on; run it again")
		default:
			return err // as a problem
		}
		if err != nil {
			return err
		}
		return out.Flush()
	})
}

// damage is what the client is told when the content of the entry that it has just
// begun cannot be read. It begins with the word that tells programs so.
func damage(err error) string {
	text := "damaged: its content cannot be read at this site"
	if errors.Is(err, snapshots.ErrCorrupt) {
		text = "damaged: its stored content has rotted at this site"
	}
	return text + "; ask the operator to scrub the site, which repairs it from another copy, or restore this entry from another snapshot"
}

// keys answers the keys to check a pull with.
func (h *handler) keys(c echo.Context, who control.Caller, t target) error {
	from, _, err := source(c.Request(), t)
	if err != nil {
		return err
	}
	keys, err := h.control.ReadKeys(c.Request().Context(), who, from)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, keys)
}

// pullSink writes what a pull sends as records.
type pullSink struct {
	enc    *record.Encoder
	number uint64
	failed bool // the client cannot be written to
}

func (s *pullSink) did(err error) error {
	s.failed = s.failed || err != nil
	return err
}

func (s *pullSink) Entry(n snapshots.Entry) error {
	e := record.Entry{Number: s.number, Path: n.Path, Type: byte(n.Type), Mode: n.Meta.Mode, UID: n.Meta.UID, GID: n.Meta.GID,
		User: n.Meta.User, Group: n.Meta.Group, MTime: n.Meta.MTime, Link: n.Meta.Link, Major: n.Meta.Major, Minor: n.Meta.Minor,
		ContentType: n.Meta.ContentType, Size: n.Size, HasDigest: n.Type.HasContent(), Digest: n.ETag}
	for _, x := range n.Meta.Xattrs {
		e.Xattrs = append(e.Xattrs, record.Xattr(x))
	}
	s.number++
	return s.did(s.enc.Entry(&e))
}

func (s *pullSink) Data(id chunk.ID, c frame.Stored) error {
	encoding := record.Raw
	if c.Zstd {
		encoding = record.Zstd
	}
	return s.did(s.enc.Data(id, encoding, c.Plain, c.Body))
}

func (s *pullSink) Ref(id chunk.ID, n int64) error { return s.did(s.enc.Ref(id, n)) }

func (s *pullSink) Hole(n int64) error { return s.did(s.enc.Hole(n)) }

func (s *pullSink) End(size int64) error { return s.did(s.enc.End(size)) }
