package snapshots

import (
	"context"
	"io"
)

// SetStall has f called at the steps of every commit: "synced" after the fsync of the packs, "transaction" before the
// COMMIT, "committed" after it. An error stops there, as a crash would.
func (e *Engine) SetStall(f func(step string) error) { e.stall = f }

// NearlyTooManyZeroes is the content of an archive that has stood for all but n bytes of the zeroes that it may stand for.
func NearlyTooManyZeroes(ctx context.Context, r io.Reader, n int64) io.Reader {
	return &expanded{ctx: ctx, r: r, came: &counter{}, n: maxTarZeroes - n}
}
