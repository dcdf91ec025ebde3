package sqlstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
)

// Job is an order to another database, site or person, written in the transaction that decided it.
type Job struct {
	// ID makes it idempotent: the receiver does the same id once.
	ID, Topic string
	Body      []byte
	DueAt     time.Time
	Attempts  int
}

// Enqueue writes a job. The same id with the same body is no error; another body is quorum.ErrConflict.
func Enqueue(ctx context.Context, tx *sqldb.Tx, j Job) error {
	if j.ID == "" || j.Topic == "" {
		return fmt.Errorf("%w: job", quorum.ErrEvent)
	}
	body := j.Body
	if body == nil {
		body = []byte{}
	}
	n, err := tx.Exec(ctx, `INSERT INTO outbox (id, topic, body, due_at, attempts, failure, done_at, receipt)
		VALUES ($1, $2, $3, $4, 0, '', 0, $5) ON CONFLICT DO NOTHING`, j.ID, j.Topic, body, sqldb.Micros(j.DueAt), []byte{})
	if err != nil || n == 1 {
		return err
	}
	var topic string
	var have []byte
	if err := tx.QueryRow(ctx, `SELECT topic, body FROM outbox WHERE id = $1`, j.ID).Scan(&topic, &have); err != nil {
		return notFound(err)
	}
	if topic != j.Topic || !bytes.Equal(have, body) {
		return fmt.Errorf("%w: job %s", quorum.ErrConflict, j.ID)
	}
	return nil
}

// Claim takes up to limit due jobs of a topic and moves their due time by lease, so that a worker that dies loses them
// again. A job may so be done twice; its id makes that harmless.
func Claim(ctx context.Context, tx *sqldb.Tx, topic string, now time.Time, lease time.Duration, limit int) ([]Job, error) {
	if limit < 1 || limit > quorum.MaxOutboxBatch {
		limit = quorum.MaxOutboxBatch
	}
	at, until := sqldb.Micros(now), sqldb.Micros(now.Add(lease))
	rows, err := tx.Query(ctx, `UPDATE outbox SET attempts = attempts + 1, due_at = $1 WHERE done_at = 0 AND due_at <= $2 AND id IN
		(SELECT id FROM outbox WHERE topic = $3 AND done_at = 0 AND due_at <= $4 ORDER BY due_at, id LIMIT $5)
		RETURNING id, topic, body, due_at, attempts`, until, at, topic, at, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Job
	for rows.Next() {
		var j Job
		var due int64
		if err := rows.Scan(&j.ID, &j.Topic, &j.Body, &due, &j.Attempts); err != nil {
			return nil, err
		}
		j.DueAt = sqldb.FromMicros(due)
		out = append(out, j)
	}
	return out, rows.Err()
}

// Finish keeps a job's receipt. The same receipt again is no error; another is quorum.ErrConflict.
func Finish(ctx context.Context, tx *sqldb.Tx, id string, receipt []byte, at time.Time) error {
	if receipt == nil {
		receipt = []byte{}
	}
	n, err := tx.Exec(ctx, `UPDATE outbox SET done_at = $1, receipt = $2, failure = '' WHERE id = $3 AND done_at = 0`, sqldb.Micros(at), receipt, id)
	if err != nil || n == 1 {
		return err
	}
	have, done, err := Receipt(ctx, tx, id)
	if err != nil {
		return err
	}
	if !done || !bytes.Equal(have, receipt) {
		return fmt.Errorf("%w: job %s has another receipt", quorum.ErrConflict, id)
	}
	return nil
}

// Retry puts an unfinished job off and keeps why, cut to quorum.MaxName bytes.
func Retry(ctx context.Context, tx *sqldb.Tx, id string, due time.Time, failure string) error {
	if len(failure) > quorum.MaxName {
		failure = failure[:quorum.MaxName]
	}
	n, err := tx.Exec(ctx, `UPDATE outbox SET due_at = $1, failure = $2 WHERE id = $3 AND done_at = 0`, sqldb.Micros(due), failure, id)
	if err == nil && n == 0 {
		return quorum.ErrNotFound
	}
	return err
}

// Receipt returns what Finish kept; done is false while the job is under way.
func Receipt(ctx context.Context, tx *sqldb.Tx, id string) (receipt []byte, done bool, err error) {
	var at int64
	if err := tx.QueryRow(ctx, `SELECT receipt, done_at FROM outbox WHERE id = $1`, id).Scan(&receipt, &at); err != nil {
		return nil, false, notFound(err)
	}
	return receipt, at != 0, nil
}
