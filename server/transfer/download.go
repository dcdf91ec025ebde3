package transfer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"holdfast/server/control"
	"holdfast/server/wire"
)

// get sends one file, or the content of a stream volume.
func (h *handler) get(c echo.Context, who control.Caller, t target) error {
	from, _, err := source(c.Request(), t)
	if err != nil {
		return err
	}
	if t.kind == "files" && t.path == "" {
		return control.NewError(wire.TypeNotFound, nil, "Name a file. Listings are at /v1/volumes/…/entries.")
	}
	f, err := h.control.OpenFile(c.Request().Context(), who, from, t.path)
	if err != nil {
		return err
	}
	return errors.Join(h.send(c, f, t), f.Close())
}

func (h *handler) send(c echo.Context, f *control.File, t target) error {
	r, header := c.Request(), c.Response().Header()
	etag := control.ETag(f.Entry)
	header.Set("ETag", etag)
	header.Set("Last-Modified", f.ModTime.UTC().Format(http.TimeFormat))
	header.Set("Accept-Ranges", "bytes")
	harmless(header, path.Base(f.Path))
	switch status, err := evaluate(r.Header, f.ETag, f.ModTime); {
	case err != nil:
		return err
	case status == http.StatusNotModified:
		return c.NoContent(status)
	case status != 0:
		return control.NewError(wire.TypePrecondition, nil, "The content is not the one that the precondition names.")
	}
	status, off, length := http.StatusOK, int64(0), f.Size
	if spec := r.Header.Get("Range"); spec != "" && r.Method == http.MethodGet && rangeApplies(r.Header, etag, f.ModTime) {
		from, n, ok, err := parseRange(spec, f.Size)
		if err != nil {
			header.Set("Content-Range", fmt.Sprintf("bytes */%d", f.Size))
			return control.NewError(wire.TypeRange, err, "The content has %d bytes, and the range has none of them.", f.Size)
		}
		if ok {
			status, off, length = http.StatusPartialContent, from, n
			header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+length-1, f.Size))
		}
	}
	header.Set("Content-Type", "application/octet-stream")
	if f.Meta.ContentType != "" {
		header.Set("Content-Type", f.Meta.ContentType)
	}
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	if r.Method == http.MethodHead {
		c.Response().WriteHeader(status)
		return nil
	}
	body, err := f.Range(r.Context(), off, length)
	if err != nil {
		return err
	}
	err = h.stream(c, status, func(w io.Writer) error {
		_, err := io.CopyBuffer(w, onlyReader{body}, make([]byte, copyBuffer))
		return err
	})
	return errors.Join(err, body.Close())
}

// getTar sends a pax archive of everything below a prefix.
func (h *handler) getTar(c echo.Context, who control.Caller, t target) error {
	from, prefix, err := source(c.Request(), t)
	if err != nil {
		return err
	}
	tree, err := h.control.OpenTree(c.Request().Context(), who, from, prefix)
	if err != nil {
		return err
	}
	header := c.Response().Header()
	name := t.volume + t.snapshot
	harmless(header, name+".tar")
	header.Set("Content-Type", "application/x-tar")
	if c.Request().Method == http.MethodHead {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	return h.stream(c, http.StatusOK, func(w io.Writer) error { return tree.WriteTar(c.Request().Context(), w) })
}

// stream writes a body that may not stand still. The status goes out with its
// first byte, so that a failure before it is still a problem.
func (h *handler) stream(c echo.Context, status int, write func(io.Writer) error) error {
	out := &idleWriter{out: &lateWriter{c: c, status: status}, ctl: http.NewResponseController(c.Response()), idle: h.Idle, now: h.Now}
	if err := write(out); err != nil {
		return err
	}
	if !c.Response().Committed {
		c.Response().WriteHeader(status)
	}
	return out.done()
}

type lateWriter struct {
	c      echo.Context
	status int
}

func (w *lateWriter) Write(p []byte) (int, error) {
	if !w.c.Response().Committed {
		w.c.Response().WriteHeader(w.status)
	}
	return w.c.Response().Write(p)
}

// onlyReader hides WriteTo, so that bytes go out in bounded pieces, each with its
// own deadline.
type onlyReader struct{ io.Reader }

// source reads which moment is meant, and for an archive below which prefix.
func source(r *http.Request, t target) (from control.From, prefix string, err error) {
	known := []string{}
	if t.snapshot == "" {
		known = append(known, "at")
	}
	if t.kind == "tar" {
		known = append(known, "prefix")
	}
	q, err := query(r, known...)
	if err != nil {
		return from, "", err
	}
	from = control.From{Volume: t.volume, Snapshot: t.snapshot}
	if text := q.Get("at"); text != "" {
		if from.At, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return from, "", control.NewError(wire.TypeInvalid, err, "at is a time such as 2026-01-31T12:00:00Z.")
		}
	}
	return from, q.Get("prefix"), nil
}

// harmless keeps what people have uploaded from doing anything in a browser but
// being saved: it is never a page of this origin.
func harmless(h http.Header, name string) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Disposition", disposition(name))
}

// disposition is RFC 6266 with the name in RFC 8187's form.
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\/%`, r) {
			return '_'
		}
		return r
	}, name)
	out := `attachment; filename="` + plain + `"`
	if plain != name && utf8.ValidString(name) {
		out += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return out
}
