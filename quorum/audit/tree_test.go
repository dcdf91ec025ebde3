package audit_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"holdfast/quorum/audit"
)

func TestRootIsRFC6962(t *testing.T) {
	l := newLog(t, 70)
	for size := range 71 {
		got, err := audit.Root(context.Background(), int64(size), l)
		if err != nil || got != l.head(size).Root {
			t.Fatalf("size %d: %v, %v", size, got, err)
		}
	}
}

// Every proof verifies, and none does for another leaf, index, size or history.
func TestProofsVerifyAndOnlyThen(t *testing.T) {
	l := newLog(t, 300)
	other := newLog(t, 150)
	for i := range 150 {
		other.append([]byte{byte(i)}) // forks at 150
	}
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 300).Draw(rt, "size")
		i := rapid.IntRange(0, size-1).Draw(rt, "index")
		p, err := audit.ProveInclusion(ctx, int64(size), int64(i), l)
		if err != nil {
			rt.Fatal(err)
		}
		head := l.head(size)
		if err := audit.VerifyInclusion(int64(i), l.entries[i].Leaf, head, p); err != nil {
			rt.Fatal(err)
		}
		j := rapid.IntRange(-1, 301).Draw(rt, "other")
		if j != i && audit.VerifyInclusion(int64(j), l.entries[i].Leaf, head, p) == nil {
			rt.Fatalf("leaf %d passes as %d of %d", i, j, size)
		}
		if size > 150 && i >= 150 && audit.VerifyInclusion(int64(i), other.entries[i].Leaf, head, p) == nil {
			rt.Fatal("a foreign leaf passes")
		}
		old := rapid.IntRange(0, size).Draw(rt, "old")
		c := l.consistency(old, size)
		if err := audit.VerifyConsistency(l.head(old), head, c); err != nil {
			rt.Fatalf("%d to %d: %v", old, size, err)
		}
		if old > 150 {
			err := audit.VerifyConsistency(other.head(old), head, c)
			if !errors.Is(err, audit.ErrInconsistent) && !errors.Is(err, audit.ErrFork) {
				rt.Fatalf("a fork passes from %d to %d: %v", old, size, err)
			}
		}
		if len(c) > 0 {
			c = slices.Clone(c)
			c[rapid.IntRange(0, len(c)-1).Draw(rt, "at")][0] ^= 1
			if err := audit.VerifyConsistency(l.head(old), head, c); !errors.Is(err, audit.ErrInconsistent) {
				rt.Fatalf("a changed proof: %v", err)
			}
		}
		if old < size {
			if err := audit.VerifyConsistency(head, l.head(old), nil); !errors.Is(err, audit.ErrRollback) {
				rt.Fatalf("a rollback: %v", err)
			}
		}
	})
}

func TestReplayFollowsAndRefusesAnotherHistory(t *testing.T) {
	l := newLog(t, 90)
	fork := newLog(t, 40)
	for range 60 {
		fork.append([]byte("other"))
	}
	rapid.Check(t, func(rt *rapid.T) {
		a := rapid.IntRange(0, 80).Draw(rt, "a")
		b := rapid.IntRange(a, 90).Draw(rt, "b")
		r, err := audit.NewReplay(origin)
		if err != nil {
			rt.Fatal(err)
		}
		if r, err = r.Continue(l.head(a), l.entries[:a]); err != nil {
			rt.Fatal(err)
		}
		text, err := r.MarshalText()
		if err != nil {
			rt.Fatal(err)
		}
		var kept audit.Replay
		if err := kept.UnmarshalText(text); err != nil {
			rt.Fatal(err)
		}
		next, err := kept.Continue(l.head(b), l.entries[a:b])
		if err != nil || next.Checkpoint() != l.head(b) {
			rt.Fatalf("%+v, %v", next.Checkpoint(), err)
		}
		if kept.Checkpoint() != l.head(a) {
			rt.Fatal("a replay changed under its continuation")
		}
		if a > 40 && b > a {
			// The fork's own leaves and its own signed root, continued from what was read of the first history.
			if _, err := kept.Continue(fork.head(b), fork.entries[a:b]); !errors.Is(err, audit.ErrInconsistent) {
				rt.Fatalf("a rewritten log was followed: %v", err)
			}
		}
		if b > a {
			if _, err := kept.Continue(l.head(b), l.entries[a:b-1]); !errors.Is(err, audit.ErrReplay) {
				rt.Fatalf("a missing leaf: %v", err)
			}
			bad := slices.Clone(l.entries[a:b])
			bad[0].Body = []byte("another body")
			if _, err := kept.Continue(l.head(b), bad); !errors.Is(err, audit.ErrOpening) {
				rt.Fatalf("another body: %v", err)
			}
			if _, err := next.Begin(l.head(a)); !errors.Is(err, audit.ErrRollback) {
				rt.Fatalf("rollback: %v", err)
			}
		}
	})
}

func TestReplayStopsAtAnUnknownKind(t *testing.T) {
	l := newLog(t, 1)
	e := l.append([]byte("x"))
	leaf, err := audit.ParseLeaf(e.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	leaf.Kind = "snapshot-dreamt"
	if e.Leaf, err = leaf.Render(); err != nil {
		t.Fatal(err)
	}
	fresh := newLog(t, 1)
	fresh.push(e)
	r, _ := audit.NewReplay(origin)
	if _, err := r.Continue(fresh.head(2), fresh.entries); !errors.Is(err, audit.ErrUnknownKind) {
		t.Fatal(err)
	}
}

func FuzzReplayUnmarshal(f *testing.F) {
	l := newLog(f, 7)
	r, _ := audit.NewReplay(origin)
	r, _ = r.Continue(l.head(7), l.entries)
	text, _ := r.MarshalText()
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var r audit.Replay
		if r.UnmarshalText(text) != nil {
			return
		}
		if again, err := r.MarshalText(); err != nil || string(again) != string(text) {
			t.Fatalf("%q renders %q, %v", text, again, err)
		}
	})
}
