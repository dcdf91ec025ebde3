package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/warrant"
)

// CastVote locks the request, counts the vote, keeps its evidence and spends its nonce, in the caller's transaction. The
// caller has verified the proof (warrant.CheckVote) and appends the leaf afterwards. Errors: those of quorum.Apply,
// quorum.ErrSpentProof, quorum.ErrNotFound, quorum.ErrTampered.
func CastVote(ctx context.Context, tx *sqldb.Tx, id string, v quorum.VoteCast, proof warrant.Proof) (Request, error) {
	if proof.IsZero() || (proof.Passkey != nil) != (v.Method == quorum.Passkey) {
		return Request{}, fmt.Errorf("%w: proof and method differ", quorum.ErrEvent)
	}
	r, err := LockRequest(ctx, tx, id)
	if err != nil {
		return Request{}, err
	}
	v.At = micros(v.At)
	n, err := Record(ctx, tx, r, v)
	if err != nil {
		return r, err
	}
	if err := SpendProof(ctx, tx, proof, "vote "+id, v.At); err != nil {
		return r, err
	}
	text, err := proof.Render()
	if err != nil {
		return r, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO request_votes (request, person, decision, proof, at, seq) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, v.Person, string(v.Decision), text, sqldb.Micros(v.At), n.State.Events-1)
	if sqldb.IsUnique(err) {
		return r, quorum.ErrAlreadyVoted
	}
	return n, err
}

// Ballot is a vote's kept evidence.
type Ballot struct {
	Person   string
	Decision quorum.Decision
	Proof    warrant.Proof
	At       time.Time
}

// Ballots returns a request's votes in the order in which they were cast, each with the whole evidence.
func Ballots(ctx context.Context, tx *sqldb.Tx, id string) ([]Ballot, error) {
	rows, err := tx.Query(ctx, `SELECT person, decision, proof, at FROM request_votes WHERE request = $1 ORDER BY seq`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Ballot
	for rows.Next() {
		var b Ballot
		var decision, proof string
		var at int64
		if err := rows.Scan(&b.Person, &decision, &proof, &at); err != nil {
			return nil, err
		}
		if b.Proof, err = warrant.ParseProof(proof); err != nil {
			return nil, fmt.Errorf("%w: vote of %s on %s: %w", quorum.ErrTampered, b.Person, id, err)
		}
		b.Decision, b.At = quorum.Decision(decision), sqldb.FromMicros(at)
		out = append(out, b)
	}
	return out, rows.Err()
}

// Line is a request in a list, from its row alone: enough to show and to find it, never to act on it.
type Line struct {
	ID, Tenant, Action, Requester string
	Phase                         quorum.Phase
	OpenedAt, VoteUntil           time.Time
	ExecuteUntil                  time.Time
}

const lineColumns = `id, tenant, action, requester, phase, opened_at, vote_until, execute_until`

// Queue lists open requests fairly: the most urgent one of every tenant, then the second of every tenant, and so on, so
// that no tenant's junk buries another's request (T29). At most quorum.MaxQueue lines.
func Queue(ctx context.Context, tx *sqldb.Tx, limit int) ([]Line, error) {
	return lines(ctx, tx, `SELECT `+lineColumns+` FROM (SELECT `+lineColumns+`,
		ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY vote_until, id) AS turn FROM requests WHERE phase = 'open') AS q
		ORDER BY turn, vote_until, id LIMIT $1`, bound(limit))
}

// InPhase lists requests in a phase after an id, in the order of ids: what jobs walk through.
func InPhase(ctx context.Context, tx *sqldb.Tx, p quorum.Phase, after string, limit int) ([]Line, error) {
	return lines(ctx, tx, `SELECT `+lineColumns+` FROM requests WHERE phase = $1 AND id > $2 ORDER BY id LIMIT $3`, p.String(), after, bound(limit))
}

// OfTenant lists a tenant's requests, newest first: those in the phases that are named, and all where none is.
func OfTenant(ctx context.Context, tx *sqldb.Tx, tenant string, limit int, phases ...quorum.Phase) ([]Line, error) {
	q, args := `SELECT `+lineColumns+` FROM requests WHERE tenant = $1`, []any{tenant, bound(limit)}
	for i, p := range phases {
		args = append(args, p.String())
		q += [...]string{" AND phase IN (", ", "}[min(i, 1)] + "$" + strconv.Itoa(len(args))
	}
	if len(phases) > 0 {
		q += ")"
	}
	return lines(ctx, tx, q+` ORDER BY opened_at DESC, id DESC LIMIT $2`, args...)
}

func bound(n int) int {
	if n < 1 || n > quorum.MaxQueue {
		return quorum.MaxQueue
	}
	return n
}

func lines(ctx context.Context, tx *sqldb.Tx, q string, args ...any) ([]Line, error) {
	rows, err := tx.Query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Line
	for rows.Next() {
		var l Line
		var phase string
		var opened, vote, execute int64
		if err := rows.Scan(&l.ID, &l.Tenant, &l.Action, &l.Requester, &phase, &opened, &vote, &execute); err != nil {
			return nil, err
		}
		if l.Phase, err = quorum.ParsePhase(phase); err != nil {
			return nil, fmt.Errorf("%w: %s", quorum.ErrTampered, l.ID)
		}
		l.OpenedAt, l.VoteUntil, l.ExecuteUntil = sqldb.FromMicros(opened), sqldb.FromMicros(vote), sqldb.FromMicros(execute)
		out = append(out, l)
	}
	return out, rows.Err()
}
