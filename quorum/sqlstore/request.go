package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/clock"
	"holdfast/quorum/warrant"
)

// Request is a stored request: its statement's text and the state that its events fold to.
type Request struct {
	// Statement is the text whose digest the state carries.
	Statement []byte
	State     quorum.State
	head      [sha256.Size]byte
}

// ID is the request's id in text form.
func (r Request) ID() string { return r.State.Request }

// OpenRequest stores a confirmed request. It locks the tenant's row, so that the bounds on open requests hold against
// parallel openings (T29), and spends the requester's proof. Errors: quorum.ErrTooMany, quorum.ErrSpentProof,
// quorum.ErrConflict for an id or statement that exists, quorum.ErrDigest for another text, and those of quorum.Apply.
func OpenRequest(ctx context.Context, tx *sqldb.Tx, statement []byte, o quorum.Opened, confirm warrant.Proof) (Request, error) {
	if sha256.Sum256(statement) != o.Digest {
		return Request{}, quorum.ErrDigest
	}
	o.At, o.VoteUntil, o.ExecuteUntil = micros(o.At), micros(o.VoteUntil), micros(o.ExecuteUntil)
	state, err := quorum.Apply(quorum.State{}, o)
	if err != nil {
		return Request{}, err
	}
	if err := lockTenant(ctx, tx, o.Tenant); err != nil {
		return Request{}, err
	}
	var tenant, person int
	err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(CASE WHEN tenant = $1 THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN requester = $2 THEN 1 ELSE 0 END), 0) FROM requests WHERE phase = 'open'`, o.Tenant, o.Requester).Scan(&tenant, &person)
	if err != nil {
		return Request{}, err
	}
	if tenant >= quorum.MaxOpenPerTenant || person >= quorum.MaxOpenPerPerson {
		return Request{}, quorum.ErrTooMany
	}
	if err := SpendProof(ctx, tx, confirm, "confirm "+o.Request, o.At); err != nil {
		return Request{}, err
	}
	body, err := quorum.EncodeEvent(o)
	if err != nil {
		return Request{}, err
	}
	r := Request{Statement: bytes.Clone(statement), State: state}
	r.head = chain(r.head, quorum.KindOpened, body)
	n, err := tx.Exec(ctx, `INSERT INTO requests (id, tenant, action, digest, statement, requester, phase, opened_at, vote_until,
		execute_until, events, head, timer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
		o.Request, o.Tenant, string(o.Action), o.Digest[:], statement, o.Requester, state.Phase.String(), sqldb.Micros(o.At),
		sqldb.Micros(o.VoteUntil), sqldb.Micros(o.ExecuteUntil), state.Events, r.head[:], encodeTimer(state))
	if err != nil {
		return Request{}, err
	}
	if n == 0 {
		return Request{}, quorum.ErrConflict
	}
	return r, insertEvent(ctx, tx, r, o, body)
}

// LockRequest locks the request's row and loads it: what every transition does first, so that of two racing final votes
// exactly one completes the quorum (T16, T17). Errors: quorum.ErrNotFound, quorum.ErrTampered.
func LockRequest(ctx context.Context, tx *sqldb.Tx, id string) (Request, error) {
	var got string
	if err := tx.Lock(ctx, `SELECT id FROM requests WHERE id = $1`, id).Scan(&got); err != nil {
		return Request{}, notFound(err)
	}
	return LoadRequest(ctx, tx, id)
}

// LoadRequest reads a request without a lock and proves what it read: the chain of events, their fold, the statement's
// digest and the row beside them must agree (T20, T41). Row and events come from one statement, hence from one moment: in
// a READ COMMITTED transaction two statements would take a vote that lands between them for tampering.
// Errors: quorum.ErrNotFound, quorum.ErrTampered.
func LoadRequest(ctx context.Context, tx *sqldb.Tx, id string) (Request, error) {
	row, list, last, err := readRequest(ctx, tx, id)
	if err != nil {
		return Request{}, err
	}
	state, err := quorum.Fold(list)
	if err != nil {
		return Request{}, fmt.Errorf("%w: %s: %w", quorum.ErrTampered, id, err)
	}
	sum := sha256.Sum256(row.statement)
	same := state.Request == id && state.Tenant == row.tenant && string(state.Action) == row.action && state.Requester == row.requester &&
		state.Phase.String() == row.phase && int64(state.Events) == row.events && sqldb.Micros(state.OpenedAt) == row.openedAt &&
		sqldb.Micros(state.VoteUntil) == row.voteUntil && sqldb.Micros(state.ExecuteUntil) == row.executeUntil &&
		subtle.ConstantTimeCompare(sum[:], state.Digest[:]) == 1 && subtle.ConstantTimeCompare(row.digest, sum[:]) == 1 &&
		subtle.ConstantTimeCompare(row.head, last[:]) == 1
	if !same {
		return Request{}, fmt.Errorf("%w: %s", quorum.ErrTampered, id)
	}
	if err := overlayTimer(&state, row.timer); err != nil {
		return Request{}, fmt.Errorf("%w: %s: timer", quorum.ErrTampered, id)
	}
	return Request{Statement: row.statement, State: state, head: last}, nil
}

// requestRow is what the table requests says of a request, before it is compared with the request's events.
type requestRow struct {
	tenant, action, requester, phase, timer   string
	digest, statement, head                   []byte
	openedAt, voteUntil, executeUntil, events int64
}

// readRequest reads a request's row and its events, in order, and follows their chain. The statement travels once, with the
// first event.
func readRequest(ctx context.Context, tx *sqldb.Tx, id string) (r requestRow, list []quorum.Event, last [sha256.Size]byte, err error) {
	rows, err := tx.Query(ctx, `SELECT r.tenant, r.action, r.digest, CASE WHEN e.seq = 0 THEN r.statement END, r.requester, r.phase,
		r.opened_at, r.vote_until, r.execute_until, r.events, r.head, r.timer, e.seq, e.kind, e.body, e.hash
		FROM requests r LEFT JOIN request_events e ON e.request = r.id WHERE r.id = $1 ORDER BY e.seq LIMIT $2`, id, quorum.MaxEvents+1)
	if err != nil {
		return r, nil, last, err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			seq                   sql.NullInt64
			kind                  sql.NullString
			statement, body, hash []byte
		)
		if err := rows.Scan(&r.tenant, &r.action, &r.digest, &statement, &r.requester, &r.phase, &r.openedAt, &r.voteUntil,
			&r.executeUntil, &r.events, &r.head, &r.timer, &seq, &kind, &body, &hash); err != nil {
			return r, nil, last, err
		}
		e, err := quorum.DecodeEvent(quorum.EventKind(kind.String), body)
		last = chain(last, quorum.EventKind(kind.String), body)
		if err != nil || !seq.Valid || seq.Int64 != int64(len(list)) || !bytes.Equal(hash, last[:]) {
			return r, nil, last, fmt.Errorf("%w: %s event %d", quorum.ErrTampered, id, len(list))
		}
		if seq.Int64 == 0 {
			r.statement = statement
		}
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return r, nil, last, err
	}
	if len(list) == 0 {
		return r, nil, last, quorum.ErrNotFound
	}
	return r, list, last, nil
}

// Record applies an event to a locked request and appends it. The caller appends the leaf in the same transaction (I7).
func Record(ctx context.Context, tx *sqldb.Tx, r Request, e quorum.Event) (Request, error) {
	if _, tick := e.(quorum.Ticked); tick || e == nil {
		return r, fmt.Errorf("%w: ticks are not recorded", quorum.ErrEvent)
	}
	next, err := quorum.Apply(r.State, e)
	if err != nil {
		return r, err
	}
	body, err := quorum.EncodeEvent(e)
	if err != nil {
		return r, err
	}
	n := Request{Statement: r.Statement, State: next, head: chain(r.head, e.Kind(), body)}
	if err := saveRow(ctx, tx, r, n); err != nil {
		return r, err
	}
	return n, insertEvent(ctx, tx, n, e, body)
}

// saveRow is a compare-and-set on the head: a caller who forgot the lock gets ErrConflict, never a lost event.
func saveRow(ctx context.Context, tx *sqldb.Tx, old, n Request) error {
	changed, err := tx.Exec(ctx, `UPDATE requests SET phase = $1, events = $2, head = $3, timer = $4 WHERE id = $5 AND head = $6 AND events = $7`,
		n.State.Phase.String(), n.State.Events, n.head[:], encodeTimer(n.State), n.ID(), old.head[:], old.State.Events)
	if err != nil {
		return err
	}
	if changed != 1 {
		return fmt.Errorf("%w: %s changed under way", quorum.ErrConflict, n.ID())
	}
	return nil
}

func insertEvent(ctx context.Context, tx *sqldb.Tx, r Request, e quorum.Event, body []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO request_events (request, seq, kind, body, at, hash) VALUES ($1, $2, $3, $4, $5, $6)`,
		r.ID(), r.State.Events-1, string(e.Kind()), body, sqldb.Micros(e.Time()), r.head[:])
	return err
}

// Tick brings the timer of a locked request to a reading. A jump is recorded as a freeze and a matured timer as an event;
// the rest of the ticks only change the row's timer. Matured says that execution, or erasure, has become due.
func Tick(ctx context.Context, tx *sqldb.Tx, r Request, reading clock.Reading) (next Request, matured bool, err error) {
	was := r.State.Timer.Done()
	at := reading.Wall
	if at.Before(r.State.OpenedAt) { // the clock was set back: what follows from that is recorded all the same
		at = r.State.OpenedAt
	}
	state, err := quorum.Apply(r.State, quorum.Ticked{Reading: reading})
	if err != nil {
		return r, false, err
	}
	jumped := len(state.Freezes) > len(r.State.Freezes)
	n := Request{Statement: r.Statement, State: state, head: r.head}
	if jumped {
		n.State.Freezes = r.State.Freezes // the event below sets it, so that the fold has it
	}
	if err := saveRow(ctx, tx, r, n); err != nil {
		return r, false, err
	}
	if jumped {
		n, err = Record(ctx, tx, n, quorum.FreezeSet{Stop: quorum.JumpStop, At: at})
		return n, false, err
	}
	if !was && n.State.Timer.Done() {
		n, err = Record(ctx, tx, n, quorum.TimerMatured{Timer: n.State.Timer.Encode(), At: at})
		return n, err == nil, err
	}
	return n, false, nil
}

// SpendProof makes a proof usable once: a nonce that was spent before is quorum.ErrSpentProof (T06, T07).
func SpendProof(ctx context.Context, tx *sqldb.Tx, p warrant.Proof, purpose string, at time.Time) error {
	nonce := p.Nonce()
	if p.IsZero() || nonce == (warrant.Nonce{}) {
		return fmt.Errorf("%w: no proof", quorum.ErrEvent)
	}
	n, err := tx.Exec(ctx, `INSERT INTO spent_proofs (nonce, purpose, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, nonce[:], purpose, sqldb.Micros(at))
	if err != nil {
		return err
	}
	if n == 0 {
		return quorum.ErrSpentProof
	}
	return nil
}

func lockTenant(ctx context.Context, tx *sqldb.Tx, tenant string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO quorum_tenants (tenant) VALUES ($1) ON CONFLICT DO NOTHING`, tenant); err != nil {
		return err
	}
	var got string
	return tx.Lock(ctx, `SELECT tenant FROM quorum_tenants WHERE tenant = $1`, tenant).Scan(&got)
}

// chain links an event to all before it, so that an edited, dropped or reordered row shows.
func chain(head [sha256.Size]byte, kind quorum.EventKind, body []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("holdfast request event v1\n"))
	h.Write(head[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(kind)))
	h.Write(n[:])
	h.Write([]byte(kind))
	h.Write(body)
	return [sha256.Size]byte(h.Sum(nil))
}

func encodeTimer(s quorum.State) string {
	if s.Timer.Need == 0 {
		return ""
	}
	return s.Timer.Encode()
}

// overlayTimer puts the row's timer, which ticks have advanced, over the folded one; only a timer of the same need fits.
func overlayTimer(s *quorum.State, text string) error {
	if text == "" {
		if s.Timer.Need != 0 {
			return quorum.ErrTampered
		}
		return nil
	}
	t, err := clock.DecodeTimer(text)
	if err != nil || t.Need != s.Timer.Need {
		return quorum.ErrTampered
	}
	s.Timer = t
	return nil
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return quorum.ErrNotFound
	}
	return err
}

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
