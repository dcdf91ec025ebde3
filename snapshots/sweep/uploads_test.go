package sweep_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
)

// T34: what an upload has brought stays as long as somebody goes on with it, for longer than a day too, and goes when it
// is given up or nobody does; of one that is done the file stays.
func TestT34_AnUploadKeepsItsChunksWhileItGoesOn(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx := t.Context()
		body := random("upload", 9<<20)
		begin := func(path string) snapshots.BegunUpload {
			t.Helper()
			u, err := e.BeginUpload(ctx, snapshots.NewUpload{Tenant: tenant, Volume: e.vol.ID, Owner: "per_one", Path: path, Size: int64(len(body)), Modified: time.Unix(1, 0)})
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		send := func(u snapshots.Upload, to int) snapshots.Upload {
			t.Helper()
			u, err := e.AppendUpload(ctx, tenant, u.ID, u.Offset, strings.NewReader(body[u.Offset:to]), nil)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		reclaim := func(wait time.Duration) {
			t.Helper()
			e.Clock.Advance(wait)
			if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
				t.Fatal(err)
			}
		}
		partials := func(u snapshots.Upload) int {
			t.Helper()
			var partials []snapshots.Partial
			if err := e.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
				partials, err = e.Store.PartialsOf(ctx, tx, e.vol.ID, snapshots.PushID(u.ID), 0, 100)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return len(partials)
		}
		u := send(begin("slow").Upload, 3<<20)
		for to := 5 << 20; to < len(body); to += 2 << 20 {
			reclaim(20 * time.Hour)
			u = send(u, to)
		}
		if partials(u) != 3 {
			t.Fatal("an upload that goes on has lost what it brought")
		}
		dead, over := send(begin("dead").Upload, 4<<20), send(begin("given up").Upload, 4<<20)
		reclaim(20 * time.Hour)
		if u = send(u, len(body)); u.State != snapshots.UploadDone {
			t.Fatalf("%+v", u)
		}
		if err := e.GiveUpUpload(ctx, tenant, over.ID); err != nil {
			t.Fatal(err)
		}
		reclaim(time.Hour)
		if partials(u) != 0 || partials(over) != 0 || partials(dead) != 1 {
			t.Errorf("done %d, given up %d, broken off %d", partials(u), partials(over), partials(dead))
		}
		reclaim(4 * time.Hour)
		if partials(dead) != 0 {
			t.Error("what nobody goes on with stays for ever")
		}
		if _, err := e.AppendUpload(ctx, tenant, dead.ID, dead.Offset, strings.NewReader(body[dead.Offset:]), nil); !errors.Is(err, snapshots.ErrNotFound) {
			t.Errorf("an upload whose chunks are gone went on: %v", err)
		}
		for range 4 {
			reclaim(time.Hour)
		}
		if got, err := e.content(t, "slow", snapshots.Moment{}); err != nil || got != body {
			t.Error("a file that was uploaded has lost its content", err)
		}
	})
}
