package mem_test

import (
	"errors"
	"testing"

	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/blobtest"
	"holdfast/snapshots/blob/mem"
)

func TestSuite(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blob.Store { return mem.New() })
}

func TestT37_QuotaIsFull(t *testing.T) {
	s := mem.NewQuota(10)
	blobtest.Put(t, s, "a", "12345678")
	w, err := s.Create(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("123")); !errors.Is(err, blob.ErrFull) {
		t.Errorf("write: %v", err)
	}
	if err := w.Sync(); !errors.Is(err, blob.ErrFailed) {
		t.Errorf("sync: %v", err)
	}
	if got := blobtest.Get(t, s, "a"); got != "12345678" {
		t.Errorf("the good one: %q", got)
	}
}
