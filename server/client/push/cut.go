package push

import (
	"context"
	"errors"
	"io"
	"os"

	"holdfast/snapshots/chunk"
)

// skip is a part of a hole that the chunker was not shown.
type skip struct {
	at int64 // in what it was shown
	n  int64
}

// sparseReader reads a file and shows of its long holes only as much as the
// chunker needs to find them: what is left out is a multiple of every grid that
// content is cut on, so that the cuts are those of the whole.
type sparseReader struct {
	f       *os.File
	sparse  bool
	size    int64
	off     int64 // in the file
	shown   int64
	zeroes  int64 // to be shown before the file goes on
	dataEnd int64
	skips   []skip
}

func (r *sparseReader) Read(p []byte) (int, error) {
	if r.zeroes == 0 && r.sparse && r.off >= r.dataEnd && r.off < r.size {
		from, to := nextData(r.f, r.off, r.size)
		hole := from - r.off
		r.dataEnd, r.zeroes = to, hole
		if cut := (hole - 2*leadZeroes) / skipUnit * skipUnit; cut > 0 {
			r.skips = append(r.skips, skip{r.shown + leadZeroes, cut})
			r.zeroes -= cut
		}
		r.off = from
	}
	if r.zeroes > 0 {
		n := int(min(int64(len(p)), r.zeroes))
		clear(p[:n])
		r.zeroes -= int64(n)
		r.shown += int64(n)
		return n, nil
	}
	if r.sparse && r.off < r.dataEnd {
		p = p[:min(int64(len(p)), r.dataEnd-r.off)]
	}
	n, err := r.f.ReadAt(p, r.off)
	r.off += int64(n)
	r.shown += int64(n)
	if errors.Is(err, io.EOF) {
		if r.sparse && r.off < r.size && n > 0 {
			err = nil // it was cut short meanwhile; the next read says so
		} else {
			err = io.EOF
		}
	}
	return n, err
}

// long is how much longer a hole is than the chunker was shown.
func (r *sparseReader) long(at, n int64) (more int64) {
	for len(r.skips) > 0 && r.skips[0].at <= at+n {
		more += r.skips[0].n
		r.skips = r.skips[1:]
	}
	return more
}

// cutFile cuts a file and gives each piece to emit.
func (s *session) cutFile(ctx context.Context, f *os.File, st status, emit func(*piece) error) (size int64, err error) {
	r := &sparseReader{f: f, size: st.size, sparse: st.blocks*512 < st.size}
	c := chunk.NewChunker(s.table, r)
	defer c.Close()
	shown := int64(0)
	for {
		x, err := c.Next()
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return size, err
		}
		p := newPiece(x, st.size > smallFile)
		if x.Hole > 0 {
			p.hole += r.long(shown, x.Hole)
		} else {
			p.id = s.ids.ID(chunk.KindData, p.data)
		}
		shown += x.Len()
		size += p.size()
		if err := emit(p); err != nil {
			return size, err
		}
	}
}

// cutStream cuts a stream; the ids are computed by several goroutines. Every piece's done is closed when its id is there.
func (s *session) cutStream(ctx context.Context, in io.Reader, emit func(*piece) error) error {
	c := chunk.NewChunker(s.table, in)
	defer c.Close()
	slots := make(chan struct{}, workers)
	for {
		x, err := c.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		p := newPiece(x, true)
		if x.Hole == 0 {
			p.done = make(chan struct{})
			slots <- struct{}{}
			go func() {
				p.id = s.ids.ID(chunk.KindData, p.data)
				close(p.done)
				<-slots
			}()
		}
		if err := emit(p); err != nil {
			return err
		}
	}
}
