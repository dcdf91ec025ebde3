package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots/stream"
)

// streamPath is the only entry of a stream volume.
const streamPath = "stream"

// File restores a volume that is one stream into a file. A run that was interrupted goes on when it is called again.
func (m *Moment) File(ctx context.Context, name string, o Options) (sum Summary, err error) {
	if m.Kind != KindStream {
		return sum, fmt.Errorf("%w: it is a tree of files: name a directory", ErrKind)
	}
	if st, err := os.Lstat(name); err == nil && (!o.Merge || !st.Mode().IsRegular()) {
		return sum, fmt.Errorf("%s: %w", name, ErrExists)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return sum, err
	}
	top, err := os.Open(filepath.Dir(name))
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, top.Close()) }()
	told := o.Refused
	var refused error
	o.Refused = func(e EntryError) {
		refused = e.Err
		if told != nil {
			told(e)
		}
	}
	r := m.restorer(o)
	r.dirs, r.rename = newDirs(top), filepath.Base(name)
	defer r.dirs.close()
	err = func() error {
		e, err := r.one(ctx)
		if err != nil {
			return err
		}
		r.o.Total(e.Size)
		return r.fetch(ctx, newUnit(true, []record.Entry{e}, ""))
	}()
	if sum = r.summary(); err == nil && sum.Entries == 0 {
		err = refused
	}
	return sum, err
}

// one finds the entry of a stream.
func (r *restorer) one(ctx context.Context) (e record.Entry, err error) {
	found := false
	err = r.list(ctx, func(n record.Entry) error {
		if n.Path != streamPath || n.Type != record.File || !n.HasDigest {
			return fmt.Errorf("%w: more than one stream", ErrStream)
		}
		e, found = n, true
		return nil
	})
	if err == nil && !found {
		err = errors.New("nothing was ever written into this stream")
	}
	return e, err
}

// Copy writes a stream to w, in order. Nothing that was not verified is written; the digest of all of it is known to be
// right only when Copy answers without an error. A service that goes away is asked for the rest.
func (m *Moment) Copy(ctx context.Context, w io.Writer, o Options) (sum Summary, err error) {
	if m.Kind != KindStream {
		return sum, fmt.Errorf("%w: it is a tree of files: name a directory", ErrKind)
	}
	r := m.restorer(o)
	err = func() error {
		e, err := r.one(ctx)
		if err != nil {
			return err
		}
		r.o.Total(e.Size)
		c := &copier{r: r, e: e, w: w}
		var p patience
		for {
			before := c.at
			err := c.attempt(ctx)
			if err == nil {
				r.did(&e)
				return nil
			}
			if ctx.Err() != nil || !retryable(err) {
				return err
			}
			if c.at > before {
				p = patience{}
			}
			if err := r.wait(ctx, &p, err); err != nil {
				return err
			}
		}
	}()
	return r.summary(), err
}

// copier writes a stream in order.
type copier struct {
	r  *restorer
	e  record.Entry
	w  io.Writer
	at int64 // written and verified
}

// piece is a chunk on its way, in the order of the stream.
type piece struct {
	v    *verifier
	hole int64
	skip int64 // written by an earlier try
	buf  *buffer
	data []byte
	err  error
	done chan struct{}
}

// fill is a worker's: it makes the content.
func (p *piece) fill(j *job) {
	defer close(p.done)
	if j.encoding == record.Raw {
		p.buf, p.data, j.body = j.body, j.body.b, nil // it is the piece's now
	} else {
		p.buf = take(j.n)
		if p.data, p.err = plain(p.buf.b, j.body.b, j.encoding, j.n); p.err != nil {
			return
		}
	}
	if !p.v.check(j.id, p.data) {
		p.err = fmt.Errorf("%w: chunk %x is not what its id says", ErrDamaged, j.id[:8])
	}
}

func (c *copier) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := c.r.c.Pull(ctx, c.r.from, wire.Pull{Path: []byte(streamPath), Offset: c.at})
	if err != nil {
		return err
	}
	defer body.Close()
	queue := make(chan *piece, queued)
	read := make(chan error, 1)
	go func() {
		read <- c.read(ctx, record.NewDecoder(body), queue)
		close(queue)
	}()
	err = c.write(queue)
	cancel()
	for p := range queue {
		if p.done != nil {
			<-p.done
		}
	}
	if came := <-read; err == nil {
		err = came
	}
	return err
}

// read takes the records apart and has the chunks verified.
func (c *copier) read(ctx context.Context, d *record.Decoder, queue chan<- *piece) error {
	var rec record.Record
	digest := stream.NewDigest()
	var off int64
	began, ended := false, false
	put := func(p *piece) error {
		select {
		case queue <- p:
			return nil
		case <-ctx.Done():
			if p.done != nil {
				<-p.done
			}
			return ctx.Err()
		}
	}
	for {
		err := d.Next(&rec)
		if errors.Is(err, io.EOF) {
			if !ended {
				return fmt.Errorf("%w: a stream without an end", ErrStream)
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch rec.Type {
		case record.TypeEntry:
			if began || rec.Entry.Path != streamPath || rec.Entry.Digest != c.e.Digest || rec.Entry.Size != c.e.Size {
				return fmt.Errorf("%w: another stream than was listed", ErrStream)
			}
			began = true
			continue
		case record.TypeError:
			if rest, ok := cutDamage(rec.Text); ok {
				return fmt.Errorf("%w: %s", ErrDamaged, rest)
			}
			return fmt.Errorf("%w: %s", errInterrupted, rec.Text)
		case record.TypeStop:
			continue
		case record.TypeEnd:
			if ended = true; off != c.e.Size || rec.Length != off || digest.Sum() != c.e.Digest {
				return fmt.Errorf("%w: the content is not the one of its digest", ErrDamaged)
			}
			continue
		}
		if !began || ended || off+rec.Length > c.e.Size {
			return fmt.Errorf("%w: content of no entry", ErrStream)
		}
		from := off
		off += rec.Length
		skip := min(max(c.at-from, 0), rec.Length)
		switch rec.Type {
		case record.TypeHole:
			digest.Hole(rec.Length)
			if skip < rec.Length {
				err = put(&piece{hole: rec.Length, skip: skip})
			}
		case record.TypeRef:
			if digest.Data(rec.ID, rec.Length); skip < rec.Length {
				err = fmt.Errorf("%w: a chunk without its content", ErrStream)
			}
		case record.TypeData:
			digest.Data(rec.ID, rec.Length)
			b := take(rec.Stored)
			if b.b, err = d.Body(b.b[:0]); err == nil {
				p := &piece{v: c.r.verify, skip: skip, done: make(chan struct{})}
				c.r.work(job{id: rec.ID, encoding: rec.Encoding, n: int(rec.Length), body: b, out: p})
				err = put(p)
			}
		default:
			err = fmt.Errorf("%w: a record of type %d", ErrStream, rec.Type)
		}
		if err != nil {
			return err
		}
	}
}

// write writes what was verified, in order.
func (c *copier) write(queue <-chan *piece) error {
	for p := range queue {
		if p.hole > 0 {
			for left := p.hole - p.skip; left > 0; {
				n, err := c.w.Write(zeroes[:min(left, int64(len(zeroes)))])
				c.at, left = c.at+int64(n), left-int64(n)
				if err != nil {
					return err
				}
			}
			continue
		}
		<-p.done
		if p.err != nil {
			return p.err
		}
		n, err := c.w.Write(p.data[p.skip:])
		c.at += int64(n)
		c.r.verified.Add(int64(n))
		c.r.tell(int64(n))
		give(p.buf)
		if err != nil {
			return err
		}
	}
	return nil
}
