package rebuild_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/rebuild"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

const tenant = snapshotstest.Tenant

type env struct {
	*snapshotstest.Env
	dir string
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
	return e
}

// both runs a test on both engines, with a second, empty database of the same kind.
func both(t *testing.T, f func(t *testing.T, e *env, empty func(t *testing.T) *sqldb.DB)) {
	t.Run("sqlite", func(t *testing.T) {
		f(t, newEnv(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())), func(t *testing.T) *sqldb.DB {
			return sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())
		})
	})
	t.Run("postgres", func(t *testing.T) {
		f(t, newEnv(t, sqldbtest.Open(t, sqldbtest.PostgresDSN(t), sqlstore.Migrations())), func(t *testing.T) *sqldb.DB {
			return sqldbtest.Open(t, sqldbtest.PostgresDSN(t), sqlstore.Migrations())
		})
	})
}

func (e *env) config(db *sqldb.DB, id age.Identity) rebuild.Config {
	return rebuild.Config{DB: db, Store: sqlstore.New(), Blobs: e.Blobs, Site: snapshotstest.Site, Identities: []age.Identity{id},
		Recipients: []string{e.Identity.Recipient().String(), e.Recovery.Recipient().String()}, Quota: 1 << 40, Now: e.Clock.Now}
}

// again throws the database away: another is made from the packs and the recovery key, and served.
func (e *env) again(t *testing.T, db *sqldb.DB) (*snapshots.Engine, rebuild.Report) {
	t.Helper()
	e.Clock.Advance(time.Second)
	r, err := rebuild.Run(t.Context(), e.config(db, e.Recovery))
	if err != nil {
		t.Fatal(err)
	}
	return e.serve(t, db), r
}

func (e *env) serve(t *testing.T, db *sqldb.DB) *snapshots.Engine {
	t.Helper()
	en, err := snapshots.New(t.Context(), snapshots.Config{DB: db, Store: sqlstore.New(), Blobs: e.Blobs, Site: snapshotstest.Site, Owner: "rebuilt",
		Identity: e.Identity, Recipients: []string{e.Identity.Recipient().String(), e.Recovery.Recipient().String()}, Now: e.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { en.Close() })
	return en
}

// state reads a whole moment, metadata and content.
func state(t *testing.T, e *snapshots.Engine, v snapshots.VolumeID, m snapshots.Moment) map[string]string {
	t.Helper()
	out := map[string]string{}
	for cursor := ""; ; {
		p, err := e.List(t.Context(), snapshots.ListRequest{Tenant: tenant, Volume: v, Moment: m, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Entries {
			out[n.Path] = fmt.Sprintf("%d %d-%d %x %x\n", n.Type, n.Born, n.Died, n.ETag, n.Meta.Render()) + content(t, e, v, n, m)
		}
		if cursor = p.Next; cursor == "" {
			return out
		}
	}
}

func content(t *testing.T, e *snapshots.Engine, v snapshots.VolumeID, n snapshots.Version, m snapshots.Moment) string {
	t.Helper()
	if !n.Type.HasContent() {
		return ""
	}
	o, err := e.Open(t.Context(), tenant, v, n.Path, m)
	if err != nil {
		t.Fatal(n.Path, err)
	}
	defer o.Close()
	r, err := o.Range(t.Context(), 0, -1)
	if err != nil {
		t.Fatal(n.Path, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(n.Path, err)
	}
	return string(b)
}

// rows reads a table, a line a row.
func rows(t *testing.T, db *sqldb.DB, q string, args ...any) (out []string) {
	t.Helper()
	if err := db.Read(t.Context(), func(tx *sqldb.Tx) error {
		out = nil
		rs, err := tx.Query(t.Context(), q, args...)
		if err != nil {
			return err
		}
		defer rs.Close()
		cols, err := rs.Columns()
		if err != nil {
			return err
		}
		for rs.Next() {
			vals, ptrs := make([]any, len(cols)), make([]any, len(cols))
			for i := range vals {
				ptrs[i] = &vals[i]
			}
			if err := rs.Scan(ptrs...); err != nil {
				return err
			}
			line := ""
			for _, v := range vals {
				if b, ok := v.([]byte); ok {
					v = fmt.Sprintf("%x", b)
				}
				line += fmt.Sprint(v, "|")
			}
			out = append(out, line)
		}
		return rs.Err()
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// tables are what must come back to the letter.
var tables = map[string]string{
	"volumes":   `SELECT id, tenant, name, kind, profile, head, head_at, journal_number, journal_tip, live_files, live_bytes, created_by, deleted_at FROM volumes`,
	"commits":   `SELECT volume, seq, at FROM commits`,
	"versions":  `SELECT volume, path, born, died, type, meta, size, etag, recipe FROM versions`,
	"snapshots": `SELECT id, tenant, volume, seq, at, taken_at, taken_by, note FROM snapshots`,
	"seals":     `SELECT snapshot, tenant, volume, digest, root, frame_length, files, bytes, key_no, sealed_at FROM seals`,
	"copies":    `SELECT snapshot, site, tenant, volume, state, held_at FROM copies`,
	"chunks":    `SELECT tenant, id, frame_hash, kind, pack, pos, length, plain_len, key_no FROM chunks`,
	"refs":      `SELECT tenant, id, frame_hash, refs FROM refs WHERE refs > 0`,
	"journal":   `SELECT volume, number, first_seq, last_seq, tenant, id, frame_hash FROM journal`,
	"keys":      `SELECT tenant, key_no, commitment FROM tenant_keys`,
	"packs":     `SELECT id, tenant FROM packs`,
}

func sameRows(t *testing.T, a, b *sqldb.DB) {
	t.Helper()
	for name, q := range tables {
		want, got := rows(t, a, q), rows(t, b, q)
		if !slices.Equal(want, got) {
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("%s: lost   %.300s", name, w)
				}
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Errorf("%s: made up %.300s", name, g)
				}
			}
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

func noise(seed uint64, n int) string {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// world does random things to a few volumes, as people do.
func (e *env) world(t *testing.T, rt *rapid.T, n int) {
	ctx := t.Context()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var vols []snapshots.Volume
	for i := range rapid.IntRange(1, 3).Draw(rt, "volumes") {
		kind := rapid.SampledFrom([]snapshots.Kind{snapshots.Files, snapshots.Files, snapshots.Stream}).Draw(rt, "kind")
		vols = append(vols, e.Volume(t, fmt.Sprintf("v%d-%d", n, i), kind))
	}
	path := rapid.SampledFrom([]string{"a", "a/b", "a/c", "b/x", "a\xff", "z", "ü/x"})
	for range rapid.IntRange(5, 30).Draw(rt, "steps") {
		e.Clock.Advance(time.Duration(rapid.IntRange(0, 3).Draw(rt, "wait")) * time.Second)
		v := &vols[rapid.IntRange(0, len(vols)-1).Draw(rt, "volume")]
		now, err := e.Engine.Volume(ctx, tenant, v.ID)
		must(err)
		if !now.DeletedAt.IsZero() {
			must(e.UndeleteVolume(ctx, tenant, v.ID, "test"))
			continue
		}
		switch op := rapid.IntRange(0, 11).Draw(rt, "op"); {
		case op < 5:
			size := rapid.SampledFrom([]int{0, 1, 3000, 200_000, 3 << 20}).Draw(rt, "size")
			body := noise(uint64(rapid.IntRange(0, 4).Draw(rt, "content")), size)
			p := path.Draw(rt, "path")
			if v.Kind == snapshots.Stream {
				p = ""
			}
			_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: p,
				Meta: snapshots.Meta{Mode: 0o640, UID: 3, MTime: 77, Xattrs: []snapshots.Xattr{{Name: "user.a", Value: "b"}}}}, strings.NewReader(body))
			must(err)
		case op == 5 && v.Kind == snapshots.Files:
			_, err := e.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "l", Type: snapshots.TypeSymlink, Meta: snapshots.Meta{Link: "../there"}}, nil)
			must(err)
		case op == 6:
			must(e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: rapid.SampledFrom([]string{"a", "b/", "", "st"}).Draw(rt, "prefix"), Prefix: true}))
		case op == 7:
			must(e.RotateKey(ctx, tenant))
		case op == 8:
			must(e.DeleteVolume(ctx, tenant, v.ID, "test"))
		case op == 9:
			if _, err := e.Quiesce(ctx, tenant); err != nil {
				t.Fatal(err)
			}
		default:
			s, err := e.TakeSnapshot(ctx, tenant, v.ID, "somebody", "a note")
			must(err)
			if rapid.Bool().Draw(rt, "seal") {
				_, err := e.Seal(ctx, tenant, s.ID)
				must(err)
			}
		}
	}
}

// I10: whatever people did, packs and the recovery key alone bring all of it back: rows to the letter, every moment of the
// undo window and every snapshot byte for byte.
func TestI10_PacksAloneBringEverythingBack(t *testing.T) {
	both(t, func(t *testing.T, e *env, empty func(t *testing.T) *sqldb.DB) {
		rounds := 0
		rapid.Check(t, func(rt *rapid.T) {
			if rounds++; rounds > 4 {
				return
			}
			e.world(t, rt, rounds)
			db := empty(t)
			en, r := e.again(t, db)
			if !r.Whole() || r.Unreadable != 0 || len(r.Tenants) != 1 || r.Tenants[0].Unfinished != 0 {
				t.Fatalf("%+v %+v", r, r.Tenants[0])
			}
			sameRows(t, e.DB, db)
			compare(t, e.Engine, en)
		})
	})
}

func compare(t *testing.T, want, got *snapshots.Engine) {
	t.Helper()
	vols, err := want.Volumes(t.Context(), tenant, true, snapshots.VolumeID{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vols {
		moments := []snapshots.Moment{}
		if v.DeletedAt.IsZero() {
			moments = append(moments, snapshots.Moment{})
		}
		for seq := int64(1); seq <= v.Head; seq++ {
			at, err := want.CommitTime(t.Context(), tenant, v.ID, seq)
			if err != nil {
				t.Fatal(err)
			}
			if v.DeletedAt.IsZero() || at.Before(v.DeletedAt) {
				moments = append(moments, snapshots.Moment{Time: at})
			}
		}
		list, err := want.Snapshots(t.Context(), tenant, v.ID, snapshots.SnapshotID{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			moments = append(moments, snapshots.Moment{Snapshot: s.ID})
			if s.Seal != nil {
				if p, err := got.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
					t.Fatal(p, err)
				}
			}
		}
		for _, m := range moments {
			a, b := state(t, want, v.ID, m), state(t, got, v.ID, m)
			if len(a) != len(b) {
				t.Fatalf("%s at %+v: %d paths, were %d", v.Name, m, len(b), len(a))
			}
			for p := range a {
				if a[p] != b[p] {
					t.Fatalf("%s at %+v: %q differs", v.Name, m, p)
				}
			}
		}
	}
}

// T57: packs that the lost database had never heard of, torn ones, and what was written after an old backup of the
// database, come back; the rebuilt site goes on writing where the journal ends, and can be rebuilt again.
func TestT57_TornAndUnknownPacksComeBackAndLifeGoesOn(t *testing.T) {
	both(t, func(t *testing.T, e *env, empty func(t *testing.T) *sqldb.DB) {
		v := e.Volume(t, "v", snapshots.Files)
		put := func(en *snapshots.Engine, path, body string) {
			t.Helper()
			e.Clock.Advance(time.Second)
			if _, err := en.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: path}, strings.NewReader(body)); err != nil {
				t.Fatal(err)
			}
		}
		put(e.Engine, "a", noise(1, 400_000))
		// A crash tears the tail of the pack that is open: half a record of a write that was not acknowledged.
		var newest string
		packs, err := filepath.Glob(filepath.Join(e.dir, "packs", tenant, "pck_*"))
		if err != nil || len(packs) == 0 {
			t.Fatal(err)
		}
		slices.Sort(packs)
		newest = packs[len(packs)-1]
		f, err := os.OpenFile(newest, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("hfR1" + noise(9, 1000)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		first := empty(t)
		en, r := e.again(t, first)
		if !r.Whole() || r.Torn != 1 {
			t.Fatalf("%+v", r)
		}
		put(en, "b", noise(2, 300_000))
		s, err := en.TakeSnapshot(t.Context(), tenant, v.ID, "x", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := en.Seal(t.Context(), tenant, s.ID); err != nil {
			t.Fatal(err)
		}
		put(en, "a", "short")
		second := empty(t)
		again, r := e.again(t, second)
		if !r.Whole() {
			t.Fatalf("%+v", r)
		}
		compare(t, en, again)
		sameRows(t, first, second)
		if _, err := rebuild.Run(t.Context(), e.config(second, e.Recovery)); err == nil {
			t.Fatal("a database was written over")
		}
	})
}

// T57: a site whose own key is lost as well comes back under a new one: wraps are made for it, and stand in packs.
func TestT57_ANewSiteKey(t *testing.T) {
	e := newEnv(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()))
	v := e.Volume(t, "v", snapshots.Files)
	if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "a"}, strings.NewReader("content")); err != nil {
		t.Fatal(err)
	}
	was := e.Engine
	next, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	e.Identity = next
	db := sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())
	en, r := e.again(t, db)
	if !r.Whole() || r.Tenants[0].Rewrapped != 1 {
		t.Fatalf("%+v", r.Tenants[0])
	}
	compare(t, was, en)
	// The new wraps are in a pack: the next rebuild needs nothing but the new key.
	other := sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations())
	if r, err := rebuild.Run(t.Context(), e.config(other, e.Identity)); err != nil || !r.Whole() || r.Tenants[0].Rewrapped != 0 {
		t.Fatal(r, err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rebuild.Run(context.Background(), e.config(sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()), stranger)); err == nil {
		t.Fatal("a stranger's key was enough")
	}
}
