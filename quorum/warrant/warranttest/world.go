package warranttest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/charter/chartertest"
	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
)

// Day is 24 hours.
const Day = 24 * time.Hour

// World is an installation in memory: a charter with its keys, a member with an old passkey, a log with its witnesses.
type World struct {
	F *chartertest.Fixture
	// At is when requests are opened; the charter is 60 days older.
	At time.Time
	// Member is the requester's passkey; Enrolled shows it in the log.
	Member   *Passkey
	Enrolled *warrant.Enrolment

	entries  []audit.Entry
	hashes   memory
	passkeys map[string]*Passkey
}

type memory []audit.Hash

func (m memory) ReadHashes(_ context.Context, indexes []int64) ([]audit.Hash, error) {
	out := make([]audit.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = m[x]
	}
	return out, nil
}

// New makes a world.
func New(at time.Time) *World {
	w := &World{F: chartertest.New(at.Add(-60 * Day)), At: at, passkeys: map[string]*Passkey{},
		Member: NewES256(chartertest.RP, chartertest.Origin)}
	w.Enrolled = w.Enrol("per_m1", w.Member, at.Add(-30*Day))
	return w
}

// Enrol logs a member's passkey.
func (w *World) Enrol(person string, p *Passkey, at time.Time) *warrant.Enrolment {
	e := &warrant.Enrolment{Person: person, CredentialID: p.ID, RP: p.RP, COSE: p.COSE()}
	body, err := warrant.EnrolmentBody(*e)
	must(err)
	e.Record = w.Append(audit.KindFactorEnrolled, at, body)
	return e
}

// Key is an approver's passkey for one RP id, with the origin that goes with it.
func (w *World) Key(person, rp string) *Passkey {
	if p, ok := w.passkeys[person+rp]; ok {
		return p
	}
	a, ok := w.F.Charter.Approver(person)
	if !ok {
		panic("warranttest: no approver " + person)
	}
	origin := chartertest.Origin
	if rp == chartertest.IndependentRP {
		origin = chartertest.IndependentOrigin
	}
	for _, k := range a.Keys {
		if k.RP == rp {
			p := FromECDSA(k.CredentialID, k.PublicKey, rp, origin, w.F.Passkeys[charter.PasskeyID(k.CredentialID)])
			w.passkeys[person+rp] = p
			return p
		}
	}
	panic("warranttest: no key of " + person)
}

// Append puts a body into the log. The record's proof is made by Seal.
func (w *World) Append(kind audit.Kind, at time.Time, body []byte) warrant.Record {
	e, err := (audit.Draft{Kind: kind, At: at, Tenant: "ten_1", Body: body}).Enter(int64(len(w.entries)), rand.Reader)
	must(err)
	_, hashes, err := audit.NewHashes(context.Background(), e.Index, e.Leaf, w.hashes)
	must(err)
	w.hashes = append(w.hashes, hashes...)
	w.entries = append(w.entries, e)
	return warrant.Record{Index: e.Index, Leaf: e.Leaf, Salt: e.Salt}
}

// Size is the number of leaves.
func (w *World) Size() int64 { return int64(len(w.entries)) }

// Prove fills a record's path to the log as it is now.
func (w *World) Prove(r *warrant.Record) {
	h, err := audit.ProveInclusion(context.Background(), w.Size(), r.Index, w.hashes)
	must(err)
	r.Hashes = h
}

// Checkpoint signs the log as it is now, cosigned by the named witnesses; none means all.
func (w *World) Checkpoint(at time.Time, witnesses ...string) []byte {
	root, err := audit.Root(context.Background(), w.Size(), w.hashes)
	must(err)
	c := audit.Checkpoint{Origin: w.F.Charter.Log.ID, Size: w.Size(), Root: root}
	signed, err := w.signer("log:", c.Origin).SignCheckpoint(c, at)
	must(err)
	if witnesses == nil {
		for _, k := range w.F.Charter.WitnessKeys {
			witnesses = append(witnesses, k.Name)
		}
	}
	for _, n := range witnesses {
		line, err := w.signer("witness:", n).Cosign(c, at)
		must(err)
		signed = audit.Attach(signed, line)
	}
	return signed
}

func (w *World) signer(kind, name string) *audit.Signer {
	s, err := audit.NewSigner(name, ed25519.PrivateKey(w.F.Ed25519[kind+name]))
	must(err)
	return s
}

// Statement is a deletion of one old snapshot at both sites, changed by the edits.
func (w *World) Statement(edit ...func(*statement.Statement)) statement.Text {
	member := statement.Party{Kind: statement.Member, ID: "per_m1", Name: "Mia Member"}
	taken := w.At.Add(-50 * Day)
	d := sha256.Sum256([]byte("snapshot"))
	s := statement.Statement{
		Action: statement.DeleteCopies, Request: "req_1", Tenant: statement.Tenant{ID: "ten_1", Name: "Tenant"},
		Charter:   statement.Charter{Number: w.F.Charter.Number, Hash: charter.Hash(w.F.Text())},
		Selection: statement.ByHand, Reason: "no longer needed", Requester: member, OpenedBy: member,
		OpenedAt: w.At, VoteUntil: w.At.Add(7 * Day), ExecuteUntil: w.At.Add(30 * Day),
		Volumes: []statement.Volume{{ID: "vol_1", Name: "Files", NewestLeft: "snp_9", NewestLeftAt: w.At.Add(-20 * Day)}},
		Copies: []statement.Copy{
			{Site: "berlin", Volume: "vol_1", Snapshot: "snp_1", TakenAt: taken, Digest: d, Bytes: 1000, Files: 10, Last: statement.LastCopy},
			{Site: "primary", Volume: "vol_1", Snapshot: "snp_1", TakenAt: taken, Digest: d, Bytes: 1000, Files: 10, Last: statement.LastCopy},
		},
	}
	for _, e := range edit {
		e(&s)
	}
	t, err := s.Render()
	must(err)
	return t
}

// Open begins a warrant: the requester confirms, the opening is logged.
func (w *World) Open(text statement.Text, confirm warrant.Proof, e *warrant.Enrolment) *warrant.Warrant {
	s, err := statement.Parse(text)
	must(err)
	x := &warrant.Warrant{Statement: text, CharterNumber: s.Charter.Number, CharterHash: s.Charter.Hash, Confirm: confirm, Enrolment: e}
	body, err := warrant.OpeningBody(s.Request, text.Digest(), confirm)
	must(err)
	x.Opening = w.Append(audit.KindRequestOpened, s.OpenedAt.Add(time.Minute), body)
	return x
}

// Vote logs a vote and adds it to the warrant.
func (w *World) Vote(x *warrant.Warrant, person string, d warrant.Decision, p warrant.Proof, at time.Time) {
	s, err := statement.Parse(x.Statement)
	must(err)
	b := warrant.Ballot{Person: person, Decision: d, Proof: p}
	body, err := warrant.VoteBody(s.Request, sha256.Sum256(x.Statement), b)
	must(err)
	b.Record = w.Append(audit.KindRequestVoted, at, body)
	x.Votes = append(x.Votes, b)
}

// Seal proves every record in a checkpoint of now.
func (w *World) Seal(x *warrant.Warrant, at time.Time, witnesses ...string) {
	x.Checkpoint = w.Checkpoint(at, witnesses...)
	w.Prove(&x.Opening)
	if x.Enrolment != nil {
		e := *x.Enrolment
		w.Prove(&e.Record)
		x.Enrolment = &e
	}
	for i := range x.Votes {
		w.Prove(&x.Votes[i].Record)
	}
}

// Warrant is a complete one: the member's passkey and independent votes of the approvers, in their order.
func (w *World) Warrant(text statement.Text, approvers ...string) *warrant.Warrant {
	x := w.Open(text, w.Member.Confirm(text.Digest()), w.Enrolled)
	for i, a := range approvers {
		p := w.Key(a, chartertest.IndependentRP).Vote(warrant.Approve, text.Digest())
		w.Vote(x, a, warrant.Approve, p, w.At.Add(time.Duration(i+1)*time.Hour))
	}
	w.Seal(x, w.At.Add(Day))
	return x
}

// Charters are the world's charter twice.
func (w *World) Charters() warrant.Charters {
	return warrant.Charters{Named: w.F.Charter, Newest: w.F.Charter}
}

// Due is when the warrant's cooling-off has ended everywhere, and a little more.
func (w *World) Due() time.Time { return w.At.Add(12 * Day) }

// Reading is a moment at which one outside clock agrees.
func Reading(at time.Time) clock.Reading {
	return clock.Reading{Wall: at, Boot: time.Hour, BootID: "boot", Process: "run", Outside: []clock.Outside{{Name: "ntp", Wall: at}}}
}

// Facts are those of a site at Due where nothing stands in the way of the tombstone.
func (w *World) Facts(v warrant.Verified, site string) warrant.SiteFacts {
	cooling, grace, err := v.Cooling(site)
	must(err)
	done := func(d time.Duration) clock.Timer { return clock.Timer{Need: d, Accrued: d, Last: Reading(w.Due())} }
	intent := w.Append(audit.KindRequestIntent, w.Due().Add(-time.Minute), []byte("intent"))
	keys, err := warrant.Keys(w.F.Charter)
	must(err)
	cp, err := keys.Open(w.Checkpoint(w.Due()))
	must(err)
	f := warrant.SiteFacts{Complete: true, Site: site, Stage: warrant.StageTombstone, Cooling: done(cooling), CoolingEnded: w.Due().Add(-time.Hour),
		Grace: done(grace), Checkpoint: cp, Replayed: cp.Size, Intent: intent.Index, HoldersPast: true,
		Points: []warrant.RestorePoint{{Volume: "vol_1", Snapshot: "snp_9", TakenAt: w.At.Add(-20 * Day), Sealed: true, Proven: true}}}
	s := v.Statement()
	for _, c := range s.At(site) {
		f.Inventory = append(f.Inventory, warrant.Holding{Volume: c.Volume, Snapshot: c.Snapshot, Digest: c.Digest, TakenAt: c.TakenAt, Bytes: c.Bytes, Files: c.Files})
	}
	if st, _ := w.F.Charter.Site(site); st.Role == charter.Independent {
		f.ReleaseNonce = Nonce()
		person := v.Approvers()[0]
		f.Release = &warrant.Release{Person: person, Passkey: w.Key(person, chartertest.IndependentRP).Release(f.ReleaseNonce, v.Digest())}
	}
	return f
}
