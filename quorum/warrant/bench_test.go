package warrant_test

import (
	"testing"

	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/quorum/warrant/warranttest"
)

// BenchmarkCheckVote verifies one passkey vote (P-256) against the charter, as when it is cast.
func BenchmarkCheckVote(b *testing.B) {
	w, x := bench(b)
	v := x.Votes[0]
	digest := statement.Text(x.Statement).Digest()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := warrant.CheckVote(w.F.Charter, v.Person, *v.Proof.Passkey, v.Decision, digest); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify is the stranger's check of a whole warrant: statement, requester's proof, three votes, inclusion of
// each in a checkpoint, its signature and cosignatures, and the quorum of both charters.
func BenchmarkVerify(b *testing.B) {
	w, x := bench(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := warrant.Verify(*x, w.Charters(), warrant.LogView{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyBytes is the same from the warrant's file on, parsing included.
func BenchmarkVerifyBytes(b *testing.B) {
	w, x := bench(b)
	text, err := x.Render()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		x, err := warrant.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := warrant.Verify(x, w.Charters(), warrant.LogView{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAuthorise is a site's decision over a verified warrant and its own facts.
func BenchmarkAuthorise(b *testing.B) {
	w, x := bench(b)
	v, err := warrant.Verify(*x, w.Charters(), warrant.LogView{})
	if err != nil {
		b.Fatal(err)
	}
	facts, now := w.Facts(v, "berlin"), warranttest.Reading(w.Due())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := warrant.Authorise(v, facts, now); err != nil {
			b.Fatal(err)
		}
	}
}

func bench(b *testing.B) (*warranttest.World, *warrant.Warrant) {
	b.Helper()
	w := warranttest.New(at)
	return w, w.Warrant(w.Statement(), "per_a1", "per_a3", "per_a5")
}
