package snapshots_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/mem"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/pack"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTarRoundTrip(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		mtime := time.Date(2021, 2, 3, 4, 5, 6, 789012345, time.UTC)
		base := tar.Header{ModTime: mtime, Uid: 70000, Gid: 3, Uname: "u", Gname: "g", Mode: 0o640, Format: tar.FormatPAX}
		member := func(f func(h *tar.Header)) tar.Header { h := base; f(&h); return h }
		members := []tar.Header{
			member(func(h *tar.Header) { h.Name, h.Typeflag, h.Mode = "d/", tar.TypeDir, 0o1777 }),
			member(func(h *tar.Header) {
				h.Name, h.Typeflag, h.Size = "d/z", tar.TypeReg, 5
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "v\x00w", "SCHILY.xattr.user.b": ""}
			}),
			member(func(h *tar.Header) { h.Name, h.Typeflag, h.Linkname = "a", tar.TypeLink, "d/z" }),
			member(func(h *tar.Header) { h.Name, h.Typeflag, h.Linkname = "zz", tar.TypeLink, "d/z" }),
			member(func(h *tar.Header) { h.Name, h.Typeflag, h.Linkname = "l", tar.TypeSymlink, "/anywhere/../x" }),
			member(func(h *tar.Header) { h.Name, h.Typeflag, h.Size = "../evil", tar.TypeReg, 5 }),
			member(func(h *tar.Header) { h.Name, h.Typeflag, h.Linkname = "bad", tar.TypeLink, "nothing" }),
		}
		var in bytes.Buffer
		w := tar.NewWriter(&in)
		for i := range members {
			if err := w.WriteHeader(&members[i]); err != nil {
				t.Fatal(err)
			}
			if members[i].Size > 0 {
				if _, err := w.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		archive := in.Bytes()
		v := e.Volume(t, "v", snapshots.Files)
		var refused []string
		sum, err := e.PutTar(t.Context(), snapshots.PutTarRequest{Tenant: tenant, Volume: v.ID, Result: func(r snapshots.TarResult) {
			if r.Err != nil {
				refused = append(refused, r.Err.Error())
			}
		}}, bytes.NewReader(archive))
		if err != nil || sum.Files != 5 || sum.Refused != 2 || len(refused) != 2 {
			t.Fatal(sum, err, refused)
		}
		if !strings.Contains(refused[0], `"../evil"`) || !strings.Contains(refused[1], `"nothing"`) {
			t.Fatal(refused)
		}
		again, err := e.PutTar(t.Context(), snapshots.PutTarRequest{Tenant: tenant, Volume: v.ID}, bytes.NewReader(archive))
		if err != nil || again.Unchanged != 5 {
			t.Fatal(again, err)
		}
		var out bytes.Buffer
		if err := e.Export(t.Context(), snapshots.ExportRequest{Tenant: tenant, Volume: v.ID}, &out); err != nil {
			t.Fatal(err)
		}
		got := map[string]*tar.Header{}
		r := tar.NewReader(&out)
		for {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got[h.Name] = h
			if !h.ModTime.Equal(mtime) || h.Uid != 70000 || h.Uname != "u" {
				t.Fatal(h)
			}
		}
		if h := got["a"]; h == nil || h.Typeflag != tar.TypeReg || h.Size != 5 {
			t.Fatal("the first name of shared content has to carry it", h)
		}
		if h := got["d/z"]; h == nil || h.Typeflag != tar.TypeLink || h.Linkname != "a" || h.PAXRecords["SCHILY.xattr.user.a"] != "v\x00w" {
			t.Fatal(h)
		}
		if h := got["zz"]; h == nil || h.Typeflag != tar.TypeLink || h.Linkname != "a" {
			t.Fatal(h)
		}
		if h := got["l"]; h == nil || h.Linkname != "/anywhere/../x" {
			t.Fatal(h)
		}
		if h := got["d/"]; h == nil || h.Mode != 0o1777 {
			t.Fatal(h)
		}
	})
}

func TestTarSparseFileTakesNoRoom(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		const size = 3 << 30
		v := e.Volume(t, "v", snapshots.Files)
		r, w := io.Pipe()
		go func() {
			tw := tar.NewWriter(w)
			err := tw.WriteHeader(&tar.Header{Name: "disk", Typeflag: tar.TypeReg, Size: size, Mode: 0o600})
			if err == nil {
				_, err = io.CopyBuffer(struct{ io.Writer }{tw}, io.LimitReader(zeroes{}, size), make([]byte, 1<<20))
			}
			w.CloseWithError(errors.Join(err, tw.Close()))
		}()
		sum, err := e.PutTar(t.Context(), snapshots.PutTarRequest{Tenant: tenant, Volume: v.ID}, r)
		if err != nil || sum.Bytes != size {
			t.Fatal(sum, err)
		}
		n, err := e.Head(t.Context(), tenant, v.ID, "disk", snapshots.Moment{})
		if err != nil || n.Size != size || len(n.Recipe) != 1 || !n.Recipe[0].Hole() {
			t.Fatal(n, err)
		}
		if u, err := e.Usage(t.Context(), tenant); err != nil || u.StoredBytes > 1<<20 {
			t.Fatal(u, err)
		}
	})
}

// journal reads every journal record of a volume from the packs, with a key set that the recovery key opened.
func journal(t *testing.T, e *snapshotstest.Env, v snapshots.VolumeID) []snapshots.StoredRecord {
	t.Helper()
	ctx := context.Background()
	var sets []*key.Tenant
	var found []snapshots.StoredRecord
	scan := func(visit func(pack.Entry, []byte) error) {
		if err := e.Blobs.List(ctx, "packs/", func(i blob.Info) error {
			r, err := e.Blobs.OpenReader(ctx, i.Name, 0, -1)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = pack.Scan(r, visit)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	scan(func(en pack.Entry, b []byte) error {
		if en.Type != pack.TypeWraps {
			return nil
		}
		w, err := key.ParseWraps(b)
		if err != nil {
			return err
		}
		k, err := w.Open(e.Recovery)
		sets = append(sets, k)
		return err
	})
	ring, err := key.NewRing(sets...)
	if err != nil {
		t.Fatal(err)
	}
	scan(func(en pack.Entry, b []byte) error {
		if en.Type != pack.TypeJournal {
			return nil
		}
		plain, err := frame.Open(nil, ring, en.ID, chunk.KindJournal, b, 16<<20)
		if err != nil {
			return err
		}
		r, err := snapshots.ParseRecord(plain)
		if err != nil {
			return err
		}
		if r.Volume == v {
			found = append(found, snapshots.StoredRecord{Record: r, Hash: frame.HashOf(b)})
		}
		return nil
	})
	return snapshots.Chain(found)
}

func TestI10_JournalAloneHoldsEveryVersionAndSnapshot(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		for i := range 40 {
			put(t, e, v.ID, fmt.Sprintf("f%d", i%7), fmt.Sprint(i))
			switch i % 10 {
			case 3:
				if _, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "n"); err != nil {
					t.Fatal(err)
				}
			case 5:
				if err := e.Delete(t.Context(), snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "f2", Prefix: true}); err != nil {
					t.Fatal(err)
				}
			case 7: // a write that is never acknowledged leaves a record that nothing follows
				e.SetStall(func(step string) error {
					if step == "synced" {
						return errors.New("power cut")
					}
					return nil
				})
				if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "ghost"}, strings.NewReader("x")); err == nil {
					t.Fatal("acknowledged")
				}
				e.SetStall(nil)
			}
		}
		type life struct{ born, died int64 }
		got := map[string]life{}
		live := map[string]snapshots.Version{}
		end := func(p string, seq int64) {
			if n, ok := live[p]; ok {
				got[fmt.Sprint(p, n.Born, n.ETag)] = life{n.Born, seq}
				delete(live, p)
			}
		}
		taken := map[snapshots.SnapshotID]int64{}
		for _, r := range journal(t, e, v.ID) {
			for _, c := range r.Commits {
				for _, m := range c.Mutations {
					switch m.Op {
					case snapshots.OpPut:
						end(m.Entry.Path, c.Seq)
						live[m.Entry.Path] = snapshots.Version{Entry: m.Entry, Born: c.Seq}
					case snapshots.OpDelete:
						end(m.Path, c.Seq)
					case snapshots.OpDeletePrefix:
						for p := range live {
							if strings.HasPrefix(p, m.Path) {
								end(p, c.Seq)
							}
						}
					case snapshots.OpSnapshot:
						taken[m.Snapshot] = c.Seq
					}
				}
			}
		}
		for p := range live {
			end(p, snapshots.Live)
		}
		want := map[string]life{}
		for i := range 7 {
			list, err := e.History(t.Context(), tenant, v.ID, fmt.Sprintf("f%d", i), 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range list {
				want[fmt.Sprint(n.Path, n.Born, n.ETag)] = life{n.Born, n.Died}
			}
		}
		if len(want) != 40 || len(got) != len(want) {
			t.Fatalf("%d versions from the journal, %d in the index", len(got), len(want))
		}
		for k := range want {
			if got[k] != want[k] {
				t.Fatalf("%s: %v from the journal, %v in the index", k, got[k], want[k])
			}
		}
		snaps, err := e.Snapshots(t.Context(), tenant, v.ID, snapshots.SnapshotID{}, 100)
		if err != nil || len(snaps) != 4 || len(taken) != 4 {
			t.Fatal(snaps, taken, err)
		}
		for _, s := range snaps {
			if taken[s.ID] != s.Seq {
				t.Fatal(s, taken[s.ID])
			}
		}
	})
}

// fullStore is a store that runs out of room.
type fullStore struct {
	blob.Store
	full bool
}

type fullWriter struct {
	blob.Writer
	s *fullStore
}

func (s *fullStore) Create(ctx context.Context, name string) (blob.Writer, error) {
	if s.full {
		return nil, blob.ErrFull
	}
	w, err := s.Store.Create(ctx, name)
	return &fullWriter{w, s}, err
}

func (w *fullWriter) Write(p []byte) (int, error) {
	if w.s.full {
		return 0, blob.ErrFull
	}
	return w.Writer.Write(p)
}

func (w *fullWriter) Sync() error {
	if w.s.full {
		return blob.ErrFull
	}
	return w.Writer.Sync()
}

func TestT37_FullDiskIsAClearErrorAndPassesAway(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		s := &fullStore{Store: mem.New()}
		e := snapshotstest.New(t, db, s)
		v := e.Volume(t, "v", snapshots.Files)
		put(t, e, v.ID, "f", "good")
		snap, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Seal(t.Context(), tenant, snap.ID); err != nil {
			t.Fatal(err)
		}
		s.full = true
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: "f"}, strings.NewReader("new")); !errors.Is(err, blob.ErrFull) {
			t.Fatal(err)
		}
		if _, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "me", ""); !errors.Is(err, blob.ErrFull) {
			t.Fatal(err)
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "good" {
			t.Fatal(got)
		}
		if p, err := e.Prove(t.Context(), tenant, snap.ID); err != nil || !p.OK {
			t.Fatal(p, err)
		}
		s.full = false
		put(t, e, v.ID, "f", "room again")
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "room again" {
			t.Fatal(got)
		}
	}, sqlstore.Migrations())
}
