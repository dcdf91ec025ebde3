package site

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/charter"
	"holdfast/quorum/warrant"
)

// pinned is a charter in force here.
type pinned struct {
	c    *charter.Charter
	hash [32]byte
	leaf int64
	at   time.Time
}

// errNone means that no charter is pinned yet.
var errNone = fmt.Errorf("%w: none is in force here", ErrCharter)

// charterAt reads a pinned charter and checks that its text is what was pinned. Number 0 asks for the newest.
func charterAt(ctx context.Context, tx *sqldb.Tx, number uint64) (p pinned, err error) {
	q, args := `SELECT number, hash, text, leaf, in_force_at FROM gate_charters ORDER BY number DESC LIMIT 1`, []any{}
	if number != 0 {
		q, args = `SELECT number, hash, text, leaf, in_force_at FROM gate_charters WHERE number = $1`, []any{int64(number)}
	}
	var n, at int64
	var hash, text []byte
	err = tx.QueryRow(ctx, q, args...).Scan(&n, &hash, &text, &p.leaf, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return p, errNone
	}
	if err != nil {
		return p, err
	}
	if err := fixed(&p.hash, hash); err != nil {
		return p, err
	}
	if charter.Hash(text) != p.hash {
		return p, fmt.Errorf("%w: number %d was changed in the database", ErrCharter, n)
	}
	if p.c, err = charter.Parse(text); err != nil {
		return p, err
	}
	if p.c.Number != uint64(n) {
		return p, fmt.Errorf("%w: number %d was changed in the database", ErrCharter, n)
	}
	p.at = sqldb.FromMicros(at)
	return p, nil
}

// allCharters reads the whole chain, oldest first.
func allCharters(ctx context.Context, tx *sqldb.Tx) (out []pinned, err error) {
	newest, err := charterAt(ctx, tx, 0)
	if err != nil {
		return nil, err
	}
	for n := uint64(1); n <= newest.c.Number; n++ {
		p, err := charterAt(ctx, tx, n)
		if err != nil {
			return nil, err
		}
		if len(out) > 0 && p.c.Previous != out[len(out)-1].hash {
			return nil, fmt.Errorf("%w: the chain is broken at number %d", ErrCharter, n)
		}
		out = append(out, p)
	}
	return out, nil
}

// inForceAt says when the first charter of the unbroken run up to the newest that names person and key came in force.
func inForceAt(all []pinned, person string, credentialID []byte) time.Time {
	var at time.Time
	for i := len(all) - 1; i >= 0; i-- {
		if credentialID != nil {
			owner, _, ok := all[i].c.Key(credentialID)
			if !ok || owner.ID != person {
				break
			}
		} else if _, ok := all[i].c.Approver(person); !ok {
			break
		}
		at = all[i].at
	}
	return at
}

// AcceptCharter implements Site. The first charter is pinned on the word of whoever stands at the site (the ceremony
// compares its hash); every later one must follow. Either must stand in a checkpoint with its witnesses. A second charter
// of a number, if it is signed as its predecessor demands, stops everything destructive for good.
func (p *Primary) AcceptCharter(ctx context.Context, next Succession) (Pinned, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	var newest pinned
	err := p.read(ctx, func(tx *sqldb.Tx) (err error) {
		newest, err = charterAt(ctx, tx, 0)
		return err
	})
	have := !errors.Is(err, errNone)
	if err != nil && have {
		return Pinned{}, err
	}
	hash := charter.Hash(next.Signed.Text)
	if have && hash == newest.hash {
		return Pinned{newest.c.Number, newest.hash, newest.at}, nil
	}
	candidate, err := charter.Parse(next.Signed.Text)
	if err != nil {
		return Pinned{}, fmt.Errorf("%w: %w", ErrCharter, err)
	}
	reader := candidate
	if have {
		reader = newest.c
		if err := charter.Follows(newest.c, newest.hash, candidate, hash); err != nil {
			if errors.Is(err, charter.ErrFork) && p.genuine(ctx, newest, next) {
				err = errors.Join(err, p.fork(ctx, "two charters of one number"))
			}
			return Pinned{}, fmt.Errorf("%w: %w", ErrCharter, err)
		}
	}
	if err := p.follow(ctx, reader); err != nil {
		return Pinned{}, err
	}
	var out Pinned
	// A rebuilt database takes charters while its marks disagree: it is adopted only with the one that they name.
	err = p.change(ctx, p.rebuilt(ctx), func(tx *sqldb.Tx, g *gate) error {
		at, err := p.leafOf(ctx, tx, g, reader, candidate.Number, hash, next.Leaf)
		if err != nil {
			return err
		}
		if err := p.follows(ctx, tx, newest, have, next, at); err != nil {
			return fmt.Errorf("%w: %w", ErrCharter, err)
		}
		line, ok := candidate.Site(p.c.Name)
		if !ok || line.Key != p.publicKey() {
			return fmt.Errorf("%w: it does not name this site with its key", ErrCharter)
		}
		out = Pinned{candidate.Number, hash, at}
		_, err = tx.Exec(ctx, `INSERT INTO gate_charters (number, hash, text, leaf, in_force_at, pinned_at) VALUES ($1,$2,$3,$4,$5,$6)`,
			int64(candidate.Number), hash[:], next.Signed.Text, next.Leaf, sqldb.Micros(at), sqldb.Micros(p.now()))
		return err
	})
	return out, err
}

// follows verifies every signature of a charter, at the time of its leaf.
func (p *Primary) follows(ctx context.Context, tx *sqldb.Tx, newest pinned, have bool, next Succession, at time.Time) error {
	o := charter.Options{Now: at}
	if !have {
		_, err := charter.VerifyGenesis(next.Signed, warrant.CharterVerifier{}, o)
		return err
	}
	all, err := allCharters(ctx, tx)
	if err != nil {
		return err
	}
	if o.Suspended, err = suspendedPeople(ctx, tx); err != nil {
		return err
	}
	o.InForceAt = func(person string, id []byte) time.Time { return inForceAt(all, person, id) }
	_, err = charter.VerifySuccession(newest.c, next.Signed, warrant.CharterVerifier{}, o)
	return err
}

// leafOf checks that the charter's leaf was replayed, under a checkpoint with the witnesses that the reader demands, and
// that no other charter of its number was.
func (p *Primary) leafOf(ctx context.Context, tx *sqldb.Tx, g *gate, reader *charter.Charter, number uint64, hash [32]byte, leaf int64) (time.Time, error) {
	var found time.Time
	rows, err := tx.Query(ctx, `SELECT leaf, hash, at FROM gate_charter_leaves WHERE number = $1 ORDER BY leaf`, int64(number))
	if err != nil {
		return found, err
	}
	defer rows.Close()
	for rows.Next() {
		var index, at int64
		var h []byte
		if err := rows.Scan(&index, &h, &at); err != nil {
			return found, err
		}
		if string(h) != string(hash[:]) {
			return found, fmt.Errorf("%w: the log has another charter of number %d: %w", ErrCharter, number, ErrFork)
		}
		if index == leaf {
			found = sqldb.FromMicros(at)
		}
	}
	if err := rows.Err(); err != nil {
		return found, err
	}
	if found.IsZero() {
		return found, fmt.Errorf("%w: its leaf is not in the log", ErrCharter)
	}
	o, err := opened(g.checkpoint, reader)
	if err != nil {
		return found, err
	}
	if o.Size <= leaf || warrant.Witnessed(o, reader, time.Time{}) < reader.Witnesses {
		return found, fmt.Errorf("%w: not in a witnessed checkpoint yet", ErrCharter)
	}
	return found, nil
}

// genuine reports whether a second charter of a number carries the signatures that make it follow: then there is a fork.
// Anything less is only a refusal, or anybody could stop everything with a text.
func (p *Primary) genuine(ctx context.Context, newest pinned, next Succession) bool {
	candidate, err := charter.Parse(next.Signed.Text)
	if err != nil {
		return false
	}
	o := charter.Options{Now: candidate.CreatedAt}
	if candidate.Number == 1 {
		_, err = charter.VerifyGenesis(next.Signed, warrant.CharterVerifier{}, o)
		return err == nil
	}
	return p.read(ctx, func(tx *sqldb.Tx) error {
		before, err := charterAt(ctx, tx, candidate.Number-1)
		if err != nil {
			return err
		}
		_, err = charter.VerifySuccession(before.c, next.Signed, warrant.CharterVerifier{}, o)
		return err
	}) == nil
}

// fork suspends everything destructive. Nothing here lifts it: people must find out which history is theirs, and rebuild.
func (p *Primary) fork(ctx context.Context, what string) error {
	return errors.Join(ErrFork, p.change(ctx, true, func(tx *sqldb.Tx, g *gate) error {
		g.suspended = "fork: " + what
		return alarm(ctx, tx, p.now(), "fork", what)
	}))
}
