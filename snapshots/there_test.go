package snapshots_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// taken is a store in which the first new frames stand already when they are inserted.
type taken struct {
	snapshots.Store
	times atomic.Int64
}

func (s *taken) InsertNewFrames(ctx context.Context, tx *sqldb.Tx, tenant string, frames []snapshots.Frame) error {
	if len(frames) > 0 && s.times.Add(1) == 1 {
		if _, err := s.InsertFrames(ctx, tx, tenant, frames[:1]); err != nil {
			return err
		}
	}
	return s.Store.InsertNewFrames(ctx, tx, tenant, frames)
}

// TestI1_FramesThatAreThereAlreadyAreCountedOnce: what is taken for new is there. Nothing of the transaction that met it
// stays, and after the next every frame has the edges that it has, one each: none that the sweep could take, none that
// would stay for ever.
func TestI1_FramesThatAreThereAlreadyAreCountedOnce(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		store := &taken{Store: e.Store}
		engine, err := snapshots.New(t.Context(), snapshots.Config{DB: e.DB, Store: store, Blobs: e.Blobs, Site: snapshotstest.Site, Owner: "test",
			Identity: e.Identity, Recipients: []string{e.Identity.Recipient().String(), e.Recovery.Recipient().String()}, Now: e.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer engine.Close()
		for _, path := range []string{"one", "two"} {
			body := noisy(30<<20, path[0])
			if _, err := engine.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: path}, strings.NewReader(body)); err != nil {
				t.Fatal(err)
			}
			if got, err := read(t, e, v.ID, path, snapshots.Moment{}); err != nil || got != body {
				t.Fatalf("%s: %d bytes, %v", path, len(got), err)
			}
			var chunks, once, refs int
			if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM chunks), (SELECT COUNT(*) FROM refs WHERE refs = 1), (SELECT COUNT(*) FROM refs)`).
					Scan(&chunks, &once, &refs)
			}); err != nil {
				t.Fatal(err)
			}
			if chunks < 20 || once != chunks || refs != chunks {
				t.Errorf("after %s: %d frames, %d of them with one edge, %d rows of edges", path, chunks, once, refs)
			}
		}
		if store.times.Load() != 1 {
			t.Errorf("after a frame was there, %d times it was taken for granted that none is", store.times.Load())
		}
	})
}
