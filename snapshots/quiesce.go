package snapshots

import "context"

// Quiesce prepares a tenant for the sweep: it ends the packs that nobody is appending to, gives back the lease that no
// operation holds, and forgets frames that were appended but not committed, so that no later operation builds on bytes which the
// sweep may take for garbage. Operations under way keep their own: their leases protect them.
//
// It answers the lease that owns this process's packs: only those were quiesced.
func (e *Engine) Quiesce(ctx context.Context, tenant string) (LeaseID, error) {
	e.mu.Lock()
	w, closed := e.writers[tenant], e.closed
	e.mu.Unlock()
	switch {
	case closed:
		return LeaseID{}, ErrClosed
	case w == nil: // nobody has written here, or can: its keys may be disabled
		return e.lease.ID, nil
	}
	w.mu.Lock()
	var idle *hold
	if w.current != nil && w.current.users == 1 {
		idle, w.current = w.current, nil
	}
	var failed error
	for len(w.idle) > 0 && failed == nil {
		p := w.idle[len(w.idle)-1]
		w.idle = w.idle[:len(w.idle)-1]
		failed = w.end(p)
	}
	clear(w.pending)
	due := len(w.ended) > 0
	w.mu.Unlock()
	if idle != nil {
		w.leave(idle)
	}
	if failed != nil {
		return LeaseID{}, failed
	}
	if due {
		// The ends go into the index through the queue, behind every group that may still bring frames of these packs.
		if err := w.submit(ctx, &op{}); err != nil {
			return LeaseID{}, err
		}
	}
	return e.lease.ID, nil
}
