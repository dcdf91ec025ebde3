package transfer

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
)

// parsePush reads what follows push/: nothing, a session, or something in it.
func parsePush(t target, parts []string) (target, error) {
	if len(parts) == 0 {
		return t, nil
	}
	t.session, parts = parts[0], parts[1:]
	if len(parts) > 0 {
		t.action, parts = parts[0], parts[1:]
	}
	switch {
	case t.session == "":
		return t, errTarget
	case (t.action == "" || t.action == "known") && len(parts) == 0:
		return t, nil
	case t.action == "segments" && len(parts) == 1:
		n, err := strconv.ParseInt(parts[0], 10, 64)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != parts[0] {
			return t, errTarget
		}
		t.segment = n
		return t, nil
	}
	return t, errTarget
}

// push is what a client calls that cuts its files itself.
func (h *handler) push(c echo.Context, who control.Caller, t target) error {
	r := c.Request()
	if _, err := query(r); err != nil {
		return err
	}
	allow := http.MethodPost
	if t.session != "" && t.action == "" {
		allow = http.MethodDelete
	}
	if r.Method != allow {
		c.Response().Header().Set("Allow", allow)
		e := control.NewError(wire.TypeInvalid, nil, "This place takes %s alone.", allow)
		e.Status = http.StatusMethodNotAllowed
		return e
	}
	switch {
	case t.session == "":
		p, err := h.control.BeginPush(r.Context(), who, t.volume)
		if err != nil {
			return err
		}
		c.Response().Header().Set("Cache-Control", "no-store") // it has keys
		return c.JSON(http.StatusCreated, p)
	case t.action == "known":
		return h.pushKnown(c, who, t)
	case t.action == "segments":
		return h.pushSegment(c, who, t)
	}
	if err := h.control.EndPush(r.Context(), who, t.volume, t.session); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h *handler) pushKnown(c echo.Context, who control.Caller, t target) error {
	ids, err := io.ReadAll(http.MaxBytesReader(c.Response(), io.NopCloser(h.body(c)), maxKnownRequest))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return control.NewError(wire.TypeTooLarge, err, "Ask with at most %d ids.", snapshots.KnownBatch)
	}
	if err != nil {
		return err
	}
	bits, err := h.control.PushKnown(c.Request().Context(), who, t.volume, t.session, ids)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "application/octet-stream", bits)
}

// pushSegment takes one segment. Whatever comes of it, the body is read to its
// end first where that is possible, so that the answer gets through.
func (h *handler) pushSegment(c echo.Context, who control.Caller, t target) error {
	ctx := c.Request().Context()
	body := &counted{r: h.body(c), left: maxSegmentRequest}
	out, err := h.control.PushSegment(ctx, who, t.volume, t.session, t.segment, func(g *snapshots.Segment, mayDelete error) error {
		return fill(ctx, g, body, mayDelete)
	})
	if body.failed == nil {
		_, _ = io.Copy(io.Discard, body) // a client that goes away has its reasons
	}
	switch {
	case errors.Is(err, record.ErrTorn):
		e := control.NewError(wire.TypeInvalid, err, "The segment broke off. Nothing of it was kept; send it again.")
		e.Status = http.StatusBadRequest
		return e
	case errors.Is(err, record.ErrFormat):
		return control.NewError(wire.TypeInvalid, err, "The segment is no record stream of version 1. Nothing of it was kept.")
	case err != nil:
		return err
	}
	return c.JSON(http.StatusOK, out)
}

// fill gives a segment what the body's records say.
func fill(ctx context.Context, g *snapshots.Segment, body io.Reader, mayDelete error) error {
	d := record.NewDecoder(body)
	var r record.Record
	for {
		err := d.Next(&r)
		if err == io.EOF { //nolint:errorlint // the decoder's own end; a torn stream wraps another
			return nil
		}
		if err == nil {
			err = one(ctx, g, d, &r, mayDelete)
		}
		if err != nil {
			return err
		}
	}
}

func one(ctx context.Context, g *snapshots.Segment, d *record.Decoder, r *record.Record, mayDelete error) error {
	switch r.Type {
	case record.TypeEntry:
		return g.Entry(ctx, entryOf(&r.Entry))
	case record.TypeData:
		body, err := d.Body(g.Buffer(r.Stored))
		if err != nil {
			return err
		}
		plain := int(r.Length)
		var decode func(dst, body []byte) ([]byte, error)
		if r.Encoding == record.Zstd {
			decode = func(dst, body []byte) ([]byte, error) { return record.Decompress(dst, body, plain) }
		}
		return g.Data(ctx, chunk.ID(r.ID), plain, body, decode)
	case record.TypeRef:
		return g.Ref(ctx, chunk.ID(r.ID), r.Length)
	case record.TypeHole:
		return g.Hole(ctx, r.Length)
	case record.TypeEnd:
		return g.End(ctx, r.Length)
	case record.TypeDelete:
		if r.Text == g.Open() {
			return g.GiveUp(ctx)
		}
		if mayDelete != nil {
			return mayDelete
		}
		return g.Delete(ctx, r.Text)
	case record.TypeStop:
		return nil
	}
	return record.ErrFormat // a push has no errors
}

// entryOf is an entry as the volume has it; its size and digest are not the client's to say.
func entryOf(e *record.Entry) snapshots.Entry {
	n := snapshots.Entry{Path: e.Path, Type: snapshots.Type(e.Type), Meta: snapshots.Meta{
		Mode: e.Mode, UID: e.UID, GID: e.GID, User: e.User, Group: e.Group, MTime: e.MTime, Link: e.Link,
		Major: e.Major, Minor: e.Minor, ContentType: e.ContentType,
	}}
	for _, x := range e.Xattrs {
		n.Meta.Xattrs = append(n.Meta.Xattrs, snapshots.Xattr{Name: x.Name, Value: x.Value})
	}
	return n
}

// counted bounds a body, and remembers that it failed.
type counted struct {
	r      io.Reader
	left   int64
	failed error
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, control.NewError(wire.TypeTooLarge, nil, "A segment has at most %d bytes. Nothing of it was kept.", int64(maxSegmentRequest))
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	if c.left -= int64(n); err != nil {
		c.failed = err
	}
	return n, err
}
