package control

import (
	"bytes"
	"context"
	"fmt"

	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// Warrant returns everything that a stranger needs to check a request, as far as
// it has come: statement, requester's proof, approvals, proofs from the log.
func (c *Control) Warrant(ctx context.Context, who Caller, request string) (string, error) {
	if err := c.read(ctx, func(tx *sqldb.Tx) error {
		_, err := c.visible(ctx, tx, who, request)
		return err
	}); err != nil {
		return "", err
	}
	text, err := c.warrant(ctx, request)
	return string(text), err
}

// warrant gathers a request's evidence. Every record is proven in the newest
// checkpoint, which is signed afresh if it does not cover them.
func (c *Control) warrant(ctx context.Context, request string) (text []byte, err error) {
	for range 2 {
		covered := true
		err = c.read(ctx, func(tx *sqldb.Tx) error {
			w, ok, err := c.evidenceOf(ctx, tx, request)
			if covered = ok; err != nil || !ok {
				return err
			}
			text, err = w.Render()
			return err
		})
		if err != nil || covered {
			return text, err
		}
		if err := c.SignCheckpoint(ctx); err != nil {
			return nil, err
		}
	}
	return nil, newError(wire.TypeUnavailable, nil, "The log is growing too fast to be proven just now. Try again.")
}

// evidenceOf is the warrant of a request; false if the newest checkpoint does not
// cover all of its leaves yet.
func (c *Control) evidenceOf(ctx context.Context, tx *sqldb.Tx, request string) (w warrant.Warrant, covered bool, err error) {
	r, err := quorumsql.LoadRequest(ctx, tx, request)
	if err != nil {
		return w, false, err
	}
	s, err := parseStatement(r)
	if err != nil {
		return w, false, err
	}
	signed, err := quorumsql.LatestCheckpoint(ctx, tx)
	if isAny(err, quorumsql.ErrNoCheckpoint) {
		return w, false, nil
	}
	if err != nil {
		return w, false, err
	}
	opened, err := c.LogKeys.Open(signed)
	if err != nil {
		return w, false, err
	}
	leaves, err := c.leavesOf(ctx, tx, request)
	if err != nil {
		return w, false, err
	}
	w = warrant.Warrant{Statement: r.Statement, CharterNumber: s.Charter.Number, CharterHash: s.Charter.Hash, Checkpoint: signed}
	prove := func(e quorumsql.LogEntry) (warrant.Record, error) {
		if e.Index >= opened.Size {
			covered = false
			return warrant.Record{}, nil
		}
		p, err := quorumsql.ProveEvent(ctx, tx, c.LogKeys, signed, e.Index)
		return warrant.Record{Index: e.Index, Leaf: e.Leaf, Salt: e.Salt, Hashes: p.Hashes}, err
	}
	covered = true
	for _, e := range leaves {
		switch e.Kind {
		case audit.KindRequestOpened:
			if w.Confirm, err = confirmOf(e.Body); err != nil {
				return w, false, err
			}
			if w.Opening, err = prove(e); err != nil {
				return w, false, err
			}
		case audit.KindRequestVoted:
			b, err := c.ballotOf(ctx, tx, r, e)
			if err != nil {
				return w, false, err
			}
			if b.Decision != warrant.Approve {
				continue
			}
			if b.Record, err = prove(e); err != nil {
				return w, false, err
			}
			w.Votes = append(w.Votes, b)
		}
	}
	if w.Confirm.Passkey != nil {
		if err := c.proveEnrolment(ctx, tx, s, &w, prove); err != nil {
			return w, false, err
		}
	}
	return w, covered, nil
}

// leavesOf are all leaves about a request.
func (c *Control) leavesOf(ctx context.Context, tx *sqldb.Tx, request string) (out []quorumsql.LogEntry, err error) {
	for from := int64(0); ; {
		page, err := quorumsql.LogEntriesOfSubject(ctx, tx, request, from, quorumsql.MaxLogPage)
		if err != nil || len(page) == 0 {
			return out, err
		}
		out = append(out, page...)
		from = page[len(page)-1].Index + 1
	}
}

// confirmOf reads the requester's proof out of the leaf's body.
func confirmOf(body []byte) (warrant.Proof, error) {
	_, line, ok := bytes.Cut(body, []byte("\nconfirm "))
	if !ok {
		return warrant.Proof{}, fmt.Errorf("%w: opening leaf", quorum.ErrTampered)
	}
	return warrant.ParseProof(string(bytes.TrimSuffix(line, []byte("\n"))))
}

// ballotOf finds the vote that a leaf is of, by the bytes that both commit to.
func (c *Control) ballotOf(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, e quorumsql.LogEntry) (warrant.Ballot, error) {
	ballots, err := quorumsql.Ballots(ctx, tx, r.ID())
	if err != nil {
		return warrant.Ballot{}, err
	}
	for _, kept := range ballots {
		d, err := warrant.ParseDecision(string(kept.Decision))
		if err != nil {
			return warrant.Ballot{}, err
		}
		b := warrant.Ballot{Person: kept.Person, Decision: d, Proof: kept.Proof}
		body, err := warrant.VoteBody(r.ID(), r.State.Digest, b)
		if err != nil {
			return b, err
		}
		if bytes.Equal(body, e.Body) {
			return b, nil
		}
	}
	return warrant.Ballot{}, fmt.Errorf("%w: vote leaf %d", quorum.ErrTampered, e.Index)
}

// proveEnrolment adds where a member's passkey stands in the log. An approver's
// stands in the charter.
func (c *Control) proveEnrolment(ctx context.Context, tx *sqldb.Tx, s statement.Statement, w *warrant.Warrant, prove func(quorumsql.LogEntry) (warrant.Record, error)) error {
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	if owner, _, ok := ch.Key(w.Confirm.Passkey.CredentialID); ok && owner.ID == s.Requester.ID {
		return nil
	}
	f, err := c.Accounts.PasskeyByCredential(ctx, tx, w.Confirm.Passkey.CredentialID)
	if err != nil {
		return err
	}
	e, err := quorumsql.LogEntryAt(ctx, tx, f.LeafIndex)
	if err != nil {
		return err
	}
	enrolment := c.enrolment(s.Requester.ID, f)
	if enrolment.Record, err = prove(e); err != nil {
		return err
	}
	w.Enrolment = &enrolment
	return nil
}

// SignCheckpoint signs the log as it stands now.
func (c *Control) SignCheckpoint(ctx context.Context) error {
	return c.write(ctx, func(tx *sqldb.Tx) error {
		_, err := quorumsql.SignLog(ctx, tx, c.LogSigner, c.now())
		return err
	})
}
