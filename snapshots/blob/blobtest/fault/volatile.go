package fault

import (
	"context"
	"errors"
	"sync"

	"holdfast/snapshots/blob"
)

// ErrPower is what every call of a writer answers after a loss of power.
var ErrPower = errors.New("fault: the power is gone")

// Volatile is a store whose writes stand in a cache until they are synced, as on a disk: a loss of power takes what was
// not, or half of it.
type Volatile struct {
	blob.Store
	mu   sync.Mutex
	open map[*cached]bool
}

// NewVolatile wraps a store.
func NewVolatile(s blob.Store) *Volatile { return &Volatile{Store: s, open: map[*cached]bool{}} }

// PowerLoss ends every writer that is open. With torn half of what was not synced reaches the disk all the same.
func (v *Volatile) PowerLoss(torn bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	for c := range v.open {
		c.mu.Lock()
		c.dead = true
		if torn && len(c.buf) > 1 {
			_, err := c.w.Write(c.buf[:len(c.buf)/2])
			errs = append(errs, err, c.w.Sync())
		}
		c.buf = nil
		c.mu.Unlock()
		errs = append(errs, c.w.Close())
	}
	v.open = map[*cached]bool{}
	return errors.Join(errs...)
}

// Create implements blob.Store.
func (v *Volatile) Create(ctx context.Context, name string) (blob.Writer, error) {
	w, err := v.Store.Create(ctx, name)
	if err != nil {
		return nil, err
	}
	c := &cached{v: v, w: w}
	v.mu.Lock()
	v.open[c] = true
	v.mu.Unlock()
	return c, nil
}

type cached struct {
	v    *Volatile
	mu   sync.Mutex
	w    blob.Writer
	buf  []byte
	dead bool
}

func (c *cached) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return 0, ErrPower
	}
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *cached) flush() error {
	if c.dead {
		return ErrPower
	}
	_, err := c.w.Write(c.buf)
	c.buf = nil
	return err
}

func (c *cached) Sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.flush(); err != nil {
		return err
	}
	return c.w.Sync()
}

func (c *cached) Commit() error {
	c.mu.Lock()
	err := c.flush()
	if err == nil {
		err = c.w.Commit()
	}
	c.mu.Unlock()
	c.forget()
	return err
}

func (c *cached) Close() error {
	c.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return nil
	}
	return c.w.Close()
}

func (c *cached) forget() {
	c.v.mu.Lock()
	defer c.v.mu.Unlock()
	delete(c.v.open, c)
}
