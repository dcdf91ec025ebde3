package sqlstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/warrant"
)

// RecordStop keeps a verified stop. The same stop by another route is no error and not fresh; another text under its id
// is quorum.ErrConflict. The caller applies it to the requests concerned in the same transaction.
func RecordStop(ctx context.Context, tx *sqldb.Tx, v warrant.VerifiedStop) (fresh bool, err error) {
	if !v.Valid() {
		return false, quorum.ErrEvent
	}
	s := v.Stop()
	text, err := s.Render()
	if err != nil {
		return false, err
	}
	n, err := tx.Exec(ctx, `INSERT INTO stops (id, kind, request, tenant, volume, subject, person, text, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`, s.ID, s.Kind.String(), s.Request, s.Tenant, s.Volume,
		s.Subject, s.Person, text, sqldb.Micros(s.At))
	if err != nil || n == 1 {
		return n == 1, err
	}
	have, err := StopByID(ctx, tx, s.ID)
	if err != nil {
		return false, err
	}
	a, errA := have.Text()
	b, errB := s.Text()
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return false, fmt.Errorf("%w: stop %s", quorum.ErrConflict, s.ID)
	}
	return false, nil
}

// StopByID returns a stop with its proof.
func StopByID(ctx context.Context, tx *sqldb.Tx, id string) (warrant.Stop, error) {
	var text []byte
	if err := tx.QueryRow(ctx, `SELECT text FROM stops WHERE id = $1`, id).Scan(&text); err != nil {
		return warrant.Stop{}, notFound(err)
	}
	s, err := warrant.ParseStop(text)
	if err != nil || s.ID != id {
		return s, fmt.Errorf("%w: stop %s", quorum.ErrTampered, id)
	}
	return s, nil
}

// EndStop records that a gated decision ended a freeze or a suspension. Ending it again by the same request is no error.
func EndStop(ctx context.Context, tx *sqldb.Tx, stop, request string, at time.Time) error {
	return endOnce(ctx, tx, `INSERT INTO stop_ends (stop, request, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		`SELECT request FROM stop_ends WHERE stop = $1`, stop, request, at)
}

func endOnce(ctx context.Context, tx *sqldb.Tx, insert, read, id, request string, at time.Time) error {
	if request == "" {
		return fmt.Errorf("%w: only a gated decision ends it", quorum.ErrEvent)
	}
	n, err := tx.Exec(ctx, insert, id, request, sqldb.Micros(at))
	if err != nil || n == 1 {
		return err
	}
	var by string
	if err := tx.QueryRow(ctx, read, id).Scan(&by); err != nil {
		return notFound(err)
	}
	if by != request {
		return fmt.Errorf("%w: %s was ended by %s", quorum.ErrConflict, id, by)
	}
	return nil
}

// FreezesInForce are the freezes over a tenant, those over everything included; warrant.Everywhere asks for the latter
// alone.
func FreezesInForce(ctx context.Context, tx *sqldb.Tx, tenant string) ([]warrant.Stop, error) {
	return stops(ctx, tx, `SELECT s.id, s.text FROM stops s LEFT JOIN stop_ends e ON e.stop = s.id
		WHERE s.kind = 'freeze' AND e.stop IS NULL AND s.tenant IN ($1, $2) ORDER BY s.at, s.id`, tenant, warrant.Everywhere)
}

// SuspensionsInForce are the suspensions that no gated decision has ended; each suspends Subject and Person.
func SuspensionsInForce(ctx context.Context, tx *sqldb.Tx) ([]warrant.Stop, error) {
	return stops(ctx, tx, `SELECT s.id, s.text FROM stops s LEFT JOIN stop_ends e ON e.stop = s.id
		WHERE s.kind = 'suspend' AND e.stop IS NULL ORDER BY s.at, s.id`)
}

// Suspended are the people whom suspensions suspend, both sides of each (T55).
func Suspended(ctx context.Context, tx *sqldb.Tx) ([]string, error) {
	list, err := SuspensionsInForce(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	for _, s := range list {
		for _, p := range []string{s.Subject, s.Person} {
			if !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out, nil
}

func stops(ctx context.Context, tx *sqldb.Tx, q string, args ...any) ([]warrant.Stop, error) {
	rows, err := tx.Query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []warrant.Stop
	for rows.Next() {
		var id string
		var text []byte
		if err := rows.Scan(&id, &text); err != nil {
			return nil, err
		}
		s, err := warrant.ParseStop(text)
		if err != nil || s.ID != id {
			return nil, fmt.Errorf("%w: stop %s", quorum.ErrTampered, id)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
