package site

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/clock"
)

// gate is the site's lock row.
type gate struct {
	generation int64
	spent      int64
	spentHash  [32]byte
	replay     audit.Replay
	followed   bool // replay stands for something
	checkpoint []byte
	clock      clock.Timer
	suspended  string
}

const gateColumns = `SELECT generation, spent, spent_hash, replay, checkpoint, clock, suspended FROM gate WHERE id = 1`

func scanGate(r *sql.Row) (g gate, err error) {
	var hash []byte
	var replay, timer string
	if err := r.Scan(&g.generation, &g.spent, &hash, &replay, &g.checkpoint, &timer, &g.suspended); err != nil {
		return g, err
	}
	if err := fixed(&g.spentHash, hash); err != nil {
		return g, err
	}
	if replay != "" {
		if err := g.replay.UnmarshalText([]byte(replay)); err != nil {
			return g, err
		}
		g.followed = true
	}
	g.clock, err = clock.DecodeTimer(timer)
	return g, err
}

func lockGate(ctx context.Context, tx *sqldb.Tx) (gate, error) {
	return scanGate(tx.Lock(ctx, gateColumns))
}

func readGate(ctx context.Context, tx *sqldb.Tx) (gate, error) {
	return scanGate(tx.QueryRow(ctx, gateColumns))
}

func (g gate) store(ctx context.Context, tx *sqldb.Tx) error {
	var replay []byte
	if g.followed {
		var err error
		if replay, err = g.replay.MarshalText(); err != nil {
			return err
		}
	}
	if g.checkpoint == nil {
		g.checkpoint = []byte{}
	}
	_, err := tx.Exec(ctx, `UPDATE gate SET generation = $1, spent = $2, spent_hash = $3, replay = $4, checkpoint = $5, clock = $6, suspended = $7 WHERE id = 1`,
		g.generation, g.spent, g.spentHash[:], string(replay), g.checkpoint, g.clock.Encode(), g.suspended)
	return err
}

// marks reads what the database has of the marks.
func (g gate) marks(ctx context.Context, tx *sqldb.Tx) (m marks, err error) {
	m = marks{Generation: g.generation, Spent: g.spent, SpentHash: g.spentHash}
	if g.followed {
		c := g.replay.Checkpoint()
		m.LogSize, m.LogRoot = c.Size, c.Root
	}
	err = tx.QueryRow(ctx, `SELECT epoch FROM site_meta WHERE id = 1`).Scan(&m.Epoch)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return m, err
	}
	var hash []byte
	var number int64
	err = tx.QueryRow(ctx, `SELECT number, hash FROM gate_charters ORDER BY number DESC LIMIT 1`).Scan(&number, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	m.Charter = uint64(number)
	return m, fixed(&m.CharterHash, hash)
}

func fixed(dst *[32]byte, src []byte) error {
	if len(src) != 32 {
		return fmt.Errorf("site: a column of %d bytes", len(src))
	}
	copy(dst[:], src)
	return nil
}

// row is a warrant as the site has seen it.
type row struct {
	Receipt
	warrant []byte
	cooling clock.Timer
	grace   clock.Timer // zero until the tombstone
	nonce   [32]byte
	person  string
	proof   string
}

const rowColumns = `SELECT request, tenant, action, statement, warrant, copies, bytes, state, first_seen, cooling, cooling_ended, nonce,
	release_person, release_proof, tombstoned_at, grace, grace_ended, finished_at, erased_bytes FROM gate_warrants `

type scanner interface{ Scan(...any) error }

func scanRow(r scanner) (w row, err error) {
	var digest, nonce []byte
	var copies, bytes, erased, first, cooled, hidden, graced, finished int64
	var cooling, grace, state string
	if err := r.Scan(&w.Request, &w.Tenant, &w.Action, &digest, &w.warrant, &copies, &bytes, &state, &first, &cooling, &cooled, &nonce,
		&w.person, &w.proof, &hidden, &grace, &graced, &finished, &erased); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrUnknownRequest
		}
		return w, err
	}
	w.State, w.Copies, w.Bytes, w.ErasedBytes = State(state), uint64(copies), uint64(bytes), uint64(erased)
	w.FirstSeenAt, w.CoolingEndedAt, w.TombstonedAt = sqldb.FromMicros(first), sqldb.FromMicros(cooled), sqldb.FromMicros(hidden)
	w.GraceEndedAt, w.FinishedAt = sqldb.FromMicros(graced), sqldb.FromMicros(finished)
	if err := errors.Join(fixed(&w.Statement, digest), fixed(&w.nonce, nonce)); err != nil {
		return w, err
	}
	if w.cooling, err = clock.DecodeTimer(cooling); err != nil {
		return w, err
	}
	w.CoolingLeft = w.cooling.Remaining()
	if grace != "" {
		if w.grace, err = clock.DecodeTimer(grace); err != nil {
			return w, err
		}
		w.GraceLeft = w.grace.Remaining()
	}
	return w, nil
}

func rowOf(ctx context.Context, tx *sqldb.Tx, request string) (row, error) {
	return scanRow(tx.QueryRow(ctx, rowColumns+`WHERE request = $1`, request))
}

func rowsIn(ctx context.Context, tx *sqldb.Tx, where string, args ...any) (out []row, err error) {
	rows, err := tx.Query(ctx, rowColumns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		w, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, rows.Err()
}

func (w row) insert(ctx context.Context, tx *sqldb.Tx) error {
	_, err := tx.Exec(ctx, `INSERT INTO gate_warrants (request, tenant, action, statement, warrant, copies, bytes, state, first_seen, cooling,
		cooling_ended, nonce, release_person, release_proof, tombstoned_at, grace, grace_ended, finished_at, erased_bytes)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,0,$11,'','',0,'',0,0,0)`,
		w.Request, w.Tenant, w.Action, w.Statement[:], w.warrant, int64(w.Copies), int64(w.Bytes), string(w.State), sqldb.Micros(w.FirstSeenAt),
		w.cooling.Encode(), w.nonce[:])
	return err
}

// store writes what may change: never the warrant, nor when it was first seen.
func (w row) store(ctx context.Context, tx *sqldb.Tx) error {
	grace := ""
	if w.grace.Need > 0 {
		grace = w.grace.Encode()
	}
	_, err := tx.Exec(ctx, `UPDATE gate_warrants SET state = $1, cooling = $2, cooling_ended = $3, nonce = $4, release_person = $5, release_proof = $6,
		tombstoned_at = $7, grace = $8, grace_ended = $9, finished_at = $10, erased_bytes = $11 WHERE request = $12`,
		string(w.State), w.cooling.Encode(), sqldb.Micros(w.CoolingEndedAt), w.nonce[:], w.person, w.proof, sqldb.Micros(w.TombstonedAt),
		grace, sqldb.Micros(w.GraceEndedAt), sqldb.Micros(w.FinishedAt), int64(w.ErasedBytes), w.Request)
	return err
}

// spend records that a warrant was executed: the next link of the chain.
func (g *gate) spend(ctx context.Context, tx *sqldb.Tx, w row, at time.Time) error {
	h := sha256.New()
	h.Write([]byte("holdfast spent v1\n"))
	h.Write(g.spentHash[:])
	fmt.Fprintf(h, "%s\n%x\n", w.Request, w.Statement)
	g.spent++
	copy(g.spentHash[:], h.Sum(nil))
	_, err := tx.Exec(ctx, `INSERT INTO gate_spent (request, number, statement, chain, copies, bytes, at) VALUES ($1,$2,$3,$4,$5,$6,$7)`,
		w.Request, g.spent, w.Statement[:], g.spentHash[:], int64(w.Copies), int64(w.Bytes), sqldb.Micros(at))
	return err
}

func isSpent(ctx context.Context, tx *sqldb.Tx, request string) (bool, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM gate_spent WHERE request = $1`, request).Scan(&n)
	return n > 0, err
}

func alarm(ctx context.Context, tx *sqldb.Tx, at time.Time, kind, detail string) error {
	if len(detail) > maxAlarm {
		detail = detail[:maxAlarm]
	}
	_, err := tx.Exec(ctx, `INSERT INTO gate_alarms (number, at, kind, detail) SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3 FROM gate_alarms`,
		sqldb.Micros(at), kind, detail)
	return err
}
