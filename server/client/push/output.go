package push

import (
	"context"

	"holdfast/server/wire"
)

// output is the way from ops to acknowledged segments.
type output struct {
	b      *batcher
	cancel context.CancelCauseFunc
	ctx    context.Context
	sent   chan struct{} // closed when the sender is over
	res    Result
	err    error
}

func newOutput(ctx context.Context, s *session, o *Options, bounds wire.Push) *output {
	ctx, cancel := context.WithCancelCause(ctx)
	segments := make(chan *segment)
	free := make(chan *text, o.Connections+1)
	w := newWriter(ctx, bounds, segments, free, *o.Compress)
	out := &output{ctx: ctx, cancel: cancel, b: newBatcher(ctx, s, w, !bounds.Empty, o.Now), sent: make(chan struct{})}
	x := &sender{s: s, o: o, in: segments, free: free, res: &out.res}
	go func() {
		defer close(out.sent)
		if err := x.run(ctx); err != nil {
			out.err = err
			cancel(err)
		}
	}()
	return out
}

// add counts what the service has answered.
func (r *Result) add(o *output) {
	r.Unchanged += o.res.Unchanged
	r.Deleted += o.res.Deleted
	r.Sent += o.res.Sent
	r.Refused = append(r.Refused, o.res.Refused...)
	r.Seq, r.At = o.res.Seq, o.res.At
}

// finish waits until everything is acknowledged.
func (o *output) finish() error {
	err := o.b.close()
	if err != nil {
		o.cancel(err)
	}
	<-o.sent
	defer o.cancel(nil)
	if o.err != nil {
		return o.err
	}
	return err
}

// stop gives up.
func (o *output) stop() {
	o.cancel(nil)
	<-o.sent
}
