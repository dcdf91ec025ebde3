package rebuild_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/sqlstore"
)

func onSQLite(t *testing.T) (*env, func() *sqldb.DB) {
	e := newEnv(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()))
	return e, func() *sqldb.DB { return sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()) }
}

func (e *env) put(t *testing.T, v snapshots.Volume, path, body string) snapshots.Version {
	t.Helper()
	e.Clock.Advance(time.Second)
	out, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: path}, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (e *env) snap(t *testing.T, v snapshots.Volume) snapshots.Snapshot {
	t.Helper()
	e.Clock.Advance(time.Second)
	s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Seal(t.Context(), tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	if s, err = e.Snapshot(t.Context(), tenant, s.ID); err != nil {
		t.Fatal(err)
	}
	return s
}

// spoil turns a bit in the middle of every frame that a condition on the index selects, and answers how many.
func (e *env) spoil(t *testing.T, where string, args ...any) (n int) {
	t.Helper()
	type place struct {
		pack      string
		at, bytes int64
	}
	var places []place
	if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		rs, err := tx.Query(t.Context(), `SELECT pack, pos, length FROM chunks WHERE `+where, args...)
		if err != nil {
			return err
		}
		defer rs.Close()
		for rs.Next() {
			var p place
			if err := rs.Scan(&p.pack, &p.at, &p.bytes); err != nil {
				return err
			}
			places = append(places, p)
		}
		return rs.Err()
	}); err != nil {
		t.Fatal(err)
	}
	for _, p := range places {
		f, err := os.OpenFile(filepath.Join(e.dir, "packs", tenant, p.pack), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, p.at+p.bytes/2); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 4
		if _, err := f.WriteAt(b, p.at+p.bytes/2); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return len(places)
}

// T48, T57: a rotten frame is named with what needs it, and nothing else suffers.
func TestT57_ARottenFrameIsNamed(t *testing.T) {
	e, empty := onSQLite(t)
	v := e.Volume(t, "v", snapshots.Files)
	bad := e.put(t, v, "bad", noise(1, 50_000))
	e.put(t, v, "good", noise(2, 50_000))
	s := e.snap(t, v)
	e.put(t, v, "later", noise(3, 50_000))
	if n := e.spoil(t, `id = $1`, bad.Recipe.Children()[0].ID[:]); n != 1 {
		t.Fatal(n)
	}
	db := empty()
	en, r := e.again(t, db)
	x := r.Tenants[0]
	if r.Whole() || r.Damages != 1 || x.Missing != 1 || len(x.Affected) != 2 || x.Unfinished != 0 || len(x.Gaps) != 0 {
		t.Fatalf("%+v %+v", r, x)
	}
	for _, a := range x.Affected {
		if a.Path != "bad" || a.Snapshot != "" && a.Snapshot != s.ID.String() {
			t.Fatalf("%+v", a)
		}
	}
	for _, m := range []snapshots.Moment{{}, {Snapshot: s.ID}} {
		p, err := en.List(t.Context(), snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Moment: m})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Entries {
			if n.Path == "good" && content(t, en, v.ID, n, m) != noise(2, 50_000) {
				t.Fatal("a good file suffered")
			}
		}
	}
	list, err := en.Copies(t.Context(), tenant, s.ID)
	if err != nil || len(list) != 1 || list[0].Suspect == "" {
		t.Fatal("a copy that lacks a frame counts", list, err)
	}
	// The same bytes come again: everything is whole.
	if _, err := en.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "again"}, strings.NewReader(noise(1, 50_000))); err != nil {
		t.Fatal(err)
	}
	if p, err := en.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
		t.Fatal(p, err)
	}
}

// T48, I10: records in the middle of a journal are lost; the next sealed snapshot says what was there, and life behind it
// comes from the journal again.
func TestI10_AHoleInTheJournalIsFilledBySnapshots(t *testing.T) {
	e, empty := onSQLite(t)
	v := e.Volume(t, "v", snapshots.Files)
	e.put(t, v, "a", "one")
	e.put(t, v, "b", "gone in the hole")
	hole := e.put(t, v, "c", "written in the hole")
	e.Clock.Advance(time.Second)
	if err := e.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "b"}); err != nil {
		t.Fatal(err)
	}
	e.put(t, v, "a", "two")
	s := e.snap(t, v)
	e.put(t, v, "d", "after the snapshot")
	want := state(t, e.Engine, v.ID, snapshots.Moment{})
	if n := e.spoil(t, `kind = 6 AND id IN (SELECT id FROM journal WHERE volume = $1 AND first_seq >= $2 AND last_seq <= $2 + 1)`, v.ID, hole.Born); n != 2 {
		t.Fatal(n)
	}
	db := empty()
	en, r := e.again(t, db)
	x := r.Tenants[0]
	if len(x.Gaps) != 1 || len(x.Differs) != 0 || x.Missing != 0 {
		t.Fatalf("%+v", x)
	}
	got := state(t, en, v.ID, snapshots.Moment{})
	same := func(got, want map[string]string) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%d paths, want %d", len(got), len(want))
		}
		for p := range want {
			// Where a version was born in the hole only its content is known.
			_, a, _ := strings.Cut(got[p], "\n")
			_, b, _ := strings.Cut(want[p], "\n")
			if a != b {
				t.Fatalf("%q is %q, was %q", p, a, b)
			}
		}
	}
	same(got, want)
	same(state(t, en, v.ID, snapshots.Moment{Snapshot: s.ID}), state(t, e.Engine, v.ID, snapshots.Moment{Snapshot: s.ID}))
	if p, err := en.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
		t.Fatal(p, err)
	}
}

// I10: the whole journal is lost; sealed snapshots come back by themselves, each as it was.
func TestI10_SealedSnapshotsNeedNoJournal(t *testing.T) {
	e, empty := onSQLite(t)
	v := e.Volume(t, "v", snapshots.Files)
	e.put(t, v, "a", "one")
	e.put(t, v, "gone", "later deleted")
	first := e.snap(t, v)
	e.put(t, v, "a", noise(4, 200_000))
	if err := e.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "gone"}); err != nil {
		t.Fatal(err)
	}
	second := e.snap(t, v)
	e.put(t, v, "lost", "after the last snapshot")
	if n := e.spoil(t, `kind = 6`); n < 6 {
		t.Fatal(n)
	}
	en, r := e.again(t, empty())
	if x := r.Tenants[0]; x.Volumes != 1 || x.Sealed != 2 || x.Missing != 0 || len(x.Differs) != 0 || r.Whole() {
		t.Fatalf("%+v", x)
	}
	for _, s := range []snapshots.Snapshot{first, second} {
		a, b := state(t, e.Engine, v.ID, snapshots.Moment{Snapshot: s.ID}), state(t, en, v.ID, snapshots.Moment{Snapshot: s.ID})
		if len(a) != len(b) {
			t.Fatalf("%s: %d paths, want %d", s.ID, len(b), len(a))
		}
		for p := range a {
			_, x, _ := strings.Cut(a[p], "\n")
			if _, y, _ := strings.Cut(b[p], "\n"); x != y {
				t.Fatalf("%s: %q differs", s.ID, p)
			}
		}
		if p, err := en.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
	}
	if now, err := en.VolumeByName(t.Context(), tenant, "v"); err != nil || now.Head != second.Seq {
		t.Fatal(now, err)
	}
}

// T57: a pack that says that it is another, and a file that is none, are told of and left alone.
func TestT57_StrangeFilesAreLeftAlone(t *testing.T) {
	e, empty := onSQLite(t)
	v := e.Volume(t, "v", snapshots.Files)
	e.put(t, v, "a", "content")
	for name, text := range map[string]string{"pck_0123456789abcdefghjkmnpqrs": "not a pack", "readme": "hello"} {
		if err := os.WriteFile(filepath.Join(e.dir, "packs", tenant, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	en, r := e.again(t, empty())
	if r.Damages != 2 || r.Tenants[0].Missing != 0 {
		t.Fatalf("%+v", r)
	}
	compare(t, e.Engine, en)
	if _, err := os.Stat(filepath.Join(e.dir, "packs", tenant, "readme")); err != nil {
		t.Fatal(err)
	}
}
