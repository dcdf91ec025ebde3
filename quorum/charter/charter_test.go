package charter_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/quorum/charter"
	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/statement"
)

var (
	genesis = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	later   = genesis.Add(10 * 24 * time.Hour)
	write   = flag.Bool("write", false, "write test vectors")
)

const vector = "../../docs/spec/testdata/charter-1.txt"

func TestVector(t *testing.T) {
	text := chartertest.New(genesis).Text()
	if *write {
		if err := os.WriteFile(vector, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vector)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Fatalf("rendered text differs from the vector:\n%s", text)
	}
	c, err := charter.Parse(want)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.Render(); err != nil || !bytes.Equal(again, want) {
		t.Fatalf("round trip: %v", err)
	}
	for _, bad := range []string{
		strings.Replace(string(want), "charter v1", "charter v2", 1),
		strings.Replace(string(want), "undo 14d", "undo 336h", 1),
		strings.Replace(string(want), "clocks 1", "clocks 01", 1),
		strings.Replace(string(want), "clocks 1\n", "clocks 1 colour blue\n", 1),
		strings.Replace(string(want), "stagger 1h\n", "", 1),
		strings.Replace(string(want), "totp no", "totp maybe", 1),
		strings.Replace(string(want), "es256:", "eddsa:", 1),
		string(want) + "override yes\n",
		string(want[:len(want)-1]),
		"",
	} {
		if _, err := charter.Parse([]byte(bad)); err == nil {
			t.Errorf("accepted a changed text")
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(chartertest.New(genesis).Text())
	f.Add(chartertest.Demo(genesis).Text())
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := charter.Parse(text)
		if err != nil {
			return
		}
		again, err := c.Render()
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("accepted text renders otherwise: %v", err)
		}
	})
}

func TestT22_WorstLawfulCaseIsRefusedByName(t *testing.T) {
	cases := map[string]func(*charter.Charter){
		"quorum-below-two":    func(c *charter.Charter) { c.Sites[1].Approvals = 1 },
		"quorum-above-roster": func(c *charter.Charter) { c.Sites[1].Approvals = 7 },
		"unreachable-approvals-last-copy-opened-by-an-approver": func(c *charter.Charter) { c.Sites[1].Approvals = 4 },
		"unreachable-teams-removal-of-an-approver":              func(c *charter.Charter) { c.Sites[1].Approvals, c.Sites[1].Teams = 3, 3 },
		"unreachable-hardware-last-copy-opened-by-an-approver": func(c *charter.Charter) {
			for i := range c.Approvers[2:] {
				for j := range c.Approvers[2+i].Keys {
					c.Approvers[2+i].Keys[j].Hardware = false
				}
			}
		},
		"shared-key":               func(c *charter.Charter) { c.Approvers[0].Keys[0].PublicKey = c.Approvers[1].Keys[0].PublicKey },
		"shared-credential":        func(c *charter.Charter) { c.Approvers[0].Keys[0].CredentialID = c.Approvers[1].Keys[0].CredentialID },
		"duplicate-person":         func(c *charter.Charter) { c.Approvers[1].ID = c.Approvers[0].ID },
		"duplicate-name":           func(c *charter.Charter) { c.Approvers[1].Name = " approver  1" },
		"undo-below-floor":         func(c *charter.Charter) { c.Undo = time.Second },
		"cooling-below-floor":      func(c *charter.Charter) { c.Sites[0].Cooling = time.Minute },
		"quarantine-below-floor":   func(c *charter.Charter) { c.Quarantine = 0 },
		"clocks-below-floor":       func(c *charter.Charter) { c.Clocks = 0 },
		"witnesses-below-one":      func(c *charter.Charter) { c.Witnesses = 0 },
		"witnesses-unreachable":    func(c *charter.Charter) { c.Witnesses = 3 },
		"hardware-below-two":       func(c *charter.Charter) { c.Sites[0].Hardware = 1 },
		"no-independent-vote":      func(c *charter.Charter) { c.Sites[0].Independent = 0 },
		"totp-without-attestation": func(c *charter.Charter) { c.Attestations = nil },
		"unknown-purpose":          func(c *charter.Charter) { c.Purpose = "" },
		"one-primary":              func(c *charter.Charter) { c.Sites[1].Role = charter.Replica },
		"witness-not-independent":  func(c *charter.Charter) { c.WitnessKeys[0].Holder = "primary" },
		"approver-without-key":     func(c *charter.Charter) { c.Approvers[3].Keys = nil },
		"malformed-origin":         func(c *charter.Charter) { c.Origins[0].URL = "http://127.0.0.1:7" },
		"no-recovery-recipient":    func(c *charter.Charter) { c.Recipients = nil },
		"caps":                     func(c *charter.Charter) { c.Sites[0].Caps.DayCopies = 0 },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			c := chartertest.New(genesis).Charter
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			spoil(c)
			var inv *charter.InvalidError
			if err := c.Validate(); !errors.As(err, &inv) || !errors.Is(err, charter.ErrInvalid) || inv.Case != name {
				t.Fatalf("got %v", err)
			}
			if _, err := c.Render(); err == nil {
				t.Fatal("rendered")
			}
		})
	}
	for _, n := range []int{0, -1, -1 << 31} {
		c := chartertest.New(genesis).Charter
		c.Sites[0].Approvals = n
		if c.Validate() == nil {
			t.Fatalf("approvals %d accepted", n)
		}
	}
}

func TestT29_RosterChangeThatMakesQuorumUnreachableIsRefused(t *testing.T) {
	f := chartertest.New(genesis)
	next := f.Next(later)
	next.Approvers = next.Approvers[:4]
	var inv *charter.InvalidError
	if _, err := next.Render(); !errors.As(err, &inv) || !strings.HasPrefix(inv.Case, "unreachable-approvals-") {
		t.Fatalf("got %v", err)
	}
}

func TestT15_PublicKeyBelongsToOnePerson(t *testing.T) {
	f := chartertest.New(genesis)
	next := f.Next(later)
	// The key of a removed approver returns under another person and another credential id.
	stolen := next.Approvers[5].Keys[0]
	next.Approvers[5] = f.Approver("per_b1", "Another", "blue", later)
	stolen.CredentialID, stolen.AdmittedAt = []byte("another"), later
	next.Approvers[5].Keys[0] = stolen
	f.Passkeys[charter.PasskeyID(stolen.CredentialID)] = f.Passkeys[charter.PasskeyID(f.Charter.Approvers[5].Keys[0].CredentialID)]
	s := f.Signed(next.Normalise(), "per_staff", later.Add(time.Hour), "per_a1", "per_a3")
	if _, err := charter.VerifySuccession(f.Charter, s, chartertest.Verifier{}, charter.Options{Now: later.Add(2 * time.Hour)}); !errors.Is(err, charter.ErrSuccession) {
		t.Fatalf("got %v", err)
	}
}

func TestT23_Succession(t *testing.T) {
	now := charter.Options{Now: later.Add(2 * time.Hour)}
	open := later.Add(time.Hour)
	build := func(edit func(*chartertest.Fixture, *charter.Charter)) (*chartertest.Fixture, *charter.Charter) {
		f := chartertest.New(genesis)
		n := f.Next(later)
		n.Approvers = append(n.Approvers, f.Approver("per_new", "New person", "green", later))
		if edit != nil {
			edit(f, n)
		}
		return f, n.Normalise()
	}
	v := chartertest.Verifier{}
	f, n := build(nil)
	if _, err := charter.VerifyGenesis(f.Genesis(), v, charter.Options{Now: genesis}); err != nil {
		t.Fatalf("genesis: %v", err)
	}
	half := f.Genesis()
	half.Proofs = half.Proofs[1:]
	if _, err := charter.VerifyGenesis(half, v, charter.Options{Now: genesis}); !errors.Is(err, charter.ErrSignatures) {
		t.Fatalf("genesis without one proof: %v", err)
	}
	good := f.Signed(n, "per_staff", open, "per_a1", "per_a3")
	got, err := charter.VerifySuccession(f.Charter, good, v, now)
	if err != nil {
		t.Fatalf("good succession: %v", err)
	}
	if err := got.Eligible("per_new", n.Approvers[len(n.Approvers)-1].Keys[0].CredentialID, charter.Ballot{OpenedAt: later.Add(time.Hour)}, later.Add(time.Hour)); !errors.Is(err, charter.ErrNotEligible) {
		t.Fatalf("new approver is not in quarantine: %v", err)
	}
	refuse := func(name string, want error, f *chartertest.Fixture, s charter.Signed, o charter.Options) {
		t.Helper()
		if _, err := charter.VerifySuccession(f.Charter, s, v, o); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	refuse("rolled back", charter.ErrRollback, &chartertest.Fixture{Charter: got}, f.Genesis(), now)
	fork, m := build(func(_ *chartertest.Fixture, c *charter.Charter) { c.Undo += 24 * time.Hour })
	refuse("fork", charter.ErrFork, &chartertest.Fixture{Charter: got}, fork.Signed(m, "per_staff", open, "per_a1", "per_a3"), now)
	fork, m = build(func(_ *chartertest.Fixture, c *charter.Charter) { c.Previous[0] ^= 1 })
	refuse("other predecessor", charter.ErrPrevious, fork, fork.Signed(m, "per_staff", open, "per_a1", "per_a3"), now)
	fork, m = build(func(_ *chartertest.Fixture, c *charter.Charter) { c.Number = 3 })
	s := f.Signed(n, "per_staff", open, "per_a1", "per_a3")
	s.Text, _ = m.Render()
	refuse("skips a number", charter.ErrSkip, fork, s, now)
	refuse("new roster signs", charter.ErrSignatures, f, f.Signed(n, "per_staff", open, "per_new", "per_a1"), now)
	refuse("one team", charter.ErrSignatures, f, f.Signed(n, "per_staff", open, "per_a1", "per_a2"), now)
	refuse("one person twice", charter.ErrSignatures, f, f.Signed(n, "per_staff", open, "per_a1", "per_a1"), now)
	refuse("requester votes", charter.ErrSignatures, f, f.Signed(n, "per_a1", open, "per_a1", "per_a3"), now)
	o := now
	o.Suspended = []string{"per_a3"}
	refuse("suspended votes", charter.ErrSignatures, f, good, o)
	refuse("expired", charter.ErrSignatures, f, good, charter.Options{Now: open.Add(31 * 24 * time.Hour)})
	s = good
	s.Proofs = s.Proofs[:1]
	refuse("missing proof", charter.ErrSignatures, f, s, now)
	s = good
	s.Proofs = append([]charter.Proof(nil), good.Proofs...)
	s.Proofs[0].Evidence = good.Proofs[1].Evidence
	refuse("moved proof", charter.ErrSignatures, f, s, now)
	s = good
	s.Votes = append(append([][]byte(nil), good.Votes...), f.Vote("per_a5", chartertest.RP, false, statement.Text(good.Statement).Digest()))
	refuse("denied", charter.ErrSignatures, f, s, now)
	f2, n2 := build(func(_ *chartertest.Fixture, c *charter.Charter) {
		c.Approvers[6].Team = "blue"
		c.Approvers = append(c.Approvers[:4], c.Approvers[5:]...)
	})
	s = f2.Signed(n2, "per_staff", open, "per_a1", "per_a3")
	s.Votes = append(s.Votes, f2.Vote("per_a5", chartertest.RP, false, statement.Text(s.Statement).Digest()))
	if _, err := charter.VerifySuccession(f2.Charter, s, v, now); err != nil {
		t.Errorf("T55: an approver blocks the own removal: %v", err)
	}
	back, m := build(func(f *chartertest.Fixture, c *charter.Charter) {
		c.Approvers[len(c.Approvers)-1] = f.Approver("per_new", "New person", "green", genesis)
	})
	refuse("backdated admission", charter.ErrSuccession, back, back.Signed(m, "per_staff", open, "per_a1", "per_a3"), now)
	soft, m := build(func(_ *chartertest.Fixture, c *charter.Charter) { c.Approvers[0].Keys[0].Hardware = false })
	refuse("hardware mark changed", charter.ErrSuccession, soft, soft.Signed(m, "per_staff", open, "per_a1", "per_a3"), now)
}

func TestT19_Eligible(t *testing.T) {
	f := chartertest.New(genesis)
	c := f.Charter
	key := c.Approvers[0].Keys[0].CredentialID
	other := c.Approvers[1].Keys[0].CredentialID
	opened := genesis.Add(time.Hour)
	free := genesis.Add(c.Quarantine)
	for name, x := range map[string]struct {
		person string
		key    []byte
		b      charter.Ballot
		now    time.Time
		ok     bool
	}{
		"good":                  {"per_a1", key, charter.Ballot{OpenedAt: opened}, free, true},
		"attested":              {"per_a1", nil, charter.Ballot{OpenedAt: opened}, free, true},
		"in quarantine":         {"per_a1", key, charter.Ballot{OpenedAt: opened}, free.Add(-time.Second), false},
		"request older":         {"per_a1", key, charter.Ballot{OpenedAt: genesis}, free, false},
		"requester":             {"per_a1", key, charter.Ballot{OpenedAt: opened, Excluded: []string{"per_a1"}}, free, false},
		"another's key":         {"per_a1", other, charter.Ballot{OpenedAt: opened}, free, false},
		"stranger":              {"per_x", key, charter.Ballot{OpenedAt: opened}, free, false},
		"in force only lately":  {"per_a1", key, charter.Ballot{OpenedAt: opened, InForceAt: opened.Add(time.Hour)}, free.Add(time.Hour * 999), false},
		"request without times": {"per_a1", key, charter.Ballot{}, free, false},
	} {
		if err := c.Eligible(x.person, x.key, x.b, x.now); (err == nil) != x.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequirementAndCount(t *testing.T) {
	c := chartertest.New(genesis).Charter
	must := func(a statement.Action, k charter.Circumstance, site string) charter.Requirement {
		t.Helper()
		r, err := c.Requirement(a, k, site)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plain := must(statement.DeleteCopies, charter.Circumstance{}, "primary")
	if plain.Approvals != 2 || plain.Hardware != 0 || !plain.TOTP {
		t.Fatalf("%+v", plain)
	}
	last := must(statement.DeleteCopies, charter.Circumstance{LastCopy: true, StaffOpened: true, UnprovenPasskey: true}, "primary")
	if last.Approvals != 4 || last.Cooling != plain.Cooling+4*24*time.Hour {
		t.Fatalf("%+v", last)
	}
	if r := must(statement.ReleaseHold, charter.Circumstance{}, "primary"); r.Hardware != 2 || r.TOTP {
		t.Fatalf("I4: other actions take the strictest of all lines without TOTP: %+v", r)
	}
	for i := range c.Sites {
		c.Sites[i].TOTP = true
	}
	for _, a := range statement.Actions() {
		if r := must(a, charter.Circumstance{}, ""); r.TOTP != (a == statement.DeleteCopies) {
			t.Fatalf("TOTP votes on %s: %v", a, r.TOTP)
		}
	}
	attested := []charter.Approval{{Person: "per_a1", TOTP: true}, {Person: "per_a3", TOTP: true, Hardware: true}}
	if n := c.Count(charter.Requirement{Approvals: 2, TOTP: true}, attested); n.Approvals != 1 || n.Hardware != 0 {
		t.Fatalf("T42: an attestation counts as hardware: %+v", n)
	}
	if _, err := c.Requirement("paint", charter.Circumstance{}, ""); !errors.Is(err, charter.ErrUnknownAction) {
		t.Fatal(err)
	}
	if _, err := c.Requirement(statement.DeleteCopies, charter.Circumstance{}, "mars"); !errors.Is(err, charter.ErrUnknownSite) {
		t.Fatal(err)
	}
	if (charter.Requirement{}).Met(charter.Tally{Approvals: 99, Teams: 9, Hardware: 9, Independent: 9}) {
		t.Fatal("a zero requirement is met")
	}
}

func TestI2_APersonCountsOnce(t *testing.T) {
	c := chartertest.New(genesis).Charter
	people := []string{"per_a1", "per_a2", "per_a3", "per_x"}
	rapid.Check(t, func(t *rapid.T) {
		var votes []charter.Approval
		distinct := map[string]bool{}
		for range rapid.IntRange(0, 30).Draw(t, "votes") {
			v := charter.Approval{Person: rapid.SampledFrom(people).Draw(t, "person"), Hardware: rapid.Bool().Draw(t, "hardware"), Independent: rapid.Bool().Draw(t, "independent")}
			votes = append(votes, v)
			if v.Person != "per_x" {
				distinct[v.Person] = true
			}
		}
		got := c.Count(charter.Requirement{Approvals: 2}, votes)
		if got.Approvals != len(distinct) || got.Teams > 2 || got.Hardware > len(distinct) || got.Independent > len(distinct) {
			t.Fatalf("%+v of %d people", got, len(distinct))
		}
	})
}

func TestT24_StricterNeverWeakens(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) charter.Requirement {
		n := func(l string) int { return rapid.IntRange(0, 9).Draw(t, l) }
		u := func(l string) uint64 { return uint64(n(l)) }
		return charter.Requirement{Approvals: n("a"), Teams: n("t"), Hardware: n("h"), Independent: n("i"), TOTP: n("totp") > 4,
			Cooling: time.Duration(n("c")), Grace: time.Duration(n("g")), Caps: charter.Caps{RequestCopies: u("rc"), RequestBytes: u("rb"), DayCopies: u("dc"), DayBytes: u("db")}}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		s := charter.Stricter(a, b)
		if s != charter.Stricter(b, a) || s != charter.Stricter(s, a) || s != charter.Stricter(s, b) {
			t.Fatal("not the stricter of each line")
		}
		tally := charter.Tally{Approvals: rapid.IntRange(0, 9).Draw(t, "n"), Teams: rapid.IntRange(0, 9).Draw(t, "nt"), Hardware: rapid.IntRange(0, 9).Draw(t, "nh"), Independent: rapid.IntRange(0, 9).Draw(t, "ni")}
		if s.Met(tally) && (a.Approvals >= 2 && !a.Met(tally) || b.Approvals >= 2 && !b.Met(tally)) {
			t.Fatal("the stricter is met where one of both is not")
		}
	})
}

func TestDiff(t *testing.T) {
	f := chartertest.New(genesis)
	n := f.Next(later)
	n.Undo, n.Witnesses = 7*24*time.Hour, 2
	n.Sites[0].Cooling += time.Hour
	n.Sites[1].Caps.DayCopies++
	n.Approvers[0].Name = "Renamed\u202e"
	got := map[string]charter.Change{}
	for _, c := range charter.Diff(f.Charter, n) {
		got[c.What] = c
		for _, s := range []string{c.What, c.From, c.To} {
			if strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) >= 0 {
				t.Errorf("not printable ASCII: %q", s)
			}
		}
	}
	want := map[string]bool{"undo": true, "witnesses": false, "site berlin cooling": false, "site primary day-copies": true, "approver per_a1": true}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for w, weakens := range want {
		if c, ok := got[w]; !ok || c.Weakens != weakens {
			t.Errorf("%s: %+v", w, c)
		}
	}
	if len(charter.Diff(f.Charter, f.Charter)) != 0 {
		t.Error("a charter differs from itself")
	}
}
