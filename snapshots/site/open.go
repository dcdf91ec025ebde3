package site

import (
	"context"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/clock"
)

// open makes the lock row of a new database and compares the marks. Marks that disagree are no error here: the site
// opens, tells, takes stops, and destroys nothing.
func (p *Primary) open(ctx context.Context) error {
	p.pins = &pinFile{dir: p.c.Pins, name: p.c.Name}
	if err := p.c.Sweep.Bind(p); err != nil {
		return err
	}
	err := p.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO gate (id, generation, spent, spent_hash, replay, checkpoint, clock, suspended)
			VALUES (1, 0, 0, $1, '', $2, $3, '') ON CONFLICT (id) DO NOTHING`, make([]byte, 32), []byte{}, clock.NewTimer(clock.MaxNeed).Encode())
		return err
	})
	if err != nil {
		return err
	}
	if err := p.agree(ctx); err != nil {
		p.c.Logger.Error("destruction is suspended", "error", err)
	}
	return nil
}

func (p *Primary) agree(ctx context.Context) error {
	return p.read(ctx, func(tx *sqldb.Tx) error {
		g, err := readGate(ctx, tx)
		if err != nil {
			return err
		}
		return p.compare(ctx, tx, g)
	})
}

// compare holds the database against the marks outside it. The database may be ahead, by what was committed before a
// crash; it may never be behind, of another epoch, or of another history (T44, T57).
func (p *Primary) compare(ctx context.Context, tx *sqldb.Tx, g gate) error {
	have, err := g.marks(ctx, tx)
	if err != nil {
		return err
	}
	pin, ok, err := p.pins.read()
	if err != nil {
		return err
	}
	no := func(what string) error { return fmt.Errorf("%w: %s", ErrMarks, what) }
	made, err := unadopted(ctx, tx)
	if err != nil {
		return err
	}
	if made {
		return no("the database was made from packs, and nobody has adopted it")
	}
	switch {
	case !ok && have.Generation == 0:
		return nil
	case !ok:
		return no("the file of the marks is gone")
	case pin.Epoch != have.Epoch:
		return no("epoch")
	case have.Generation < pin.Generation:
		return no("an older database")
	case have.Charter < pin.Charter, have.Spent < pin.Spent, have.LogSize < pin.LogSize:
		return no("an older charter, log, or list of spent warrants")
	case have.LogSize == pin.LogSize && have.LogRoot != pin.LogRoot:
		return no("another log")
	}
	var hash []byte
	var seen [32]byte
	if pin.Charter > 0 {
		if err := tx.QueryRow(ctx, `SELECT hash FROM gate_charters WHERE number = $1`, int64(pin.Charter)).Scan(&hash); err != nil {
			return no("a charter is missing")
		}
		if err := fixed(&seen, hash); err != nil || seen != pin.CharterHash {
			return no("another charter")
		}
	}
	if pin.Spent > 0 {
		if err := tx.QueryRow(ctx, `SELECT chain FROM gate_spent WHERE number = $1`, pin.Spent).Scan(&hash); err != nil {
			return no("a spent warrant is missing")
		}
		if err := fixed(&seen, hash); err != nil || seen != pin.SpentHash {
			return no("other spent warrants")
		}
	}
	return nil
}

// change runs one transaction under the site's lock: f changes the gate, the generation moves on, and after the commit
// the marks are written outside. While the marks disagree only strengthening goes on, and the marks stay as they are.
func (p *Primary) change(ctx context.Context, strengthens bool, f func(tx *sqldb.Tx, g *gate) error) error {
	var m marks
	var disagree error
	err := p.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		g, err := lockGate(ctx, tx)
		if err != nil {
			return err
		}
		disagree = p.compare(ctx, tx, g)
		if disagree != nil && (!strengthens || !errors.Is(disagree, ErrMarks)) {
			return fmt.Errorf("%w: %w", ErrSuspended, disagree)
		}
		if err := f(tx, &g); err != nil {
			return err
		}
		if disagree == nil {
			g.generation++ // an older database must not catch up with the marks by what it is told
		}
		if err := g.store(ctx, tx); err != nil {
			return err
		}
		m, err = g.marks(ctx, tx)
		return err
	})
	if err != nil || disagree != nil {
		return err
	}
	if err := p.step("committed"); err != nil {
		return err
	}
	return p.pins.write(m)
}

func (p *Primary) read(ctx context.Context, f func(tx *sqldb.Tx) error) error {
	return p.c.DB.Read(ctx, f)
}

func (p *Primary) step(name string) error {
	if p.stall == nil {
		return nil
	}
	return p.stall(name)
}

func (p *Primary) now() time.Time { return p.c.Clock.Now().UTC().Truncate(time.Microsecond) }

// Marks implements Site.
func (p *Primary) Marks(ctx context.Context) (out Marks, err error) {
	err = p.read(ctx, func(tx *sqldb.Tx) error {
		g, err := readGate(ctx, tx)
		if err != nil {
			return err
		}
		m, err := g.marks(ctx, tx)
		if err != nil {
			return err
		}
		out = Marks{Site: p.c.Name, Epoch: m.Epoch, Generation: m.Generation, Spent: m.Spent, SpentHash: m.SpentHash, LogSize: m.LogSize,
			LogRoot: m.LogRoot, Suspended: g.suspended, Charter: Pinned{Number: m.Charter, Hash: m.CharterHash}}
		if m.Charter > 0 {
			var at int64
			if err := tx.QueryRow(ctx, `SELECT in_force_at FROM gate_charters WHERE number = $1`, int64(m.Charter)).Scan(&at); err != nil {
				return err
			}
			out.Charter.InForceAt = sqldb.FromMicros(at)
		}
		if problem := p.compare(ctx, tx, g); problem != nil && out.Suspended == "" {
			out.Suspended = "marks: " + problem.Error()
		}
		return nil
	})
	return out, err
}
