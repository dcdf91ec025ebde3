package warrant_test

import (
	"bytes"
	"testing"

	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
)

func FuzzWarrant(f *testing.F) {
	w := warranttest.New(at)
	text, err := w.Warrant(w.Statement(), "per_a1", "per_a3").Render()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("holdfast warrant v1\n"))
	f.Add(bytes.Replace(text, []byte("warrant v1"), []byte("warrant v2"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := warrant.Parse(b); err == nil {
			if again, err := x.Render(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("does not round-trip: %v", err)
			}
		}
	})
}

func FuzzStop(f *testing.F) {
	w := warranttest.New(at)
	s := w.Key("per_a1", chartertest.RP).Stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopSuspend, Subject: "per_a2", Person: "per_a1", At: at, Reason: "odd \u202e \"votes\""})
	text, err := s.Render()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := warrant.ParseStop(b); err == nil {
			if again, err := x.Render(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("does not round-trip: %v", err)
			}
		}
	})
}

func FuzzAttestation(f *testing.F) {
	a := warranttest.NewAttester("att-1").Attest("per_a1", warrant.MethodTOTP, warrant.PurposeApprove, [32]byte{1}, at)
	text, err := a.Attested.Render()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ToUpper(text))
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := warrant.ParseAttestation(b); err == nil {
			if again, err := x.Render(); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("does not round-trip: %v", err)
			}
		}
	})
}
