// Package controltest gives tests a complete Control on a directory of the test:
// both databases, packs in files, sessions in an embedded Redis, a clock that the
// test moves. It is for tests only and must never be imported by a program.
package controltest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/password/passwordtest"
	"holdfast/authz/redisstore"
	"holdfast/authz/session"
	authzsql "holdfast/authz/sqlstore"
	"holdfast/authz/throttle"
	"holdfast/authz/ticket"
	"holdfast/authz/totp"
	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/audit"
	"holdfast/quorum/clock/clocktest"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/control"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/site"
	snapshotssql "holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

// What an Env is called.
const (
	Site       = "primary"
	Origin     = "portal.example.org/log"
	RPID       = "example.org"
	PortalURL  = "https://portal.example.org"
	ConsoleURL = "https://console.example.org"
	Operator   = control.OperatorPrefix + "the-operator-of-the-tests"
)

// Start is when the clock begins.
var Start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Env is a Control with all that it stands on.
type Env struct {
	*control.Control
	DB, SiteDB *sqldb.DB
	Clock      *clocktest.Fake
	Engine     *snapshots.Engine
	Redis      *miniredis.Miniredis
	Blobs      blob.Store
	// TicketKey signs the tickets, for tests that forge some.
	TicketKey ed25519.PrivateKey
	// Identity opens what is wrapped for the primary.
	Identity *age.X25519Identity
	// Primary is the site with its gate, of a Gated Env.
	Primary *site.Primary
	// Errors are those of the jobs that Pass and Work ran.
	Errors []error
	// BlobDir is where the packs lie, and Pins where the site's marks do.
	BlobDir, Pins string

	deps   control.Deps
	gate   func(testing.TB, *Env) control.Gate
	config snapshots.Config
	names  int
	ctx    context.Context
}

// Option changes what New makes.
type Option func(*setup)

type setup struct {
	controlDSN, siteDSN string
	blobs               blob.Store
	gate                func(testing.TB, *Env) control.Gate
	deps                func(*control.Deps)
}

// WithDSN opens other databases than SQLite ones of the test.
func WithDSN(control, site string) Option {
	return func(o *setup) { o.controlDSN, o.siteDSN = control, site }
}

// WithBlobs keeps packs in another store than files.
func WithBlobs(s blob.Store) Option { return func(o *setup) { o.blobs = s } }

// WithGate makes the site's gate of an Env that is otherwise complete.
func WithGate(f func(*Env) control.Gate) Option {
	return func(o *setup) { o.gate = func(_ testing.TB, e *Env) control.Gate { return f(e) } }
}

// WithDeps changes what the Control stands on before it is made.
func WithDeps(f func(*control.Deps)) Option { return func(o *setup) { o.deps = f } }

// Each runs f on SQLite and on PostgreSQL, as subtests.
func Each(t *testing.T, f func(t *testing.T, e *Env), options ...Option) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, New(t, options...)) })
	t.Run("postgres", func(t *testing.T) {
		f(t, New(t, append(options, WithDSN(sqldbtest.PostgresDSN(t), sqldbtest.PostgresDSN(t)))...))
	})
}

// New makes an Env, on SQLite unless an option says otherwise.
func New(t testing.TB, options ...Option) *Env {
	t.Helper()
	var o setup
	for _, option := range options {
		option(&o)
	}
	if o.controlDSN == "" {
		o.controlDSN, o.siteDSN = sqldbtest.SQLiteDSN(t), sqldbtest.SQLiteDSN(t)
	}
	e := &Env{Clock: clocktest.New(Start, "database", "other"), Blobs: o.blobs, TicketKey: seeded(3), ctx: t.Context()}
	e.DB = sqldbtest.Open(t, o.controlDSN, authzsql.Migrations, quorumsql.Migrations(), control.Migrations)
	e.SiteDB = sqldbtest.Open(t, o.siteDSN, snapshotssql.Migrations())
	if e.Blobs == nil {
		e.BlobDir = filepath.Join(t.TempDir(), "blobs")
		must(t, os.MkdirAll(e.BlobDir, 0o700))
		store, err := blobfs.Open(e.BlobDir)
		must(t, err)
		t.Cleanup(func() { must(t, store.Close()) })
		e.Blobs = store
	}
	var err error
	e.Identity, err = age.GenerateX25519Identity()
	must(t, err)
	e.config = snapshots.Config{DB: e.SiteDB, Store: snapshotssql.New(), Blobs: e.Blobs, Site: Site, Owner: "test",
		Identity: e.Identity, Recipients: []string{e.Identity.Recipient().String()}, Now: e.Clock.Now}
	e.config.Undo, e.config.Still = e.undo, site.Still
	e.Pins = t.TempDir()
	e.gate = o.gate
	e.accounts(t)
	if o.deps != nil {
		o.deps(&e.deps)
	}
	e.open(t)
	return e
}

// undo is the charter's undo window, as the service's composition asks for it.
func (e *Env) undo() time.Duration {
	if e.Control == nil {
		return snapshots.DefaultUndo
	}
	window, ok, err := e.UndoWindow(context.Background())
	if err != nil || !ok {
		return snapshots.DefaultUndo
	}
	return window
}

func (e *Env) open(t testing.TB) {
	t.Helper()
	engine, err := snapshots.New(t.Context(), e.config)
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	e.Engine, e.deps.Data, e.deps.DB = engine, engine, e.DB
	e.deps.Gate = noGate{}
	if e.gate != nil {
		e.deps.Gate = e.gate(t, e)
	}
	e.Control, err = control.New(e.deps)
	must(t, err)
}

// Restart closes the engine and opens everything that is in memory again.
func (e *Env) Restart(t testing.TB) {
	t.Helper()
	must(t, e.Engine.Close())
	e.open(t)
}

// Gated opens the primary site's real gate: its sweep, its marks, its reading of
// the log.
func Gated() Option { return GatedBy(func(g control.Gate) control.Gate { return g }) }

// GatedBy is Gated with something between the control plane and the site.
func GatedBy(between func(control.Gate) control.Gate) Option {
	return func(o *setup) {
		o.gate = func(t testing.TB, e *Env) control.Gate {
			t.Helper()
			sweeper, err := sweep.New(sweep.Config{DB: e.SiteDB, Store: snapshotssql.New(), Blobs: e.Blobs, Writers: e.Engine,
				Storage: sweep.Storage{Dir: e.BlobDir}, Site: Site, Now: e.Clock.Now})
			must(t, err)
			e.Primary, err = site.NewPrimary(t.Context(), site.Config{DB: e.SiteDB, Name: Site, Pins: e.Pins, Key: seeded(4),
				Log: control.NewFeed(e.DB), Sweep: sweeper, Clock: e.Clock})
			must(t, err)
			return between(e.Primary)
		}
	}
}

// noGate is for tests that ask nothing of it.
type noGate struct{ control.Gate }

func (noGate) Name() string { return Site }

func (e *Env) accounts(t testing.TB) {
	t.Helper()
	now := e.Clock.Now
	e.Redis = miniredis.NewMiniRedis()
	e.Redis.ClockTTL(true)
	rdb := redis.NewClient(&redis.Options{Addr: "embedded", MaxRetries: -1, DisableIdentity: true,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return e.Redis.Dial() }})
	t.Cleanup(func() { must(t, rdb.Close()); e.Redis.Close() })
	store := redisstore.New(rdb)
	d := control.Deps{
		Accounts: authzsql.New(), Passwords: passwordtest.New(t), Clock: e.Clock, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Origin: Origin, RPID: RPID, PortalURL: PortalURL, ConsoleURL: ConsoleURL, Site: Site,
		LogKey: seeded(1), SiteKey: seeded(4), Attestation: seeded(2), AttestationKey: "attestation",
		Recipient: e.Identity.Recipient().String(), Operator: sha256.Sum256([]byte(Operator)), Passkeys: map[authz.Face]*passkey.Party{},
	}
	var err error
	key := make([]byte, 32)
	d.Sessions, err = session.New(store, key, now)
	must(t, err)
	d.Throttle, err = throttle.New(store)
	must(t, err)
	d.Decider, err = authz.NewDecider(now)
	must(t, err)
	d.Secrets, err = totp.NewSealer(totp.Key{ID: "1", Bytes: key})
	must(t, err)
	for face, origin := range map[authz.Face]string{authz.FacePortal: PortalURL, authz.FaceConsole: ConsoleURL} {
		d.Passkeys[face], err = passkey.New(passkey.Relying{RPID: RPID, DisplayName: "Holdfast", Origins: []string{origin}, StateKey: key}, now)
		must(t, err)
	}
	d.Tickets, err = ticket.NewIssuer(Origin, e.TicketKey, now)
	must(t, err)
	keys, err := ticket.NewKeySet(d.Tickets.Public())
	must(t, err)
	d.TicketCheck, err = ticket.NewVerifier(Origin, Site, keys, now)
	must(t, err)
	d.LogSigner, err = audit.NewSigner(Origin, d.LogKey)
	must(t, err)
	d.LogKeys, err = audit.NewKeys(d.LogSigner.LogKey().String())
	must(t, err)
	e.deps = d
}

func seeded(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
