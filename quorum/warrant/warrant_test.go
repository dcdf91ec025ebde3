package warrant_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = warranttest.Day

var none = []string{}

type (
	checkpoint = audit.Checkpoint
)

func want(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func good(t *testing.T) (*warranttest.World, *warrant.Warrant) {
	t.Helper()
	w := warranttest.New(at)
	x := w.Warrant(w.Statement(), "per_a1", "per_a3", "per_a5")
	return w, x
}

func verify(w *warranttest.World, x *warrant.Warrant) error {
	_, err := warrant.Verify(*x, w.Charters(), warrant.LogView{})
	return err
}

func TestWholeWarrantVerifiesAndMintsAPermit(t *testing.T) {
	w, x := good(t)
	text, err := x.Render()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := warrant.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := warrant.Verify(parsed, w.Charters(), warrant.LogView{})
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range []string{"primary", "berlin"} {
		p, err := warrant.Authorise(v, w.Facts(v, site), warranttest.Reading(w.Due()))
		if err != nil {
			t.Fatal(site, err)
		}
		if err := p.Check(site, warrant.StageTombstone, w.Due()); err != nil {
			t.Fatal(err)
		}
		if len(p.Copies()) != 1 || !p.Names("vol_1", "snp_1", p.Copies()[0].Digest) {
			t.Fatalf("permit names %v", p.Copies())
		}
		want(t, p.Check("elsewhere", warrant.StageTombstone, w.Due()), warrant.ErrPermit)
		want(t, p.Check(site, warrant.StageErase, w.Due()), warrant.ErrPermit)
		want(t, p.Check(site, warrant.StageTombstone, w.Due().Add(warrant.PermitLife)), warrant.ErrPermit)
	}
}

func TestI1_ZeroPermitIsRefused(t *testing.T) {
	var p warrant.Permit
	if p.Valid() {
		t.Fatal("a zero permit is valid")
	}
	want(t, p.Check("", 0, time.Time{}), warrant.ErrPermit)
	_, err := warrant.Authorise(warrant.Verified{}, warrant.SiteFacts{Complete: true, Site: "primary"}, warranttest.Reading(at))
	want(t, err, warrant.ErrNotVerified)
}

func TestI2_TwoApprovalsAreNotThreeWithSurcharge(t *testing.T) {
	w := warranttest.New(at)
	want(t, verify(w, w.Warrant(w.Statement(), "per_a1", "per_a3")), warrant.ErrQuorum)
}

func TestT15_RequesterAndTwoPeopleWithOneKeyDoNotVote(t *testing.T) {
	w := warranttest.New(at)
	asStaff := w.Statement(func(s *statement.Statement) {
		s.Requester = statement.Party{Kind: statement.Staff, ID: "per_a1", Name: "A"}
	})
	x := w.Open(asStaff, w.Key("per_a1", chartertest.RP).Confirm(asStaff.Digest()), nil)
	for i, a := range []string{"per_a1", "per_a3", "per_a5", "per_a6"} {
		w.Vote(x, a, warrant.Approve, w.Key(a, chartertest.IndependentRP).Vote(warrant.Approve, asStaff.Digest()), at.Add(time.Duration(i+1)*time.Hour))
	}
	w.Seal(x, at.Add(day))
	want(t, verify(w, x), warrant.ErrSamePerson)

	text := w.Statement()
	x = w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
	for i, a := range []string{"per_a1", "per_a3", "per_a5"} { // all with the key of per_a1
		w.Vote(x, a, warrant.Approve, w.Key("per_a1", chartertest.IndependentRP).Vote(warrant.Approve, text.Digest()), at.Add(time.Duration(i+1)*time.Hour))
	}
	w.Seal(x, at.Add(day))
	if err := verify(w, x); !errors.Is(err, warrant.ErrSamePerson) && !errors.Is(err, warrant.ErrUnknownKey) {
		t.Fatal(err)
	}
	_, err := warrant.Verify(*w.Warrant(w.Statement(), "per_a1", "per_a3", "per_a5"), w.Charters(), warrant.LogView{Excluded: []string{"per_a3"}})
	want(t, err, warrant.ErrSamePerson)
}

func TestT16_TwoKeysOfOnePersonAreOneVote(t *testing.T) {
	w := warranttest.New(at)
	text := w.Statement()
	x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
	for i, rp := range []string{chartertest.RP, chartertest.IndependentRP} {
		w.Vote(x, "per_a1", warrant.Approve, w.Key("per_a1", rp).Vote(warrant.Approve, text.Digest()), at.Add(time.Duration(i+1)*time.Hour))
	}
	w.Vote(x, "per_a3", warrant.Approve, w.Key("per_a3", chartertest.RP).Vote(warrant.Approve, text.Digest()), at.Add(4*time.Hour))
	w.Seal(x, at.Add(day))
	want(t, verify(w, x), warrant.ErrSamePerson)
}

func TestT18_RemovedOrSuspendedVoterNoLongerCounts(t *testing.T) {
	w, x := good(t)
	next := w.F.Next(at.Add(2 * day))
	next.Approvers[4] = w.F.Approver("per_a7", "Approver 7", "blue", at.Add(day)) // instead of per_a5
	next = next.Normalise()
	_, err := warrant.Verify(*x, warrant.Charters{Named: w.F.Charter, Newest: next}, warrant.LogView{})
	want(t, err, warrant.ErrQuorum)
	_, err = warrant.Verify(*x, w.Charters(), warrant.LogView{Suspended: []string{"per_a1"}})
	want(t, err, warrant.ErrQuorum)
}

func TestT19_NewApproverDoesNotVoteOnOlderRequests(t *testing.T) {
	w := warranttest.New(at)
	for _, age := range []time.Duration{-time.Minute, time.Minute, day} { // joined after, just before, inside the quarantine
		a := &w.F.Charter.Approvers[4]
		a.AdmittedAt, w.F.Charter.CreatedAt = at.Add(-age), at.Add(time.Hour)
		for i := range a.Keys {
			a.Keys[i].AdmittedAt = a.AdmittedAt
		}
		x := w.Warrant(w.Statement(), "per_a1", "per_a3", "per_a5")
		want(t, verify(w, x), warrant.ErrNotAdmitted)
	}
	w, x := good(t)
	_, err := warrant.Verify(*x, w.Charters(), warrant.LogView{InForceAt: func(p string, _ []byte) time.Time {
		if p == "per_a5" {
			return at.Add(-time.Hour) // the charter backdates, the log does not
		}
		return time.Time{}
	}})
	want(t, err, warrant.ErrNotAdmitted)
}

func TestT20_AnEditedByteVoidsEverything(t *testing.T) {
	w, x := good(t)
	for _, edit := range []func(*statement.Statement){
		func(s *statement.Statement) { s.Reason = "another" },
		func(s *statement.Statement) { s.ExecuteUntil = s.ExecuteUntil.Add(time.Second) },
		func(s *statement.Statement) { s.Copies[0].Bytes++ },
	} {
		y := *x
		y.Statement = w.Statement(edit)
		want(t, verify(w, &y), warrant.ErrLog) // the opening's commitment is over the digest
	}
	v, err := warrant.Verify(*x, w.Charters(), warrant.LogView{})
	if err != nil {
		t.Fatal(err)
	}
	f := w.Facts(v, "primary")
	f.Inventory[0].Digest[0] ^= 1
	_, err = warrant.Authorise(v, f, warranttest.Reading(w.Due()))
	want(t, err, warrant.ErrInventory)
}

func TestT21_VoteMovedOrTurned(t *testing.T) {
	w := warranttest.New(at)
	text, other := w.Statement(), w.Statement(func(s *statement.Statement) { s.Request = "req_2" })
	for name, p := range map[string]warrant.Proof{
		"of another request": w.Key("per_a1", chartertest.RP).Vote(warrant.Approve, other.Digest()),
		"a deny":             w.Key("per_a1", chartertest.RP).Vote(warrant.Deny, text.Digest()),
		"a confirmation":     w.Key("per_a1", chartertest.RP).Confirm(text.Digest()),
	} {
		x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
		w.Vote(x, "per_a1", warrant.Approve, p, at.Add(time.Hour))
		w.Seal(x, at.Add(day))
		if err := verify(w, x); !errors.Is(err, warrant.ErrDigest) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
	w.Vote(x, "per_a1", warrant.Deny, w.Key("per_a1", chartertest.RP).Vote(warrant.Deny, text.Digest()), at.Add(time.Hour))
	w.Seal(x, at.Add(day))
	want(t, verify(w, x), warrant.ErrDenied)
}

func TestT28_LateVoteVoids(t *testing.T) {
	w := warranttest.New(at)
	text := w.Statement()
	x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
	w.Vote(x, "per_a1", warrant.Approve, w.Key("per_a1", chartertest.RP).Vote(warrant.Approve, text.Digest()), at.Add(7*day+time.Second))
	w.Seal(x, at.Add(8*day))
	want(t, verify(w, x), warrant.ErrVoteTime)
}

func TestT06_MisbehavingAssertions(t *testing.T) {
	digest := [32]byte{1}
	rp := warrant.RelyingParty{Origins: []warrant.Origin{{URL: "https://a.example", RP: "a.example"}, {URL: "http://localhost", RP: "localhost", Independent: true}}}
	for _, make := range []func(string, string) *warranttest.Passkey{warranttest.NewES256, warranttest.NewEdDSA} {
		check := func(p *warranttest.Passkey) error {
			n := warranttest.Nonce()
			c, _ := warrant.VoteChallenge(n, warrant.Approve, digest)
			a := p.Assert(n, c)
			_, err := a.Verify(p.Key(true), rp, c)
			return err
		}
		p := make("a.example", "https://a.example")
		if err := check(p); err != nil {
			t.Fatal(err)
		}
		if err := check(make("localhost", "http://localhost:41234")); err != nil {
			t.Fatal("loopback port:", err)
		}
		for name, spoil := range map[string]func(p *warranttest.Passkey){
			"no user verification": func(p *warranttest.Passkey) { p.Flags = 0x01 },
			"no user presence":     func(p *warranttest.Passkey) { p.Flags = 0x04 },
			"other origin":         func(p *warranttest.Passkey) { p.Origin = "https://b.example" },
			"other scheme":         func(p *warranttest.Passkey) { p.Origin = "http://a.example" },
			"port":                 func(p *warranttest.Passkey) { p.Origin = "https://a.example:8443" },
			"other rp":             func(p *warranttest.Passkey) { p.RP = "b.example" },
			"frame":                func(p *warranttest.Passkey) { p.CrossOrigin = true },
			"registration":         func(p *warranttest.Passkey) { p.Type = "webauthn.create" },
			"backed up oddly":      func(p *warranttest.Passkey) { p.Flags = 0x15 },
		} {
			p := make("a.example", "https://a.example")
			spoil(p)
			if err := check(p); !errors.Is(err, warrant.ErrAssertion) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		n := warranttest.Nonce()
		c, _ := warrant.VoteChallenge(n, warrant.Approve, digest)
		a := p.Assert(n, c)
		a.Signature = bytes.Clone(a.Signature)
		a.Signature[len(a.Signature)-1] ^= 1
		_, err := a.Verify(p.Key(true), rp, c)
		want(t, err, warrant.ErrSignature)
		_, err = p.Vote(warrant.Approve, digest).Passkey.Verify(make("a.example", "").Key(true), rp, c)
		want(t, err, warrant.ErrUnknownKey)
	}
	w, x := good(t)
	_, err := warrant.Verify(*x, w.Charters(), warrant.LogView{Counter: func([]byte, int64) uint32 { return 99 }})
	want(t, err, warrant.ErrRewound)
}

func TestT42_AttestedVotesDoNotReachTheHardwareMinimum(t *testing.T) {
	w := warranttest.New(at)
	att := &warranttest.Attester{Name: "att-1", Key: w.F.Ed25519["attestation:att-1"]}
	run := func(edit func(*statement.Statement), a *warranttest.Attester) error {
		text := w.Statement(edit)
		x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
		for i, p := range []string{"per_a1", "per_a3", "per_a5"} {
			when := at.Add(time.Duration(i+1) * time.Hour)
			w.Vote(x, p, warrant.Approve, a.Attest(p, warrant.MethodTOTP, warrant.PurposeApprove, text.Digest(), when), when)
		}
		w.Seal(x, at.Add(day))
		return verify(w, x)
	}
	want(t, run(func(*statement.Statement) {}, att), warrant.ErrQuorum) // berlin
	if err := run(func(s *statement.Statement) { s.Copies = s.Copies[1:] }, att); err != nil {
		t.Fatal("at a site with totp yes they count:", err)
	}
	forged := warranttest.NewAttester("att-1")
	want(t, run(func(*statement.Statement) {}, forged), warrant.ErrSignature)
	undo := func(s *statement.Statement) {
		s.Action, s.Selection, s.Copies, s.Volumes = statement.ShortenUndo, "", nil, nil
		s.Subjects = []statement.Subject{{Kind: "volume", ID: "vol_1", Name: "Files"}}
		s.Facts = []statement.Fact{statement.DurationFact("from", 14*day), statement.DurationFact("to", day)}
	}
	want(t, run(undo, att), warrant.ErrTOTP)
}

func TestRequesterWithoutAnOldPasskeyCostsOneMore(t *testing.T) {
	w := warranttest.New(at)
	text := w.Statement(func(s *statement.Statement) {
		s.Copies[0].Last, s.Copies[1].Last = statement.NotLast, statement.NotLast
	})
	att := &warranttest.Attester{Name: "att-1", Key: w.F.Ed25519["attestation:att-1"]}
	young := warranttest.NewES256(chartertest.RP, chartertest.Origin)
	enrolled := w.Enrol("per_m1", young, at.Add(-day))
	for name, c := range map[string]struct {
		p warrant.Proof
		e *warrant.Enrolment
		n int
	}{
		"old passkey":   {w.Member.Confirm(text.Digest()), w.Enrolled, 2},
		"young passkey": {young.Confirm(text.Digest()), enrolled, 3},
		"one-time code": {att.Attest("per_m1", warrant.MethodTOTP, warrant.PurposeConfirm, text.Digest(), at), nil, 3},
	} {
		for n := 2; n <= 3; n++ {
			x := w.Open(text, c.p, c.e)
			for i, a := range []string{"per_a1", "per_a3", "per_a5"}[:n] {
				w.Vote(x, a, warrant.Approve, w.Key(a, chartertest.IndependentRP).Vote(warrant.Approve, text.Digest()), at.Add(time.Duration(i+1)*time.Hour))
			}
			w.Seal(x, at.Add(day))
			if err := verify(w, x); (err == nil) != (n >= c.n) {
				t.Fatalf("%s with %d approvals: %v", name, n, err)
			}
		}
	}
}

func TestT45_TooFewWitnessesOrAMovedLeaf(t *testing.T) {
	w, x := good(t)
	y := *x
	y.Checkpoint = w.Checkpoint(at.Add(day), none...)
	want(t, verify(w, &y), warrant.ErrWitnesses)
	_, err := warrant.Verify(*x, warrant.Charters{Named: w.F.Charter, Newest: w.F.Charter}, warrant.LogView{Consistent: func(c checkpoint) error { return errors.New("fork") }})
	want(t, err, warrant.ErrLog)
	z := *x
	z.Votes = slices.Clone(x.Votes)
	z.Votes[0].Record.Index++
	want(t, verify(w, &z), warrant.ErrLog)
}
