package site

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/warrant"
)

func (p *Primary) publicKey() [32]byte { return [32]byte(p.c.Key.Public().(ed25519.PublicKey)) }

// opened verifies a checkpoint with the keys that a charter names.
func opened(signed []byte, c *charter.Charter) (audit.Opened, error) {
	keys, err := warrant.Keys(c)
	if err != nil {
		return audit.Opened{}, err
	}
	o, err := keys.Open(signed)
	if err != nil {
		return o, fmt.Errorf("%w: %w", ErrLog, err)
	}
	return o, nil
}

// Follow implements Site.
func (p *Primary) Follow(ctx context.Context) (Marks, error) {
	p.turn.Lock()
	err := p.followNewest(ctx)
	p.turn.Unlock()
	m, again := p.Marks(ctx)
	return m, errors.Join(err, again)
}

func (p *Primary) followNewest(ctx context.Context) error {
	var newest pinned
	if err := p.read(ctx, func(tx *sqldb.Tx) (err error) {
		newest, err = charterAt(ctx, tx, 0)
		return err
	}); err != nil {
		return err
	}
	if err := p.follow(ctx, newest.c); err != nil {
		return err
	}
	return p.say(ctx)
}

// follow reads the log on to its newest checkpoint. Every leaf is opened and proven; a log that is shorter than what was
// seen, or of another history, suspends everything destructive (T45).
func (p *Primary) follow(ctx context.Context, c *charter.Charter) error {
	signed, err := p.c.Log.Checkpoint(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	to, err := opened(signed, c)
	if err != nil {
		return err
	}
	var from audit.Replay
	var kept []byte
	if err := p.read(ctx, func(tx *sqldb.Tx) error {
		g, err := readGate(ctx, tx)
		from, kept = g.replay, g.checkpoint
		if err == nil && !g.followed {
			from, err = audit.NewReplay(c.Log.ID)
		}
		return err
	}); err != nil {
		return err
	}
	batch, err := from.Begin(to.Checkpoint)
	if errors.Is(err, audit.ErrFork) || errors.Is(err, audit.ErrRollback) {
		return errors.Join(p.fork(ctx, err.Error()), fmt.Errorf("%w: %w", ErrLog, err))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	leaves, entries, err := p.entries(ctx, batch, to)
	if err != nil {
		return err
	}
	after, err := batch.Commit()
	if errors.Is(err, audit.ErrInconsistent) {
		return errors.Join(p.fork(ctx, err.Error()), fmt.Errorf("%w: %w", ErrLog, err))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	if len(entries) == 0 && string(kept) == string(to.Signed) {
		return nil
	}
	return p.change(ctx, true, func(tx *sqldb.Tx, g *gate) error {
		if g.followed && g.replay.Checkpoint() != from.Checkpoint() {
			return fmt.Errorf("%w: somebody else follows it too", ErrLog)
		}
		for i, e := range entries {
			if err := p.learn(ctx, tx, c, leaves[i], e); err != nil {
				return err
			}
		}
		g.replay, g.followed = after, true
		if better(g.checkpoint, to, c) {
			g.checkpoint = to.Signed
		}
		return nil
	})
}

// better keeps, of two checkpoints of one size, the newer one.
func better(have []byte, to audit.Opened, c *charter.Charter) bool {
	if len(have) == 0 {
		return true
	}
	o, err := opened(have, c)
	return err != nil || to.Size > o.Size || !to.At.Before(o.At)
}

// entries fetches what the batch still lacks. Leaves are proven to be in the tree, bodies to be what leaves commit to.
func (p *Primary) entries(ctx context.Context, batch *audit.Batch, to audit.Opened) (leaves []audit.Leaf, entries []audit.Entry, err error) {
	for batch.Next() < to.Size {
		from := batch.Next()
		texts, err := audit.Leaves(ctx, p.c.Log, to.Checkpoint, from, min(from+leavesAtOnce, to.Size))
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrLog, err)
		}
		for len(texts) > 0 {
			at := batch.Next()
			openings, err := p.c.Log.Openings(ctx, at, at+int64(len(texts)))
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %w", ErrLog, err)
			}
			if len(openings) == 0 || len(openings) > len(texts) {
				return nil, nil, fmt.Errorf("%w: no body of leaf %d", ErrLog, at)
			}
			for i, o := range openings {
				e := audit.Entry{Index: o.Index, Leaf: texts[i], Salt: o.Salt, Body: o.Body}
				l, err := batch.Add(e)
				if err != nil {
					return nil, nil, fmt.Errorf("%w: %w", ErrLog, err)
				}
				leaves, entries = append(leaves, l), append(entries, e)
			}
			texts = texts[len(openings):]
		}
	}
	return leaves, entries, nil
}

// speak puts what the site says into its outbox; say brings it to the log. A thing is said once.
func (p *Primary) speak(ctx context.Context, tx *sqldb.Tx, w row, kind audit.Kind, stage string, snapshots []string) error {
	var n int64
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM gate_events WHERE request = $1 AND kind = $2 AND stage = $3`, w.Request, string(kind), stage).Scan(&n); err != nil || n > 0 {
		return err
	}
	body, err := Event{Kind: kind, Site: p.c.Name, Request: w.Request, Statement: w.Statement, Stage: stage, At: p.now(), Snapshots: snapshots}.Sign(p.c.Key)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO gate_events (number, kind, tenant, request, stage, body, leaf)
		SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5, -1 FROM gate_events`, string(kind), w.Tenant, w.Request, stage, body)
	return err
}

// say submits what the site has not yet read in the log.
func (p *Primary) say(ctx context.Context) error {
	var due []audit.Draft
	now := p.now()
	if err := p.read(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.Query(ctx, `SELECT kind, tenant, request, body FROM gate_events WHERE leaf < 0 ORDER BY number LIMIT 100`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			d := audit.Draft{At: now}
			var kind string
			if err := rows.Scan(&kind, &d.Tenant, &d.Subject, &d.Body); err != nil {
				return err
			}
			d.Kind = audit.Kind(kind)
			due = append(due, d)
		}
		return rows.Err()
	}); err != nil {
		return err
	}
	if len(due) == 0 {
		clear(p.sent)
	}
	for _, d := range due {
		if last, ok := p.sent[string(d.Body)]; ok && now.Sub(last).Abs() < resubmit {
			continue
		}
		if err := p.c.Log.Submit(ctx, d); err != nil {
			return fmt.Errorf("%w: %w", ErrLog, err)
		}
		p.sent[string(d.Body)] = now
	}
	return nil
}
