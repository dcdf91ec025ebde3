package audit

import (
	"context"
	"errors"
	"time"
)

// HighWater keeps what a witness has seen, durably and outside the log's database. The witness is its consumer; a site, a
// CLI and a test implement it.
type HighWater interface {
	// Last is the newest checkpoint seen of an origin; ok is false when none was.
	Last(ctx context.Context, origin string) (c Checkpoint, ok bool, err error)
	// Advance durably replaces from by to in one step, and fails with ErrConflict when from is no longer what is kept. On
	// first contact from has size 0.
	Advance(ctx context.Context, from, to Checkpoint) error
}

// Witness cosigns what consistently continues what it saw, by https://c2sp.org/tlog-witness. It must not run on the
// control plane's host: its word is worth what its independence is.
type Witness struct {
	Signer *Signer
	Keys   *Keys // only the log's key matters here
	Marks  HighWater
	Now    func() time.Time
}

// Cosign verifies the log's signature, checks the proof from the last checkpoint seen (whose size the submitter names as
// old), keeps the new one durably, and only then signs. A checkpoint of the size already seen is cosigned again with the
// new time. Errors: ErrCheckpoint, ErrUnsigned, ErrOrigin; *ConflictError (wrong old, a race, or ErrRollback); *ForkError.
func (w *Witness) Cosign(ctx context.Context, signed []byte, old int64, proof []Hash) (line string, err error) {
	next, err := w.Keys.Open(signed)
	if err != nil {
		return "", err
	}
	last, ok, err := w.Marks.Last(ctx, next.Origin)
	if err != nil {
		return "", err
	}
	if !ok {
		last = Checkpoint{Origin: next.Origin, Root: EmptyRoot}
	}
	if next.Size < last.Size {
		return "", &ConflictError{Size: last.Size, Err: ErrRollback}
	}
	if old != last.Size {
		return "", &ConflictError{Size: last.Size, Err: ErrConflict}
	}
	if err := VerifyConsistency(last, next.Checkpoint, proof); err != nil {
		if errors.Is(err, ErrFork) || errors.Is(err, ErrInconsistent) {
			return "", &ForkError{Seen: last, Signed: next.Signed, Err: err}
		}
		return "", err
	}
	if next.Checkpoint != last || !ok {
		// A witness that signed first and failed to remember would sign the other branch of a fork after a crash.
		if err := w.Marks.Advance(ctx, last, next.Checkpoint); err != nil {
			return "", err
		}
	}
	return w.Signer.Cosign(next.Checkpoint, w.Now())
}
