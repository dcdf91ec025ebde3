package site_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots/site"
)

// change has the people vote for the next charter, and logs it.
func (e *env) change(next *charter.Charter, voters ...string) site.Succession {
	e.t.Helper()
	at := e.fake.Now().Truncate(time.Microsecond)
	st := e.world.F.Change(next, "per_staff", at)
	text, err := next.Render()
	e.must(err)
	s := charter.Signed{Text: text, Statement: st, Proofs: e.possession(e.world.F.Charter, next)}
	for _, v := range voters {
		p := e.world.Key(v, "localhost").Vote(warrant.Approve, st.Digest())
		vote, err := warrant.EncodeVote(v, warrant.Approve, *p.Passkey)
		e.must(err)
		s.Votes = append(s.Votes, vote)
	}
	leaf := e.world.Log(audit.Draft{Kind: audit.KindCharterChanged, At: at.Add(time.Second), Facts: audit.CharterFacts(next.Number, charter.Hash(text))})
	return site.Succession{Signed: s, Leaf: leaf.Index}
}

func (e *env) next() *charter.Charter {
	return e.world.F.Next(e.fake.Now().Add(-time.Minute).Truncate(time.Microsecond))
}

// newcomer adds an approver to a charter.
func (e *env) newcomer(next *charter.Charter) *charter.Charter {
	next.Approvers = append(next.Approvers, e.world.F.Approver("per_new", "New", "red", next.CreatedAt))
	next = next.Normalise()
	old := e.world.F.Charter
	e.world.F.Charter = next // the world makes keys of people whom its charter names
	e.world.Key("per_new", "localhost")
	e.world.Key("per_new", "example.org")
	e.world.F.Charter = old
	return next
}

// T18: an approver is removed after voting, before execution.
func TestT18_RemovedApproverCountsNoMore(t *testing.T) {
	e := onSQLite(t)
	e.deliver(e.text("req_1", statement.LastCopy, e.old))
	next := e.next()
	next.Approvers = slices.DeleteFunc(next.Approvers, func(a charter.Approver) bool { return a.ID == "per_a1" })
	next = e.newcomer(next)
	p, err := e.AcceptCharter(ctx, e.change(next, "per_a2", "per_a3", "per_a5"))
	if err != nil || p.Number != 2 {
		t.Fatal(p, err)
	}
	e.pass(8 * day)
	e.tick()
	if r, err := e.Advance(ctx, "req_1"); !errors.Is(err, warrant.ErrQuorum) || r.State != site.Cooling {
		t.Fatalf("%+v %v", r, err)
	}
	if e.state(e.old) != "proven" {
		t.Fatal(e.state(e.old))
	}
}

// T23: rolled back, skipped, unsigned, signed by the new roster, unlogged, forked.
func TestT23_Succession(t *testing.T) {
	refused := func(t *testing.T, e *env, s site.Succession, want error) {
		t.Helper()
		before, err := e.Marks(ctx)
		e.must(err)
		if _, err := e.AcceptCharter(ctx, s); !errors.Is(err, want) {
			t.Fatal(err)
		}
		after, err := e.Marks(ctx)
		e.must(err)
		if before.Charter != after.Charter {
			t.Fatal("another charter is in force")
		}
	}
	t.Run("skip", func(t *testing.T) {
		e := onSQLite(t)
		s := e.change(e.next(), "per_a1", "per_a3", "per_a5")
		next := e.next()
		next.Number++
		var err error
		s.Signed.Text, err = next.Render()
		e.must(err)
		refused(t, e, s, charter.ErrSkip)
	})
	t.Run("unsigned", func(t *testing.T) {
		e := onSQLite(t)
		refused(t, e, e.change(e.next(), "per_a1"), charter.ErrSignatures)
	})
	t.Run("new roster", func(t *testing.T) {
		e := onSQLite(t)
		next := e.next()
		next = e.newcomer(next)
		refused(t, e, e.change(next, "per_new", "per_a1"), charter.ErrSignatures)
	})
	t.Run("unlogged", func(t *testing.T) {
		e := onSQLite(t)
		s := e.change(e.next(), "per_a1", "per_a3", "per_a5")
		s.Leaf--
		refused(t, e, s, site.ErrCharter)
	})
	t.Run("rolled back", func(t *testing.T) {
		e := onSQLite(t)
		genesis := site.Succession{Signed: charter.Signed{Text: e.world.F.Text(), Proofs: e.possession(nil, e.world.F.Charter)}, Leaf: 1}
		_, err := e.AcceptCharter(ctx, e.change(e.next(), "per_a1", "per_a3", "per_a5"))
		e.must(err)
		refused(t, e, genesis, charter.ErrRollback)
	})
	t.Run("fork", func(t *testing.T) {
		e := onSQLite(t)
		a, b := e.next(), e.next()
		b.Undo += time.Hour
		sa, sb := e.change(a, "per_a1", "per_a3", "per_a5"), e.change(b, "per_a1", "per_a3", "per_a5")
		// Both are in the log: neither comes in force.
		refused(t, e, sa, site.ErrFork)
		_ = sb
	})
	t.Run("fork after", func(t *testing.T) {
		e := onSQLite(t)
		a, b := e.next(), e.next()
		b.Undo += time.Hour
		sa := e.change(a, "per_a1", "per_a3", "per_a5")
		_, err := e.AcceptCharter(ctx, sa)
		e.must(err)
		refused(t, e, e.change(b, "per_a1", "per_a3", "per_a5"), site.ErrFork)
		m, err := e.Marks(ctx)
		e.must(err)
		if !strings.HasPrefix(m.Suspended, "fork") {
			t.Fatal("a fork does not stop everything")
		}
		if _, err := e.Reclaim(ctx, tenant); err == nil {
			t.Fatal("swept in spite of a fork")
		}
	})
}
