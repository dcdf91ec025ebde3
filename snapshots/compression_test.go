package snapshots_test

import (
	"bytes"
	"io"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/snapshotstest"
)

// TestCompressionIsAPropertyOfTheVolume stores one text in volumes of all compressions, each of a tenant's own.
func TestCompressionIsAPropertyOfTheVolume(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		stored := map[frame.Compression]int64{}
		for c := frame.CompressionZstd; c.Valid(); c++ {
			v, err := e.CreateVolume(t.Context(), snapshots.NewVolume{Tenant: tenant, Name: c.String(), Kind: snapshots.Stream, Compression: c, By: "test"})
			if err != nil || v.Compression != c {
				t.Fatal(v, err)
			}
			before := storedBytes(t, e)
			body := prose(uint64(c), 1<<20)
			if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID}, bytes.NewReader(body)); err != nil {
				t.Fatal(err)
			}
			stored[c] = storedBytes(t, e) - before
			o, err := e.Open(t.Context(), tenant, v.ID, snapshots.StreamPath, snapshots.Moment{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := o.Range(t.Context(), 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s: %d bytes, %v", c, len(got), err)
			}
			r.Close()
			o.Close()
		}
		if z, s, n := stored[frame.CompressionZstd], stored[frame.CompressionS2], stored[frame.CompressionNone]; z >= s || s >= n*3/4 {
			t.Errorf("zstd %d, s2 %d, none %d bytes", z, s, n)
		}
		v, err := e.CreateVolume(t.Context(), snapshots.NewVolume{Tenant: tenant, Name: "default", Kind: snapshots.Files, By: "test"})
		if err != nil || v.Compression != frame.CompressionZstd {
			t.Error(v, err)
		}
		if _, err := e.CreateVolume(t.Context(), snapshots.NewVolume{Tenant: tenant, Name: "bad", Kind: snapshots.Files, Compression: 9, By: "test"}); err == nil {
			t.Error("a volume of a compression that is none")
		}
	})
}

func storedBytes(t *testing.T, e *snapshotstest.Env) (n int64) {
	t.Helper()
	if err := e.DB.Read(t.Context(), func(tx *sqldb.Tx) error {
		s, err := e.Store.Tenant(t.Context(), tx, tenant)
		n = s.StoredBytes
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}
