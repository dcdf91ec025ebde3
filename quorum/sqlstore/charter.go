package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/charter"
)

// LockCharter takes the first lock of every transaction that depends on, or changes, the charter in force.
func LockCharter(ctx context.Context, tx *sqldb.Tx) error {
	var id int64
	return tx.Lock(ctx, `SELECT id FROM charter_lock WHERE id = 1`).Scan(&id)
}

// AppendCharter adds the next charter to the chain. The caller has verified its succession (charter.VerifySuccession) and
// appends its leaf. The same charter again is no error; another of a known number is charter.ErrFork, a gap
// charter.ErrSkip, another predecessor charter.ErrPrevious.
func AppendCharter(ctx context.Context, tx *sqldb.Tx, s charter.Signed, at time.Time) error {
	c, err := charter.Parse(s.Text)
	if err != nil {
		return err
	}
	if err := LockCharter(ctx, tx); err != nil {
		return err
	}
	hash := charter.Hash(s.Text)
	have, _, err := CharterAt(ctx, tx, c.Number)
	switch {
	case err == nil && bytes.Equal(have.Text, s.Text):
		return nil
	case err == nil:
		return charter.ErrFork
	case !errors.Is(err, quorum.ErrNotFound):
		return err
	}
	last, _, err := NewestCharter(ctx, tx)
	switch {
	case errors.Is(err, quorum.ErrNotFound):
		if c.Number != 1 {
			return charter.ErrSkip
		}
		if c.Previous != [32]byte{} {
			return charter.ErrPrevious
		}
	case err != nil:
		return err
	default:
		prev, err := charter.Parse(last.Text)
		if err != nil {
			return err
		}
		if c.Number != prev.Number+1 {
			return charter.ErrSkip
		}
		if c.Previous != charter.Hash(last.Text) {
			return charter.ErrPrevious
		}
	}
	evidence, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO charters (number, hash, text, evidence, at) VALUES ($1, $2, $3, $4, $5)`,
		int64(c.Number), hash[:], s.Text, evidence, sqldb.Micros(at))
	return err
}

// NewestCharter returns the last charter of the chain with its evidence: quorum.ErrNotFound before genesis.
func NewestCharter(ctx context.Context, tx *sqldb.Tx) (charter.Signed, *charter.Charter, error) {
	return oneCharter(ctx, tx, `SELECT number, hash, text, evidence FROM charters ORDER BY number DESC LIMIT 1`)
}

// CharterAt returns the charter of a number.
func CharterAt(ctx context.Context, tx *sqldb.Tx, number uint64) (charter.Signed, *charter.Charter, error) {
	return oneCharter(ctx, tx, `SELECT number, hash, text, evidence FROM charters WHERE number = $1`, int64(number))
}

func oneCharter(ctx context.Context, tx *sqldb.Tx, q string, args ...any) (charter.Signed, *charter.Charter, error) {
	var number int64
	var hash, text, evidence []byte
	if err := tx.QueryRow(ctx, q, args...).Scan(&number, &hash, &text, &evidence); err != nil {
		return charter.Signed{}, nil, notFound(err)
	}
	var s charter.Signed
	if err := json.Unmarshal(evidence, &s); err != nil {
		return s, nil, fmt.Errorf("%w: charter %d", quorum.ErrTampered, number)
	}
	sum := charter.Hash(text)
	c, err := charter.Parse(text)
	if err != nil || c.Number != uint64(number) || !bytes.Equal(sum[:], hash) || !bytes.Equal(s.Text, text) {
		return s, nil, fmt.Errorf("%w: charter %d", quorum.ErrTampered, number)
	}
	return s, c, nil
}
