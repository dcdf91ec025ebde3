package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum"
	"holdfast/quorum/charter"
	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/quorumtest"
	"holdfast/quorum/sqlstore"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
)

var ctx = context.Background()

func each(t *testing.T, f func(t *testing.T, db *sqldb.DB)) {
	sqldbtest.Each(t, f, sqlstore.Migrations())
}

// proof is a fresh passkey proof; the store keeps it and does not judge it.
func proof() warrant.Proof {
	return warrant.Proof{Passkey: &warrant.Passkey{CredentialID: []byte("id"), ClientDataJSON: []byte("{}"), AuthenticatorData: make([]byte, 37), Signature: []byte("sig"), Nonce: warranttest.Nonce()}}
}

func openRequest(t *testing.T, db *sqldb.DB, id string, edit ...func(*quorum.Opened)) {
	t.Helper()
	write(t, db, func(tx *sqldb.Tx) error {
		_, err := sqlstore.OpenRequest(ctx, tx, quorumtest.Text(id), quorumtest.Opened(id, edit...), proof())
		return err
	})
}

func cast(db *sqldb.DB, id, person string, d quorum.Decision, before func()) (s quorum.State, err error) {
	p := proof()
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		if before != nil {
			before()
		}
		r, err := sqlstore.CastVote(ctx, tx, id, quorumtest.Vote(id, person, d, quorumtest.At.Add(time.Minute)), p)
		s = r.State
		return err
	})
	return s, err
}

func load(t *testing.T, db *sqldb.DB, id string) (r sqlstore.Request) {
	t.Helper()
	read(t, db, func(tx *sqldb.Tx) (err error) {
		r, err = sqlstore.LoadRequest(ctx, tx, id)
		return err
	})
	return r
}

func wantErr(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func TestT16_AHundredParallelVotesOfOnePersonCountOnce(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		openRequest(t, db, "req_1")
		var wg sync.WaitGroup
		var mu sync.Mutex
		good := 0
		for range 100 {
			wg.Go(func() {
				_, err := cast(db, "req_1", "per_a1", quorum.Approve, nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				} else if !errors.Is(err, quorum.ErrAlreadyVoted) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if r := load(t, db, "req_1"); good != 1 || r.State.Tally().Approvals != 1 || r.State.Phase != quorum.Open {
			t.Fatal(good, r.State.Tally(), r.State.Phase)
		}
	})
}

// Two transactions meet at a barrier after BEGIN, then race; exactly one outcome stands, whoever wins.
func TestT17_FinalVoteRaces(t *testing.T) {
	rivals := map[string]func(r sqlstore.Request, tx *sqldb.Tx) (sqlstore.Request, error){
		"approve": func(_ sqlstore.Request, tx *sqldb.Tx) (sqlstore.Request, error) {
			return sqlstore.CastVote(ctx, tx, "req_1", quorumtest.Vote("req_1", "per_a4", quorum.Approve, quorumtest.At.Add(time.Minute)), proof())
		},
		"deny": func(_ sqlstore.Request, tx *sqldb.Tx) (sqlstore.Request, error) {
			return sqlstore.CastVote(ctx, tx, "req_1", quorumtest.Vote("req_1", "per_a4", quorum.Deny, quorumtest.At.Add(time.Minute)), proof())
		},
		"cancel": func(_ sqlstore.Request, tx *sqldb.Tx) (sqlstore.Request, error) {
			return recordLocked(tx, quorum.CancelCast{Person: "per_m1", At: quorumtest.At.Add(time.Minute)})
		},
		"expiry": func(_ sqlstore.Request, tx *sqldb.Tx) (sqlstore.Request, error) {
			return recordLocked(tx, quorum.ExpiryReached{At: quorumtest.At.Add(time.Hour + time.Second)})
		},
		"freeze": func(_ sqlstore.Request, tx *sqldb.Tx) (sqlstore.Request, error) {
			return recordLocked(tx, quorum.FreezeSet{Stop: "sto_1", At: quorumtest.At.Add(time.Minute)})
		},
	}
	for name, rival := range rivals {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, db *sqldb.DB) {
				openRequest(t, db, "req_1")
				if _, err := cast(db, "req_1", "per_a1", quorum.Approve, nil); err != nil {
					t.Fatal(err)
				}
				// SQLite has one writer, so only PostgreSQL lets both begin; the barrier then opens by itself.
				start := make(chan struct{})
				var wg sync.WaitGroup
				var errA, errB error
				completed := make(chan bool, 2)
				run := func(out *error, f func(tx *sqldb.Tx) (sqlstore.Request, error)) {
					<-start
					*out = db.Write(ctx, func(tx *sqldb.Tx) error {
						was, err := sqlstore.LoadRequest(ctx, tx, "req_1") // a stale look before the lock
						if err != nil {
							return err
						}
						r, err := f(tx)
						if err == nil {
							quorumNow := r.State.Phase == quorum.Cooling && len(r.State.Votes) == 2 && r.State.Events > was.State.Events
							tx.AfterCommit(func() {
								if quorumNow {
									completed <- true
								}
							})
						}
						return err
					})
				}
				wg.Go(func() {
					run(&errA, func(tx *sqldb.Tx) (sqlstore.Request, error) {
						return sqlstore.CastVote(ctx, tx, "req_1", quorumtest.Vote("req_1", "per_a3", quorum.Approve, quorumtest.At.Add(time.Minute)), proof())
					})
				})
				wg.Go(func() {
					run(&errB, func(tx *sqldb.Tx) (sqlstore.Request, error) { return rival(sqlstore.Request{}, tx) })
				})
				close(start)
				wg.Wait()
				r := load(t, db, "req_1")
				switch name {
				case "approve":
					if errA != nil || errB != nil || r.State.Phase != quorum.Cooling || len(completed) != 1 || r.State.Tally().Approvals != 3 && r.State.Tally().Approvals != 2 {
						t.Fatal(errA, errB, r.State.Phase, len(completed), r.State.Tally())
					}
				case "freeze":
					if errA != nil || errB != nil || r.State.Phase != quorum.Cooling || r.State.Stopped() == nil {
						t.Fatal(errA, errB, r.State.Phase)
					}
				case "expiry":
					if (errA == nil) == (errB == nil) {
						t.Fatal("both or neither:", errA, errB, r.State.Phase)
					}
				default: // a stop always wins: before the vote it ends the request, after it it ends the cooling-off
					if errB != nil || !r.State.Phase.Ended() {
						t.Fatal(errA, errB, r.State.Phase)
					}
				}
			})
		})
	}
}

// A look without a lock, inside a transaction that writes, while events are being appended: never taken for tampering.
func TestT20_AppendingWhileReadingIsNotTampering(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		openRequest(t, db, "req_1")
		done := make(chan error, 1)
		go func() {
			for i := range 60 {
				at := quorumtest.At.Add(time.Duration(i+1) * time.Second)
				stop := fmt.Sprint("sto_", i)
				for _, e := range []quorum.Event{quorum.FreezeSet{Stop: stop, At: at}, quorum.FreezeLifted{Stop: stop, At: at}} {
					if err := db.Write(ctx, func(tx *sqldb.Tx) error { _, err := recordLocked(tx, e); return err }); err != nil {
						done <- err
						return
					}
				}
			}
			done <- nil
		}()
		for {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				return
			default:
			}
			if err := db.Write(ctx, func(tx *sqldb.Tx) error { _, err := sqlstore.LoadRequest(ctx, tx, "req_1"); return err }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func recordLocked(tx *sqldb.Tx, e quorum.Event) (sqlstore.Request, error) {
	r, err := sqlstore.LockRequest(ctx, tx, "req_1")
	if err != nil {
		return r, err
	}
	return sqlstore.Record(ctx, tx, r, e)
}

func TestT20_T41_EditedRowsAreTampering(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		for i, q := range []string{
			`UPDATE requests SET statement = $1 WHERE id = $2`,
			`UPDATE requests SET phase = 'cooling' WHERE id = $2 AND $1 = $1`,
			`UPDATE requests SET execute_until = execute_until + 1 WHERE id = $2 AND $1 = $1`,
			`UPDATE requests SET requester = 'per_a4' WHERE id = $2 AND $1 = $1`,
			`UPDATE request_events SET body = $1 WHERE request = $2 AND seq = 1`,
			`UPDATE request_events SET kind = 'cancelled' WHERE request = $2 AND seq = 1 AND $1 = $1`,
			`DELETE FROM request_events WHERE request = $2 AND seq = 1 AND $1 = $1`,
		} {
			id := fmt.Sprintf("req_%d", i)
			openRequest(t, db, id)
			if _, err := cast(db, id, "per_a1", quorum.Approve, nil); err != nil {
				t.Fatal(err)
			}
			load(t, db, id)
			write(t, db, func(tx *sqldb.Tx) error {
				n, err := tx.Exec(ctx, q, []byte("{}"), id)
				if err == nil && n != 1 {
					t.Fatalf("%s changed %d rows", q, n)
				}
				return err
			})
			err := db.Read(ctx, func(tx *sqldb.Tx) error { _, err := sqlstore.LoadRequest(ctx, tx, id); return err })
			if !errors.Is(err, quorum.ErrTampered) {
				t.Fatalf("%s: %v", q, err)
			}
			if _, err := cast(db, id, "per_a3", quorum.Approve, nil); !errors.Is(err, quorum.ErrTampered) {
				t.Fatalf("a vote on an edited request: %v", err)
			}
			write(t, db, func(tx *sqldb.Tx) error { // out of the way of the bound
				_, err := tx.Exec(ctx, `UPDATE requests SET phase = 'denied' WHERE id = $1`, id)
				return err
			})
		}
	})
}

func TestT06_AProofIsSpentOnce(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		openRequest(t, db, "req_1")
		openRequest(t, db, "req_2")
		p := proof()
		one := func(id, person string) error {
			return db.Write(ctx, func(tx *sqldb.Tx) error {
				_, err := sqlstore.CastVote(ctx, tx, id, quorumtest.Vote(id, person, quorum.Approve, quorumtest.At.Add(time.Minute)), p)
				return err
			})
		}
		if err := one("req_1", "per_a1"); err != nil {
			t.Fatal(err)
		}
		wantErr(t, one("req_2", "per_a1"), quorum.ErrSpentProof)
		if r := load(t, db, "req_2"); len(r.State.Votes) != 0 {
			t.Fatal("the refused vote was kept")
		}
	})
}

func TestT29_JunkNeitherFloodsNorBuries(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		var err error
		for i := 0; err == nil && i <= quorum.MaxOpenPerTenant; i++ {
			id := fmt.Sprintf("req_junk%02d", i)
			o := quorumtest.Opened(id, func(o *quorum.Opened) { o.Requester = fmt.Sprintf("per_j%d", i/quorum.MaxOpenPerPerson) })
			err = db.Write(ctx, func(tx *sqldb.Tx) error {
				_, err := sqlstore.OpenRequest(ctx, tx, quorumtest.Text(id), o, proof())
				return err
			})
			if err != nil && i < quorum.MaxOpenPerTenant {
				t.Fatal(i, err)
			}
		}
		wantErr(t, err, quorum.ErrTooMany)
		openRequest(t, db, "req_real", func(o *quorum.Opened) {
			o.Tenant, o.Requester, o.VoteUntil = "ten_2", "per_real", quorumtest.At.Add(90*time.Minute)
		})
		read(t, db, func(tx *sqldb.Tx) error {
			q, err := sqlstore.Queue(ctx, tx, 2)
			if err != nil || len(q) != 2 || q[1].ID != "req_real" {
				t.Fatal(q, err)
			}
			return nil
		})
	})
}

func TestTimersSurviveAndJumpsFreeze(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		openRequest(t, db, "req_1")
		for _, p := range []string{"per_a1", "per_a3"} {
			if _, err := cast(db, "req_1", p, quorum.Approve, nil); err != nil {
				t.Fatal(err)
			}
		}
		c := quorumtest.Clock()
		due := false
		for range 8 {
			c.Advance(5 * time.Second)
			write(t, db, func(tx *sqldb.Tx) error {
				r, err := sqlstore.LockRequest(ctx, tx, "req_1")
				if err != nil {
					return err
				}
				_, m, err := sqlstore.Tick(ctx, tx, r, c.Reading())
				due = due || m
				return err
			})
		}
		if r := load(t, db, "req_1"); !due || r.State.Ready(c.Now()) != nil {
			t.Fatal(due, r.State.Ready(c.Now()))
		}
		c.JumpWall(time.Hour)
		write(t, db, func(tx *sqldb.Tx) error {
			r, err := sqlstore.LockRequest(ctx, tx, "req_1")
			if err != nil {
				return err
			}
			_, _, err = sqlstore.Tick(ctx, tx, r, c.Reading())
			return err
		})
		wantErr(t, load(t, db, "req_1").State.Ready(quorumtest.At.Add(90*time.Minute)), quorum.ErrFrozen)
	})
}

// The model against the store: after every move, what is read back is what the pure machine says, as after a restart.
func TestI5_I6_ModelAgainstTheStore(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			id := fmt.Sprintf("req_%d", n)
			o := quorumtest.Opened(id, func(o *quorum.Opened) { o.Tenant, o.Requester, o.Drafter = "ten_"+id, "per_m1", "per_m1" })
			if err := db.Write(ctx, func(tx *sqldb.Tx) error {
				if _, err := tx.Exec(ctx, `UPDATE requests SET phase = 'denied' WHERE phase = 'open'`); err != nil {
					return err
				}
				_, err := sqlstore.OpenRequest(ctx, tx, quorumtest.Text(id), o, proof())
				return err
			}); err != nil {
				rt.Fatal(err)
			}
			c := quorumtest.Clock()
			for range rapid.IntRange(1, 12).Draw(rt, "moves") {
				var before, after, stored quorum.State
				var e quorum.Event
				var refused error
				err := db.Write(ctx, func(tx *sqldb.Tx) error {
					r, err := sqlstore.LockRequest(ctx, tx, id)
					if err != nil {
						return err
					}
					before = r.State
					e = quorumtest.Move(rt, r.State, c)
					after, refused = quorum.Apply(r.State, e)
					if tick, ok := e.(quorum.Ticked); ok {
						r, _, err = sqlstore.Tick(ctx, tx, r, tick.Reading)
						if err == nil {
							after = r.State
						}
					} else {
						_, err = sqlstore.Record(ctx, tx, r, e)
					}
					if (err == nil) != (refused == nil) {
						return fmt.Errorf("store says %w, machine %w", err, refused)
					}
					l, err := sqlstore.LoadRequest(ctx, tx, id)
					stored = l.State
					return err
				})
				if err != nil {
					rt.Fatal(e, err)
				}
				if msg := quorumtest.Invariants(before, stored, e, refused); msg != "" {
					rt.Fatal(msg)
				}
				if stored.Phase != after.Phase || stored.Tally() != after.Tally() || stored.Events != after.Events ||
					stored.Timer.Accrued != after.Timer.Accrued || !reflect.DeepEqual(stored.Sites, after.Sites) {
					rt.Fatalf("stored %+v, want %+v", stored, after)
				}
			}
		})
	})
}

func TestT23_ChainOfCharters(t *testing.T) {
	f := chartertest.New(quorumtest.At)
	next := f.Next(quorumtest.At.Add(time.Hour))
	next.Undo += time.Hour
	rival := f.Next(quorumtest.At.Add(2 * time.Hour))
	skip := f.Next(quorumtest.At)
	skip.Number += 2
	text := func(c *charter.Charter) charter.Signed {
		b, err := c.Render()
		if err != nil {
			t.Fatal(err)
		}
		return charter.Signed{Text: b}
	}
	each(t, func(t *testing.T, db *sqldb.DB) {
		add := func(s charter.Signed) error {
			return db.Write(ctx, func(tx *sqldb.Tx) error { return sqlstore.AppendCharter(ctx, tx, s, quorumtest.At) })
		}
		wantErr(t, add(text(next)), charter.ErrSkip)
		for _, s := range []charter.Signed{f.Genesis(), f.Genesis(), text(next)} {
			if err := add(s); err != nil {
				t.Fatal(err)
			}
		}
		wantErr(t, add(text(rival)), charter.ErrFork)
		wantErr(t, add(text(skip)), charter.ErrSkip)
		read(t, db, func(tx *sqldb.Tx) error {
			_, c, err := sqlstore.NewestCharter(ctx, tx)
			if err != nil || c.Number != 2 {
				t.Fatal(c, err)
			}
			return nil
		})
	})
}

func TestT55_StopsAndHoldsEndOnlyByAGatedDecision(t *testing.T) {
	w := warranttest.New(quorumtest.At)
	signed := func(s warrant.Stop) warrant.VerifiedStop {
		v, err := warrant.VerifyStop(w.Key("per_a1", chartertest.RP).Stop(s), warrant.StopContext{Charter: w.F.Charter})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	freeze := signed(warrant.Stop{ID: "sto_1", Kind: warrant.StopFreeze, Tenant: warrant.Everywhere, Person: "per_a1", At: quorumtest.At})
	again := signed(freeze.Stop())
	other := signed(warrant.Stop{ID: "sto_1", Kind: warrant.StopFreeze, Tenant: "ten_1", Person: "per_a1", At: quorumtest.At})
	suspend := signed(warrant.Stop{ID: "sto_2", Kind: warrant.StopSuspend, Subject: "per_a2", Person: "per_a1", At: quorumtest.At})
	each(t, func(t *testing.T, db *sqldb.DB) {
		write(t, db, func(tx *sqldb.Tx) error {
			for i, v := range []warrant.VerifiedStop{freeze, again, suspend} {
				if fresh, err := sqlstore.RecordStop(ctx, tx, v); err != nil || fresh != (i != 1) {
					t.Fatal(i, fresh, err)
				}
			}
			return nil
		})
		write(t, db, func(tx *sqldb.Tx) error {
			_, err := sqlstore.RecordStop(ctx, tx, other)
			wantErr(t, err, quorum.ErrConflict)
			both, err := sqlstore.Suspended(ctx, tx)
			if err != nil || !reflect.DeepEqual(both, []string{"per_a2", "per_a1"}) {
				t.Fatal(both, err)
			}
			if list, err := sqlstore.FreezesInForce(ctx, tx, "ten_9"); err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			wantErr(t, sqlstore.EndStop(ctx, tx, "sto_1", "", quorumtest.At), quorum.ErrEvent)
			if err := sqlstore.EndStop(ctx, tx, "sto_1", "req_1", quorumtest.At); err != nil {
				t.Fatal(err)
			}
			if list, err := sqlstore.FreezesInForce(ctx, tx, "ten_9"); err != nil || len(list) != 0 {
				t.Fatal(list, err)
			}
			h := sqlstore.Hold{ID: "hol_1", Tenant: "ten_1", Kind: sqlstore.LegalHold, Reason: "court", PlacedBy: "per_m1", At: quorumtest.At}
			if fresh, err := sqlstore.PlaceHold(ctx, tx, h); err != nil || !fresh {
				t.Fatal(fresh, err)
			}
			if list, err := sqlstore.HoldsInForce(ctx, tx, "ten_1"); err != nil || len(list) != 1 || list[0] != h {
				t.Fatal(list, err)
			}
			if err := sqlstore.ReleaseHold(ctx, tx, "hol_1", "req_1", quorumtest.At); err != nil {
				t.Fatal(err)
			}
			if list, err := sqlstore.HoldsInForce(ctx, tx, ""); err != nil || len(list) != 0 {
				t.Fatal(list, err)
			}
			return nil
		})
	})
}

func TestOutboxAndDrafts(t *testing.T) {
	each(t, func(t *testing.T, db *sqldb.DB) {
		j := sqlstore.Job{ID: "req_1 deliver primary", Topic: "deliver", Body: []byte("w"), DueAt: quorumtest.At}
		write(t, db, func(tx *sqldb.Tx) error {
			if err := sqlstore.Enqueue(ctx, tx, j); err != nil {
				return err
			}
			return sqlstore.Enqueue(ctx, tx, j)
		})
		claim := func(at time.Time) (n int) {
			write(t, db, func(tx *sqldb.Tx) error {
				jobs, err := sqlstore.Claim(ctx, tx, "deliver", at, time.Minute, 10)
				n = len(jobs)
				return err
			})
			return n
		}
		if claim(quorumtest.At) != 1 || claim(quorumtest.At) != 0 || claim(quorumtest.At.Add(time.Minute)) != 1 {
			t.Fatal("a job is claimed once a lease")
		}
		write(t, db, func(tx *sqldb.Tx) error {
			for range 2 {
				if err := sqlstore.Finish(ctx, tx, j.ID, []byte("receipt"), quorumtest.At); err != nil {
					t.Fatal(err)
				}
			}
			wantErr(t, sqlstore.Finish(ctx, tx, j.ID, []byte("another"), quorumtest.At), quorum.ErrConflict)
			d := sqlstore.Draft{ID: "req_d", Tenant: "ten_1", Drafter: "tok_1", Body: []byte("b"), At: quorumtest.At}
			if err := sqlstore.KeepDraft(ctx, tx, d); err != nil {
				t.Fatal(err)
			}
			_, err := sqlstore.TakeDraft(ctx, tx, "ten_2", "req_d")
			wantErr(t, err, quorum.ErrNotFound)
			got, err := sqlstore.TakeDraft(ctx, tx, "ten_1", "req_d")
			if err != nil || !reflect.DeepEqual(got, d) {
				t.Fatal(got, err)
			}
			return nil
		})
	})
}
