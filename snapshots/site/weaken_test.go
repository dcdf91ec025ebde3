package site_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/snapshots"
	"holdfast/snapshots/site"
	"holdfast/snapshots/sweep"
)

// other is a statement of an action that is no deletion.
func (e *env) other(request string, action statement.Action, subject statement.Subject, facts ...statement.Fact) statement.Text {
	return e.world.Statement(func(s *statement.Statement) {
		s.Request, s.Tenant.ID, s.Action, s.Selection, s.Volumes, s.Copies = request, tenant, action, "", nil, nil
		s.Subjects, s.Facts, s.ExecuteUntil = []statement.Subject{subject}, facts, s.OpenedAt.Add(110*day)
		if action == statement.DetachSite {
			s.Tenant = statement.Tenant{}
			staff := statement.Party{Kind: statement.Staff, ID: "per_a6", Name: "Anna"}
			s.Requester, s.OpenedBy = staff, staff
		}
	})
}

// ripe lets the cooling-off of everything end, and a checkpoint follow.
func (e *env) ripe() {
	e.t.Helper()
	e.pass(8 * day)
	e.tick()
	e.pass(3 * time.Second)
	e.tick()
}

func (e *env) volume() statement.Subject {
	return statement.Subject{Kind: "volume", ID: e.vol.ID.String(), Name: "files"}
}

// applies has a gated action without tombstone go the whole way.
func (e *env) applies(request string, text statement.Text) {
	e.t.Helper()
	e.deliver(text)
	e.ripe()
	if r := e.advance(request); r.State != site.Applied {
		e.t.Fatalf("%+v", r)
	}
}

// rule sets a keep rule as the site has it in force and the log shows it.
func (e *env) logged(k snapshots.KeepRule) {
	e.t.Helper()
	leaf := site.KeepLeaf{Tenant: tenant, Volume: k.Volume.String(), Number: k.Number, Rule: k.Rule, By: k.SetBy}
	e.world.Log(audit.Draft{Kind: audit.KindKeepRuleSet, At: e.fake.Now(), Tenant: tenant, Body: leaf.Body()})
}

func (e *env) keepRule() snapshots.KeepRule {
	e.t.Helper()
	k, err := e.KeepRule(ctx, tenant, e.vol.ID)
	e.must(err)
	return k
}

// I4, T32: a keep rule is shortened by a quorum's warrant, once, and only from what the statement says it is.
func TestI4_ShortenRetention(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		if _, err := e.SetKeepRule(ctx, tenant, e.vol.ID, "keep last 1", "per_1"); !errors.Is(err, snapshots.ErrShorter) {
			t.Fatal("shortened without the gate:", err)
		}
		if _, err := e.Choose(ctx, tenant, e.vol.ID.String()); !errors.Is(err, site.ErrNoRule) {
			t.Fatal(err)
		}
		text := e.other("req_1", statement.ShortenRetention, e.volume(), statement.TextFact("from", "keep all"), statement.TextFact("to", "keep last 1"))
		e.applies("req_1", text)
		if k := e.keepRule(); k.Rule != "keep last 1" || k.Number != 1 || k.SetBy != "req_1" {
			t.Fatalf("%+v", k)
		}
		if _, err := e.Choose(ctx, tenant, e.vol.ID.String()); !errors.Is(err, site.ErrNotLogged) {
			t.Fatal("a rule that is not in the log chooses:", err)
		}
		e.logged(e.keepRule())
		c, err := e.Choose(ctx, tenant, e.vol.ID.String())
		if err != nil || !slices.Equal(c.Snapshots, []string{e.old.ID.String()}) || c.Rule.Text != "keep last 1" {
			t.Fatalf("%+v %v", c, err)
		}
		// The same warrant again does nothing; the owner lengthens at once.
		e.deliver(text)
		if r := e.advance("req_1"); r.State != site.Applied {
			t.Fatalf("%+v", r)
		}
		if _, err := e.SetKeepRule(ctx, tenant, e.vol.ID, "keep last 9", "per_1"); err != nil {
			t.Fatal(err)
		}
		if k := e.keepRule(); k.Number != 2 {
			t.Fatalf("%+v", k)
		}
		// One that was decided about the older rule is refused.
		e.deliver(e.other("req_2", statement.ShortenRetention, e.volume(), statement.TextFact("from", "keep last 1"), statement.TextFact("to", "keep last 2")))
		e.ripe()
		if r, err := e.Advance(ctx, "req_2"); !errors.Is(err, warrant.ErrInventory) || r.Waiting != "inventory" {
			t.Fatalf("%+v %v", r, err)
		}
		if k := e.keepRule(); k.Rule != "keep last 9" {
			t.Fatalf("%+v", k)
		}
		e.proves(e.old)
	})
}

// I4, T32: a volume's undo window is shortened by a warrant, never below the charter's.
func TestI4_ShortenUndo(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		undo := e.world.F.Charter.Undo
		window := func() time.Duration {
			t.Helper()
			_, own, err := e.VolumeUndo(ctx, tenant, e.vol.ID)
			e.must(err)
			return own.Undo
		}
		ask := func(request string, from, to time.Duration) (site.Receipt, error) {
			t.Helper()
			e.deliver(e.other(request, statement.ShortenUndo, e.volume(), statement.DurationFact("from", from), statement.DurationFact("to", to)))
			e.ripe()
			return e.Advance(ctx, request)
		}
		if _, err := e.SetVolumeUndo(ctx, tenant, e.vol.ID, undo+40*day, "per_1"); err != nil {
			t.Fatal(err)
		}
		for i, bad := range [][2]time.Duration{{undo + 40*day, undo - time.Second}, {undo + 30*day, undo + time.Hour}} {
			request := []string{"req_1", "req_2"}[i]
			if _, err := ask(request, bad[0], bad[1]); !errors.Is(err, warrant.ErrInventory) {
				t.Fatal(bad, err)
			}
		}
		if window() != undo+40*day {
			t.Fatal(window())
		}
		if r, err := ask("req_3", undo+40*day, undo+time.Hour); err != nil || r.State != site.Applied {
			t.Fatalf("%+v %v", r, err)
		}
		if window() != undo+time.Hour {
			t.Fatal(window())
		}
	})
}

// A hold on the volume, or a freeze, keeps its retention from being shortened (I4, T27).
func TestI4_T27_AHoldKeepsRetention(t *testing.T) {
	e := onSQLite(t)
	e.deliver(e.other("req_1", statement.ShortenRetention, e.volume(), statement.TextFact("from", "keep all"), statement.TextFact("to", "keep last 1")))
	_, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "hol_1", Kind: warrant.StopHold, Tenant: tenant, Volume: e.vol.ID.String()}))
	e.must(err)
	e.pass(20 * day)
	e.tick()
	if r := e.advance("req_1"); r.State != site.Cooling || r.CoolingLeft == 0 {
		t.Fatalf("%+v", r)
	}
	if k := e.keepRule(); k.Number != 0 {
		t.Fatalf("%+v", k)
	}
}

// byRule is a statement that deletes by the rule in force.
func (e *env) byRule(request string, rule statement.KeepRule, list ...snapshots.Snapshot) statement.Text {
	text := e.text(request, statement.LastCopy, list...)
	s, err := statement.Parse(text)
	e.must(err)
	s.Selection, s.Rule = statement.ByRule, &rule
	out, err := s.Render()
	e.must(err)
	return out
}

// ruled sets keep last 1, in force and in the log, before the world's snapshots need a gate for it.
func (e *env) ruled() statement.KeepRule {
	e.t.Helper()
	e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
		return e.Store.InsertKeepRule(ctx, tx, e.vol.ID, "keep last 1", "req_0", sqldb.Micros(e.fake.Now()))
	}))
	e.logged(e.keepRule())
	e.pass(time.Second)
	c, err := e.Choose(ctx, tenant, e.vol.ID.String())
	e.must(err)
	return c.Rule
}

// What the rule does not keep is deleted by rule.
func TestByRuleDeletion(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.deliver(e.byRule("req_1", e.ruled(), e.old))
		e.cool("req_1")
		if r := e.advance("req_1"); r.State != site.Tombstoned {
			t.Fatalf("%+v", r)
		}
		e.grace()
		if r := e.advance("req_1"); r.State != site.Erased {
			t.Fatalf("%+v", r)
		}
		e.proves(e.young)
	})
}

// T58, T32: a whole quorum has signed a by-rule statement that names a good snapshot among the expired ones: every site
// evaluates the rule itself, and refuses all of it.
func TestT58_T32_ACopyThatTheRuleKeeps(t *testing.T) {
	attacks := map[string]func(e *env, rule statement.KeepRule) statement.Text{
		"a kept copy":              func(e *env, rule statement.KeepRule) statement.Text { return e.byRule("req_1", rule, e.young) },
		"a kept copy among others": func(e *env, rule statement.KeepRule) statement.Text { return e.byRule("req_1", rule, e.old, e.young) },
		"another rule": func(e *env, rule statement.KeepRule) statement.Text {
			rule.Text = "keep yearly 1"
			return e.byRule("req_1", rule, e.old)
		},
		"another leaf": func(e *env, rule statement.KeepRule) statement.Text {
			rule.Leaf[0] ^= 1
			return e.byRule("req_1", rule, e.old)
		},
		"another number": func(e *env, rule statement.KeepRule) statement.Text {
			rule.ID += "1"
			return e.byRule("req_1", rule, e.old)
		},
		"the rule was lengthened after the votes": func(e *env, rule statement.KeepRule) statement.Text {
			_, err := e.SetKeepRule(ctx, tenant, e.vol.ID, "keep last 2", "per_1")
			e.must(err)
			e.logged(e.keepRule())
			return e.byRule("req_1", rule, e.old)
		},
		"a leaf of a rule that nobody set": func(e *env, rule statement.KeepRule) statement.Text {
			forged := e.keepRule()
			forged.Number, forged.Rule = 2, "keep yearly 1"
			e.logged(forged)
			rule.ID, rule.Text = site.KeepLeaf{Volume: e.vol.ID.String(), Number: 2}.ID(), forged.Rule
			rule.Leaf = audit.LeafHash(e.world.Entry(e.world.Size() - 1).Leaf)
			return e.byRule("req_1", rule, e.old)
		},
		"a pinned copy": func(e *env, rule statement.KeepRule) statement.Text {
			e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error { return e.Store.InsertPin(ctx, tx, e.old.ID, "release", "per_1", 1) }))
			return e.byRule("req_1", rule, e.old)
		},
		"the newer one became suspect": func(e *env, rule statement.KeepRule) statement.Text {
			e.must(e.Suspect(ctx, tenant, e.young.ID, "looks odd"))
			return e.byRule("req_1", rule, e.old)
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			e := onSQLite(t)
			e.deliver(attack(e, e.ruled()))
			e.cool("req_1")
			r, err := e.Advance(ctx, "req_1")
			if r.State != site.Cooling || !errors.Is(err, warrant.ErrInventory) && !errors.Is(err, warrant.ErrLastCopy) {
				t.Fatalf("%+v %v", r, err)
			}
			if e.state(e.old) == "tombstoned" || e.state(e.young) == "tombstoned" {
				t.Fatal("hidden")
			}
			e.proves(e.old)
			e.proves(e.young)
		})
	}
}

func FuzzParseKeepLeaf(f *testing.F) {
	f.Add(site.KeepLeaf{Tenant: "ten_1", Volume: "vol_1", Number: 3, By: "per_1", Rule: "keep last 10, daily 14"}.Body())
	f.Add([]byte("holdfast keep rule v1\ntenant t\nvolume v\nnumber 01\nby p\nrule keep all\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if k, ok := site.ParseKeepLeaf(in); ok && !bytes.Equal(k.Body(), in) {
			t.Fatalf("%q is rendered as %q", in, k.Body())
		}
	})
}

func (e *env) key() (statement.Subject, statement.Fact) {
	e.t.Helper()
	var keys []snapshots.TenantKey
	e.must(e.DB.Read(ctx, func(tx *sqldb.Tx) (err error) { keys, err = e.Store.Keys(ctx, tx, tenant); return err }))
	id := sweep.KeyID(tenant, int64(keys[0].Number))
	return statement.Subject{Kind: "key", ID: id, Name: id}, statement.DigestFact("commitment", keys[0].Commitment)
}

// wrapped reports whether wraps of keys stand anywhere in the packs.
func (e *env) wrapped() bool {
	e.t.Helper()
	found := false
	e.must(filepath.WalkDir(e.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		in, err := os.ReadFile(path)
		found = found || bytes.Contains(in, []byte("holdfast wraps v1"))
		return err
	}))
	return found
}

// T35, I4: even a whole quorum does not destroy a key that copies need, of a tenant that is open, or another one than it read.
func TestT35_AKeyThatIsNeededStays(t *testing.T) {
	e := onSQLite(t)
	subject, commitment := e.key()
	copies := statement.NumberFact("copies", 0)
	refuses := func(request string, text statement.Text) {
		t.Helper()
		e.deliver(text)
		e.cool(request)
		if r, err := e.Advance(ctx, request); r.State != site.Cooling || !errors.Is(err, sweep.ErrRefused) {
			t.Fatalf("%+v %v", r, err)
		}
		e.proves(e.old)
	}
	refuses("req_open", e.other("req_open", statement.DestroyKey, subject, commitment, copies))
	e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO gate_closed (tenant, request, at) VALUES ($1, 'req_0', 1)`, tenant)
		return err
	}))
	refuses("req_copies", e.other("req_copies", statement.DestroyKey, subject, commitment, copies))
	e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error { _, err := tx.Exec(ctx, `UPDATE copies SET state = 'erased'`); return err }))
	refused := func(request string, text statement.Text) {
		t.Helper()
		e.deliver(text)
		e.cool(request)
		if r, err := e.Advance(ctx, request); r.State != site.Cooling || !errors.Is(err, sweep.ErrRefused) {
			t.Fatalf("%+v %v", r, err)
		}
	}
	refused("req_other", e.other("req_other", statement.DestroyKey, subject, statement.DigestFact("commitment", [32]byte{1}), copies))
	subject.ID = "ten_other:1"
	refused("req_tenant", e.other("req_tenant", statement.DestroyKey, subject, commitment, copies))
	if !e.wrapped() {
		t.Fatal("the wraps are gone")
	}
}

// I4, T35: a closed tenant without copies loses its key: closed by a warrant, disabled first, undone by one person, then
// destroyed, wraps in packs included.
func TestI4_T35_CryptoErasureOfAClosedTenant(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		subject, commitment := e.key()
		e.applies("req_close", e.other("req_close", statement.CloseTenant, statement.Subject{Kind: "tenant", ID: tenant, Name: "Tenant"},
			statement.NumberFact("volumes", 1), statement.NumberFact("copies", 2)))
		e.deliver(e.text("req_copies", statement.LastBoth, e.old, e.young))
		e.cool("req_copies")
		e.advance("req_copies")
		e.grace()
		if r := e.advance("req_copies"); r.State != site.Erased {
			t.Fatalf("%+v", r)
		}
		destroy := func(request string) statement.Text {
			t.Helper()
			text := e.other(request, statement.DestroyKey, subject, commitment, statement.NumberFact("copies", 0))
			e.deliver(text)
			e.cool(request)
			if r := e.advance(request); r.State != site.Tombstoned {
				t.Fatalf("%+v", r)
			}
			if _, err := e.OpenKeys(ctx, tenant); !errors.Is(err, snapshots.ErrNotFound) {
				t.Fatal("a disabled key is opened:", err)
			}
			if !e.wrapped() {
				t.Fatal("destroyed before the grace period")
			}
			return text
		}
		text := destroy("req_1")
		r, err := e.Stop(ctx, e.stop(warrant.Stop{ID: "sto_1", Kind: warrant.StopRestore, Request: "req_1", Statement: text.Digest(), Tenant: tenant}))
		if err != nil || r.State != site.Restored {
			t.Fatalf("%+v %v", r, err)
		}
		if _, err := e.OpenKeys(ctx, tenant); err != nil {
			t.Fatal(err)
		}
		if got := e.content("f", snapshots.Moment{}); !strings.HasPrefix(got, "second state") {
			t.Fatal("primary data is gone before its key")
		}
		destroy("req_2")
		e.grace()
		if r := e.advance("req_2"); r.State != site.Erased {
			t.Fatalf("%+v", r)
		}
		if e.wrapped() {
			t.Fatal("wraps are still in the packs")
		}
		if _, err := e.OpenKeys(ctx, tenant); !errors.Is(err, snapshots.ErrNotFound) {
			t.Fatal(err)
		}
		if r := e.advance("req_1"); r.State != site.Restored {
			t.Fatalf("%+v", r)
		}
	})
}

// I4: a detached site's copies count for nothing, and nobody waits for it; the primary is not detached.
func TestI4_DetachSite(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		e.must(e.DB.Write(ctx, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO gate_copies (site, snapshot, state, request, leaf, at) VALUES ('berlin', $1, 'proven', '', 1, 1)`, e.old.ID)
			return err
		}))
		last := func() statement.Last {
			t.Helper()
			d, err := e.Describe(ctx, site.Query{Tenant: tenant, Snapshots: []string{e.old.ID.String()}})
			e.must(err)
			return d.Copies[0].Last
		}
		if n, bytes, err := e.Elsewhere(ctx, "berlin"); err != nil || n != 1 || bytes == 0 || last() != statement.NotLast {
			t.Fatal(n, bytes, err, last())
		}
		facts := []statement.Fact{statement.NumberFact("copies", 1), statement.NumberFact("bytes", 1)}
		detach := func(request, name string) {
			t.Helper()
			text := e.other(request, statement.DetachSite, statement.Subject{Kind: "site", ID: name, Name: name}, facts...)
			x := e.world.Open(text, e.world.Key("per_a6", "example.org").Confirm(text.Digest()), nil)
			for _, a := range []string{"per_a1", "per_a3", "per_a5", "per_a2"} {
				e.world.Vote(x, a, warrant.Approve, e.world.Key(a, chartertest.IndependentRP).Vote(warrant.Approve, text.Digest()), e.world.At.Add(time.Hour))
			}
			e.world.Seal(x, e.world.At.Add(day))
			b, err := x.Render()
			e.must(err)
			_, err = e.Deliver(ctx, b)
			e.must(err)
			e.ripe()
		}
		detach("req_0", "primary")
		if _, err := e.Advance(ctx, "req_0"); !errors.Is(err, warrant.ErrInventory) {
			t.Fatal("the primary was detached:", err)
		}
		detach("req_1", "berlin")
		if r := e.advance("req_1"); r.State != site.Applied {
			t.Fatalf("%+v", r)
		}
		if n, _, err := e.Elsewhere(ctx, "berlin"); err != nil || n != 0 || last() != statement.LastCopy {
			t.Fatal(n, err, last())
		}
	})
}
