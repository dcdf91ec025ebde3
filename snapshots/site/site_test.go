package site_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/site"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

// The whole way: described, delivered, cooled, announced, tombstoned, graced, erased; the other copy restores throughout.
func TestDeletion(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		d, err := e.Describe(ctx, site.Query{Tenant: tenant, Snapshots: []string{e.old.ID.String()}})
		if err != nil || len(d.Copies) != 1 || d.Copies[0].Last != statement.LastCopy || d.Volumes[0].NewestLeft != e.young.ID.String() || d.Frees == 0 {
			t.Fatalf("%+v %v", d, err)
		}
		r := e.deliver(e.text("req_1", statement.LastCopy, e.old))
		if r.State != site.Cooling || r.Waiting != "cooling" || r.CoolingLeft != 7*day {
			t.Fatalf("%+v", r)
		}
		again := e.deliver(e.text("req_1", statement.LastCopy, e.old))
		if !again.FirstSeenAt.Equal(r.FirstSeenAt) {
			t.Fatal("first seen twice")
		}
		if r := e.advance("req_1"); r.State != site.Cooling || r.Waiting != "cooling" {
			t.Fatalf("%+v", r)
		}
		if r := e.cool("req_1"); r.State != site.Cooling || r.Waiting != "intent" {
			t.Fatalf("%+v", r)
		}
		if r := e.advance("req_1"); r.State != site.Tombstoned || r.Waiting != "grace" {
			t.Fatalf("%+v", r)
		}
		if e.state(e.old) != "tombstoned" {
			t.Fatal(e.state(e.old))
		}
		if r := e.advance("req_1"); r.State != site.Tombstoned || r.Waiting != "grace" {
			t.Fatalf("%+v", r)
		}
		e.grace()
		r = e.advance("req_1")
		if r.State != site.Erased || r.ErasedBytes == 0 || e.state(e.old) != "erased" {
			t.Fatalf("%+v", r)
		}
		e.proves(e.young)
		m, err := e.Marks(ctx)
		if err != nil || m.Spent != 1 || m.Suspended != "" {
			t.Fatalf("%+v %v", m, err)
		}
		said := map[audit.Kind]bool{}
		for i := range e.world.Size() {
			l, err := audit.ParseLeaf(e.world.Entry(i).Leaf)
			if err != nil {
				t.Fatal(err)
			}
			said[l.Kind] = true
		}
		for _, k := range []audit.Kind{audit.KindRequestSeen, audit.KindRequestIntent, audit.KindRequestTombstoned, audit.KindRequestErased} {
			if !said[k] {
				t.Error("not in the log:", k)
			}
		}
	})
}

// One person brings a tombstoned copy back, without a quorum.
func TestRestore(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		text := e.text("req_1", statement.LastCopy, e.old)
		e.deliver(text)
		e.cool("req_1")
		e.advance("req_1")
		r, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopRestore, Request: "req_1", Statement: text.Digest(), Tenant: tenant}))
		if err != nil || r.State != site.Restored {
			t.Fatalf("%+v %v", r, err)
		}
		e.grace()
		if r := e.advance("req_1"); r.State != site.Restored {
			t.Fatalf("%+v", r)
		}
		if got := e.content("f", snapshots.Moment{Snapshot: e.old.ID}); !strings.HasPrefix(got, "first state") {
			t.Fatal("not brought back")
		}
		e.proves(e.old)
	})
}

func TestStopBeforeTheWarrant(t *testing.T) {
	e := onSQLite(t)
	text := e.text("req_1", statement.LastCopy, e.old)
	if _, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopCancel, Request: "req_1", Statement: text.Digest(), Tenant: tenant})); err != nil {
		t.Fatal(err)
	}
	if r := e.deliver(text); r.State != site.Stopped {
		t.Fatalf("%+v", r)
	}
}

// T20, T41: what the votes do not cover is never seen, whatever a database says of it.
func TestT41_ForgedEvidenceIsRefused(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		text := e.text("req_1", statement.LastCopy, e.old)
		if _, err := e.Deliver(ctx, e.warrant(text, "per_a1", "per_a3")); !errors.Is(err, warrant.ErrQuorum) {
			t.Fatal("too few votes:", err)
		}
		x := e.world.Warrant(text, "per_a1", "per_a3", "per_a5")
		x.Statement = e.text("req_1", statement.LastCopy, e.young)
		b, err := x.Render()
		e.must(err)
		if _, err := e.Deliver(ctx, b); err == nil {
			t.Fatal("T20: edited targets were accepted")
		}
		if _, err := e.Status(ctx, "req_1"); !errors.Is(err, site.ErrUnknownRequest) {
			t.Fatal(err)
		}
		// The site's own row says that all is over but the erasing: the marks and the copies say otherwise.
		e.deliver(text)
		e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE gate_warrants SET state = 'tombstoned', grace = cooling, tombstoned_at = first_seen`)
			return err
		}))
		e.grace()
		if r, err := e.Advance(ctx, "req_1"); r.State == site.Erased || e.state(e.old) == "erased" {
			t.Fatalf("%+v %v", r, err)
		}
		e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE gate_warrants SET state = 'erasing'`)
			return err
		}))
		if r, err := e.Advance(ctx, "req_1"); err == nil || r.State == site.Erased {
			t.Fatalf("%+v %v", r, err)
		}
		e.proves(e.old)
		e.proves(e.young)
	})
}

// T27: a hold or freeze between quorum and execution.
func TestT27_HoldAndFreeze(t *testing.T) {
	for name, s := range map[string]warrant.Stop{
		"hold":   {ID: "sto_1", Kind: warrant.StopHold, Tenant: tenant},
		"freeze": {ID: "sto_1", Kind: warrant.StopFreeze, Tenant: tenant},
	} {
		t.Run(name, func(t *testing.T) {
			e := onSQLite(t)
			e.deliver(e.text("req_1", statement.LastCopy, e.old))
			e.cool("req_1")
			_, err := e.Stop(ctx, e.stop(s))
			e.must(err)
			if r := e.advance("req_1"); r.State != site.Cooling || r.Waiting != name {
				t.Fatalf("%+v", r)
			}
			if name == "freeze" {
				if _, err := e.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) {
					t.Fatal("reclaimed under a freeze:", err)
				}
			}
			list, err := e.Standing(ctx, tenant)
			if err != nil || len(list) != 1 || list[0].Kind != name {
				t.Fatal(list, err)
			}
			e.proves(e.old)
			// The quorum ends it, and the deletion goes on.
			end := e.world.Statement(func(st *statement.Statement) {
				st.Request, st.Selection, st.Volumes, st.Copies = "req_2", "", nil, nil
				st.Tenant.ID = tenant
				if st.Action = statement.ReleaseHold; name == "freeze" {
					st.Action = statement.LiftFreeze
					st.Subjects = []statement.Subject{{Kind: "freeze", ID: "sto_1", Name: "freeze"}}
					st.Facts = []statement.Fact{statement.TimeFact("placed-at", e.world.At)}
					return
				}
				st.Subjects = []statement.Subject{{Kind: "hold", ID: "sto_1", Name: "hold"}}
				st.Facts = []statement.Fact{statement.TextFact("kind", "legal"), statement.TimeFact("placed-at", e.world.At)}
			})
			e.must(func() error { _, err := e.Deliver(ctx, e.warrant(end, "per_a1", "per_a3", "per_a5")); return err }())
			e.pass(8 * day)
			e.tick()
			e.pass(3 * time.Second)
			e.tick()
			if r := e.advance("req_2"); r.State != site.Applied {
				t.Fatalf("%+v", r)
			}
			if r := e.advance("req_1"); r.State != site.Tombstoned {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// T25: caps are cumulative, also over a restart.
func TestT25_CapsAreCumulative(t *testing.T) {
	e := onSQLite(t, func(c *charter.Charter) {
		for i := range c.Sites {
			c.Sites[i].Caps.RequestCopies, c.Sites[i].Caps.DayCopies = 1, 1
		}
	})
	e.put("g", "third")
	third := e.snap()
	_ = third
	e.deliver(e.text("req_1", statement.LastBoth, e.old))
	e.must(func() error {
		_, err := e.Deliver(ctx, e.warrant(e.text("req_2", statement.LastBoth, e.young)))
		return err
	}())
	e.cool("req_1")
	e.advance("req_2")
	e.pass(3 * time.Second)
	e.tick()
	if r := e.advance("req_1"); r.State != site.Tombstoned {
		t.Fatalf("%+v", r)
	}
	e.Primary = e.open(e.DB)
	if r, err := e.Advance(ctx, "req_2"); !errors.Is(err, warrant.ErrCaps) || r.Waiting != "caps" {
		t.Fatalf("%+v %v", r, err)
	}
	e.proves(e.young)
}

// T26: two requests, each for one of the last two restore points. I8: copies die one by one.
func TestT26_I8_LastRestorePoint(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.deliver(e.text("req_1", statement.LastCopy, e.old))
		e.deliver(e.text("req_2", statement.LastCopy, e.young))
		e.cool("req_1")
		e.advance("req_2")
		e.pass(3 * time.Second)
		e.tick()
		if r := e.advance("req_1"); r.State != site.Tombstoned {
			t.Fatalf("%+v", r)
		}
		r, err := e.Advance(ctx, "req_2")
		if !errors.Is(err, warrant.ErrLastCopy) || r.State != site.Cooling || e.state(e.young) != "proven" {
			t.Fatalf("%+v %v", r, err)
		}
	})
}

// T52: a fresh or suspect snapshot does not make the good one dispensable.
func TestT52_JunkIsNoRestorePoint(t *testing.T) {
	e := onSQLite(t)
	e.deliver(e.text("req_1", statement.LastCopy, e.old))
	e.must(e.Suspect(ctx, tenant, e.young.ID, "half of the files are gone"))
	e.snap() // a fresh one: inside the undo window when it is executed
	e.cool("req_1")
	if r, err := e.Advance(ctx, "req_1"); !errors.Is(err, warrant.ErrLastCopy) || e.state(e.old) != "proven" {
		t.Fatalf("%+v %v", r, err)
	}
	d, err := e.Describe(ctx, site.Query{Tenant: tenant, Snapshots: []string{e.old.ID.String()}})
	if err != nil || d.Copies[0].Last != statement.LastBoth {
		t.Fatalf("%+v %v", d, err)
	}
}

// T43: a moved clock matures nothing and suspends destruction until it is resumed.
func TestT43_ClockJump(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": 10 * day, "back": -10 * day} {
		t.Run(name, func(t *testing.T) {
			e := onSQLite(t)
			e.deliver(e.text("req_1", statement.LastCopy, e.old))
			e.fake.JumpWall(jump)
			if _, err := e.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) {
				t.Fatal("reclaimed before the next tick:", err)
			}
			if r := e.tick(); !r.Jump || r.Suspended == "" || len(r.Matured) > 0 {
				t.Fatalf("%+v", r)
			}
			if _, err := e.Advance(ctx, "req_1"); err == nil {
				t.Fatal("advanced on a clock that jumped")
			}
			if _, err := e.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) {
				t.Fatal("reclaimed on a clock that jumped:", err)
			}
			if err := e.ResumeClock(ctx); err == nil {
				t.Fatal("resumed while the clocks disagree")
			}
			e.fake.JumpWall(-jump)
			e.must(e.ResumeClock(ctx))
			e.cool("req_1")
			if r := e.advance("req_1"); r.State != site.Tombstoned {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// T44, T57: an older database is put back. Nothing is executed again, nothing is swept, stops are taken.
func TestT44_T57_OlderDatabase(t *testing.T) {
	e := onSQLite(t)
	text := e.text("req_1", statement.LastCopy, e.old)
	e.deliver(text)
	e.cool("req_1")
	dsn := e.backup()
	if r := e.advance("req_1"); r.State != site.Tombstoned {
		t.Fatalf("%+v", r)
	}
	_, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopRestore, Request: "req_1", Statement: text.Digest(), Tenant: tenant}))
	e.must(err)

	restored := sqldbtest.Open(t, dsn, sqlstore.Migrations())
	old := e.open(restored)
	m, err := old.Marks(ctx)
	if err != nil || !strings.Contains(m.Suspended, "marks") {
		t.Fatalf("%+v %v", m, err)
	}
	for range 30 { // it must not catch up with the marks
		_, err = old.Tick(ctx)
		e.must(err)
	}
	if r, err := old.Advance(ctx, "req_1"); !errors.Is(err, site.ErrMarks) {
		t.Fatalf("a spent warrant ran again: %+v %v", r, err)
	}
	if _, err := old.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) {
		t.Fatal("T57: swept by an older index:", err)
	}
	if _, err := old.Stop(ctx, e.stop(warrant.Stop{ID: "sto_2", Kind: warrant.StopFreeze, Tenant: warrant.Everywhere})); err != nil {
		t.Fatal("a stop was refused:", err)
	}
	e.proves(e.old)
}

// T57: a database of another life.
func TestT57_OtherEpoch(t *testing.T) {
	e := onSQLite(t)
	e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE site_meta SET epoch = epoch + 1`)
		return err
	}))
	if _, err := e.Reclaim(ctx, tenant); !errors.Is(err, site.ErrMarks) {
		t.Fatal(err)
	}
	if _, err := e.Deliver(ctx, e.warrant(e.text("req_1", statement.LastCopy, e.old))); !errors.Is(err, site.ErrSuspended) {
		t.Fatal(err)
	}
}

// T45: a log that is shorter than what was seen suspends everything.
func TestT45_LogRolledBack(t *testing.T) {
	e := onSQLite(t)
	e.deliver(e.text("req_1", statement.LastCopy, e.old))
	_, err := e.Follow(ctx)
	e.must(err)
	other := onSQLite(t) // another history by the same keys
	e.feed.w = other.world
	if _, err := e.Follow(ctx); !errors.Is(err, site.ErrFork) {
		t.Fatal(err)
	}
	m, err := e.Marks(ctx)
	if err != nil || !strings.HasPrefix(m.Suspended, "fork") {
		t.Fatalf("%+v %v", m, err)
	}
	if _, err := e.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) {
		t.Fatal(err)
	}
}

// T46: a stop needs nothing outside the site: no Redis, no log, no clocks.
func TestT46_StopWorksAlone(t *testing.T) {
	e := onSQLite(t)
	text := e.text("req_1", statement.LastCopy, e.old)
	e.deliver(text)
	e.feed.err = errors.New("gone")
	e.fake.Fail(errors.New("gone"))
	r, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopDeny, Request: "req_1", Statement: text.Digest(), Tenant: tenant}))
	if err != nil || r.State != site.Stopped {
		t.Fatalf("%+v %v", r, err)
	}
}

var errKill = errors.New("killed")

// T47: killed before or after the commit of each step.
func TestT47_AdvanceKilled(t *testing.T) {
	for _, step := range []string{"tombstone", "erase", "committed"} {
		t.Run(step, func(t *testing.T) {
			e := onSQLite(t)
			e.deliver(e.text("req_1", statement.LastCopy, e.old))
			e.cool("req_1")
			kill := func() {
				n := 0
				e.SetStall(func(at string) error {
					if n++; at == step {
						return errKill
					}
					return nil
				})
				_, _ = e.Advance(ctx, "req_1")
				e.Primary = e.open(e.DB)
				m, err := e.Marks(ctx)
				if err != nil || m.Suspended != "" {
					t.Fatalf("a crash looks like an older database: %+v %v", m, err)
				}
				e.proves(e.young)
			}
			kill()
			if r := e.advance("req_1"); r.State != site.Tombstoned {
				t.Fatalf("%+v", r)
			}
			e.grace()
			kill()
			if r := e.advance("req_1"); r.State != site.Erased {
				t.Fatalf("%+v", r)
			}
			e.proves(e.young)
		})
	}
}

// T57: an older database is put back, and since then nothing has happened but time.
func TestT57_OlderDatabaseOfSeconds(t *testing.T) {
	e := onSQLite(t)
	dsn := e.backup()
	e.pass(2 * time.Second)
	e.tick()
	old := e.open(sqldbtest.Open(t, dsn, sqlstore.Migrations()))
	if _, err := old.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Reclaim(ctx, tenant); !errors.Is(err, site.ErrMarks) {
		t.Fatal(err)
	}
}
