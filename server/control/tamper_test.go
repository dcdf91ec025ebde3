package control_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

// What is edited in the database after the votes is noticed, never executed, and
// keeps nobody from stopping the rest.
func TestT20_EditedAfterTheVotes(t *testing.T) {
	edits := map[string]string{
		"statement": `UPDATE requests SET statement = $1 WHERE id = $2`,
		"event":     `UPDATE request_events SET body = $1 WHERE request = $2 AND seq = 0`,
	}
	for name, q := range edits {
		t.Run(name, func(t *testing.T) {
			w := sqliteWorld(t, nil)
			doomed := w.history(2)
			r, open := w.ask(doomed[0]), w.ask(doomed[1])
			w.approve(r.ID, 0, 1)
			w.Pass(2 * time.Second)
			for _, id := range []string{r.ID, open.ID} {
				var kept []byte
				from := map[string]string{"statement": `SELECT statement FROM requests WHERE id = $1`, "event": `SELECT body FROM request_events WHERE request = $1 AND seq = 0`}[name]
				w.ok(w.DB.Read(t.Context(), func(tx *sqldb.Tx) error { return tx.QueryRow(t.Context(), from, id).Scan(&kept) }))
				edited := bytes.Replace(kept, []byte(doomed[0].ID), []byte(w.kept.ID), 1)
				edited = bytes.Replace(edited, []byte("not needed any more"), []byte("an approved reason!"), 1)
				edited = bytes.Replace(edited, []byte("2027-"), []byte("2029-"), 1)
				if bytes.Equal(edited, kept) {
					t.Fatalf("nothing to edit in %s", kept)
				}
				w.exec(w.DB, q, edited, id)
			}
			_, err := w.Approvers[2].Vote(open.ID, "approve")
			w.refused(err, wire.TypeDigestMismatch)
			_, err = w.Request(t.Context(), w.owner.Who(), r.ID)
			w.refused(err, wire.TypeDigestMismatch)
			w.Pass(controltest.Cooling + controltest.Grace)
			w.leaf(r.ID, audit.KindAlarm, 1)
			w.leaf(open.ID, audit.KindAlarm, 1)
			if got := w.atSite(r.ID); got.State != "cooling" {
				t.Fatal(got)
			}
			w.unharmed(doomed...)
			// Life goes on: others are listed, asked for, and everything can be frozen.
			third := w.ask(doomed[1])
			list, err := w.Requests(t.Context(), w.Approvers[0].Who(), "")
			w.ok(err)
			if len(list) != 3 {
				t.Fatal(list)
			}
			_, err = w.Freeze(t.Context(), w.owner.Who(), wire.PlaceFreeze{Reason: "the database was changed"})
			w.ok(err)
			w.is(third.ID, "open")
		})
	}
}

// forge writes an approving vote of an approver's into the database as whoever
// owns it can: row, event and leaf, all consistent, with a proof of their making.
func (w *world) forge(request string, approver int, method quorum.Method, proof warrant.Proof, leaf bool) {
	w.t.Helper()
	ctx := w.t.Context()
	person := w.Approvers[approver].ID
	at := w.Clock.Now().UTC().Truncate(time.Microsecond)
	w.ok(w.DB.Write(ctx, func(tx *sqldb.Tx) error {
		r, err := quorumsql.LockRequest(ctx, tx, request)
		if err != nil {
			return err
		}
		e := quorum.VoteCast{Person: person, Decision: quorum.Approve, Digest: r.State.Digest, Method: method, Key: "forged" + person, At: at}
		e.Hardware = method == quorum.Passkey
		if _, err := quorumsql.CastVote(ctx, tx, request, e, proof); err != nil || !leaf {
			return err
		}
		body, err := warrant.VoteBody(request, r.State.Digest, warrant.Ballot{Person: person, Decision: warrant.Approve, Proof: proof})
		if err != nil {
			return err
		}
		_, err = quorumsql.AppendLeaf(ctx, tx, audit.Draft{Kind: audit.KindRequestVoted, At: at, Tenant: r.State.Tenant, Subject: request, Body: body})
		return err
	}))
	w.ok(w.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return quorumsql.Enqueue(ctx, tx, quorumsql.Job{ID: "forged " + request + person, Topic: "deliver", Body: []byte(request), DueAt: at})
	}))
}

func (w *world) digest(request string) (d [32]byte) {
	w.t.Helper()
	w.ok(w.DB.Read(w.t.Context(), func(tx *sqldb.Tx) error {
		r, err := quorumsql.LoadRequest(w.t.Context(), tx, request)
		d = r.State.Digest
		return err
	}))
	return d
}

// Whoever writes the control plane's database makes votes and states, and no site
// executes them.
func TestT41_ForgedVotesAreExecutedNowhere(t *testing.T) {
	for _, leaf := range []bool{false, true} {
		w := sqliteWorld(t, nil)
		doomed := w.history(1)
		r := w.ask(doomed...)
		digest := w.digest(r.ID)
		for _, i := range []int{0, 1} {
			// A key of the forger's own, over the right challenge, in the name of an approver's credential.
			device := softkey.New()
			k, err := device.Enrol(controltest.RPID, []byte(w.Approvers[i].ID))
			w.ok(err)
			var nonce warrant.Nonce
			rand.Read(nonce[:])
			challenge, err := warrant.VoteChallenge(nonce, warrant.Approve, digest)
			w.ok(err)
			e, err := device.Sign(controltest.ConsoleURL, k.ID, challenge)
			w.ok(err)
			proof := warrant.Proof{Passkey: &warrant.Passkey{CredentialID: w.Approvers[i].Key.Credentials()[0].ID,
				ClientDataJSON: e.ClientDataJSON, AuthenticatorData: e.AuthenticatorData, Signature: e.Signature, Nonce: nonce}}
			w.forge(r.ID, i, quorum.Passkey, proof, leaf)
		}
		w.is(r.ID, "cooling") // so the forged rows say
		w.Pass(2 * (controltest.Cooling + controltest.Grace))
		if got := w.state(r.ID).State; got == "tombstoned" || got == "erased" {
			t.Fatal(got)
		}
		if _, err := w.Primary.Status(t.Context(), r.ID); err == nil {
			t.Fatal("the site took a forged warrant")
		}
		if len(w.Errors) == 0 {
			t.Fatal("nobody noticed")
		}
		w.unharmed(doomed...)
	}
}

// States and rosters written into the database: detected, not executed.
func TestT41_ForgedStates(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	w.exec(w.DB, `UPDATE requests SET phase = 'executing' WHERE id = $1`, r.ID)
	w.Pass(controltest.Cooling)
	w.leaf(r.ID, audit.KindAlarm, 1)
	w.unharmed(doomed...)
	other := w.ask(doomed...)
	w.exec(w.DB, `UPDATE charters SET text = $1`, []byte("holdfast charter v1\n"))
	_, refused := w.Approvers[0].Vote(other.ID, "approve")
	w.refused(refused, wire.TypeDigestMismatch)
	w.Pass(controltest.Cooling + controltest.Grace)
	_, err := w.Charter(t.Context(), w.owner.Who())
	w.refused(err, wire.TypeDigestMismatch)
	w.unharmed(doomed...)
}

// The attestation key stolen: where the charter says totp no, it makes no vote.
func TestT42_AStolenAttestationKeyMakesNoVote(t *testing.T) {
	w := sqliteWorld(t, map[string]string{"totp": "no", "hardware": "2"})
	doomed := w.history(1)
	r := w.ask(doomed...)
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = 2
	stolen := ed25519.NewKeyFromSeed(seed)
	_, err := w.Approvers[0].VoteCode(r.ID, "approve")
	w.refused(err, wire.TypeNotEligible)
	at := w.Clock.Now().UTC().Truncate(time.Microsecond)
	text, err := w.Warrant(t.Context(), w.owner.Who(), r.ID)
	w.ok(err)
	forged, err := warrant.Parse([]byte(text))
	w.ok(err)
	var indexes []int64
	for _, i := range []int{0, 1} {
		a := warrant.Attestation{Key: "attestation", Person: w.Approvers[i].ID, Method: warrant.MethodTOTP, Purpose: warrant.PurposeApprove, Digest: w.digest(r.ID), At: at}
		rand.Read(a.Nonce[:])
		signed, err := a.Sign(stolen)
		w.ok(err)
		b := warrant.Ballot{Person: a.Person, Decision: warrant.Approve, Proof: warrant.Proof{Attested: &signed}}
		body, err := warrant.VoteBody(r.ID, a.Digest, b)
		w.ok(err)
		w.ok(w.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
			e, err := quorumsql.AppendLeaf(t.Context(), tx, audit.Draft{Kind: audit.KindRequestVoted, At: at, Tenant: w.owner.Tenant, Subject: r.ID, Body: body})
			indexes = append(indexes, e.Index)
			return err
		}))
		forged.Votes = append(forged.Votes, b)
	}
	w.ok(w.SignCheckpoint(t.Context()))
	w.ok(w.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
		if forged.Checkpoint, err = quorumsql.LatestCheckpoint(t.Context(), tx); err != nil {
			return err
		}
		prove := func(into *warrant.Record, index int64) {
			e, err := quorumsql.LogEntryAt(t.Context(), tx, index)
			w.ok(err)
			p, err := quorumsql.ProveEvent(t.Context(), tx, w.LogKeys, forged.Checkpoint, index)
			w.ok(err)
			*into = warrant.Record{Index: index, Leaf: e.Leaf, Salt: e.Salt, Hashes: p.Hashes}
		}
		prove(&forged.Opening, forged.Opening.Index)
		prove(&forged.Enrolment.Record, forged.Enrolment.Record.Index)
		for i := range forged.Votes {
			prove(&forged.Votes[i].Record, indexes[i])
		}
		return nil
	}))
	rendered, err := forged.Render()
	w.ok(err)
	if _, err := w.Primary.Deliver(t.Context(), rendered); !errors.Is(err, warrant.ErrQuorum) {
		t.Fatal("attested votes at the site:", err)
	}
	w.unharmed(doomed...)
}

// A clock that jumps matures nothing and alarms.
func TestT43_AJumpOfTheClockMaturesNothing(t *testing.T) {
	jumps := map[string]func(w *world){
		"wall forward": func(w *world) { w.Clock.JumpWall(48 * time.Hour) },
		"wall back":    func(w *world) { w.Clock.JumpWall(-time.Hour) },
		"boot clock":   func(w *world) { w.Clock.JumpBoot(time.Hour) },
	}
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			w := sqliteWorld(t, nil)
			doomed := w.history(1)
			r := w.ask(doomed...)
			w.approve(r.ID, 0, 1)
			w.Pass(3 * time.Second)
			jump(w)
			w.Pass(2 * (controltest.Cooling + controltest.Grace))
			var phase string
			w.ok(w.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT phase FROM requests WHERE id = $1`, r.ID).Scan(&phase)
			}))
			if phase != "cooling" {
				t.Fatal(phase)
			}
			w.leaf(r.ID, audit.KindAlarm, 1)
			if m, err := w.Primary.Marks(t.Context()); err != nil || m.Suspended == "" {
				t.Fatal(m, err)
			}
			w.owner.SignInAgain()
			w.unharmed(doomed...)
		})
	}
}

// copyControl backs the control plane's SQLite database up.
func (w *world) copyControl(to string) {
	w.t.Helper()
	var from string
	w.ok(w.DB.Read(w.t.Context(), func(tx *sqldb.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&from)
	}))
	db, err := sql.Open("sqlite", from)
	w.ok(err)
	defer db.Close()
	_, err = db.ExecContext(w.t.Context(), `VACUUM INTO '`+to+`'`)
	w.ok(err)
}

// An old backup of the control plane's database: what is spent stays spent, and
// the shorter log stops the site.
func TestT44_AnOldControlDatabaseRevivesNoWarrant(t *testing.T) {
	w := sqliteWorld(t, nil)
	doomed := w.history(1)
	r := w.ask(doomed...)
	w.approve(r.ID, 0, 1)
	w.Pass(2 * time.Second)
	old := filepath.Join(t.TempDir(), "old.db")
	w.copyControl(old)
	w.until(r.ID, "tombstoned", 30*time.Second)
	w.owner.OK(func(who control.Caller) error {
		_, err := w.UndoRequest(t.Context(), who, r.ID, "a mistake")
		return err
	})
	w.unharmed(doomed...)
	w.DB = sqldbtest.Open(t, "sqlite:"+old)
	w.Restart(t)
	w.is(r.ID, "cooling") // as the old database has it
	w.Pass(3 * (controltest.Cooling + controltest.Grace))
	if got := w.atSite(r.ID).State; got != "restored" {
		t.Fatal(got)
	}
	w.owner.SignInAgain()
	w.unharmed(doomed...)
	// Nor does a new decision reach the site, before somebody has looked.
	w.Approvers[2].SignInAgain()
	w.Approvers[3].SignInAgain()
	again := w.ask(doomed...)
	w.approve(again.ID, 2, 3)
	w.Pass(2 * (controltest.Cooling + controltest.Grace))
	w.unharmed(doomed...)
	if m, err := w.Primary.Marks(t.Context()); err != nil || m.Suspended == "" {
		t.Fatal("a shorter log suspends nothing", m, err)
	}
}
