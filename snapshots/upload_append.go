package snapshots

import (
	"context"
	"errors"
	"fmt"
	"io"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/stream"
)

// AppendUpload takes more bytes of an upload, which begin at the offset that it has (else ErrOffset), and answers it as it
// then is. They become durable as they come. When body ends early, or with an error, what was cut so far is kept, which is
// up to the longest piece less than what came; the offset says where to go on. With the last byte the file becomes
// visible. More than was announced is ErrFormat.
//
// still, when not nil, is asked before each step; its error ends the transfer. Whoever sends twice at once has one of the
// two fail with ErrOffset.
func (e *Engine) AppendUpload(ctx context.Context, tenant string, id UploadID, offset int64, body io.Reader, still func() error) (Upload, error) {
	u, err := e.Upload(ctx, tenant, id)
	if err != nil {
		return u, err
	}
	if u.State == UploadDone && offset == u.Size {
		return u, nil
	}
	if u.State != UploadOpen || offset != u.Offset {
		return u, ErrOffset
	}
	v, err := e.Volume(ctx, tenant, u.Volume)
	if err == nil && !v.DeletedAt.IsZero() {
		err = ErrNotFound
	}
	if err != nil {
		return u, err
	}
	s, err := e.session(ctx, tenant)
	if err != nil {
		return u, err
	}
	defer s.close()
	s.compression = v.Compression
	table, err := s.key.Table(v.Profile)
	if err != nil {
		return u, err
	}
	// Whoever went away in the middle has sent what he has sent: it is kept.
	a := &appending{e: e, s: s, ctx: context.WithoutCancel(ctx), u: u, still: still, src: &announced{r: body, left: u.Size - u.Offset}}
	c := chunk.NewChunker(table, nil)
	defer c.Close()
	c.ResetAt(a.src, u.Offset)
	err = a.run(stream.NewPipeline(s, table, e.c.Workers), c)
	if err == nil || a.src.err == nil {
		return a.u, err
	}
	return a.u, a.src.err
}

// appending is one transfer of an upload's bytes.
type appending struct {
	e     *Engine
	s     *session
	ctx   context.Context
	u     Upload // as it is durable
	still func() error
	src   *announced

	busy chan error // of the step that is being made durable; nil when none is
	next Upload     // as it is when that is over
}

// run cuts one step while the one before is made durable.
func (a *appending) run(p *stream.Pipeline, c *chunk.Chunker) error {
	for {
		extents, end := p.Cut(a.ctx, c, UploadStep)
		if err := a.settle(); err != nil {
			return err
		}
		if end != nil && !errors.Is(end, io.EOF) && !errors.Is(end, chunk.ErrMore) {
			return end
		}
		if a.still != nil {
			if err := a.still(); err != nil {
				return err
			}
		}
		if errors.Is(end, io.EOF) {
			return a.finish(extents)
		}
		if len(extents) > 0 {
			a.step(extents)
		}
		if end != nil {
			return errors.Join(a.settle(), a.src.err)
		}
	}
}

// step begins to make extents durable.
func (a *appending) step(extents []stream.Extent) {
	u := a.u
	a.busy = make(chan error, 1)
	done := a.busy
	next, o, err := a.plan(u, extents)
	a.next = next
	if err != nil {
		done <- err
		return
	}
	go func() { done <- a.s.commit(a.ctx, o) }()
}

func (a *appending) plan(u Upload, extents []stream.Extent) (Upload, *op, error) {
	r, err := stream.Fold(a.ctx, a.s, extents)
	if err != nil {
		return u, nil, err
	}
	part := Partial{Tenant: u.Tenant, Volume: u.Volume, Push: u.push(), Segment: u.Segments, Path: u.Path, Recipe: r, Size: r.Size(), At: sqldb.Micros(a.e.c.Now())}
	next := u
	next.Offset, next.Segments, next.At = u.Offset+part.Size, u.Segments+1, part.At
	o := &op{edges: map[ChunkKey]int64{}, extra: func(ctx context.Context, tx *sqldb.Tx) error {
		if err := a.e.c.Store.AdvanceUpload(ctx, tx, next, u.Segments, freshUpload(part.At)); err != nil {
			return err
		}
		return a.e.c.Store.InsertPartial(ctx, tx, part)
	}}
	edgesOf(o.edges, r.Children())
	return next, o, nil
}

// freshUpload is since when an upload must have been used for its partials to be all there.
func freshUpload(now int64) int64 { return now - UploadLife.Microseconds() }

// settle waits for the step before.
func (a *appending) settle() error {
	if a.busy == nil {
		return nil
	}
	err := <-a.busy
	if a.busy = nil; err == nil {
		a.u = a.next
	}
	return err
}

// finish puts all that was brought together and makes it the live version, at once with the end of the upload.
func (a *appending) finish(rest []stream.Extent) error {
	src, err := a.e.source(a.ctx, a.u.Tenant)
	if err != nil {
		return err
	}
	j := stream.Joined{To: stream.NewAssembly(a.s)}
	for at := int64(0); at < a.u.Segments; {
		var list []Partial
		if err := a.e.read(a.ctx, func(tx *sqldb.Tx) (err error) {
			list, err = a.e.c.Store.PartialsOf(a.ctx, tx, a.u.Volume, a.u.push(), at, uploadPage)
			return err
		}); err != nil {
			return err
		}
		if len(list) == 0 {
			return ErrOffset
		}
		for _, p := range list {
			if p.Segment != at {
				return ErrOffset
			}
			at++
			if err := stream.Walk(a.ctx, src, p.Recipe, func(x stream.Extent) error { return j.Add(a.ctx, x) }); err != nil {
				return err
			}
		}
	}
	for _, x := range rest {
		if err := j.Add(a.ctx, x); err != nil {
			return err
		}
	}
	if err := j.Flush(a.ctx); err != nil {
		return err
	}
	c, err := j.To.Finish(a.ctx)
	if err != nil {
		return err
	}
	if c.Size != a.u.Size {
		return fmt.Errorf("%w: an upload of %d bytes has %d", ErrCorrupt, a.u.Size, c.Size)
	}
	n := a.u.entry()
	n.Recipe, n.Size, n.ETag = c.Recipe, c.Size, c.Digest
	done := a.u
	done.State, done.Offset, done.ETag, done.At = UploadDone, c.Size, c.Digest, sqldb.Micros(a.e.c.Now())
	o := &op{volume: a.u.Volume, muts: []Mutation{{Op: OpPut, Entry: n}}}
	o.extra = func(ctx context.Context, tx *sqldb.Tx) error {
		done := done
		done.Seq = o.seq
		if err := a.e.c.Store.AdvanceUpload(ctx, tx, done, a.u.Segments, freshUpload(done.At)); err != nil {
			return err
		}
		return a.e.c.Store.FinishPartials(ctx, tx, done.Volume, done.push(), done.Segments)
	}
	if err := a.s.commit(a.ctx, o); err != nil {
		return err
	}
	done.Seq = o.seq
	a.u = done
	return nil
}

// announced is the body of an upload: so many bytes at most. Its own end is the stream's only if all have come.
type announced struct {
	r    io.Reader
	left int64
	err  error // why it ended, other than by its end
}

func (r *announced) Read(p []byte) (int, error) {
	if r.left == 0 {
		// Whether there is more is known only by asking.
		var one [1]byte
		n, err := io.ReadFull(r.r, one[:])
		switch {
		case n > 0:
			r.err = fmt.Errorf("%w: the upload is longer than was announced", ErrFormat)
			return 0, r.err
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		}
		r.err = err
		return 0, chunk.ErrMore
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	if r.left -= int64(n); err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		r.err = err
		return n, chunk.ErrMore
	}
	if r.left > 0 {
		return n, chunk.ErrMore
	}
	return n, io.EOF
}
