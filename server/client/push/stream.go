package push

import (
	"context"
	"io"
	"os"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire/record"
)

// streamPath is the path of the only file of a volume of kind stream.
const streamPath = "stream"

// Stream sends all of in into a volume of kind stream, and answers when it is durable. A service that goes away meanwhile
// is waited for.
func Stream(ctx context.Context, c *client.Client, in io.Reader, volume string, o Options) (res Result, err error) {
	if err := o.fill(c); err != nil {
		return res, err
	}
	s := &session{c: c, volume: volume, kind: "stream", head: -1}
	p, err := s.ensure(ctx)
	if err != nil {
		return res, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		s.end(ctx)
	}()
	if f, ok := in.(*os.File); ok {
		widen(f)
	}
	out := newOutput(ctx, s, &o, p)
	pieces := make(chan *piece, pieceQueue)
	cut := make(chan error, 1)
	go func() {
		cut <- s.cutStream(out.ctx, in, func(p *piece) error {
			select {
			case pieces <- p:
				return nil
			case <-out.ctx.Done():
				return context.Cause(out.ctx)
			}
		})
		close(pieces)
	}()
	err = func() error {
		entry := &record.Entry{Path: streamPath, Type: record.File, Mode: 0o644, MTime: o.Now().UnixNano(), ContentType: "application/octet-stream"}
		if err := out.b.add(op{kind: opEntry, entry: entry}); err != nil {
			return err
		}
		tick := time.NewTicker(flushAfter)
		defer tick.Stop()
		for {
			select {
			case x, ok := <-pieces:
				if !ok {
					if err := <-cut; err != nil {
						return err // what was read is no whole stream: it gets no end
					}
					return out.b.add(op{kind: opEnd, size: res.Read})
				}
				if x.done != nil {
					<-x.done
				}
				res.Read += x.size()
				if err := out.b.add(op{kind: opPiece, piece: x}); err != nil {
					return err
				}
				o.Progress(res.Read)
			case <-tick.C:
				if err := out.b.tick(); err != nil {
					return err
				}
			case <-out.ctx.Done():
				return context.Cause(out.ctx)
			}
		}
	}()
	if err != nil {
		out.cancel(err)
		<-out.sent
		res.add(out)
		if out.err != nil && ctx.Err() == nil {
			err = out.err
		}
		return res, err
	}
	err = out.finish()
	res.add(out)
	res.Entries, res.Bytes = 1, res.Read
	return res, err
}
