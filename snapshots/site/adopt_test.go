package site_test

import (
	"errors"
	"testing"

	"filippo.io/age"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots/rebuild"
	"holdfast/snapshots/site"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

// T57, T44: a database that was made from packs destroys nothing until the operator adopts it; it can be adopted only
// when charter and log are where the marks say; and then every warrant of the life before is spent.
func TestT57_ARebuiltDatabaseIsAdopted(t *testing.T) {
	e := onSQLite(t)
	text := e.text("req_1", statement.LastCopy, e.old)
	e.deliver(text)
	e.cool("req_1")
	if r := e.advance("req_1"); r.State != site.Tombstoned {
		t.Fatalf("%+v", r)
	}
	_, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopRestore, Request: "req_1", Statement: text.Digest(), Tenant: tenant}))
	e.must(err)
	_, err = e.Follow(ctx)
	e.must(err)
	if err := e.Adopt(ctx); !errors.Is(err, site.ErrNotReady) {
		t.Fatal("a database that grew was adopted", err)
	}

	db := sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())
	if r, err := rebuild.Run(ctx, rebuild.Config{DB: db, Store: sqlstore.New(), Blobs: e.Blobs, Site: snapshotstest.Site,
		Identities: []age.Identity{e.Recovery}, Quota: 1 << 40, Now: e.Clock.Now}); err != nil || !r.Whole() {
		t.Fatalf("%+v %v", r, err)
	}
	p := e.open(db)
	refused := func(why string) {
		t.Helper()
		if _, err := p.Reclaim(ctx, tenant); !errors.Is(err, sweep.ErrSuspended) && !errors.Is(err, site.ErrMarks) {
			t.Fatal(why, err)
		}
		if m, err := p.Marks(ctx); err != nil || m.Suspended == "" {
			t.Fatal(why, m, err)
		}
	}
	refused("swept by a rebuilt index")
	if err := p.Adopt(ctx); !errors.Is(err, site.ErrNotReady) {
		t.Fatal("adopted without charter and log", err)
	}
	genesis := e.genesis() // the same text; only its leaf is looked for again
	genesis.Leaf = 0
	for i := int64(0); ; i++ { // where it stands in the log
		genesis.Leaf = i
		if _, err = p.AcceptCharter(ctx, genesis); err == nil {
			break
		}
		if i > 100 {
			t.Fatal(err)
		}
	}
	_, err = p.Follow(ctx)
	e.must(err)
	_, err = p.Tick(ctx)
	e.must(err)
	refused("swept before anybody looked")
	if _, err := p.Deliver(ctx, e.warrant(text)); !errors.Is(err, site.ErrSuspended) {
		t.Fatal(err)
	}

	e.must(p.Adopt(ctx))
	if m, err := p.Marks(ctx); err != nil || m.Suspended != "" || m.Spent != 1 {
		t.Fatalf("%+v %v", m, err)
	}
	if err := p.Adopt(ctx); !errors.Is(err, site.ErrNotReady) {
		t.Fatal("adopted twice", err)
	}
	if _, err := p.Reclaim(ctx, tenant); err != nil {
		t.Fatal(err)
	}
	// The warrant that was spent, and undone, does not run again.
	if r, err := p.Deliver(ctx, e.warrant(text)); err == nil {
		e.pass(30 * day)
		_, err = p.Tick(ctx)
		e.must(err)
		if r, err = p.Advance(ctx, "req_1"); err == nil && (r.State == site.Tombstoned || r.State == site.Erasing || r.State == site.Erased) {
			t.Fatalf("a spent warrant ran again: %+v", r)
		}
	}
	if s := e.state(e.old); s != "proven" && s != "held" {
		t.Fatal(s)
	}
	if _, err := e.Reclaim(ctx, tenant); !errors.Is(err, site.ErrMarks) {
		t.Fatal("the old database goes on beside the new one", err)
	}
}
