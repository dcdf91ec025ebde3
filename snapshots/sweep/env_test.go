package sweep_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
	"holdfast/snapshots"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
)

const (
	day    = 24 * time.Hour
	tenant = snapshotstest.Tenant
)

// guard allows what a test says.
type guard struct {
	clock *snapshotstest.Clock
	leave sweep.Leave
	err   error
}

func (g *guard) MaySweep(context.Context, *sqldb.Tx, string) (sweep.Leave, error) {
	l := g.leave
	l.Now = g.clock.Now()
	return l, g.err
}

type env struct {
	*snapshotstest.Env
	dir   string
	sweep *sweep.Sweeper
	guard *guard
	vol   snapshots.Volume
}

func each(t *testing.T, f func(t *testing.T, e *env)) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, newEnv(t, db)) }, sqlstore.Migrations())
}

func onSQLite(t *testing.T) *env {
	return newEnv(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()))
}

func newEnv(t *testing.T, db *sqldb.DB) *env {
	t.Helper()
	e := &env{dir: t.TempDir()}
	blobs, err := blobfs.Open(e.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	e.Env = snapshotstest.New(t, db, blobs)
	e.guard = &guard{clock: e.Clock, leave: sweep.Leave{Undo: 14 * day, DayBytes: 1 << 50}}
	e.sweep = e.newSweeper(t)
	e.vol = e.Volume(t, "files", snapshots.Files)
	return e
}

// newSweeper is one as after a restart.
func (e *env) newSweeper(t *testing.T) *sweep.Sweeper {
	t.Helper()
	s, err := sweep.New(sweep.Config{DB: e.DB, Store: e.Store, Blobs: e.Blobs, Writers: e.Engine, Storage: sweep.Storage{Dir: e.dir},
		Site: snapshotstest.Site, Now: e.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(e.guard); err != nil {
		t.Fatal(err)
	}
	return s
}

func (e *env) put(t testing.TB, path, data string) {
	t.Helper()
	e.Clock.Advance(time.Second)
	if _, err := e.Put(context.Background(), snapshots.PutRequest{Tenant: tenant, Volume: e.vol.ID, Path: path}, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func (e *env) del(t testing.TB, path string) {
	t.Helper()
	e.Clock.Advance(time.Second)
	if err := e.Delete(context.Background(), snapshots.DeleteRequest{Tenant: tenant, Volume: e.vol.ID, Path: path}); err != nil && !errors.Is(err, snapshots.ErrNotFound) {
		t.Fatal(err)
	}
}

func (e *env) snap(t testing.TB) snapshots.Snapshot {
	t.Helper()
	ctx := context.Background()
	e.Clock.Advance(time.Second)
	s, err := e.TakeSnapshot(ctx, tenant, e.vol.ID, "test", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Seal(ctx, tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = e.Snapshot(ctx, tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	return s
}

// content reads a file at a moment.
func (e *env) content(t testing.TB, path string, m snapshots.Moment) (string, error) {
	t.Helper()
	o, err := e.Open(context.Background(), tenant, e.vol.ID, path, m)
	if err != nil {
		return "", err
	}
	defer o.Close()
	r, err := o.Range(context.Background(), 0, o.Size)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// permit has a real quorum decide a deletion of copies here, and the gate's own code mint the permit.
func (e *env) permit(t testing.TB, request string, stage warrant.Stage, list ...snapshots.Snapshot) warrant.Permit {
	t.Helper()
	w := warranttest.New(e.Clock.Now().Add(-12 * day)) // Due is now
	text := w.Statement(func(s *statement.Statement) {
		s.Request, s.Tenant.ID = request, tenant
		s.Volumes = []statement.Volume{{ID: e.vol.ID.String(), Name: "files"}}
		s.Copies = nil
		for i := len(list) - 1; i >= 0; i-- {
			x := list[len(list)-1-i]
			s.Copies = append(s.Copies, statement.Copy{Site: "primary", Volume: x.Volume.String(), Snapshot: x.ID.String(), TakenAt: x.TakenAt,
				Digest: x.Seal.Digest, Bytes: uint64(x.Seal.Bytes), Files: uint64(x.Seal.Files), Last: statement.LastBoth})
		}
	})
	v, err := warrant.Verify(*w.Warrant(text, "per_a1", "per_a3", "per_a5", "per_a2"), w.Charters(), warrant.LogView{})
	if err != nil {
		t.Fatal(err)
	}
	f := w.Facts(v, "primary")
	f.Stage = stage
	if stage == warrant.StageErase {
		f.Spent, f.GraceEnded = true, w.Due().Add(-time.Hour)
		for i := range f.Inventory {
			f.Inventory[i].Tombstoned = true
		}
	}
	p, err := warrant.Authorise(v, f, warranttest.Reading(w.Due()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (e *env) tombstone(t testing.TB, request string, list ...snapshots.Snapshot) {
	t.Helper()
	p := e.permit(t, request, warrant.StageTombstone, list...)
	if err := e.DB.Write(context.Background(), func(tx *sqldb.Tx) error { return e.sweep.Tombstone(context.Background(), tx, p) }); err != nil {
		t.Fatal(err)
	}
}

// prove restores a copy and compares it.
func (e *env) prove(s snapshots.SnapshotID) (snapshots.Proof, error) {
	e.Clock.Advance(time.Millisecond)
	return e.Prove(context.Background(), tenant, s)
}

func (e *env) state(t testing.TB, s snapshots.Snapshot) snapshots.CopyState {
	t.Helper()
	list, err := e.Copies(context.Background(), tenant, s.ID)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0].State
}

// frames reads the stored bytes of every frame that the index has.
func (e *env) frames(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	if err := e.DB.Read(context.Background(), func(tx *sqldb.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT frame_hash, pack, pos, length FROM chunks WHERE kind <> 6`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var hash []byte
			var pack string
			var pos, length int64
			if err := rows.Scan(&hash, &pack, &pos, &length); err != nil {
				return err
			}
			buf := make([]byte, length)
			if n, err := e.Blobs.ReadAt(context.Background(), "packs/"+tenant+"/"+pack, buf, pos); n != len(buf) {
				t.Fatalf("a frame of the index cannot be read: %v", err)
			}
			out[string(hash)] = buf
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// onDisk reports whether bytes stand anywhere in the blob directory.
func (e *env) onDisk(t testing.TB, b []byte) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(e.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		in, err := os.ReadFile(path)
		found = found || bytes.Contains(in, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
