package snapshots

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/keep"
)

// What is kept can be lengthened here by one person, at once (I5). To shorten it is a gated action: the site does that, with
// a permit, and no function of the Engine (I4, T32).

// SetKeepRule sets the keep rule of a volume, where that gives up nothing that is kept now: the rule covers the one in
// force, or it is the first and there is no snapshot yet. Otherwise it is ErrShorter. Text that is no rule is
// keep.ErrMalformed.
func (e *Engine) SetKeepRule(ctx context.Context, tenant string, v VolumeID, rule, by string) (k KeepRule, err error) {
	if err := checkNote(by); err != nil {
		return k, err
	}
	next, err := keep.Parse(rule)
	if err != nil {
		return k, err
	}
	err = e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		volume, err := e.c.Store.LockVolume(ctx, tx, v)
		if err == nil && volume.Tenant != tenant {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		k, err = e.c.Store.KeepRule(ctx, tx, v)
		switch {
		case errors.Is(err, ErrNotFound):
			taken, err := e.c.Store.Snapshots(ctx, tx, tenant, v, SnapshotID{}, 1)
			if err != nil {
				return err
			}
			if len(taken) > 0 && !next.All {
				return fmt.Errorf("%w: the volume has snapshots, and so far all of them are kept", ErrShorter)
			}
		case err != nil:
			return err
		case k.Rule == rule:
			return nil
		default:
			now, err := keep.Parse(k.Rule)
			if err != nil {
				return err
			}
			if !next.Covers(now) {
				return fmt.Errorf("%w: from %q to %q", ErrShorter, k.Rule, rule)
			}
		}
		if err := e.c.Store.InsertKeepRule(ctx, tx, v, rule, by, sqldb.Micros(e.c.Now())); err != nil {
			return err
		}
		k, err = e.c.Store.KeepRule(ctx, tx, v)
		return err
	})
	return k, err
}

// KeepRule answers the newest keep rule of a volume. One for which nobody has set a rule has number 0 and keeps all.
func (e *Engine) KeepRule(ctx context.Context, tenant string, v VolumeID) (k KeepRule, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.Volume(ctx, tx, tenant, v); err != nil {
			return err
		}
		k, err = e.c.Store.KeepRule(ctx, tx, v)
		if errors.Is(err, ErrNotFound) {
			k, err = KeepRule{Volume: v, Rule: keep.Everything().String()}, nil
		}
		return err
	})
	return k, err
}

// SetVolumeUndo lengthens the undo window of a volume. One that is shorter than the window that holds now is ErrShorter.
func (e *Engine) SetVolumeUndo(ctx context.Context, tenant string, v VolumeID, undo time.Duration, by string) (w Window, err error) {
	if err := checkNote(by); err != nil {
		return w, err
	}
	if undo <= 0 || undo > MaxUndo || undo%time.Second != 0 {
		return w, fmt.Errorf("%w: an undo window is whole seconds, at most %s", ErrFormat, MaxUndo)
	}
	err = e.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := e.c.Store.LockTenant(ctx, tx, tenant); err != nil {
			return err
		}
		volume, err := e.c.Store.LockVolume(ctx, tx, v)
		if err == nil && volume.Tenant != tenant {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		now, err := e.undoOf(ctx, tx, volume)
		if err != nil {
			return err
		}
		if undo < now {
			return fmt.Errorf("%w: from %s to %s", ErrShorter, now, undo)
		}
		if w, err = e.c.Store.Window(ctx, tx, v); err == nil && w.Undo == undo {
			return nil
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := e.c.Store.InsertWindow(ctx, tx, v, undo, by, sqldb.Micros(e.c.Now())); err != nil {
			return err
		}
		w, err = e.c.Store.Window(ctx, tx, v)
		return err
	})
	return w, err
}

// VolumeUndo is the undo window that holds for a volume, the longest of the charter's, the tenant's and its own, and its
// own, whose number is 0 when it has none.
func (e *Engine) VolumeUndo(ctx context.Context, tenant string, v VolumeID) (undo time.Duration, own Window, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		volume, err := e.c.Store.Volume(ctx, tx, tenant, v)
		if err != nil {
			return err
		}
		if undo, err = e.undoOf(ctx, tx, volume); err != nil {
			return err
		}
		own, err = e.c.Store.Window(ctx, tx, v)
		if errors.Is(err, ErrNotFound) {
			own, err = Window{Volume: v}, nil
		}
		return err
	})
	return undo, own, err
}

// OwnUndos answers which volumes of a tenant have an undo window of their own, and how long it is. The window that
// holds is the longer of that and the charter's.
func (e *Engine) OwnUndos(ctx context.Context, tenant string) (out map[VolumeID]time.Duration, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		windows, err := e.c.Store.Windows(ctx, tx, tenant)
		out = make(map[VolumeID]time.Duration, len(windows))
		for _, w := range windows {
			out[w.Volume] = w.Undo
		}
		return err
	})
	return out, err
}

// undoOf is the undo window that holds for a volume.
func (e *Engine) undoOf(ctx context.Context, tx *sqldb.Tx, v Volume) (time.Duration, error) {
	undo, err := e.undo(ctx, tx, v.Tenant)
	if err != nil {
		return 0, err
	}
	own, err := e.c.Store.Window(ctx, tx, v.ID)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return max(undo, own.Undo), err
}

// ForgetKeys has the tenant's keys be read anew: a request may have disabled one, or brought one back.
func (e *Engine) ForgetKeys(tenant string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.keys, tenant)
}

// KeySets are the tenant's key sets that are not disabled, as they are stored.
func (e *Engine) KeySets(ctx context.Context, tenant string) (out []TenantKey, err error) {
	err = e.read(ctx, func(tx *sqldb.Tx) error {
		out, err = e.c.Store.Keys(ctx, tx, tenant)
		return err
	})
	return out, err
}
