package snapshots_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

const tenant = snapshotstest.Tenant

func each(t *testing.T, f func(t *testing.T, e *snapshotstest.Env)) {
	t.Helper()
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) { f(t, snapshotstest.New(t, db, nil)) }, sqlstore.Migrations())
}

func put(t testing.TB, e *snapshotstest.Env, v snapshots.VolumeID, path, body string) snapshots.Version {
	t.Helper()
	out, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v, Path: path}, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// putMany stores n files, many at once, so that the engine commits them together.
func putMany(t testing.TB, e *snapshotstest.Env, v snapshots.VolumeID, n int, file func(i int) (path, body string)) {
	t.Helper()
	var next atomic.Int64
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[w] == nil; i = int(next.Add(1)) - 1 {
				path, body := file(i)
				_, errs[w] = e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v, Path: path}, strings.NewReader(body))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, e *snapshotstest.Env, v snapshots.VolumeID, path string, m snapshots.Moment) string {
	t.Helper()
	s, err := read(t, e, v, path, m)
	if err != nil {
		t.Fatalf("%q: %v", path, err)
	}
	return s
}

func read(t testing.TB, e *snapshotstest.Env, v snapshots.VolumeID, path string, m snapshots.Moment) (string, error) {
	o, err := e.Open(t.Context(), tenant, v, path, m)
	if err != nil {
		return "", err
	}
	defer o.Close()
	r, err := o.Range(t.Context(), 0, -1)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), errors.Join(err, r.Close())
}

// state reads a whole moment through listings and reads.
func state(t testing.TB, e *snapshotstest.Env, v snapshots.VolumeID, m snapshots.Moment, limit int) map[string]string {
	t.Helper()
	out := map[string]string{}
	last := ""
	for cursor := ""; ; {
		p, err := e.List(t.Context(), snapshots.ListRequest{Tenant: tenant, Volume: v, Moment: m, Cursor: cursor, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range p.Entries {
			if n.Path <= last {
				t.Fatalf("%q listed after %q", n.Path, last)
			}
			last = n.Path
			out[n.Path] = get(t, e, v, n.Path, m)
		}
		if cursor = p.Next; cursor == "" {
			return out
		}
	}
}

func untarred(t testing.TB, b []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(body)
		if h.Typeflag == tar.TypeLink {
			out[h.Name] = out[h.Linkname]
		}
	}
}

func same(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if !slices.Equal(snapshotstest.Paths(got), snapshotstest.Paths(want)) {
		t.Fatalf("%s: has %q, want %q", what, snapshotstest.Paths(got), snapshotstest.Paths(want))
	}
	for p := range want {
		if got[p] != want[p] {
			t.Fatalf("%s: %q has %d bytes that differ from the %d wanted", what, p, len(got[p]), len(want[p]))
		}
	}
}

func TestI11_EveryMomentComesBack(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			if n > 12 {
				return
			}
			v := e.Volume(t, fmt.Sprintf("v%d", n), snapshots.Files)
			m := snapshotstest.NewModel()
			m.Commit(v.HeadAt)
			snaps := map[snapshots.SnapshotID]time.Time{}
			path := rapid.SampledFrom([]string{"a", "a/b", "a/c", "a\xff", "a/b/c", "z", "ü/x", "b"})
			for range rapid.IntRange(1, 14).Draw(rt, "steps") {
				e.Clock.Advance(time.Duration(rapid.IntRange(0, 2).Draw(rt, "wait")) * time.Second)
				switch rapid.IntRange(0, 7).Draw(rt, "op") {
				default:
					p, size := path.Draw(rt, "path"), rapid.SampledFrom([]int{0, 1, 100, 70000, 1 << 20}).Draw(rt, "size")
					body := strings.Repeat(fmt.Sprint(rapid.IntRange(0, 3).Draw(rt, "content"), "."), size/2)
					put(t, e, v.ID, p, body)
					m.Now[p] = body
				case 4:
					p := path.Draw(rt, "path")
					err := e.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: p})
					if _, there := m.Now[p]; there != (err == nil) {
						rt.Fatalf("delete of %q (there: %v): %v", p, there, err)
					}
					if err != nil {
						continue
					}
					delete(m.Now, p)
				case 5:
					p := rapid.SampledFrom([]string{"a", "a/", "b", ""}).Draw(rt, "prefix")
					if err := e.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: p, Prefix: true}); err != nil {
						rt.Fatal(err)
					}
					m.DeletePrefix(p)
				case 6:
					s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "test", "")
					if err != nil {
						rt.Fatal(err)
					}
					snaps[s.ID] = s.At
				case 7:
					times := m.Times()
					at := rapid.SampledFrom(times).Draw(rt, "moment")
					r := snapshots.RestoreRequest{Tenant: tenant, From: v.ID, To: v.ID, Moment: snapshots.Moment{Time: at}, Exact: true,
						Most: rapid.IntRange(0, 3).Draw(rt, "most")}
					for again := true; again; {
						sum, err := e.Restore(t.Context(), r)
						if err != nil {
							rt.Fatal(err)
						}
						if n := sum.Restored + sum.Unchanged + sum.Deleted; r.Most > 0 && n > int64(r.Most) {
							rt.Fatalf("%d paths in a call of at most %d", n, r.Most)
						}
						r.Cursor, again = sum.Next, sum.Next != ""
					}
					m.Now = map[string]string{}
					for p, b := range m.At(at) {
						m.Now[p] = b
					}
				}
				head, err := e.Engine.Volume(t.Context(), tenant, v.ID)
				if err != nil {
					rt.Fatal(err)
				}
				m.Commit(head.HeadAt)
				if head.LiveFiles != int64(len(m.Now)) {
					rt.Fatalf("%d live files counted, %d are", head.LiveFiles, len(m.Now))
				}
			}
			same(t, "now", state(t, e, v.ID, snapshots.Moment{}, 3), m.Now)
			for _, at := range m.Times() {
				same(t, "at "+at.String(), state(t, e, v.ID, snapshots.Moment{Time: at}, 2), m.At(at))
			}
			for id, at := range snaps {
				want := m.At(at)
				same(t, "snapshot", state(t, e, v.ID, snapshots.Moment{Snapshot: id}, 100), want)
				if _, err := e.Seal(t.Context(), tenant, id); err != nil {
					rt.Fatal(err)
				}
				for _, tree := range []bool{false, true} {
					var b bytes.Buffer
					if err := e.Export(t.Context(), snapshots.ExportRequest{Tenant: tenant, Volume: v.ID, Moment: snapshots.Moment{Snapshot: id}, FromTree: tree}, &b); err != nil {
						rt.Fatal(err)
					}
					same(t, fmt.Sprint("archive, from tree ", tree), untarred(t, b.Bytes()), want)
				}
				if p, err := e.Prove(t.Context(), tenant, id); err != nil || !p.OK || p.Files != int64(len(want)) {
					rt.Fatal(p, err)
				}
			}
		})
	})
}

func TestSnapshotSealProveCopy(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		putMany(t, e, v.ID, 1500, func(i int) (path, body string) { return fmt.Sprintf("d/%04d", i), fmt.Sprint(i) })
		s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "note")
		if err != nil || s.State() != snapshots.Taken {
			t.Fatal(s, err)
		}
		seal, err := e.Seal(t.Context(), tenant, s.ID)
		if err != nil || seal.Files != 1500 {
			t.Fatal(seal, err)
		}
		if n := e.Refs(t, snapshots.ChunkKey{ID: seal.Root.ID, Hash: seal.Root.Hash}); n != 1 {
			t.Fatalf("the root has %d references", n)
		}
		copies, err := e.Copies(t.Context(), tenant, s.ID)
		if err != nil || len(copies) != 1 || copies[0].State != snapshots.Held {
			t.Fatal(copies, err)
		}
		if p, err := e.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
		if copies, err = e.Copies(t.Context(), tenant, s.ID); err != nil || copies[0].State != snapshots.Proven {
			t.Fatal(copies, err)
		}
		tree, err := e.Tree(t.Context(), tenant, s.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"d/0000", "d/0777", "d/1499"} {
			if n, err := tree.Lookup(t.Context(), p); err != nil || n.Path != p {
				t.Fatal(n.Path, err)
			}
		}
		if _, err := tree.Lookup(t.Context(), "d/0777x"); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal(err)
		}
		// One file changed: almost every page of the next seal is known.
		before, err := e.Usage(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		put(t, e, v.ID, "d/0100", "changed")
		next, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Seal(t.Context(), tenant, next.ID); err != nil {
			t.Fatal(err)
		}
		after, err := e.Usage(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		var pages int
		if err := tree.Walk(t.Context(), func(snapshots.Entry) error { pages++; return nil }); err != nil || pages != 1500 {
			t.Fatal(pages, err)
		}
		t.Logf("second seal stored %d bytes", after.StoredBytes-before.StoredBytes)
	})
}

func TestT33_SecondSealAndReuploadKeepTheFirst(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		one := put(t, e, v.ID, "f", "content")
		s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "")
		if err != nil {
			t.Fatal(err)
		}
		other := e.Another(t)
		var wg sync.WaitGroup
		seals := make([]snapshots.Seal, 6)
		for i := range seals {
			wg.Go(func() {
				en := e.Engine
				if i%2 == 1 {
					en = other
				}
				var err error
				if seals[i], err = en.Seal(t.Context(), tenant, s.ID); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, x := range seals {
			if x.Digest != seals[0].Digest {
				t.Fatal("two seals of one snapshot")
			}
		}
		if n := e.Refs(t, snapshots.ChunkKey{ID: seals[0].Root.ID, Hash: seals[0].Root.Hash}); n != 1 {
			t.Fatalf("the root has %d references", n)
		}
		two := put(t, e, v.ID, "g", "content")
		if one.Recipe[0].Child != two.Recipe[0].Child {
			t.Fatal("a known chunk was stored again")
		}
		// A truncated re-send and an overwrite leave the snapshot as it was.
		broken := io.MultiReader(strings.NewReader("con"), errReader{})
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "f"}, broken); err == nil {
			t.Fatal("a torn stream was taken")
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "content" {
			t.Fatalf("torn stream is visible: %q", got)
		}
		put(t, e, v.ID, "f", "overwritten")
		if got := get(t, e, v.ID, "f", snapshots.Moment{Snapshot: s.ID}); got != "content" {
			t.Fatalf("the snapshot changed: %q", got)
		}
		if again, err := e.Seal(t.Context(), tenant, s.ID); err != nil || again.Digest != seals[0].Digest {
			t.Fatal("sealed twice", err)
		}
	})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// condemn does what the sweep does first: it marks a frame that nothing needs.
func condemn(t *testing.T, e *snapshotstest.Env, k snapshots.ChunkKey) {
	t.Helper()
	err := e.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO condemned (tenant, id, frame_hash, at) VALUES ($1,$2,$3,$4)`, tenant, k.ID[:], k.Hash[:], sqldb.Micros(e.Clock.Now()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestT34_KnownChunkIsResurrectedInTheCommit(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		k := put(t, e, v.ID, "f", "shared").Recipe[0].Child
		key := snapshots.ChunkKey{ID: k.ID, Hash: k.Hash}
		// Between "known" and the commit the sweep condemns the chunk.
		e.SetStall(func(step string) error {
			if step == "synced" {
				e.SetStall(nil)
				condemn(t, e, key)
			}
			return nil
		})
		w := put(t, e, v.ID, "g", "shared")
		if w.Recipe[0].Child != k {
			t.Fatal("stored again")
		}
		if n := e.Refs(t, key); n != 2 {
			t.Fatalf("%d references", n)
		}
		if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			l, err := e.Store.FindChunks(t.Context(), tx, tenant, []chunk.ID{k.ID})
			if err == nil && (len(l) != 1 || l[0].Child != k) {
				err = errors.New("another frame, or none")
			}
			return err
		}); err != nil {
			t.Fatal("the chunk is still condemned:", err)
		}
		// Whoever comes after the sentence does not rely on the condemned frame.
		condemn(t, e, key)
		if x := put(t, e, v.ID, "h", "shared"); x.Recipe[0].Child.Hash == k.Hash {
			t.Fatal("a condemned frame was answered as known")
		}
		// Every running operation stands under a lease that the sweep sees.
		var leases []snapshots.Lease
		if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) (err error) {
			leases, err = e.Store.Leases(t.Context(), tx, tenant)
			return err
		}); err != nil || len(leases) == 0 {
			t.Fatal(leases, err)
		}
	})
}

func TestT34_CommitUnderALostLeaseIsRefused(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		e.SetStall(func(step string) error {
			if step != "synced" {
				return nil
			}
			e.SetStall(nil)
			return e.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, err := tx.Exec(t.Context(), `DELETE FROM leases WHERE tenant = $1`, tenant)
				return err
			})
		})
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "f"}, strings.NewReader("x")); !errors.Is(err, snapshots.ErrLease) {
			t.Fatal(err)
		}
		if _, err := e.Head(t.Context(), tenant, v.ID, "f", snapshots.Moment{}); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal(err)
		}
	})
}

func TestI9_StopBetweenFsyncAndTransactionIsHarmless(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		put(t, e, v.ID, "f", "old")
		crash := errors.New("power cut")
		for _, at := range []string{"synced", "transaction"} {
			e.SetStall(func(step string) error {
				if step == at {
					return crash
				}
				return nil
			})
			if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "f"}, strings.NewReader("new "+at)); !errors.Is(err, crash) {
				t.Fatal(err)
			}
			if _, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", ""); !errors.Is(err, crash) {
				t.Fatal(err)
			}
		}
		e.SetStall(nil)
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "old" {
			t.Fatalf("not acknowledged and yet there: %q", got)
		}
		next := e.Another(t)
		if _, err := next.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "f"}, strings.NewReader("newer")); err != nil {
			t.Fatal(err)
		}
		put(t, e, v.ID, "g", "both nodes write")
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "newer" {
			t.Fatal(got)
		}
	})
}

func TestT37_QuotaRefusesAndPrunesNothing(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		put(t, e, v.ID, "f", "good")
		s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := e.SetQuota(t.Context(), tenant, 1<<20); err != nil {
			t.Fatal(err)
		}
		big := rand.NewChaCha8([32]byte{1})
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "big"}, io.LimitReader(big, 64<<20)); !errors.Is(err, snapshots.ErrQuota) {
			t.Fatal(err)
		}
		if u, err := e.Usage(t.Context(), tenant); err != nil || u.StoredBytes > 8<<20 {
			t.Fatalf("%d bytes kept of a refused write: %v", u.StoredBytes, err)
		}
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "small"}, strings.NewReader("x")); !errors.Is(err, snapshots.ErrQuota) {
			t.Fatal(err)
		}
		// Deleting, snapshots and seals go on.
		if err := e.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "f"}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Seal(t.Context(), tenant, s.ID); err != nil {
			t.Fatal(err)
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{Snapshot: s.ID}); got != "good" {
			t.Fatal(got)
		}
		if p, err := e.Prove(t.Context(), tenant, s.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
	})
}

func TestT38_BadPathsAreRefusedByName(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		for _, p := range []string{"", "/a", "a/../b", "..", "a//b", "a/", ".", "a\x00b", strings.Repeat("a/", 3000) + "b", strings.Repeat("n", 300)} {
			_, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: p}, strings.NewReader("x"))
			if !errors.Is(err, snapshots.ErrPath) {
				t.Fatalf("%q: %v", p, err)
			}
		}
		if got := state(t, e, v.ID, snapshots.Moment{}, 10); len(got) != 0 {
			t.Fatal(got)
		}
	})
}

func TestUndoWindowEndsAndSnapshotsStay(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		put(t, e, v.ID, "f", "one")
		s, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "")
		if err != nil {
			t.Fatal(err)
		}
		e.Clock.Advance(time.Hour)
		put(t, e, v.ID, "f", "two")
		two := e.Clock.Now()
		e.Clock.Advance(time.Hour)
		put(t, e, v.ID, "f", "three")
		if none, err := e.Reclaimable(t.Context(), tenant, snapshots.Version{}, 100); err != nil || len(none) != 0 {
			t.Fatal("inside the window:", none, err)
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{Time: two}); got != "two" {
			t.Fatal(got)
		}
		e.Clock.Advance(snapshots.DefaultUndo + time.Hour)
		list, err := e.Reclaimable(t.Context(), tenant, snapshots.Version{}, 100)
		if err != nil || len(list) != 1 || list[0].Size != 3 || list[0].Born != 4 {
			t.Fatal(list, err)
		}
		if _, err := read(t, e, v.ID, "f", snapshots.Moment{Time: two}); !errors.Is(err, snapshots.ErrReclaimed) {
			t.Fatal(err)
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{Snapshot: s.ID}); got != "one" {
			t.Fatal(got)
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "three" {
			t.Fatal(got)
		}
		// T31: deleting the volume reclaims what no snapshot needs, later.
		if err := e.DeleteVolume(t.Context(), tenant, v.ID, "me"); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, e, v.ID, "f", snapshots.Moment{}); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal(err)
		}
		e.Volume(t, "v", snapshots.Files) // the name is free
		if got := get(t, e, v.ID, "f", snapshots.Moment{Snapshot: s.ID}); got != "one" {
			t.Fatal(got)
		}
		e.Clock.Advance(snapshots.DefaultUndo + time.Hour)
		if list, err = e.Reclaimable(t.Context(), tenant, snapshots.Version{}, 100); err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		if first, err := e.Reclaimable(t.Context(), tenant, snapshots.Version{}, 1); err != nil || len(first) != 1 {
			t.Fatal(first, err)
		} else if rest, err := e.Reclaimable(t.Context(), tenant, first[0], 100); err != nil || len(rest) != 1 || rest[0].Born == first[0].Born {
			t.Fatal(rest, err)
		}
	})
}

func TestPreconditionsAreAtomic(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 16 {
			wg.Go(func() {
				_, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "f", IfNoneMatch: &snapshots.Condition{Any: true}}, strings.NewReader(fmt.Sprint(i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, snapshots.ErrPrecondition) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Fatalf("%d writers were the first", won)
		}
	})
}

func TestListDelimiterAndRanges(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		for i := range 30 {
			put(t, e, v.ID, fmt.Sprintf("d%d/%d", i%3, i), "x")
		}
		put(t, e, v.ID, "d1.txt", "x")
		put(t, e, v.ID, "top", "x")
		var got []string
		for cursor := ""; ; {
			p, err := e.List(t.Context(), snapshots.ListRequest{Tenant: tenant, Volume: v.ID, Delimiter: "/", Cursor: cursor, Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p.Prefixes...)
			for _, n := range p.Entries {
				got = append(got, n.Path)
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		slices.Sort(got)
		if want := []string{"d0/", "d1.txt", "d1/", "d2/", "top"}; !slices.Equal(got, want) {
			t.Fatal(got)
		}
		body := make([]byte, 20<<20)
		rnd := rand.NewChaCha8([32]byte{2})
		if _, err := rnd.Read(body[:12<<20]); err != nil {
			t.Fatal(err)
		}
		big := put(t, e, v.ID, "big", string(body))
		if big.Size != int64(len(body)) {
			t.Fatal(big.Size)
		}
		o, err := e.Open(t.Context(), tenant, v.ID, "big", snapshots.Moment{})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		for range 40 {
			off := rand.Int64N(big.Size)
			n := rand.Int64N(min(big.Size-off, 3<<20) + 1)
			r, err := o.Range(t.Context(), off, n)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(b, body[off:off+n]) {
				t.Fatalf("range %d+%d: %v", off, n, err)
			}
		}
		if _, err := o.Range(t.Context(), big.Size, 1); !errors.Is(err, snapshots.ErrRange) {
			t.Fatal(err)
		}
		if u, err := e.Usage(t.Context(), tenant); err != nil || u.StoredBytes > 14<<20 {
			t.Fatalf("8 MiB of zeroes take room: %d", u.StoredBytes)
		}
	})
}
