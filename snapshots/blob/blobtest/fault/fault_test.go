package fault_test

import (
	"errors"
	"io"
	"testing"

	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/blobtest"
	"holdfast/snapshots/blob/blobtest/fault"
	"holdfast/snapshots/blob/mem"
)

func TestWithoutFaultsItIsTheStore(t *testing.T) {
	blobtest.Run(t, func(*testing.T) blob.Store { return fault.New(mem.New()) })
}

func TestFaultsStrikeWhereTheyShould(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault.Fault
		left  string // what the blob holds afterwards
	}{
		{"write before", fault.Fault{Op: fault.Write, Nth: 2, Mode: fault.Before}, ""},
		{"write short", fault.Fault{Op: fault.Write, Nth: 2, Mode: fault.Short}, "abcde"},
		{"write after", fault.Fault{Op: fault.Write, Nth: 2, Mode: fault.After}, "abcdefg"},
		{"sync before", fault.Fault{Op: fault.Sync, Nth: 1, Mode: fault.Before}, ""},
		{"sync after", fault.Fault{Op: fault.Sync, Nth: 1, Mode: fault.After}, "abcdefg"},
		{"any, fourth", fault.Fault{Nth: 4, Mode: fault.After}, "abcdefg"},
	} {
		s := fault.New(mem.New(), c.fault)
		w, err := s.Create(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := io.WriteString(w, "abc")
		_, err2 := io.WriteString(w, "defg")
		if err := errors.Join(err1, err2, w.Sync()); !errors.Is(err, fault.ErrInjected) || s.Struck() != 1 {
			t.Errorf("%s: %v, struck %d", c.name, err, s.Struck())
		}
		if err := w.Commit(); !errors.Is(err, blob.ErrFailed) {
			t.Errorf("%s: commit afterwards: %v", c.name, err)
		}
		if got := blobtest.Get(t, s, "x"); got != c.left {
			t.Errorf("%s: left %q", c.name, got)
		}
	}
	s := fault.New(mem.New())
	blobtest.Put(t, s, "x", "content")
	s.Set(fault.Fault{Op: fault.Read, Nth: 1, Mode: fault.Flip})
	if got := blobtest.Get(t, s, "x"); got == "content" || len(got) != len("content") {
		t.Errorf("rot: %q", got)
	}
	if got := blobtest.Get(t, s, "x"); got != "content" {
		t.Errorf("rot struck twice: %q", got)
	}
}
