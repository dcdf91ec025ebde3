package site

import (
	"context"

	"holdfast/snapshots/sweep"
)

type pinFile struct{}

func (p *Primary) open(context.Context) error { return nil }
func (p *Primary) Describe(ctx context.Context, q Query) (Description, error) {
	return Description{}, ErrSuspended
}
func (p *Primary) Inventory(ctx context.Context, tenant, after string, limit int) ([]CopyFacts, error) {
	return nil, ErrSuspended
}
func (p *Primary) Deliver(ctx context.Context, warrant []byte) (Receipt, error) {
	return Receipt{}, ErrSuspended
}
func (p *Primary) Advance(ctx context.Context, request string) (Receipt, error) {
	return Receipt{}, ErrSuspended
}
func (p *Primary) Stop(ctx context.Context, stop []byte) (Receipt, error) {
	return Receipt{}, ErrSuspended
}
func (p *Primary) Release(ctx context.Context, request, person, proof string) (Receipt, error) {
	return Receipt{}, ErrSuspended
}
func (p *Primary) AcceptCharter(ctx context.Context, next Succession) (Pinned, error) {
	return Pinned{}, ErrSuspended
}
func (p *Primary) Status(ctx context.Context, request string) (Receipt, error) {
	return Receipt{}, ErrSuspended
}
func (p *Primary) Pending(ctx context.Context) ([]Receipt, error) { return nil, ErrSuspended }
func (p *Primary) Standing(ctx context.Context, tenant string) ([]Standing, error) {
	return nil, ErrSuspended
}
func (p *Primary) Follow(ctx context.Context) (Marks, error)    { return Marks{}, ErrSuspended }
func (p *Primary) Tick(ctx context.Context) (TickReport, error) { return TickReport{}, ErrSuspended }
func (p *Primary) Marks(ctx context.Context) (Marks, error)     { return Marks{}, ErrSuspended }

// Reclaim takes what nothing needs of one tenant, with this site as the guard.
func (p *Primary) Reclaim(ctx context.Context, tenant string) (sweep.Result, error) {
	return sweep.Result{}, ErrSuspended
}

// ResumeClock ends a suspension that a clock jump caused; the site's keyboard calls it when the clocks agree again.
func (p *Primary) ResumeClock(ctx context.Context) error { return ErrSuspended }

// Keyboard takes a stop typed at the site's own keyboard, without proof.
func (p *Primary) Keyboard(ctx context.Context, stop []byte) (Receipt, error) {
	return Receipt{}, ErrSuspended
}
