package site_test

import (
	"context"
	"crypto/ed25519"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/clock/clocktest"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
	"holdfast/snapshots"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/site"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

const (
	day    = 24 * time.Hour
	tenant = snapshotstest.Tenant
)

var ctx = context.Background()

// feed is the log of a world.
type feed struct {
	w     *warranttest.World
	clock *clocktest.Fake
	// frozen keeps the log at a size, as a control plane that shows an old state; -1 shows all.
	err error
}

func (f *feed) Checkpoint(context.Context) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.w.Checkpoint(f.clock.Now()), nil
}

func (f *feed) Tile(ctx context.Context, path string) ([]byte, error) { return f.w.Tile(ctx, path) }

func (f *feed) Openings(_ context.Context, from, to int64) (out []audit.Opening, err error) {
	for i := from; i < to; i++ {
		out = append(out, f.w.Entry(i).Opening())
	}
	return out, nil
}

func (f *feed) Submit(_ context.Context, d audit.Draft) error {
	f.w.Log(d)
	return nil
}

// env is a primary site with real packs, a real database, and a quorum with software keys.
type env struct {
	*snapshotstest.Env
	*site.Primary
	t     *testing.T
	dsn   string
	dir   string
	pins  string
	vol   snapshots.Volume
	world *warranttest.World
	fake  *clocktest.Fake
	feed  *feed
	old   snapshots.Snapshot // 50 days before the world's requests
	young snapshots.Snapshot // 49 days before
}

func each(t *testing.T, f func(t *testing.T, e *env)) {
	sqldbtest.EachDSN(t, func(t *testing.T, dsn string) { f(t, newEnv(t, dsn)) })
}

func onSQLite(t *testing.T, edit ...func(*charter.Charter)) *env {
	return newEnv(t, sqldbtest.SQLiteDSN(t), edit...)
}

func newEnv(t *testing.T, dsn string, edit ...func(*charter.Charter)) *env {
	t.Helper()
	e := &env{t: t, dsn: dsn, dir: t.TempDir(), pins: t.TempDir()}
	blobs, err := blobfs.Open(e.dir)
	e.must(err)
	t.Cleanup(func() { blobs.Close() })
	e.Env = snapshotstest.New(t, sqldbtest.Open(t, dsn, sqlstore.Migrations()), blobs)
	e.vol = e.Volume(t, "files", snapshots.Files)
	e.put("shared", strings.Repeat("shared bytes ", 3000))
	e.put("f", strings.Repeat("first state ", 5000))
	e.old = e.snap()
	e.Clock.Advance(day)
	e.put("f", strings.Repeat("second state ", 5000))
	e.young = e.snap()
	e.Clock.Advance(49 * day)
	e.world = warranttest.New(e.Clock.Now())
	for _, f := range edit {
		f(e.world.F.Charter)
	}
	e.fake = clocktest.New(e.Clock.Now(), "ntp")
	e.feed = &feed{w: e.world, clock: e.fake}
	e.Primary = e.open(e.DB)
	e.pass(day + time.Hour)
	_, err = e.AcceptCharter(ctx, e.genesis())
	e.must(err)
	e.tick()
	return e
}

func (e *env) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

// open opens the gate over a database, as after a restart.
func (e *env) open(db *sqldb.DB) *site.Primary {
	e.t.Helper()
	s, err := sweep.New(sweep.Config{DB: db, Store: e.Store, Blobs: e.Blobs, Writers: e.Engine, Storage: sweep.Storage{Dir: e.dir},
		Site: snapshotstest.Site, Now: e.fake.Now})
	e.must(err)
	p, err := site.NewPrimary(ctx, site.Config{DB: db, Name: snapshotstest.Site, Pins: e.pins, Key: e.world.F.Ed25519["site:primary"], Log: e.feed, Sweep: s, Clock: e.fake})
	e.must(err)
	return p
}

func (e *env) put(path, data string) {
	e.t.Helper()
	e.Clock.Advance(time.Second)
	_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: e.vol.ID, Path: path}, strings.NewReader(data))
	e.must(err)
}

// snap takes, seals and proves a snapshot.
func (e *env) snap() snapshots.Snapshot {
	e.t.Helper()
	e.Clock.Advance(time.Second)
	s, err := e.TakeSnapshot(ctx, tenant, e.vol.ID, "test", "")
	e.must(err)
	_, err = e.Seal(ctx, tenant, s.ID)
	e.must(err)
	e.proves(s)
	s, err = e.Snapshot(ctx, tenant, s.ID)
	e.must(err)
	return s
}

// proves has a copy restore with its key.
func (e *env) proves(s snapshots.Snapshot) {
	e.t.Helper()
	e.Clock.Advance(time.Millisecond)
	if p, err := e.Prove(ctx, tenant, s.ID); err != nil || !p.OK {
		e.t.Fatal(p, err)
	}
}

func (e *env) state(s snapshots.Snapshot) string {
	e.t.Helper()
	list, err := e.Copies(ctx, tenant, s.ID)
	e.must(err)
	return string(list[0].State)
}

// pass lets time pass on all clocks, over a restart of the process, so that all of it counts.
func (e *env) pass(d time.Duration) {
	e.fake.Restart(d)
	e.Clock.Advance(d)
}

func (e *env) tick() site.TickReport {
	e.t.Helper()
	r, err := e.Tick(ctx)
	e.must(err)
	return r
}

func (e *env) genesis() site.Succession {
	text := e.world.F.Text()
	hash := charter.Hash(text)
	leaf := e.world.Log(audit.Draft{Kind: audit.KindCharterSealed, At: e.world.F.Charter.CreatedAt.Add(time.Minute), Facts: audit.CharterFacts(1, hash)})
	return site.Succession{Signed: charter.Signed{Text: text, Proofs: e.possession(nil, e.world.F.Charter)}, Leaf: leaf.Index}
}

// possession proves every key that next adds, with real assertions.
func (e *env) possession(prev, next *charter.Charter) (out []charter.Proof) {
	hash, err := next.Hash()
	e.must(err)
	for _, k := range charter.Added(prev, next) {
		p := charter.Proof{Key: k.ID}
		if k.Passkey != nil {
			p.Evidence = e.world.Key(k.Person, k.Passkey.RP).Possession(hash)
		} else {
			p.Evidence = ed25519.Sign(e.world.F.Ed25519[k.ID], charter.ProofMessage(hash))
		}
		out = append(out, p)
	}
	return out
}

// text is a statement that deletes copies here.
func (e *env) text(request string, last statement.Last, list ...snapshots.Snapshot) statement.Text {
	return e.world.Statement(func(s *statement.Statement) {
		s.Request, s.Tenant.ID = request, tenant
		v := statement.Volume{ID: e.vol.ID.String(), Name: "files"}
		if last == statement.LastCopy {
			v.NewestLeft, v.NewestLeftAt = "snp_left", e.young.TakenAt
		}
		s.Volumes, s.Copies = []statement.Volume{v}, nil
		for _, x := range list {
			s.Copies = append(s.Copies, statement.Copy{Site: "primary", Volume: x.Volume.String(), Snapshot: x.ID.String(), TakenAt: x.TakenAt,
				Digest: x.Seal.Digest, Bytes: uint64(x.Seal.Bytes), Files: uint64(x.Seal.Files), Last: last})
		}
	})
}

func (e *env) warrant(text statement.Text, approvers ...string) []byte {
	e.t.Helper()
	if len(approvers) == 0 {
		approvers = []string{"per_a1", "per_a3", "per_a5"}
	}
	b, err := e.world.Warrant(text, approvers...).Render()
	e.must(err)
	return b
}

func (e *env) deliver(text statement.Text) site.Receipt {
	e.t.Helper()
	r, err := e.Deliver(ctx, e.warrant(text))
	e.must(err)
	return r
}

// cool lets the cooling-off of everything end and announces the request.
func (e *env) cool(request string) site.Receipt {
	e.t.Helper()
	e.pass(8 * day)
	e.tick()
	r, err := e.Advance(ctx, request) // announces
	e.must(err)
	e.pass(3 * time.Second)
	e.tick()
	return r
}

func (e *env) advance(request string) site.Receipt {
	e.t.Helper()
	r, err := e.Advance(ctx, request)
	e.must(err)
	return r
}

func (e *env) grace() {
	e.t.Helper()
	e.pass(8 * day)
	e.tick()
	e.pass(3 * time.Second)
	e.tick()
}

// stop signs a stop with an approver's passkey.
func (e *env) stop(s warrant.Stop) []byte {
	e.t.Helper()
	s.At, s.Reason = e.fake.Now().Truncate(time.Microsecond), "test"
	if s.Person == "" {
		s.Person = "per_a6"
	}
	b, err := e.world.Key(s.Person, "example.org").Stop(s).Render()
	e.must(err)
	return b
}

func (e *env) content(path string, m snapshots.Moment) string {
	e.t.Helper()
	o, err := e.Open(ctx, tenant, e.vol.ID, path, m)
	e.must(err)
	defer o.Close()
	r, err := o.Range(ctx, 0, o.Size)
	e.must(err)
	defer r.Close()
	b, err := io.ReadAll(r)
	e.must(err)
	return string(b)
}

// backup copies the files of a SQLite database that nobody writes to, and answers the copy's DSN.
func (e *env) backup() string {
	e.t.Helper()
	from := strings.TrimPrefix(e.dsn, "sqlite:")
	to := filepath.Join(e.t.TempDir(), "restored.db")
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + end)
		if os.IsNotExist(err) {
			continue
		}
		e.must(err)
		e.must(os.WriteFile(to+end, b, 0o600))
	}
	return "sqlite:" + to
}
