package snapshots_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/blob/fs"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// TestI9_AppendingBesideCommitsLosesNothing has many uploads append to the packs that the groups of others take, and
// reads all of it back, from another engine too.
func TestI9_AppendingBesideCommitsLosesNothing(t *testing.T) {
	blobs, err := fs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := snapshotstest.New(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()), blobs)
	v := e.Volume(t, "v", snapshots.Files)
	const streams, size = 3, 24 << 20
	var wg sync.WaitGroup
	put := func(path string, body []byte) {
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: path}, bytes.NewReader(body)); err != nil {
			t.Error(err)
		}
	}
	var left atomic.Int64
	left.Store(streams)
	for i := range streams {
		wg.Go(func() { put(fmt.Sprint("s", i), noise(uint64(i), size)); left.Add(-1) })
	}
	small := make([]int, 2)
	for i := range small {
		wg.Go(func() {
			for ; left.Load() > 0; small[i]++ {
				put(fmt.Sprint("f", i, "-", small[i]), fmt.Appendf(nil, "small %d %d", i, small[i]))
			}
		})
	}
	wg.Wait()
	for _, en := range []*snapshots.Engine{e.Engine, e.Another(t)} {
		get := func(path string, want []byte) {
			t.Helper()
			o, err := en.Open(t.Context(), tenant, v.ID, path, snapshots.Moment{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := o.Range(t.Context(), 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close(), o.Close()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v", path, len(got), err)
			}
		}
		for i := range streams {
			get(fmt.Sprint("s", i), noise(uint64(i), size))
		}
		for i, n := range small {
			for n := range n {
				get(fmt.Sprint("f", i, "-", n), fmt.Appendf(nil, "small %d %d", i, n))
			}
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
