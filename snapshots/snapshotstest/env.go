// Package snapshotstest gives tests an engine over a real site database and a store in memory, and a model of a volume
// to compare it with. It is imported by tests alone.
package snapshotstest

import (
	"context"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/mem"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/sqlstore"
)

// Site and Tenant are the names that an Env uses.
const (
	Site   = "primary"
	Tenant = "ten_test"
)

// Clock is a clock that stands until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock starts at a fixed moment.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// Now reads the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Env is an engine with what it stands on.
type Env struct {
	*snapshots.Engine
	DB       *sqldb.DB
	Store    snapshots.Store
	Blobs    blob.Store
	Clock    *Clock
	Identity *age.X25519Identity
	Recovery *age.X25519Identity
	config   snapshots.Config
}

// New makes an engine with one tenant, over blobs in memory when none are given.
func New(t testing.TB, db *sqldb.DB, blobs blob.Store) *Env {
	t.Helper()
	if blobs == nil {
		blobs = mem.New()
	}
	e := &Env{DB: db, Store: sqlstore.New(), Blobs: blobs, Clock: NewClock()}
	var err error
	if e.Identity, err = age.GenerateX25519Identity(); err != nil {
		t.Fatal(err)
	}
	if e.Recovery, err = age.GenerateX25519Identity(); err != nil {
		t.Fatal(err)
	}
	e.config = snapshots.Config{DB: db, Store: e.Store, Blobs: blobs, Site: Site, Owner: "test", Identity: e.Identity,
		Recipients: []string{e.Identity.Recipient().String(), e.Recovery.Recipient().String()}, Now: e.Clock.Now}
	e.Engine = e.Another(t)
	if err := e.CreateTenant(t.Context(), snapshots.NewTenant{Tenant: Tenant, QuotaBytes: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	return e
}

// Another starts one more engine over the same database and blobs, as another node or after a crash.
func (e *Env) Another(t testing.TB) *snapshots.Engine {
	t.Helper()
	en, err := snapshots.New(t.Context(), e.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := en.Close(); err != nil {
			t.Log("close:", err)
		}
	})
	return en
}

// Volume makes a volume.
func (e *Env) Volume(t testing.TB, name string, kind snapshots.Kind) snapshots.Volume {
	t.Helper()
	v, err := e.CreateVolume(t.Context(), snapshots.NewVolume{Tenant: Tenant, Name: name, Kind: kind, Profile: chunk.ProfileFiles, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Refs reads how many edges point at a frame; -1 when there is no such row.
func (e *Env) Refs(t testing.TB, k snapshots.ChunkKey) int64 {
	t.Helper()
	n := int64(-1)
	err := e.DB.Read(context.Background(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT refs FROM refs WHERE tenant = $1 AND id = $2 AND frame_hash = $3`, Tenant, k.ID[:], k.Hash[:])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&n); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
