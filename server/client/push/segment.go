package push

import (
	"context"
	"sync"
	"time"

	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// extent is what was written of a file, so that it can be said again to a service
// that has lost the session.
type extent struct {
	id   [32]byte
	len  int64
	hole bool
}

// open is the file in whose middle a segment begins.
type open struct {
	entry   *record.Entry
	extents []extent // those before the segment; never changed
}

// segment is a record stream that is made durable as a whole.
type segment struct {
	n       int64 // in the session that it was last sent in
	text    *text
	records uint64
	entries int
	plain   int64
	start   *open // nil when it begins with an entry
	first   string
}

func (s *segment) empty() bool { return s.records == 0 }

// writer makes segments of ops. One goroutine uses it.
type writer struct {
	ctx      context.Context
	bounds   wire.Push
	out      chan<- *segment
	free     chan *text
	compress bool

	cur     *segment
	entry   *record.Entry // of the open file
	extents []extent
	number  uint64
}

func newWriter(ctx context.Context, bounds wire.Push, out chan<- *segment, free chan *text, compress bool) *writer {
	w := &writer{ctx: ctx, bounds: bounds, out: out, free: free, compress: compress}
	w.begin()
	return w
}

func (w *writer) begin() {
	w.cur = &segment{}
	if w.entry != nil {
		w.cur.start = &open{w.entry, w.extents[:len(w.extents):len(w.extents)]}
	}
}

// room takes a buffer when the segment has its first record, and hands the
// segment over when that is full.
func (w *writer) room(plain int64) error {
	s := w.cur
	full := s.text != nil && s.text.len() >= segmentTarget || s.plain+plain > w.bounds.SegmentBytes ||
		s.records+spareRecords > uint64(w.bounds.SegmentRecords) || s.entries >= w.bounds.SegmentEntries
	if full {
		if err := w.flush(); err != nil {
			return err
		}
		s = w.cur
	}
	if s.text == nil {
		select {
		case s.text = <-w.free:
		default:
			s.text = &text{}
		}
		s.text.buf = record.AppendMagic(s.text.buf)
	}
	return nil
}

// flush hands over what there is.
func (w *writer) flush() error {
	s := w.cur
	if s.empty() {
		return nil
	}
	s.text.buf = record.AppendStop(s.text.buf, s.records)
	select {
	case w.out <- s:
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
	w.begin()
	return nil
}

// write writes one record. With long, data stays where it is until the segment is acknowledged.
func (w *writer) write(o op, long bool) error {
	plain := int64(0)
	if o.kind == opPiece && !o.piece.known {
		plain = int64(len(o.piece.data))
	}
	if err := w.room(plain); err != nil {
		return err
	}
	s, t := w.cur, w.cur.text
	s.records++
	switch o.kind {
	case opEntry:
		o.entry.Number = w.number
		w.number++
		w.entry, w.extents = o.entry, nil
		t.buf = record.AppendEntry(t.buf, o.entry)
		s.entries++
	case opPiece:
		s.plain += plain
		w.piece(o.piece, long)
	case opEnd:
		t.buf = record.AppendEnd(t.buf, o.size)
		w.entry, w.extents = nil, nil
	case opDelete:
		t.buf = record.AppendDelete(t.buf, o.path)
		s.entries++
		w.entry, w.extents = nil, nil // the deletion of an open entry gives that up
	}
	if s.first == "" && w.entry != nil {
		s.first = w.entry.Path
	}
	return nil
}

func (w *writer) piece(p *piece, long bool) {
	t, n := w.cur.text, len(p.data)
	w.extents = append(w.extents, extent{p.id, p.size(), p.hole > 0})
	switch {
	case p.hole > 0:
		t.buf = record.AppendHole(t.buf, p.hole)
	case p.known:
		t.buf = record.AppendRef(t.buf, p.id, int64(n))
		p.release()
	case p.packed != nil:
		packed := p.packed
		p.release()
		t.buf = record.AppendDataHead(t.buf, p.id, p.encoding, n, len(packed))
		t.add(packed, func() { putBuffer(packed) }, true)
		p.packed = nil
	default:
		t.buf = record.AppendDataHead(t.buf, p.id, record.Raw, n, n)
		t.add(p.data, p.free, long)
		p.data, p.free = nil, nil
	}
}

// batch gathers ops until it is worth asking which of their chunks are known.
type batch struct {
	ops   []op
	bytes int64
	ids   []byte
	long  bool // most of its data travels, so that it may stay where it was read
	err   error
	done  chan struct{}
}

// batcher asks about one batch while the next is gathered, and writes them in
// their order. add and close are called by one goroutine, and the writer belongs to it
// through the batches.
type batcher struct {
	ctx   context.Context
	now   func() time.Time
	s     *session
	ask   bool
	w     *writer
	cur   *batch
	since time.Time
	asked chan *batch
	over  chan error
}

func newBatcher(ctx context.Context, s *session, w *writer, ask bool, now func() time.Time) *batcher {
	b := &batcher{ctx: ctx, now: now, s: s, ask: ask, w: w, cur: &batch{}, asked: make(chan *batch, 1), over: make(chan error, 1)}
	go b.write()
	return b
}

func (b *batcher) add(o op) error {
	if len(b.cur.ops) == 0 {
		b.since = b.now()
	}
	b.cur.ops = append(b.cur.ops, o)
	if o.kind == opPiece && o.piece.hole == 0 {
		b.cur.bytes += int64(len(o.piece.data))
		b.cur.ids = append(b.cur.ids, o.piece.id[:]...)
	}
	most := int64(batchBytes)
	if !b.ask {
		most = unaskedBytes
	}
	if b.cur.bytes >= most || len(b.cur.ids) >= 32*min(batchIDs, b.w.bounds.KnownBatch) || len(b.cur.ops) >= batchOps {
		return b.send(false)
	}
	return nil
}

// tick sends what has waited for long.
func (b *batcher) tick() error {
	if b.now().Sub(b.since) < flushAfter {
		return nil
	}
	b.since = b.now()
	return b.send(true)
}

// send has the batch asked about and written. With flush the segment ends behind it.
func (b *batcher) send(flush bool) error {
	x := b.cur
	b.cur = &batch{}
	if flush {
		x.ops = append(x.ops, op{})
	}
	x.done = make(chan struct{})
	go func() {
		defer close(x.done)
		x.err = b.prepare(x)
	}()
	select {
	case b.asked <- x:
		return nil
	case err := <-b.over:
		b.over <- err
		return err
	case <-b.ctx.Done():
		return context.Cause(b.ctx)
	}
}

// prepare asks, and compresses what is not known.
func (b *batcher) prepare(x *batch) error {
	defer x.judge()
	if b.ask && len(x.ids) > 0 {
		known, err := b.s.known(b.ctx, x.ids, b.w.bounds.KnownBatch)
		if b.ctx.Err() != nil {
			return context.Cause(b.ctx)
		}
		if err != nil && denied(err) && !missing(err) {
			return err
		}
		at := 0
		for _, o := range x.ops {
			if o.kind == opPiece && o.piece.hole == 0 {
				o.piece.known = err == nil && known[at] // a service that is away knows nothing: the data goes along
				at++
			}
		}
	}
	if !b.w.compress {
		return nil
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, workers)
	for _, o := range x.ops {
		if o.kind != opPiece || o.piece.hole > 0 || o.piece.known {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			p := o.piece
			p.encoding, p.packed = record.Compress(getBuffer(len(p.data) + 1024)[:0], p.data)
			<-slots
		})
	}
	wg.Wait()
	return nil
}

// judge says whether most of the data travels.
func (x *batch) judge() {
	var known int64
	for _, o := range x.ops {
		if o.kind == opPiece && o.piece.known {
			known += int64(len(o.piece.data))
		}
	}
	x.long = 2*known < x.bytes
}

// write puts batches into segments, until there are no more.
func (b *batcher) write() {
	err := func() error {
		for {
			var x *batch
			ok := true
			select {
			case x, ok = <-b.asked:
			case <-b.ctx.Done():
				return context.Cause(b.ctx)
			}
			if !ok {
				return b.w.flush()
			}
			<-x.done
			if x.err != nil {
				return x.err
			}
			for _, o := range x.ops {
				var err error
				if o.kind == 0 {
					err = b.w.flush()
				} else {
					err = b.w.write(o, x.long)
				}
				if err != nil {
					return err
				}
			}
		}
	}()
	if err == nil {
		close(b.w.out)
	}
	b.over <- err
}

// close writes what is left and waits for it.
func (b *batcher) close() error {
	if err := b.send(false); err != nil {
		return err
	}
	close(b.asked)
	return <-b.over
}
