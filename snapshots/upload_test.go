package snapshots_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

var modified = time.Date(2026, 2, 3, 4, 5, 6, 7e6, time.UTC)

func announce(v snapshots.Volume, path string, size int) snapshots.NewUpload {
	return snapshots.NewUpload{Tenant: tenant, Volume: v.ID, Owner: "per_one", Path: path, Size: int64(size), Modified: modified, ContentType: "text/plain"}
}

func beginUpload(t testing.TB, e *snapshots.Engine, n snapshots.NewUpload) snapshots.BegunUpload {
	t.Helper()
	u, err := e.BeginUpload(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// cut is a body that breaks off.
func torn(body string) io.Reader { return io.MultiReader(strings.NewReader(body), errReader{}) }

// An upload that breaks off again and again, also with the engine, is the version that a put would have made, and what is
// sent twice is less than two of the longest pieces each time.
func TestT47_AnUploadGoesOnInsideAFile(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		body := noisy(35<<20, 1) + strings.Repeat("\x00", 5<<20) + noisy(4<<20+17, 2)
		n := announce(v, "dir/big", len(body))
		u := beginUpload(t, e.Engine, n)
		if u.Found || u.Changed || u.Offset != 0 || u.State != snapshots.UploadOpen {
			t.Fatalf("%+v", u)
		}
		engine, at := e.Engine, int64(0)
		for i, to := range []int{3 << 20, 37 << 20, 39 << 20, 42 << 20} {
			var source io.Reader = torn(body[at:to])
			if i%2 == 1 {
				source = strings.NewReader(body[at:to]) // a part that ends in peace
			}
			got, err := engine.AppendUpload(t.Context(), tenant, u.ID, at, source, nil)
			if (err == nil) != (i%2 == 1) {
				t.Fatal(err)
			}
			if lost := int64(to) - got.Offset; lost < 0 || lost > 2*(2<<20) {
				t.Fatalf("of %d bytes %d were kept", to, got.Offset)
			}
			if _, err := read(t, e, v.ID, "dir/big", snapshots.Moment{}); !errors.Is(err, snapshots.ErrNotFound) {
				t.Fatal("half of it is visible:", err)
			}
			engine = e.Another(t)
			again := beginUpload(t, engine, n)
			if !again.Found || again.ID != u.ID || again.Offset != got.Offset {
				t.Fatalf("found %+v, want %+v", again, got)
			}
			at = again.Offset
		}
		done, err := engine.AppendUpload(t.Context(), tenant, u.ID, at, strings.NewReader(body[at:]), nil)
		if err != nil || done.State != snapshots.UploadDone || done.Offset != int64(len(body)) {
			t.Fatalf("%+v %v", done, err)
		}
		whole := put(t, e, v.ID, "whole", body)
		if done.ETag != whole.ETag {
			t.Error("it is cut otherwise than a put cuts it")
		}
		if get(t, e, v.ID, "dir/big", snapshots.Moment{}) != body {
			t.Error("other bytes")
		}
		live, err := e.Head(t.Context(), tenant, v.ID, "dir/big", snapshots.Moment{})
		if err != nil || live.ETag != done.ETag || live.Born != done.Seq || live.Meta.MTime != modified.UnixNano() || live.Meta.ContentType != "text/plain" {
			t.Errorf("%+v %v", live, err)
		}
		// The answer was lost: it is asked for again, and nothing is sent.
		if again, err := engine.AppendUpload(t.Context(), tenant, u.ID, done.Offset, strings.NewReader(""), nil); err != nil || again.Seq != done.Seq {
			t.Errorf("%+v %v", again, err)
		}
		if again := beginUpload(t, engine, n); !again.Found || again.State != snapshots.UploadDone {
			t.Errorf("a file that is there is sent again: %+v", again)
		}
		put(t, e, v.ID, "dir/big", "other")
		if again := beginUpload(t, engine, n); again.Found || again.State != snapshots.UploadOpen {
			t.Errorf("a file that was replaced is taken for there: %+v", again)
		}
	})
}

// Offsets and sizes that are not so, and a file that changed, never mix two contents.
func TestT47_AnUploadTakesNoOtherBytes(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		body := noisy(6<<20, 3)
		n := announce(v, "f", len(body))
		u := beginUpload(t, e.Engine, n)
		send := func(offset int64, body string) (snapshots.Upload, error) {
			return e.AppendUpload(t.Context(), tenant, u.ID, offset, strings.NewReader(body), nil)
		}
		half, err := send(0, body[:5<<20])
		if err != nil || half.Offset == 0 {
			t.Fatal(half, err)
		}
		for _, offset := range []int64{0, half.Offset - 1, half.Offset + 1, int64(len(body)), -1} {
			if _, err := send(offset, body); !errors.Is(err, snapshots.ErrOffset) {
				t.Errorf("at %d: %v", offset, err)
			}
		}
		if _, err := send(half.Offset, body[half.Offset:]+"x"); !errors.Is(err, snapshots.ErrFormat) {
			t.Errorf("longer than announced: %v", err)
		}
		if got, err := send(half.Offset, body[half.Offset:len(body)-1]); err != nil || got.State != snapshots.UploadOpen {
			t.Errorf("shorter than announced: %+v %v", got, err)
		}
		if _, err := read(t, e, v.ID, "f", snapshots.Moment{}); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal("visible:", err)
		}
		if _, err := e.Upload(t.Context(), "ten_other", u.ID); !errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("another tenant: %v", err)
		}
		other := n
		other.Owner = "per_two"
		if got := beginUpload(t, e.Engine, other); got.Found || got.Changed || got.ID == u.ID {
			t.Errorf("another person's upload was found: %+v", got)
		}
		// The file has another date now: from its beginning, and the old one is over.
		changed := n
		changed.Modified = modified.Add(time.Second)
		if got := beginUpload(t, e.Engine, changed); got.Found || !got.Changed || got.Offset != 0 {
			t.Errorf("%+v", got)
		}
		now, err := e.Upload(t.Context(), tenant, u.ID)
		if err != nil || now.State != snapshots.UploadGivenUp {
			t.Errorf("%+v %v", now, err)
		}
		if _, err := send(now.Offset, body[now.Offset:]); !errors.Is(err, snapshots.ErrOffset) {
			t.Errorf("one that was given up went on: %v", err)
		}
		for _, size := range []int64{0, -1, 1 << 60} {
			bad := n
			bad.Size = size
			if _, err := e.BeginUpload(t.Context(), bad); !errors.Is(err, snapshots.ErrFormat) {
				t.Errorf("size %d: %v", size, err)
			}
		}
		for _, path := range []string{"", "/f", "a/../b", "a//b"} {
			bad := n
			bad.Path = path
			if _, err := e.BeginUpload(t.Context(), bad); !errors.Is(err, snapshots.ErrPath) {
				t.Errorf("path %q: %v", path, err)
			}
		}
	})
}

// Two who send the same upload at once: one goes on, and the content is whole.
func TestT47_TwoSendersOfOneUpload(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		body := noisy(35<<20, 4)
		u := beginUpload(t, e.Engine, announce(v, "f", len(body)))
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			wg.Add(1)
			go func() {
				defer wg.Done()
				_, errs[i] = e.AppendUpload(t.Context(), tenant, u.ID, 0, strings.NewReader(body), nil)
			}()
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, snapshots.ErrOffset) {
				t.Error(err)
			}
		}
		now, err := e.Upload(t.Context(), tenant, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		if won == 0 { // each lost one step to another: whoever asks goes on
			if now, err = e.AppendUpload(t.Context(), tenant, u.ID, now.Offset, strings.NewReader(body[now.Offset:]), nil); err != nil {
				t.Fatal(err)
			}
		}
		if won > 1 || now.State != snapshots.UploadDone || get(t, e, v.ID, "f", snapshots.Moment{}) != body {
			t.Errorf("%d won; %s", won, now.State)
		}
	})
}

// Open uploads are bounded, also across engines, and what stops one stops it at its next step.
func TestT37_OpenUploadsAreBounded(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		var err error
		n := 0
		for ; err == nil && n < 1000; n++ {
			_, err = e.BeginUpload(t.Context(), announce(v, fmt.Sprint("f", n), 10))
		}
		if !errors.Is(err, snapshots.ErrUploads) || n != 65 {
			t.Fatal(n, err)
		}
		if u := beginUpload(t, e.Engine, announce(v, "f7", 10)); !u.Found {
			t.Error("one that is open cannot go on")
		}
		list, err := e.Uploads(t.Context(), v.ID, "per_one")
		if err != nil || len(list) != 64 {
			t.Fatal(len(list), err)
		}
		if err := e.GiveUpUpload(t.Context(), tenant, list[0].ID); err != nil {
			t.Fatal(err)
		}
		beginUpload(t, e.Engine, announce(v, "another", 10))
		e.Clock.Advance(snapshots.UploadLife + time.Second)
		if _, err := e.AppendUpload(t.Context(), tenant, list[1].ID, 0, strings.NewReader("0123456789"), nil); !errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("after its life: %v", err)
		}
		u := beginUpload(t, e.Engine, announce(v, "f1", 40<<20))
		stop := errors.New("revoked")
		steps := 0
		got, err := e.AppendUpload(t.Context(), tenant, u.ID, 0, strings.NewReader(strings.Repeat(noisy(1<<20, 5), 40)), func() error {
			if steps++; steps > 1 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || got.Offset == 0 || got.State != snapshots.UploadOpen {
			t.Errorf("%+v %v", got, err)
		}
		if err := e.SetQuota(t.Context(), tenant, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := e.BeginUpload(t.Context(), announce(v, "g", 10)); !errors.Is(err, snapshots.ErrQuota) {
			t.Errorf("full: %v", err)
		}
		var rows int
		if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM versions`).Scan(&rows)
		}); err != nil || rows != 0 {
			t.Error(rows, err)
		}
	})
}
