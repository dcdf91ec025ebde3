package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// listing says what the volume has, in bytewise order of the paths.
type listing interface {
	next() (known, error) // nil behind the last
	close()
}

// known is an entry that the volume has.
type known interface {
	path() string
	// same reports whether what was found is what the volume has. What cannot be read is not: it is read again, and then said.
	same(f *found, full string) bool
}

// noListing is that of an empty volume.
type noListing struct{}

func (noListing) next() (known, error) { return nil, nil }
func (noListing) close()               {}

// cacheListing is what the volume had behind our last push, while its head is the same.
type cacheListing struct{ c *cacheReader }

func (l *cacheListing) next() (known, error) {
	x, err := l.c.next()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStale, err)
	}
	if x == nil {
		return nil, nil
	}
	return fromCache{x}, nil
}

func (l *cacheListing) close() { _ = l.c.close() }

type fromCache struct{ c *cached }

func (k fromCache) path() string                 { return k.c.path }
func (k fromCache) same(f *found, _ string) bool { return k.c.is(f) }

// index is what the service says that the volume has.
type index struct {
	body io.ReadCloser
	d    *record.Decoder
	last string
}

func openIndex(ctx context.Context, c *client.Client, volume string) (listing, error) {
	var p client.Pulled
	err := again(ctx, func() (err error) {
		p, err = c.Pull(ctx, client.Source{Volume: volume}, wire.Pull{List: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &index{body: p, d: record.NewDecoder(p)}, nil
}

func (x *index) next() (known, error) {
	var r record.Record
	for {
		err := x.d.Next(&r)
		switch {
		case err == io.EOF: //nolint:errorlint // the decoder's own end; a torn stream wraps another
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("%w: its list broke off: %w", errStale, err)
		case r.Type == record.TypeError:
			return nil, errors.New("what the volume has: " + r.Text)
		case r.Type == record.TypeEntry:
			if r.Entry.Path <= x.last {
				return nil, fmt.Errorf("what the volume has: %q is listed behind %q", r.Entry.Path, x.last)
			}
			x.last = r.Entry.Path
			return fromIndex{&r.Entry}, nil
		}
	}
}

func (x *index) close() { _ = x.body.Close() }

type fromIndex struct{ e *record.Entry }

func (k fromIndex) path() string { return k.e.Path }

func (k fromIndex) same(f *found, full string) bool {
	e := k.e
	if e.Type != f.kind || e.Mode != f.st.mode&record.MaxMode || e.UID != f.st.uid || e.GID != f.st.gid || e.MTime != f.st.mtime ||
		e.User != "" || e.Group != "" || e.ContentType != "" || e.Size != f.contentSize() {
		return false
	}
	now, err := f.entry(full)
	return err == nil && now.Link == e.Link && now.Major == e.Major && now.Minor == e.Minor && slices.Equal(now.Xattrs, e.Xattrs)
}
