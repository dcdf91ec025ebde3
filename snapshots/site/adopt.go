package site

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
)

// A database that was made from packs (snapshots/rebuild) is of a new epoch and knows nothing of the gate. The site opens
// with it, reads the log from its beginning, takes charters and stops, and destroys nothing, until the host's operator
// says that somebody looked: Adopt.

// ErrNotReady means that a rebuilt database does not yet know what the marks of the life before it demand.
var ErrNotReady = errors.New("site: the rebuilt database is not ready to be adopted")

// unadopted reports whether the database was made from packs and nobody has adopted it.
func unadopted(ctx context.Context, tx *sqldb.Tx) (bool, error) {
	var adopted int64
	err := tx.QueryRow(ctx, `SELECT adopted_at FROM rebuilt WHERE id = 1`).Scan(&adopted)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && adopted == 0, err
}

// rebuilt is unadopted in a transaction of its own; an error is no.
func (p *Primary) rebuilt(ctx context.Context) bool {
	yes := false
	err := p.read(ctx, func(tx *sqldb.Tx) (err error) {
		yes, err = unadopted(ctx, tx)
		return err
	})
	return err == nil && yes
}

// Adopt takes a rebuilt database for the site's: its epoch into the marks, and every request that the site has ever
// spoken of in the log as spent, for no table says any more which of them were executed. ErrNotReady while the log, the
// charter or what the site said there are behind the marks of the life before. Who stands at the site's keyboard calls
// it; it may be called again.
func (p *Primary) Adopt(ctx context.Context) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	pin, had, err := p.pins.read()
	if err != nil {
		return err
	}
	no := func(what string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrNotReady, fmt.Sprintf(what, args...))
	}
	var m marks
	err = p.c.DB.Write(ctx, func(tx *sqldb.Tx) error {
		g, err := lockGate(ctx, tx)
		if err != nil {
			return err
		}
		var adopted int64
		if err := tx.QueryRow(ctx, `SELECT adopted_at FROM rebuilt WHERE id = 1`).Scan(&adopted); errors.Is(err, sql.ErrNoRows) {
			return no("this database was not made from packs")
		} else if err != nil {
			return err
		}
		if m, err = g.marks(ctx, tx); err != nil {
			return err
		}
		if adopted != 0 {
			if had && pin.Epoch == m.Epoch {
				return no("it is adopted already")
			}
			return nil // a crash came between: the marks are written once more
		}
		switch {
		case !g.followed || m.Charter == 0:
			return no("the site has no charter yet, or has not read the log")
		case had && m.Charter < pin.Charter:
			return no("charter %d is pinned, %d is known", pin.Charter, m.Charter)
		case had && m.LogSize < pin.LogSize:
			return no("%d leaves were read before, the log shows %d", pin.LogSize, m.LogSize)
		case had && m.LogSize == pin.LogSize && m.LogRoot != pin.LogRoot:
			return no("it is another log")
		}
		if had && pin.Charter > 0 {
			var hash []byte
			var known [32]byte
			if err := tx.QueryRow(ctx, `SELECT hash FROM gate_charters WHERE number = $1`, int64(pin.Charter)).Scan(&hash); err != nil {
				return no("charter %d is not known", pin.Charter)
			}
			if err := fixed(&known, hash); err != nil || known != pin.CharterHash {
				return no("charter %d is another one", pin.Charter)
			}
		}
		former, err := formerRequests(ctx, tx)
		if err != nil {
			return err
		}
		if had && int64(len(former)) < pin.Spent {
			return no("%d warrants were spent, the log tells of %d requests", pin.Spent, len(former))
		}
		at := p.now()
		for _, w := range former {
			spent, err := isSpent(ctx, tx, w.Request)
			if err != nil {
				return err
			}
			if spent {
				continue
			}
			if err := g.spend(ctx, tx, w, at); err != nil {
				return err
			}
		}
		if had {
			g.generation = max(g.generation, pin.Generation)
		}
		g.generation++
		if err := g.store(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE rebuilt SET adopted_at = $1 WHERE id = 1`, sqldb.Micros(at)); err != nil {
			return err
		}
		if err := alarm(ctx, tx, at, "adopted", "the host's operator took a rebuilt database for this site's"); err != nil {
			return err
		}
		m, err = g.marks(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if err := p.step("adopted"); err != nil {
		return err
	}
	return p.pins.write(m)
}

// formerRequests lists what the site has spoken of, in the order of the log.
func formerRequests(ctx context.Context, tx *sqldb.Tx) (out []row, err error) {
	rows, err := tx.Query(ctx, `SELECT request, statement FROM gate_former ORDER BY leaf`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var w row
		var digest []byte
		if err := rows.Scan(&w.Request, &digest); err != nil {
			return nil, err
		}
		if err := fixed(&w.Statement, digest); err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, rows.Err()
}

// remember keeps of the site's own words which requests they are about.
func remember(ctx context.Context, tx *sqldb.Tx, ev Event, leaf int64) error {
	if ev.Request == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO gate_former (request, statement, leaf) VALUES ($1, $2, $3) ON CONFLICT (request) DO NOTHING`,
		ev.Request, ev.Statement[:], leaf)
	return err
}
