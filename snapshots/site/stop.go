package site

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
)

// Stop implements Site. It needs neither the log nor anything else outside the site.
func (p *Primary) Stop(ctx context.Context, stop []byte) (Receipt, error) {
	return p.stop(ctx, stop, false)
}

// Keyboard takes a stop typed at the site's own keyboard, which may be without proof.
func (p *Primary) Keyboard(ctx context.Context, stop []byte) (Receipt, error) {
	return p.stop(ctx, stop, true)
}

func (p *Primary) stop(ctx context.Context, text []byte, keyboard bool) (Receipt, error) {
	s, err := warrant.ParseStop(text)
	if err != nil {
		return Receipt{}, err
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	// Clocks that cannot be read do not keep a stop from being taken.
	reading, readErr := p.c.Clock.Read(ctx)
	out := Receipt{Site: p.c.Name, Request: s.Request, Tenant: s.Tenant, Stop: s.ID}
	err = p.change(ctx, true, func(tx *sqldb.Tx, g *gate) error {
		newest, err := charterAt(ctx, tx, 0)
		if err != nil {
			return err
		}
		// A suspension suspends its own speaker too: by a second route the same one would find nobody to have said it.
		if s.Kind == warrant.StopSuspend {
			err := sameStop(ctx, tx, s)
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		v, err := p.verifyStop(ctx, tx, newest.c, s, keyboard, p.now())
		if err != nil {
			if sameStop(ctx, tx, s) == nil {
				return nil // it verified when it came; who said it has been suspended since
			}
			return err
		}
		// Timers are brought to this moment first: what ran before the stop counts, what comes after does not.
		if readErr == nil {
			if _, _, err := p.accrue(ctx, tx, g, newest.c, reading); err != nil {
				return err
			}
		}
		w, err := p.take(ctx, tx, v, keyboard, false)
		if err != nil {
			return err
		}
		if w != nil {
			out = w.Receipt
			out.Site, out.Stop = p.c.Name, s.ID
		}
		if readErr == nil {
			_, _, err = p.accrue(ctx, tx, g, newest.c, reading)
		}
		return err
	})
	return out, err
}

// verifyStop checks whose word a stop is, with what this site knows of people from its charter and the log.
func (p *Primary) verifyStop(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, s warrant.Stop, keyboard bool, now time.Time) (warrant.VerifiedStop, error) {
	suspended, err := suspendedPeople(ctx, tx)
	if err != nil {
		return warrant.VerifiedStop{}, err
	}
	return warrant.VerifyStop(s, warrant.StopContext{Charter: c, Now: now, Suspended: suspended, Keyboard: keyboard,
		Member: func(person string, id []byte) (k warrant.PublicKey, tenant string, ok bool) {
			k.CredentialID = id
			if err := tx.QueryRow(ctx, `SELECT rp, cose FROM gate_passkeys WHERE person = $1 AND credential = $2`, person, id).Scan(&k.RP, &k.COSE); err != nil {
				return k, "", false
			}
			tenant, err := tenantOf(ctx, tx, person)
			return k, tenant, err == nil && tenant != ""
		}})
}

// tenantOf is the tenant of a member, by the newest warrants that the member requested and this site verified.
func tenantOf(ctx context.Context, tx *sqldb.Tx, person string) (string, error) {
	all, err := rowsIn(ctx, tx, `ORDER BY first_seen DESC LIMIT 1000`)
	if err != nil {
		return "", err
	}
	for _, w := range all {
		st, err := statementOf(w)
		if err == nil && st.Tenant.ID != "" && st.Requester.Kind == statement.Member && st.Requester.ID == person {
			return st.Tenant.ID, nil
		}
	}
	return "", nil
}

// take records a verified stop and does what it says. The same stop by another route is one stop. lenient is for stops
// in the log: one that comes too late is kept and does nothing.
func (p *Primary) take(ctx context.Context, tx *sqldb.Tx, v warrant.VerifiedStop, keyboard, lenient bool) (*row, error) {
	s := v.Stop()
	text, err := s.Render()
	if err != nil {
		return nil, err
	}
	n, err := tx.Exec(ctx, `INSERT INTO gate_stops (id, kind, request, tenant, volume, subject, person, text, keyboard, at, seen_at, ended_by, ended_at)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,'',0) ON CONFLICT (id) DO NOTHING`,
		s.ID, s.Kind.String(), s.Request, s.Tenant, s.Volume, s.Subject, s.Person, text, keyboard, sqldb.Micros(s.At), sqldb.Micros(p.now()))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		if err := sameStop(ctx, tx, s); err != nil {
			if lenient {
				return nil, alarm(ctx, tx, p.now(), "stop", err.Error())
			}
			return nil, err
		}
	}
	if s.Request == "" {
		return nil, nil
	}
	w, err := rowOf(ctx, tx, s.Request)
	if errors.Is(err, ErrUnknownRequest) {
		return nil, nil // it is kept, and stops the request when its warrant comes
	}
	if err != nil || !v.Concerns(w.Request, w.Tenant, w.Statement) {
		return &w, err
	}
	return &w, p.apply(ctx, tx, &w, v, n == 1 && !lenient)
}

func sameStop(ctx context.Context, tx *sqldb.Tx, s warrant.Stop) error {
	var have []byte
	if err := tx.QueryRow(ctx, `SELECT text FROM gate_stops WHERE id = $1`, s.ID).Scan(&have); err != nil {
		return err
	}
	old, err := warrant.ParseStop(have)
	if err != nil {
		return err
	}
	a, errA := old.Digest()
	b, errB := s.Digest()
	if errA != nil || errB != nil || a != b {
		return fmt.Errorf("%w: another stop has the id %s", ErrConflict, s.ID)
	}
	return nil
}

// apply has a stop end a request, or bring its copies back.
func (p *Primary) apply(ctx context.Context, tx *sqldb.Tx, w *row, v warrant.VerifiedStop, fresh bool) error {
	s := v.Stop()
	own, err := ownCause(ctx, tx, *w)
	if err != nil {
		return err
	}
	blocks := s.Kind == warrant.StopDeny
	if s.Kind == warrant.StopCancel {
		st, err := statementOf(*w)
		if err != nil {
			return err
		}
		blocks = st.Requester.ID != s.Person
	}
	if blocks && slices.Contains(own, s.Person) {
		return nil // T55: nobody blocks what is about themselves
	}
	switch w.State {
	case Cooling:
		w.State = Stopped
	case Tombstoned:
		n, err := p.c.Sweep.Restore(ctx, tx, w.Request)
		if err != nil {
			return err
		}
		tx.AfterCommit(func() { p.c.Sweep.ForgetKeys(w.Tenant) })
		w.State = Restored
		list, err := targetsOf(*w, p.c.Name)
		if err != nil {
			return err
		}
		if n > 0 {
			if err := p.speak(ctx, tx, *w, audit.KindRequestRestored, "", list); err != nil {
				return err
			}
		}
	case Stopped, Restored:
		return nil
	default:
		if fresh {
			return ErrTooLate
		}
		return nil
	}
	w.FinishedAt = p.now()
	return w.store(ctx, tx)
}

// ownCause are the people whose deny or cancel of a request does not count.
func ownCause(ctx context.Context, tx *sqldb.Tx, w row) (out []string, err error) {
	st, err := statementOf(w)
	if err != nil {
		return nil, err
	}
	for _, u := range st.Subjects {
		if u.Kind != "freeze" && u.Kind != "suspension" {
			continue
		}
		var person, subject string
		err := tx.QueryRow(ctx, `SELECT person, subject FROM gate_stops WHERE id = $1`, u.ID).Scan(&person, &subject)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if out = append(out, person); subject != "" {
			out = append(out, subject)
		}
	}
	return out, nil
}

// stopsOf reads the stops on a request and verifies each again from its text.
func (p *Primary) stopsOf(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, request string) (out []warrant.VerifiedStop, err error) {
	type kept struct {
		text     []byte
		keyboard bool
	}
	var list []kept
	rows, err := tx.Query(ctx, `SELECT text, keyboard FROM gate_stops WHERE request = $1 ORDER BY id`, request)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var k kept
		if err := rows.Scan(&k.text, &k.keyboard); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		list = append(list, k)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, k := range list {
		s, err := warrant.ParseStop(k.text)
		if err != nil {
			return nil, err
		}
		v, err := p.verifyStop(ctx, tx, c, s, k.keyboard, time.Time{})
		if err != nil {
			// It verified when it came. A charter that has since dropped the key does not undo the stop.
			if v, err = warrant.VerifyStop(own(s), warrant.StopContext{Charter: c, Keyboard: true}); err != nil {
				return nil, err
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// own is a stop that was verified before, as the site's own word.
func own(s warrant.Stop) warrant.Stop {
	s.Proof = warrant.Proof{}
	if s.Kind == warrant.StopDeny {
		s.Kind = warrant.StopCancel
	}
	return s
}
