package control

import (
	"context"
	"io"
	"time"

	"holdfast/server/wire"
)

// lateBody is a body that may be long on its way. Who was shut out meanwhile has it end with an error, so that nothing
// that was held back until then is written after all (T02).
type lateBody struct {
	r     io.Reader
	c     *Control
	ctx   context.Context
	who   Caller
	asked time.Time
}

func (c *Control) late(ctx context.Context, who Caller, body io.Reader) *lateBody {
	return &lateBody{r: body, c: c, ctx: context.WithoutCancel(ctx), who: who, asked: c.now()}
}

// Read asks behind what it has read: the end of a body is not believed either.
func (b *lateBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if bad := b.still(); bad != nil {
		return 0, bad
	}
	return n, err
}

// still asks again, when the last answer is not of a moment ago.
func (b *lateBody) still() error {
	now := b.c.now()
	if now.Sub(b.asked) < askAgain {
		return nil
	}
	if err := b.c.stillAdmitted(b.ctx, b.who); err != nil {
		if AsError(err).Type == wire.TypeNotAuthenticated {
			return newError(wire.TypeNotAuthenticated, err, "You were signed out, or your access was taken away, while this was on its way.")
		}
		return err
	}
	b.asked = now
	return nil
}
